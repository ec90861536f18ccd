"""GPUs by name, for a machine that is not here: ``--gpu "RTX 4090"``, ``--gpu 2xA6000``."""

import re
import tomllib
from pathlib import Path

from quantpick.core.gpu import Gpu
from quantpick.core.units import MIB
from quantpick.errors import UsageError

_COUNT = re.compile(r"(\d{1,2})\s*[xX]\s*(?=\D)")
_MAKER = re.compile(r"nvidia|geforce|tesla|quadro|\s|-|_")


def named_gpus(text: str) -> tuple[Gpu, ...]:
    """The GPUs in a comma-separated list of names, each optionally behind a count; nobody holds memory on them.

    Raises:
        UsageError: a name is not in ``gpus.toml``; the hint names the nearest.

    >>> [gpu.name for gpu in named_gpus("2xA6000, rtx-4090")]
    ['RTX A6000', 'RTX A6000', 'GeForce RTX 4090']
    """
    known = _known()
    found: list[tuple[str, int, float]] = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        count = _COUNT.match(item)
        name = item[count.end() :] if count else item
        if _key(name) not in known:
            raise UsageError(f"no known GPU is called `{name}`", hint=_hint(name, known))
        found += [known[_key(name)]] * (int(count[1]) if count else 1)
    if not found:
        raise UsageError("`--gpu` names no GPU")
    return tuple(
        Gpu(index=index, name=name, total_bytes=size, free_bytes=size, compute_capability=capability)
        for index, (name, size, capability) in enumerate(found)
    )


def _key(name: str) -> str:
    """A name without what people leave out: maker, brand, blanks, hyphens, case.

    >>> _key("NVIDIA GeForce RTX 3060 12GB"), _key("3060-12gb")
    ('rtx306012gb', '306012gb')
    """
    return _MAKER.sub("", name.lower())


def _known() -> dict[str, tuple[str, int, float]]:
    """Every way to spell a known card: with and without the RTX or GTX of its name."""
    rows = tomllib.loads(Path(__file__).with_name("gpus.toml").read_text(encoding="utf-8"))["gpus"]
    spellings: dict[str, tuple[str, int, float]] = {}
    for name, (mib, capability, *others) in rows.items():
        for spelling in (name, *others):
            for key in (_key(spelling), re.sub("^[rg]tx", "", _key(spelling))):
                spellings.setdefault(key, (name, mib * MIB, capability))
    return spellings


def _hint(name: str, known: dict[str, tuple[str, int, float]]) -> str:
    from difflib import get_close_matches

    near = list(dict.fromkeys(known[key][0] for key in get_close_matches(_key(name), known, n=3)))
    say = " or ".join(f'--gpu "{candidate}"' for candidate in near)
    return f"did you mean {say}?" if near else "give its memory instead: --vram 24GiB --gpu-capability 8.9"
