"""A small file: one request, held in memory until its hash is right."""

import http.client
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from quantpick.core.repo import RepoFile
from quantpick.errors import DamagedError, HubError
from quantpick.transfer.disk.hashing import FileHash
from quantpick.transfer.disk.partial import disk_errors, sync_folder
from quantpick.transfer.net.http import Connection, pause_s, redirect_target, same_origin
from quantpick.transfer.net.patience import Patience
from quantpick.transfer.net.progress import Progress
from quantpick.transfer.net.source import NotNow, check_answer
from quantpick.transfer.transports.fetch import Fetched

_MAX_REDIRECTS: Final = 5


def fetch_small(
    file: RepoFile,
    url: str,
    final: Path,
    partial: Path,
    connection: Connection,
    login: Mapping[str, str],
    patience: Patience,
    progress: Progress,
) -> Fetched:
    """Bring a small file to its final name, verified.

    Args:
        file: what it is.
        url: its address on the Hub, by commit.
        final: its final path.
        partial: a path on the same file system, for the moment before.
        connection: to ask on.
        login: the Authorization header for the Hub; not sent to where it redirects.
        patience: how long to try, and whether to stop.
        progress: told when it is there.

    Raises:
        DamagedError: the hash is wrong, twice.
        TransferError, DiskError, AccessError, NotFoundError, HubError, Stopped: as for large files.
    """
    progress.reused(0)
    content = _fetch(file, url, connection, login, patience)
    if not _is_right(content, file):
        content = _fetch(file, url, connection, login, patience)
    if not _is_right(content, file):
        raise DamagedError(
            f"`{file.path}` differs from the Hub's hash", hint="run again; if it stays so, tell the publisher"
        )
    with disk_errors(final):
        partial.parent.mkdir(parents=True, exist_ok=True)
        final.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as target:
            target.write(content)
            target.flush()
            os.fsync(target.fileno())
        partial.replace(final)
        sync_folder(final.parent)
    progress.fetched(file.size_bytes)
    progress.hashed(file.size_bytes)
    progress.phase("done")
    return Fetched("range", file.size_bytes, 0)


def _is_right(content: bytes, file: RepoFile) -> bool:
    running = FileHash(file)
    running.update(content)
    return len(content) == file.size_bytes and running.matches


def _fetch(file: RepoFile, url: str, connection: Connection, login: Mapping[str, str], patience: Patience) -> bytes:
    attempt = 0
    while True:
        patience.wait_for_turn()
        attempt += 1
        try:
            content = _ask(file, url, connection, login)
        except NotNow as answer:
            patience.failed(str(answer), attempt, pause_s=answer.pause_s)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            patience.failed(f"`{file.path}` cannot be had ({str(error) or type(error).__name__})", attempt)
        else:
            patience.byte_came()
            return content


def _ask(file: RepoFile, url: str, connection: Connection, login: Mapping[str, str]) -> bytes:
    """The body behind an address, across redirects; one byte more than the file has at most."""
    hub = url
    for _ in range(_MAX_REDIRECTS):
        response = connection.get(url, login)
        target = redirect_target(url, response)
        if target is None:
            if response.status >= 300:
                response.read()
                if not same_origin(url, hub):
                    raise NotNow(f"the link is answered {response.status}", pause_s(response.headers))
                check_answer(response, file.size_bytes)
            body = response.read(file.size_bytes + 1)
            if len(body) != file.size_bytes or not response.isclosed():
                connection.close()
            return body
        response.read()
        login = login if same_origin(target, url) else {}
        url = target
    raise HubError("the Hub redirects in a circle")
