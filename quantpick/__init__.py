"""Pick the quantization branch of a Hugging Face repo that fits a GPU and a loader.

This is the Python API; everything else is an implementation detail. Names are loaded on first use: the command line
starts without those it does not need.

>>> from quantpick import ModelShape, QuantSpec, estimate_vram
>>> spec = QuantSpec("gptq", 4, 128)
>>> shape = ModelShape(40, 5120, 40, 40, 128, 13824, 32000)
>>> estimate_vram(spec, shape, loader="exllamav2", context_tokens=4096).kv_cache_bytes
3355443200
"""

from quantpick import _program  # noqa: F401 - before all others: it looks after their names, and after signals

# isort: split
from importlib import import_module
from typing import TYPE_CHECKING, Any

from quantpick._version import VERSION as __version__

if TYPE_CHECKING:
    from quantpick.core.branches.table import BranchTable as BranchTable
    from quantpick.core.choose.fit import Fit as Fit
    from quantpick.core.choose.recommend import Advice as Advice
    from quantpick.core.choose.recommend import Recommendation as Recommendation
    from quantpick.core.choose.verdict import Choice as Choice
    from quantpick.core.choose.wish import Headroom as Headroom
    from quantpick.core.choose.wish import Wish as Wish
    from quantpick.core.gpu import Gpu as Gpu
    from quantpick.core.memory.engine import ServerSettings as ServerSettings
    from quantpick.core.memory.estimate import VramEstimate as VramEstimate
    from quantpick.core.outcome import DownloadResult as DownloadResult
    from quantpick.core.outcome import VerifyReport as VerifyReport
    from quantpick.core.quant import (
        Branch as Branch,
    )
    from quantpick.core.quant import (
        BranchWarning as BranchWarning,
    )
    from quantpick.core.quant import (
        QuantSpec as QuantSpec,
    )
    from quantpick.core.quant import (
        Reason as Reason,
    )
    from quantpick.core.shape import ModelShape as ModelShape
    from quantpick.core.transfer_options import TransferOptions as TransferOptions
    from quantpick.errors import (
        AccessError as AccessError,
    )
    from quantpick.errors import (
        DamagedError as DamagedError,
    )
    from quantpick.errors import (
        DiskError as DiskError,
    )
    from quantpick.errors import (
        HubError as HubError,
    )
    from quantpick.errors import (
        NotFoundError as NotFoundError,
    )
    from quantpick.errors import (
        NothingFitsError as NothingFitsError,
    )
    from quantpick.errors import (
        QuantpickError as QuantpickError,
    )
    from quantpick.errors import (
        TransferError as TransferError,
    )
    from quantpick.errors import (
        UsageError as UsageError,
    )
    from quantpick.workflow.choice import detect_gpus as detect_gpus
    from quantpick.workflow.download import download as download
    from quantpick.workflow.estimate import estimate_vram as estimate_vram
    from quantpick.workflow.recommend import recommend as recommend
    from quantpick.workflow.survey import list_branches as list_branches
    from quantpick.workflow.verify import verify as verify

_HOME = {
    "Branch": "quantpick.core.quant",
    "BranchWarning": "quantpick.core.quant",
    "QuantSpec": "quantpick.core.quant",
    "Reason": "quantpick.core.quant",
    "Advice": "quantpick.core.choose.recommend",
    "Wish": "quantpick.core.choose.wish",
    "Fit": "quantpick.core.choose.fit",
    "Headroom": "quantpick.core.choose.wish",
    "Gpu": "quantpick.core.gpu",
    "ServerSettings": "quantpick.core.memory.engine",
    "VramEstimate": "quantpick.core.memory.estimate",
    "BranchTable": "quantpick.core.branches.table",
    "Choice": "quantpick.core.choose.verdict",
    "Recommendation": "quantpick.core.choose.recommend",
    "ModelShape": "quantpick.core.shape",
    "TransferOptions": "quantpick.core.transfer_options",
    "AccessError": "quantpick.errors",
    "HubError": "quantpick.errors",
    "NotFoundError": "quantpick.errors",
    "DamagedError": "quantpick.errors",
    "DiskError": "quantpick.errors",
    "NothingFitsError": "quantpick.errors",
    "TransferError": "quantpick.errors",
    "QuantpickError": "quantpick.errors",
    "UsageError": "quantpick.errors",
    "DownloadResult": "quantpick.core.outcome",
    "VerifyReport": "quantpick.core.outcome",
    "detect_gpus": "quantpick.workflow.choice",
    "download": "quantpick.workflow.download",
    "verify": "quantpick.workflow.verify",
    "estimate_vram": "quantpick.workflow.estimate",
    "list_branches": "quantpick.workflow.survey",
    "recommend": "quantpick.workflow.recommend",
}

__all__ = [*sorted(_HOME), "__version__"]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name is
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
