"""The rolling copy of the memory file, from which a damaged one is restored.

It stands beside the memory file as NAME.copy, and is made anew after a record where the last one is ten
minutes old: that reads the whole file, a second for 10,000 auctions. The file is checked page by page before,
and the copy takes its place when it is complete and on the disk: damage never replaces it.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from salecli.adapters.locks import Place, locked
from salecli.adapters.sqlitefaults import damaged
from salecli.adapters.sqlitefile import copy_of, reading
from salecli.errors import MemoryFault

if TYPE_CHECKING:
    from sqlite_utils import Database

PERIOD = 600.0
"""Seconds after which the copy is made anew."""


def due(path: Path) -> bool:
    """Whether the copy is missing or old."""
    try:
        return abs(time.time() - copy_of(path).stat().st_mtime) > PERIOD
    except OSError:
        return True


def renew_copy(path: Path) -> bool:
    """Copy the memory file as it is now, unless another process is at it.

    Raises:
        MemoryFault: it is damaged, or there is no room; the last copy stands.
    """
    with locked(path, Place.COPYING, 0) as mine:
        if not mine:
            return False
        growing = path.with_name(path.name + ".copying")
        try:
            _grow(path, growing)
            growing.replace(copy_of(path))
            flush(path.absolute().parent)
        except OSError as error:
            raise MemoryFault(
                f"the memory file {path} cannot be copied: {error.strerror}",
                f"look at the disk: df -h {path.absolute().parent}",
            ) from error
        finally:
            growing.unlink(missing_ok=True)
    return True


def _grow(path: Path, growing: Path) -> None:
    make_private(growing)
    with reading(path) as db:
        found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise damaged(path, found)
        write_into(growing, db)
    flush(growing)


def make_private(path: Path) -> None:
    """An empty file of the owner's alone, in place of what a killed process may have left there."""
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))


def write_into(target: Path, db: Database) -> None:
    """Write all that an open memory file holds into an empty one; the view that was open ends."""
    db.execute("COMMIT")  # VACUUM begins a view of its own
    db.execute("VACUUM INTO ?", [str(target.absolute())])


def discard_copy(path: Path) -> None:
    """Remove the copy: it holds what shall be forgotten."""
    with locked(path, Place.COPYING, PERIOD):
        copy_of(path).unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Have a file or folder on the disk before going on; `VACUUM INTO` itself does not wait for that."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
