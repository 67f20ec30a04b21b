"""What SQLite's errors mean to a person: what is wrong with the memory file, and what to type."""

from __future__ import annotations

import re
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from salecli.adapters.locks import holders
from salecli.errors import MemoryDamaged, MemoryFault

_GONE = re.compile("no such (table|column)|has no column named")


@contextmanager
def faults(path: Path) -> Iterator[None]:
    """SQLite's expected errors as MemoryFaults; others are bugs and stay what they are."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise damaged(path, "a text in it is not UTF-8") from error
    except sqlite3.Error as error:
        # Text that is not UTF-8 comes without a code.
        name = getattr(error, "sqlite_errorname", "SQLITE_CORRUPT")
        kind = name.removeprefix("SQLITE_").partition("_")[0]
        # The version is the right one: where a table or column is missing, its definition was overwritten.
        if kind in ("CORRUPT", "NOTADB", "FORMAT") or _GONE.search(str(error)):
            raise damaged(path, str(error)) from error
        if kind in ("BUSY", "LOCKED"):
            raise busy(path) from error
        quoted = shlex.quote(str(path))
        folder = shlex.quote(str(path.absolute().parent))
        known = {
            "READONLY": ("may not be written", f"chmod u+w {quoted}"),
            "PERM": ("may not be used", elsewhere()),
            "CANTOPEN": ("cannot be opened", f"look at it with: ls -ld {quoted}"),
            "FULL": ("does not fit: the disk is full", f"make room, and see it with: df -h {folder}"),
            "IOERR": ("cannot be read or written", f"look at the disk: df -h {folder}"),
            "TOOBIG": ("cannot take a text this large", "shorten the task"),
        }
        if kind not in known:
            raise
        what, hint = known[kind]
        raise MemoryFault(f"the memory file {path} {what}: {error}", hint) from error


def busy(path: Path) -> MemoryFault:
    """The fault of a file that another process does not let go of; it is named where it can be found."""
    others = holders(path)
    what = "another process" if not others else f"process {', '.join(map(str, others))}"
    end = "end that process" if not others else f"end it with: kill {' '.join(map(str, others))}"
    return MemoryFault(f"the memory file {path} is being written by {what}", f"{end}; or try again later")


def damaged(path: Path, why: str) -> MemoryDamaged:
    """The fault of a file that is not what was written."""
    return MemoryDamaged(f"the memory file {path} is damaged: {' '.join(why.split())}", restoring(path))


def restoring(path: Path) -> str:
    """What to type to restore a memory file."""
    return f"sale memory restore --memory {shlex.quote(str(path))}"


def elsewhere() -> str:
    """What to type where a place is of no use."""
    return "name another file with --memory PATH"
