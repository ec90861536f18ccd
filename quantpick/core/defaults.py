"""What holds where nothing is said: each default once, for the command line, the Python API and the documentation."""

from typing import Final

CONTEXT_TOKENS: Final = 4096
"""Tokens of context; chosen: what the Llama 2 family was made for, and enough for a chat."""

HEADROOM_FRACTION: Final = 0.01
"""VRAM left alone on each GPU, a share: what a desktop or a driver takes meanwhile. Not measured: a choice, and an
option. What torch's allocator needs is part of the estimate."""

CONNECTIONS: Final = 16
"""Connections per file."""

RETRY_FOR_S: Final = 300.0
"""Seconds without a byte after which a download gives up; chosen."""

MAX_CONTEXT_TOKENS: Final = 2**30
"""The longest context that can be asked for; beyond every model's, and small enough to reckon with."""

MAX_BATCH: Final = 2**16
"""The most sequences at once that can be asked for."""

TIMEOUT_S: Final = 120.0
"""Seconds for all questions about one repo together; chosen so that 200 branches arrive at 64 kB/s."""

LONGEST_S: Final = 1e12
"""The most seconds that can be waited for; beyond anybody's life, and small enough to reckon with."""
