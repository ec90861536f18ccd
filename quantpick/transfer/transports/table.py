"""The transports there are. To add one is a row here and its name in ``core/transfer_options.py``."""

from typing import Final

from quantpick.core.units import MIB
from quantpick.transfer.transports import hf_transfer
from quantpick.transfer.transports.job import Transport
from quantpick.transfer.transports.ranged import fetch_ranges

_ROWS: Final = (
    Transport(
        "hf_transfer",
        hf_transfer.fetch_chunks,
        unable=hf_transfer.why_unable,
        suits=hf_transfer.suits,
        worth_bytes=32 * MIB,  # chosen: less than this is there before a child process has started
    ),
    Transport("range", fetch_ranges),
)
"""In the order in which `auto` prefers them; the last brings whatever the others leave."""

TRANSPORTS: Final = {row.name: row for row in _ROWS}
LAST_RESORT: Final = _ROWS[-1]
