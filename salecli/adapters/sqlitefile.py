"""Opening the memory file: creation, checks, transactions, and what SQLite's errors mean to a person."""

from __future__ import annotations

import os
import shlex
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from salecli.adapters import schema
from salecli.adapters.locks import Place, locked
from salecli.adapters.sqlitefaults import busy, damaged, elsewhere, faults
from salecli.errors import MemoryFault

if TYPE_CHECKING:
    from sqlite_utils import Database

PATIENCE = 30.0
"""Seconds to wait for another process's write to end."""
MAGIC = b"SQLite format 3\0"
CHECKED = 16 << 20
"""Files up to this many bytes are checked page by page at the start; larger ones as they are read."""
_connections: Counter[tuple[int, int]] = Counter()
"""This process's open connections by (device, inode) of the file."""
_looking = threading.Lock()


def prepare(path: Path, check: bool = True) -> MemoryFault | None:
    """Create the file or bring it up to date; the returned fault says why it can only be read.

    `check` False passes over what was found good a moment ago.

    Raises:
        MemoryFault: it can be neither read nor created, is damaged, or belongs to something else.
    """
    new = not os.path.lexists(path)
    if new:
        if copy_of(path).exists():
            raise damaged(path, "it is gone, and its copy is there")
        _create(path)
    _look(path)
    if check:
        _check(path)
    fault = _read_only(path)
    if fault is not None:
        with reading(path):
            pass
    elif new or check:
        _migrate(path)
    return fault


def copy_of(path: Path) -> Path:
    """Where the copy of a memory file stands, from which it is restored."""
    return path.with_name(path.name + ".copy")


@contextmanager
def reading(path: Path) -> Iterator[Database]:
    """One consistent view of the file, on a connection of its own."""
    with _connected(path, _open_to_read) as connection:
        db = _wrapped(connection)
        connection.execute("BEGIN")
        _belongs(path, db)
        if schema.version(db) != schema.LATEST:
            raise MemoryFault(
                f"the memory file {path} is of an older version and may not be written",
                f"make it writable, and it is brought up to date: chmod u+w {shlex.quote(str(path))}",
            )
        yield db


@contextmanager
def writing(path: Path) -> Iterator[Database]:
    """One write transaction on a connection of its own: committed durably at the end, or undone."""
    # Whoever waits is connected already: only the last connection to close has to fold the -wal in.
    with _connected(path, _open_to_write) as connection, _turn(path):
        db = _wrapped(connection)
        # IMMEDIATE: a transaction that reads first and then writes fails at once where another wrote.
        connection.execute("BEGIN IMMEDIATE")
        try:
            _belongs(path, db)
            schema.migrate(db)
            yield db
        except BaseException:
            # SQLite has undone it by itself where the disk is full.
            with suppress(sqlite3.Error):
                connection.rollback()
            raise
        connection.commit()


@contextmanager
def _turn(path: Path) -> Iterator[None]:
    """One process writes at a time, the others wait for it."""
    with locked(path, Place.WRITING, PATIENCE) as mine:
        if not mine:
            raise busy(path)
        yield


@contextmanager
def _connected(path: Path, opened: Callable[[Path], sqlite3.Connection]) -> Iterator[sqlite3.Connection]:
    """A connection to the file, which is not replaced meanwhile, and closed at the end."""
    with faults(path), locked(path, Place.CONNECTED, PATIENCE, shared=True) as mine:
        if not mine:
            raise busy(path)
        with _looking:
            inode = _inode(path)
            _connections[inode] += 1
        try:
            connection = opened(path)
            try:
                yield connection
            finally:
                connection.close()
        finally:
            with _looking:
                _connections[inode] -= 1
                if not _connections[inode]:
                    del _connections[inode]


def _create(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Plans and issues are private; SQLite gives its side files the same permissions.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return  # another was first, and may be writing it
    except OSError as error:
        raise MemoryFault(
            f"the memory file {path} cannot be created: {error.strerror}", elsewhere()
        ) from error


def _look(path: Path) -> None:
    """Refuse what is no SQLite file before SQLite sees it and tidies away side files that may be needed."""
    try:
        if path.is_dir():
            raise MemoryFault(
                f"the memory file {path} is a folder", f"name a file in it: --memory {path}/FILE"
            )
        if path.exists() and not path.is_file():
            raise MemoryFault(f"the memory file {path} is not a regular file", elsewhere())
        magic = _magic(path)
        if magic is None:
            return
    except PermissionError as error:
        raise MemoryFault(
            f"the memory file {path} may not be read", f"chmod u+rw {shlex.quote(str(path))}"
        ) from error
    except OSError as error:
        raise MemoryFault(
            f"the memory file {path} cannot be reached: {error.strerror}", elsewhere()
        ) from error
    if magic and magic != MAGIC:
        raise damaged(path, "it is not an SQLite file")
    wal = path.with_name(path.name + "-wal")
    if not magic and wal.exists() and wal.stat().st_size:
        raise damaged(path, "it is empty, and what was written last stands in its -wal file")
    if not magic and copy_of(path).exists():
        raise damaged(path, "it is empty, and its copy is not")


def _magic(path: Path) -> bytes | None:
    """The file's first bytes; None where this process has it open, and so found it good.

    It may not be opened then: closing any descriptor of a file drops all locks that the process has on it
    (POSIX), those of SQLite's connections in other threads too, and what they commit can be lost.
    """
    with _looking:
        return None if _connections[_inode(path)] else head(path)


def head(path: Path) -> bytes:
    """The first bytes of a file that this process has no connection to."""
    with path.open("rb") as file:
        return file.read(len(MAGIC))


def _inode(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise MemoryFault(
            f"the memory file {path} cannot be reached: {error.strerror}", elsewhere()
        ) from error
    return status.st_dev, status.st_ino


def _check(path: Path) -> None:
    """Owner and version; every page too where that is cheap."""
    size = path.stat().st_size
    if not size:
        return
    with _connected(path, _open_to_read) as connection:
        connection.execute("BEGIN")  # one view: another process may be making its first tables
        _belongs(path, _wrapped(connection))
        if size <= CHECKED:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise damaged(path, found)


def _belongs(path: Path, db: Database) -> None:
    application = db.execute("PRAGMA application_id").fetchone()[0]
    tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables and application != schema.APPLICATION:
        raise MemoryFault(f"{path} is an SQLite file of another program, not a memory file", elsewhere())
    if schema.version(db) > schema.LATEST:
        raise MemoryFault(
            f"the memory file {path} was written by a newer sale: its schema is version "
            f"{schema.version(db)}, this one knows {schema.LATEST}",
            "upgrade sale, or name another file with --memory PATH",
        )


def _migrate(path: Path) -> None:
    with _connected(path, _open_to_write) as connection:
        db = _wrapped(connection)
        connection.execute("BEGIN")
        _belongs(path, db)
        latest = schema.version(db) == schema.LATEST
        connection.execute("COMMIT")
        _write_ahead(connection)
        if latest:
            return
    with writing(path):
        pass  # brought up to date by whoever is first


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


def _open_to_write(path: Path) -> sqlite3.Connection:
    return _connect(path, "rw")


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
