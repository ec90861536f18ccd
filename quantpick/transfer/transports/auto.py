"""`auto`: what the line does decides what brings a file. It begins with ranges, which lose least, and measures."""

from typing import Final

from quantpick.transfer.net.width import Width
from quantpick.transfer.transports.job import Job
from quantpick.transfer.transports.ranged import fetch_ranges, fetch_until
from quantpick.transfer.transports.table import TRANSPORTS

_WORTH_S: Final = 20.0
"""Chosen: what is there in less is not handed over. To start a child and to end its last round of chunks leaves the
line idle for 0.6 s (1 GiB at 16 x 10 MB/s, beside ranges alone)."""


def fetch_auto(job: Job) -> None:
    """Fetch all that is missing: the bulk by a transport that the line suits, if there is one, the rest by ranges.

    Raises:
        as a transport's ``fetch``.
    """
    able = [row for row in TRANSPORTS.values() if row.fetch_bulk is not None and row.unable(job) is None]

    def may_hand_over(line: Width) -> bool:
        is_known = line.is_settled and line.rate > 0 and not job.source.wants_login
        return is_known and job.missing_bytes > line.rate * _WORTH_S and any(row.suits(line) for row in able)

    line = fetch_until(job, may_hand_over)
    for row in able:
        if row.fetch_bulk is not None and job.missing_bytes and row.suits(line):
            row.fetch_bulk(job, line)
    if job.missing_bytes:
        fetch_ranges(job)
