"""Who is at the memory file: every connection stands under a lock, one process writes at a time, and whoever
replaces the file is alone with it.

SQLite's own locks do not cover that: a file that is replaced under an open connection loses its new -wal file
when that connection closes, and before SQLite 3.51.3 a commit that meets another process's checkpoint can be
lost (sqlite.org/wal.html#walresetbug). The locks are bytes of a file beside the memory file; they belong to
the open file and not to the process, so that threads keep each other out too, and end with their holder.
"""

from __future__ import annotations

import errno
import fcntl
import os
import random
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum
from pathlib import Path

_ELSEWHERE = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
"""What a file system without such locks answers: SQLite's own are all there is then."""


class Place(IntEnum):
    """A byte of the lock file."""

    CONNECTED = 0
    """Shared by all connections; alone for who replaces the file."""
    WRITING = 1
    COPYING = 2


def lock_file(path: Path) -> Path:
    """The file that the locks of a memory file are held on; never deleted."""
    return path.with_name(path.name + "-lock")


@contextmanager
def locked(path: Path, place: Place, patience: float, shared: bool = False) -> Iterator[bool]:
    """Hold a lock, after waiting for `patience` seconds at most; False where others still held it."""
    descriptor = _opened(path)
    try:
        yield descriptor is None or _taken(descriptor, place, patience, shared)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _opened(path: Path) -> int | None:
    """None where there can be no lock file: whoever may not write there replaces nothing either."""
    file = lock_file(path)
    try:
        return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        pass
    try:
        return os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def _taken(descriptor: int, place: Place, patience: float, shared: bool) -> bool:
    kind = fcntl.F_RDLCK if shared else fcntl.F_WRLCK
    wish = struct.pack("hhqqi4x", kind, os.SEEK_SET, place, 1, 0)
    began = time.monotonic()
    while True:
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, wish)
            if place is Place.WRITING:
                os.pwrite(descriptor, b"%-20d" % os.getpid(), 0)
            return True
        except OSError as error:
            if error.errno in _ELSEWHERE or (error.errno == errno.EBADF and not shared):
                return True
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
        waited = time.monotonic() - began
        if waited >= patience:
            return False
        # By chance, and more often the longer it waits: nobody is always too late.
        time.sleep(random.uniform(0.01, 0.05) / (1 + 4 * waited))


def holders(path: Path) -> list[int]:
    """Processes that keep others from writing, as far as they can be known."""
    found = set()
    with suppress(OSError, ValueError):
        found.add(int(lock_file(path).read_text()))  # who holds our lock, or held it last
    inodes = {str(one.stat().st_ino) for one in (path, path.with_name(path.name + "-shm")) if one.exists()}
    with suppress(OSError, ValueError):
        for line in Path("/proc/locks").read_text().splitlines():
            fields = line.split()
            if "WRITE" in fields[3:4] and fields[5].rpartition(":")[2] in inodes:
                found.add(int(fields[4]))
    return sorted(pid for pid in found if pid not in (0, -1, os.getpid()) and Path(f"/proc/{pid}").exists())
