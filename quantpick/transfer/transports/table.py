"""The transports there are. To add one is a row here and its name in ``core/transfer_options.py``."""

from typing import Final

from quantpick.transfer.transports import hf_transfer
from quantpick.transfer.transports.job import Transport
from quantpick.transfer.transports.ranged import fetch_ranges

_ROWS: Final = (
    Transport(
        "hf_transfer",
        hf_transfer.fetch_chunks,
        unable=hf_transfer.why_unable,
        suits=hf_transfer.suits,
        fetch_bulk=hf_transfer.fetch_bulk,
    ),
    Transport("range", fetch_ranges),
)
"""In the order in which `auto` asks them to bring the bulk."""

TRANSPORTS: Final = {row.name: row for row in _ROWS}
