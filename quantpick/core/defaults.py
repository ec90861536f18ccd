"""Defaults and limits, each in one place for the command line, the Python API and the documentation."""

from typing import Final

CONTEXT_TOKENS: Final = 4096
"""Tokens of context; chosen: what the Llama 2 family was made for, and enough for a chat."""

HEADROOM_FRACTION: Final = 0.01
"""Share of VRAM left alone on each GPU, for what a desktop or driver takes meanwhile. Chosen, not measured. What
torch's allocator needs is part of the estimate."""

CONNECTIONS: Final = 16
"""Connections per file."""

RETRY_FOR_S: Final = 300.0
"""Seconds without a byte after which a download gives up; chosen."""

MAX_CONTEXT_TOKENS: Final = 2**30
"""The longest context that can be asked for: beyond every model's, and small enough to compute with."""

MAX_BATCH: Final = 2**16
"""The most sequences at once that can be asked for."""

TIMEOUT_S: Final = 120.0
"""Seconds for all requests about one repo. Chosen: 200 branches arrive in time at 64 kB/s."""

LONGEST_S: Final = 1e12
"""The longest wait that can be asked for, in seconds: beyond a lifetime, and small enough to compute with."""
