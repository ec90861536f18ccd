"""List and remove what earlier downloads left and nobody uses."""

import os
from pathlib import Path

from quantpick.core.outcome import CleanReport
from quantpick.errors import NotFoundError
from quantpick.workflow.arguments import StrPath


def clean(place: StrPath | None = None, *, cache_dir: StrPath | None = None, dry_run: bool = False) -> CleanReport:
    """Remove partial files, scratch files, lock files and records that are no longer needed.

    Without its partial files, an unfinished download starts over. Files in use by another process stay.

    Args:
        place: a folder that was downloaded to; None means the Hub's cache, where files that huggingface_hub left of
            killed downloads are removed too.
        cache_dir: a cache instead of ``HF_HUB_CACHE``.
        dry_run: only list them.

    Raises:
        NotFoundError: there is no such folder.
        DiskError: something cannot be removed.
    """
    from quantpick.transfer.disk.clean import clean_cache, clean_folder
    from quantpick.transfer.disk.places import cache_folder, user_folder

    if place is None:
        folder = cache_folder(None if cache_dir is None else Path(cache_dir))
        return CleanReport(path=str(folder), dry_run=dry_run, leftovers=tuple(clean_cache(folder, dry_run=dry_run)))
    folder = user_folder(Path(place))
    if not os.path.isdir(folder):
        raise NotFoundError(f"there is no folder `{place}`", hint="without one: the Hub's cache")
    return CleanReport(path=str(folder), dry_run=dry_run, leftovers=tuple(clean_folder(folder, dry_run=dry_run)))
