"""GPUs by name, for other machines: ``--gpu "RTX 4090"``, ``--gpu 2xA6000``."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from quantpick.core.gpu import Gpu
from quantpick.core.units import GIB, MIB, format_gib
from quantpick.errors import UsageError

_COUNTED: Final = (
    re.compile(r"(?P<count>\d{1,2})\s*[x×*]\s*(?P<name>\S.*)", re.IGNORECASE),
    re.compile(r"(?P<name>.*\S)\s*[x×*]\s*(?P<count>\d{1,2})", re.IGNORECASE),
)
"""``2x3090`` and ``3090x2``."""
_FILLER = re.compile(
    r"nvidia|geforce|tesla|quadro|generation|(workstation|server) edition|gpu|sxm\d?|pcie|hbm\d?e?|\s|-|_"
)
_MEMORY = re.compile(r" \d+GB$")
_STATED: Final = re.compile(r"(?P<name>.*?)[\s(\[_-]+(?P<gb>\d{1,3})\s*Gi?B?[)\]]?", re.IGNORECASE)
"""A name followed by the memory."""

_OTHER_MAKERS: Final = {
    "AMD": re.compile(
        r"amd|radeon|instinct|rx\d{3,4}|[679]\d{3}(xtx?|gre|m)?$|mi\d{2,3}x?|w[67]\d00|(ryzen)?aimax|strixhalo"
    ),
    "Apple": re.compile(r"apple|m[1-9](pro|max|ultra)?$|mac"),
    "Intel": re.compile(r"intel|arc|a(310|380|580|750|770)|b(570|580)"),
}
"""How names of other makers' GPUs begin, in the form of `_key`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """A row of ``gpus.toml``."""

    name: str
    total_bytes: int
    compute_capability: float
    other_names: tuple[str, ...]

    @property
    def bare_name(self) -> str:
        """The name without the memory; several GPUs may share it."""
        return _MEMORY.sub("", self.name)

    def memory_is(self, gigabytes: int) -> bool:
        """Whether the maker sells it with this many GB; the driver keeps up to an eighth of them."""
        return 0.85 * gigabytes * GIB < self.total_bytes <= 1.02 * gigabytes * GIB


def named_gpus(text: str) -> tuple[Gpu, ...]:
    """The GPUs in a comma-separated list of names, each optionally with a count; all their memory is free.

    Raises:
        UsageError: a name is not in ``gpus.toml``; the hint names the nearest.

    >>> [gpu.name for gpu in named_gpus("2xA6000, rtx-4090")]
    ['RTX A6000', 'RTX A6000', 'GeForce RTX 4090']
    """
    found = [card for name, count in _items(text) for card in [_find(name)] * count]
    if not found:
        raise UsageError("`--gpu` does not name a GPU")
    return tuple(
        Gpu(
            index=index,
            name=card.name,
            total_bytes=card.total_bytes,
            free_bytes=card.total_bytes,
            compute_capability=card.compute_capability,
        )
        for index, card in enumerate(found)
    )


def assumed_memories(text: str) -> tuple[str, ...]:
    """For each name in such a list that several GPUs share, a sentence on which was assumed.

    >>> assumed_memories("RTX 4090, 3060")
    ('`3060` is taken to be the GeForce RTX 3060 12GB; there is the GeForce RTX 3060 8GB (8.00 GiB) too',)
    """
    sentences = []
    for name in dict.fromkeys(name for name, _ in _items(text)):
        taken = _find(name)
        others = [card for card in _rows() if card.bare_name == taken.bare_name and card != taken]
        if others and _key(name) in _spellings(taken.bare_name):
            also = " and ".join(f"the {card.name} ({format_gib(card.total_bytes)})" for card in others)
            sentences.append(f"`{name}` is taken to be the {taken.name}; there is {also} too")
    return tuple(sentences)


def _items(text: str) -> list[tuple[str, int]]:
    """The names of a list, each with its count."""
    items = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        counted = next((found for form in _COUNTED if (found := form.fullmatch(item))), None)
        plain = counted is None or _key(item) in _known()
        items.append((item, 1) if plain or counted is None else (counted["name"], int(counted["count"])))
    return items


def _find(name: str) -> _Known:
    known, key = _known(), _key(name)
    if key in known:
        return known[key]
    stated = _STATED.fullmatch(name)
    for maker, beginning in _OTHER_MAKERS.items():
        if beginning.match(_key(stated["name"]) if stated else key):
            raise UsageError(
                f"`{name}` is a GPU of {maker}'s: quantpick knows the memory and the loaders of NVIDIA's only",
                hint="its memory alone can be judged, not whether the loader runs on it: "
                f"--vram {stated['gb'] if stated else 24}GiB",
            )
    if stated and _key(stated["name"]) in known:
        card = known[_key(stated["name"])]
        if card.memory_is(int(stated["gb"])):
            return card
        raise UsageError(
            f"no {card.bare_name} with {stated['gb']} GB is known",
            hint=f'--gpu "{card.name}" has {format_gib(card.total_bytes)}; or --vram {stated["gb"]}GiB',
        )
    raise UsageError(f"no known GPU is called `{name}`", hint=_hint(name, known))


def _key(name: str) -> str:
    """A name without what people leave out: maker, brand, form, blanks, hyphens, case.

    >>> _key("NVIDIA GeForce RTX™ 3060 12GB"), _key("3060-12gb"), _key("NVIDIA A100-SXM4-80GB"), _key("A100 80G")
    ('rtx306012gb', '306012gb', 'a10080gb', 'a10080gb')
    """
    plain = re.sub(r"[™®]|\((?:r|tm)\)", " ", name.lower().replace("mobile", "laptop"))
    return _FILLER.sub("", re.sub(r"(\d)\s*gi?b?\b", r"\1gb", plain))


def _spellings(name: str) -> Sequence[str]:
    """The keys of a name: with and without its RTX or GTX."""
    return _key(name), re.sub("^[rg]tx", "", _key(name))


@cache
def _rows() -> Sequence[_Known]:
    sections = tomllib.loads(Path(__file__).with_name("gpus.toml").read_text(encoding="utf-8"))
    return [
        _Known(name=name, total_bytes=mib * MIB, compute_capability=capability, other_names=tuple(others))
        for rows in sections.values()
        for name, (mib, capability, *others) in rows.items()
    ]


@cache
def _known() -> Mapping[str, _Known]:
    """The known GPUs by every spelling."""
    spellings: dict[str, _Known] = {}
    for card in _rows():
        for name in (card.name, *card.other_names):
            for key in _spellings(name):
                spellings.setdefault(key, card)
    return spellings


def _hint(name: str, known: Mapping[str, _Known]) -> str:
    from difflib import get_close_matches

    near = list(dict.fromkeys(known[key].name for key in get_close_matches(_key(name), known, n=3)))
    say = " or ".join(f'--gpu "{candidate}"' for candidate in near)
    return f"did you mean {say}?" if near else "give its memory instead: --vram 24GiB --gpu-capability 8.9"
