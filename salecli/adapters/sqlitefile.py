"""Opening the memory file: creation, checks, transactions, and what SQLite's errors mean to a person."""

from __future__ import annotations

import os
import re
import shlex
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from salecli.adapters import schema
from salecli.errors import MemoryFault

if TYPE_CHECKING:
    from sqlite_utils import Database

PATIENCE = 30.0
"""Seconds to wait for another process's write to end."""
CHECKED = 16 << 20
"""Files up to this many bytes are checked page by page at the start; larger ones as they are read."""
_GONE = re.compile("no such (table|column)|has no column named")


def prepare(path: Path, check: bool = True) -> MemoryFault | None:
    """Create the file or bring it up to date; the returned fault says why it can only be read.

    `check` False passes over what was found good a moment ago.

    Raises:
        MemoryFault: it can be neither read nor created, is damaged, or belongs to something else.
    """
    new = not os.path.lexists(path)
    if new:
        _create(path)
    _look(path)
    if check:
        _check(path)
    fault = _read_only(path)
    if fault is not None:
        with reading(path):
            pass
    elif new or check:
        with _faults(path):
            _migrate(path)
    return fault


@contextmanager
def reading(path: Path) -> Iterator[Database]:
    """One consistent view of the file, on a connection of its own."""
    with _faults(path):
        connection = _open_to_read(path)
        try:
            db = _wrapped(connection)
            connection.execute("BEGIN")
            _belongs(path, db)
            if schema.version(db) != schema.LATEST:
                raise MemoryFault(
                    f"the memory file {path} is of an older version and may not be written",
                    f"make it writable, and it is brought up to date: chmod u+w {shlex.quote(str(path))}",
                )
            yield db
        finally:
            connection.close()


@contextmanager
def writing(path: Path) -> Iterator[Database]:
    """One write transaction on a connection of its own: committed durably at the end, or undone."""
    with _faults(path):
        connection = _connect(path, "rw")
        try:
            db = _wrapped(connection)
            # IMMEDIATE: a transaction that reads first and then writes fails at once where another wrote.
            connection.execute("BEGIN IMMEDIATE")
            try:
                _belongs(path, db)
                schema.migrate(db)
                yield db
            except BaseException:
                connection.rollback()
                raise
            connection.commit()
        finally:
            connection.close()


