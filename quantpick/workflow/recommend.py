"""Which branch to run, for this machine and this wish."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Unpack

from quantpick.core import defaults
from quantpick.core.branches.table import BranchTable
from quantpick.core.choose.advice import advise
from quantpick.core.choose.occupied import foreign_process_warnings
from quantpick.core.choose.recommend import Recommendation
from quantpick.core.choose.recommend import recommend as judge
from quantpick.core.choose.wish import Wish
from quantpick.core.gpu import Gpu
from quantpick.core.quant import Branch, BranchWarning
from quantpick.errors import QuantpickError, UsageError
from quantpick.hardware.ram import ram
from quantpick.workflow.arguments import StrPath, checked
from quantpick.workflow.choice import WishWords, _detected, check_gpus, make_wish, target
from quantpick.workflow.family import seconds_left, with_family
from quantpick.workflow.launching import with_launch
from quantpick.workflow.loader import loader_table
from quantpick.workflow.survey import read_table, shaped, with_rows


@checked
def recommend(
    repo: str | None = None,
    *,
    wish: Wish | None = None,
    gpus: Sequence[Gpu] | None = None,
    token: str | bool | None = None,
    offline: bool = False,
    timeout_s: float = defaults.TIMEOUT_S,
    card: StrPath | None = None,
    config: StrPath | None = None,
    family: bool = False,
    mmproj: bool = False,
    **words: Unpack[WishWords],
) -> Recommendation:
    """Which branch to run, and why not the others. It is an answer, not an error, if nothing fits.

    The advice then says whether a quantization of the same model in another repo does.

    Args:
        repo: as in `list_branches`, and so are `token`, `offline`, `timeout_s`, `card` and `config`.
        wish: what to run, made by `make_wish`; None makes it from `words`.
        gpus: the GPUs to run on; None detects this machine's.
        token: see there.
        offline: see there.
        timeout_s: see there.
        card: see there.
        config: see there.
        family: whether to choose among the model's quantizations in other repos too: those that the card names and
            those that the Hub lists, at most twelve repos. Rows are then called ``owner/name:NAME``.
        mmproj: whether the mmproj file beside a set of GGUF files will be loaded too, which takes memory.
        words: what to run, if no wish is given. `loader`: ``NAME`` or ``NAME==VERSION``; by default or if None, the
            maintained loaders judge. `context_tokens`: at least 1, by default 4096; None is the model's own maximum.
            `kv_dtype`: ``fp16``, ``fp8``, ``q8``, ``q6``, ``q4``, or the loader's own spelling. `batch`: sequences at
            once, at least 1. `prefer`: ``quality``, ``speed`` (the smallest of at least 4 bits) or ``context`` (what
            leaves the most room). `vram_basis`: count the ``free`` memory, or the ``total``. `headroom`: VRAM to leave
            alone on each GPU. `allow_tight`: rank branches that fit only tightly like any other.

    Raises:
        UsageError: an unknown loader, version or KV type; a number out of bounds; no GPU found and none named.
        NotFoundError, AccessError, HubError: as in `list_branches`.
    """
    if wish is None:
        wish = make_wish(**words)
    elif words:
        raise UsageError(f"the wish says it all: not also {', '.join(sorted(words))}")
    wish = replace(wish, mmproj=wish.mmproj or mmproj)
    if repo is not None:
        target(repo)  # a malformed name is reported before a missing GPU
    machine, doubts = _detected() if gpus is None else (check_gpus(gpus), ())
    if family and card is not None:
        raise UsageError("a saved card has no family: name the repo instead")
    began = time.monotonic()
    read = read_table(repo, token=token, offline=offline, timeout_s=timeout_s, card=card, config=config)
    ask = partial(with_family, read, wish, token=token, offline=offline)
    if family:
        read = ask(timeout_s=seconds_left(timeout_s, began))
    answer = _judged(shaped(with_rows(read)), machine, wish, doubts)
    if gpus is None:
        answer = replace(answer, ram_free_bytes=ram().available_bytes)
    relatives: tuple[Branch, ...] = ()
    if answer.recommended is None and card is None and not family:
        with suppress(QuantpickError):
            relatives = shaped(ask(timeout_s=seconds_left(timeout_s, began))).branches
    return with_launch(replace(answer, advice=advise(answer, loader_table(), relatives)))


def _judged(table: BranchTable, machine: Sequence[Gpu], wish: Wish, doubts: Sequence[BranchWarning]) -> Recommendation:
    """The answer for a table's branches, with all warnings."""
    answer = judge(table.branches, machine, wish, loader_table())
    held = foreign_process_warnings(answer, table.branches, loader_table())
    return replace(
        answer,
        repo_id=table.repo_id,
        siblings=table.siblings,
        family=table.family,
        warnings=(*doubts, *table.warnings, *answer.warnings, *held),
    )
