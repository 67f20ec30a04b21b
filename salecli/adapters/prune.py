"""Old runs leave the data folder, so that it does not grow for ever."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from pathlib import Path

from salecli.adapters.journal import APPLIED, JOURNAL, Run, runs_folder
from salecli.adapters.owner import from_labels
from salecli.errors import UsageError

DAYS = 30
"""A run in which something happened since then stays, however many there are."""


def prune(keep: int, folder: Path | None = None, now: float | None = None) -> int:
    """Delete runs beyond the newest `keep` (0 keeps all), and return how many.

    Those stay in which something happened within 30 days, whose process lives, or whose patch was applied:
    it may be taken back yet. Memory loses nothing.
    """
    if not keep:
        return 0
    now = time.time() if now is None else now
    parent, found = folder or runs_folder(), []
    with suppress(OSError):
        for path in parent.iterdir():
            with suppress(OSError):
                if path.is_dir() and not path.is_symlink():
                    found.append((_touched(path), path))
    gone = 0
    for at, path in sorted(found, reverse=True)[keep:]:
        if now - at > DAYS * 86_400 and not (path / APPLIED).exists() and not _lives(Run(path)):
            shutil.rmtree(path, ignore_errors=True)
            gone += not path.exists()
    return gone


def _touched(path: Path) -> float:
    """When something was last written about a run, in seconds since 1970."""
    journal = path / JOURNAL
    return (journal if journal.exists() else path).stat().st_mtime


def _lives(run: Run) -> bool:
    try:
        labels = run.about.get("owner")
    except (UsageError, AttributeError):
        return False
    owner = from_labels(labels) if isinstance(labels, dict) else None
    return owner is not None and owner.alive() is True