def _create(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Plans and issues are private; SQLite gives its side files the same permissions.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise MemoryFault(
            f"the memory file {path} cannot be created: {error.strerror}", _elsewhere()
        ) from error


def _look(path: Path) -> None:
    """Refuse what is no SQLite file before SQLite sees it and tidies away side files that may be needed."""
    try:
        if path.is_dir():
            raise MemoryFault(
                f"the memory file {path} is a folder", f"name a file in it: --memory {path}/FILE"
            )
        if path.exists() and not path.is_file():
            raise MemoryFault(f"the memory file {path} is not a regular file", _elsewhere())
        with path.open("rb") as file:
            magic = file.read(16)
    except PermissionError as error:
        raise MemoryFault(
            f"the memory file {path} may not be read", f"chmod u+rw {shlex.quote(str(path))}"
        ) from error
    except OSError as error:
        raise MemoryFault(
            f"the memory file {path} cannot be reached: {error.strerror}", _elsewhere()
        ) from error
    if magic and magic != b"SQLite format 3\0":
        raise _damaged(path, "it is not an SQLite file")
    wal = path.with_name(path.name + "-wal")
    if not magic and wal.exists() and wal.stat().st_size:
        raise _damaged(path, "it is empty, and what was written last stands in its -wal file")


def _check(path: Path) -> None:
    """Owner and version; every page too where that is cheap."""
    size = path.stat().st_size
    if not size:
        return
    with _faults(path):
        connection = _open_to_read(path)
        try:
            db = _wrapped(connection)
            _belongs(path, db)
            if size <= CHECKED:
                found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
                if found != "ok":
                    raise _damaged(path, found)
        finally:
            connection.close()


def _belongs(path: Path, db: Database) -> None:
    application = db.execute("PRAGMA application_id").fetchone()[0]
    tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables and application != schema.APPLICATION:
        raise MemoryFault(f"{path} is an SQLite file of another program, not a memory file", _elsewhere())
    if schema.version(db) > schema.LATEST:
        raise MemoryFault(
            f"the memory file {path} was written by a newer sale: its schema is version "
            f"{schema.version(db)}, this one knows {schema.LATEST}",
            "upgrade sale, or name another file with --memory PATH",
        )


def _migrate(path: Path) -> None:
    connection = _connect(path, "rw")
    try:
        db = _wrapped(connection)
        _belongs(path, db)
        _write_ahead(connection)
        if schema.version(db) == schema.LATEST:
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            schema.migrate(db)  # looks at the version again: another process may have been first
        except BaseException:
            connection.rollback()
            raise
        connection.commit()
    finally:
        connection.close()


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to WAL; SQLite does not wait by itself when two processes do so at once."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > until:
                raise
            time.sleep(0.02)


def _wrapped(connection: sqlite3.Connection) -> Database:
    # A tenth of a second of import, for those commands alone that use the memory.
    from sqlite_utils import Database

    return Database(connection, execute_plugins=False)


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, timeout=PATIENCE, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _open_to_read(path: Path) -> sqlite3.Connection:
    if _read_only(path) is None:
        return _connect(path, "rw")
    try:
        connection = _connect(path, "ro")
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except BaseException:
            connection.close()
            raise
        return connection
    except sqlite3.OperationalError:
        # A read-only folder cannot hold the side files of WAL; without one to replay the file is complete.
        wal = path.with_name(path.name + "-wal")
        if wal.exists() and wal.stat().st_size:
            raise
    return _connect(path, "ro&immutable=1")


def _read_only(path: Path) -> MemoryFault | None:
    """The fault that writing would meet, None where the file may be written."""
    for place in (path, path.absolute().parent):
        if not os.access(place, os.W_OK):
            what = "file" if place == path else "folder"
            return MemoryFault(
                f"the memory {what} {place} may not be written",
                f"chmod u+w {shlex.quote(str(place))}, or name another file with --memory PATH",
            )
    return None


def _elsewhere() -> str:
    return "name another file with --memory PATH"


def _damaged(path: Path, why: str) -> MemoryFault:
    return MemoryFault(
        f"the memory file {path} is damaged: {why}",
        f"move it away, then a new one is begun: {move_away(path)}",
    )


def move_away(path: Path) -> str:
    """The command that moves a memory file with its side files into a new folder beside it."""
    folder = path.with_name(path.name + ".damaged")
    number = 2
    while folder.exists():
        folder = path.with_name(f"{path.name}.damaged-{number}")
        number += 1
    # The side files must go along: a new file would replay the old one's.
    files = [path] + [side for end in ("-wal", "-shm") if (side := path.with_name(path.name + end)).exists()]
    quoted = " ".join(shlex.quote(str(file)) for file in files)
    return f"mkdir {shlex.quote(str(folder))} && mv {quoted} {shlex.quote(str(folder))}"


@contextmanager
def _faults(path: Path) -> Iterator[None]:
    """SQLite's expected errors as MemoryFaults; others are bugs and stay what they are."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise _damaged(path, "a text in it is not UTF-8") from error
    except sqlite3.Error as error:
        # Text that is not UTF-8 comes without a code.
        name = getattr(error, "sqlite_errorname", "SQLITE_CORRUPT")
        kind = name.removeprefix("SQLITE_").partition("_")[0]
        # The version is the right one: where a table or column is missing, its definition was overwritten.
        if kind in ("CORRUPT", "NOTADB", "FORMAT") or _GONE.search(str(error)):
            raise _damaged(path, str(error)) from error
        quoted = shlex.quote(str(path))
        known = {
            "READONLY": ("may not be written", f"chmod u+w {quoted}"),
            "PERM": ("may not be used", _elsewhere()),
            "CANTOPEN": ("cannot be opened", f"look at it with: ls -ld {quoted}"),
            "BUSY": ("is being written by another process", "end that process, or try again later"),
            "LOCKED": ("is being written by another process", "end that process, or try again later"),
            "FULL": ("does not fit: the disk is full", f"make room: df -h {quoted}"),
            "IOERR": ("cannot be read or written", f"look at the disk: df -h {quoted}"),
            "TOOBIG": ("cannot take a text this large", "shorten the task"),
        }
        if kind not in known:
            raise
        what, hint = known[kind]
        raise MemoryFault(f"the memory file {path} {what}: {error}", hint) from error
