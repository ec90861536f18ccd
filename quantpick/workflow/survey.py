"""The branch table of a repo, or of a saved card."""

import json
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Final

from quantpick.core import defaults
from quantpick.core.branches import table as branch_table
from quantpick.core.branches.config import ConfigFacts, read_config
from quantpick.core.branches.shaped import with_losses, with_shapes
from quantpick.core.branches.table import BranchTable
from quantpick.core.card.read import read_card
from quantpick.core.gguf.losses import parse_losses
from quantpick.core.gguf.sets import find_set, find_sets
from quantpick.core.memory.assume import parse_shapes
from quantpick.core.units import is_number
from quantpick.errors import NotFoundError, UsageError
from quantpick.workflow.arguments import StrPath, checked
from quantpick.workflow.choice import shown, target
from quantpick.workflow.data import core_data
from quantpick.workflow.facts import find_facts

STDIN: Final = "-"
"""The file name that means stdin."""

MAX_FILE_BYTES: Final = 8 * 2**20
"""A card or config larger than this is not read; the largest real cards are under 1 MB."""


@checked
def list_branches(
    repo: str | None = None,
    *,
    token: str | bool | None = None,
    offline: bool = False,
    timeout_s: float = defaults.TIMEOUT_S,
    card: StrPath | None = None,
    config: StrPath | None = None,
) -> BranchTable:
    """The branches of a repo and what each holds.

    Args:
        repo: ``owner/name``, ``owner/name:branch``, or an address of the Hub; with a card, the repo it belongs to.
        token: a token for the Hub instead of the stored login; False sends none.
        offline: answer from what earlier calls cached.
        timeout_s: seconds that the Hub may take for the whole answer, above 0.
        card: a saved model card (the path of a file, ``-`` for stdin), read instead of asking the Hub.
        config: a saved ``config.json`` that gives the model's shape, with a card. Without it the shape is assumed from
            the model's name and sizes, and a warning says so.

    Raises:
        UsageError: neither repo nor card, or a bad time limit.
        NotFoundError: no such repo, branch or file, or no quantized branch in it.
        AccessError: the repo is gated or private.
        HubError: the Hub cannot be reached; or offline, and something is not cached.
    """
    table = read_table(repo, token=token, offline=offline, timeout_s=timeout_s, card=card, config=config)
    return shaped(with_rows(table))


def read_table(
    repo: str | None,
    *,
    token: str | bool | None,
    offline: bool,
    timeout_s: float,
    card: StrPath | None,
    config: StrPath | None,
) -> BranchTable:
    """The table as it was read: without assumed shapes, and perhaps without rows."""
    if not is_number(timeout_s, defaults.LONGEST_S):
        raise UsageError(f"a time of {shown(timeout_s)} s: it must be above 0")
    return _table_of_repo(repo, token, offline, timeout_s) if card is None else _table_of_card(repo, Path(card), config)


def with_rows(table: BranchTable) -> BranchTable:
    """The table, if it has rows.

    Raises:
        NotFoundError: it has none.
    """
    if not table.branches:
        why = "; ".join(f"`{skipped.branch}`: {skipped.reason}" for skipped in table.skipped[:3])
        elsewhere = f"quantpick recommend {table.repo_id} --family looks in other repos of the model"
        hint = _where_else(table) or (elsewhere if table.family is None else None)
        raise NotFoundError(f"nothing quantized in `{table.repo_id}` ({why})", hint=hint)
    return table


def shaped(table: BranchTable) -> BranchTable:
    """The table, with assumed shapes for branches without one, and the losses of GGUF types."""
    if any(row.files is not None for row in table.branches):
        table = with_losses(table, parse_losses(core_data("gguf/losses.toml")))
    return with_shapes(table, parse_shapes(core_data("memory/known_shapes.toml")))


def _table_of_repo(repo: str | None, token: str | bool | None, offline: bool, timeout_s: float) -> BranchTable:
    if repo is None:
        raise UsageError("no repo", hint="quantpick recommend OWNER/NAME, or --card README.md for a saved model card")
    facts, file = find_facts(target(repo), token=token, offline=offline, timeout_s=timeout_s)
    table = branch_table.table_from_repo(facts)
    if file is not None:
        wanted = find_set(find_sets(facts.branches[0].files), file)
        rows = [row for row in table.branches if wanted and row.files and row.files.paths == wanted.paths]
        skipped = [one for one in table.skipped if wanted and one.branch == wanted.name]
        table = replace(table, branches=tuple(rows), skipped=tuple(skipped))
    return table


def _table_of_card(repo: str | None, path: Path, config: StrPath | None) -> BranchTable:
    if repo is not None and target(repo).revision is not None:
        raise UsageError("a card is read as a whole: name the repo without a branch")
    facts = None if config is None else _read_config_file(Path(config))
    repo_id = None if repo is None else target(repo).repo_id
    text = _read_text(path, "card")
    table = branch_table.table_from_card(read_card(text, repo_id=repo_id), facts)
    if not table.branches:
        other = read_card(text).repo_id
        if repo_id is not None and other is not None and other.lower() != repo_id.lower():
            raise NotFoundError(f"`{path}` is the card of `{other}`, not of `{repo_id}`", hint="leave the repo out")
        raise NotFoundError(
            f"no branch table in `{path}`",
            hint=_where_else(table) or "is it the card of a repo with one branch per quantization?",
        )
    return table


def _read_text(path: Path, what: str) -> str:
    """The text of a file that a user named, or of stdin.

    Raises:
        NotFoundError: there is no such file, or it is not text.
    """
    try:
        with nullcontext(sys.stdin.buffer) if str(path) == STDIN else path.open("rb") as source:
            content = source.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise NotFoundError(f"`{path}` is larger than {MAX_FILE_BYTES} bytes: not a {what}")
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise NotFoundError(f"`{path}` is not UTF-8 text: not a {what}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise NotFoundError(f"cannot read the {what} `{path}`: {reason}") from error


def _read_config_file(path: Path) -> ConfigFacts:
    try:
        document = json.loads(_read_text(path, "config"))
    except (json.JSONDecodeError, RecursionError) as error:
        raise NotFoundError(f"`{path}` is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise NotFoundError(f"`{path}` is not a JSON object, so not a config.json")
    return read_config(document)


def _where_else(table: BranchTable) -> str | None:
    if not table.siblings:
        return None
    return "the card names " + ", ".join(sibling.repo_id for sibling in table.siblings[:4])
