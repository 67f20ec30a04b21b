"""One file from the hub to its place: resumed by Range, hashed on the way, renamed when it is whole.

What has arrived lies beside its final name in `NAME.SHA256.part`, so that a part never meets the bytes of
another version. Its holder has it locked; a lock ends with its process.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salecli import __version__
from salecli.adapters.hub import (
    Cut,
    Patience,
    Remote,
    Stopped,
    Wanted,
    WrongAnswer,
    address,
    failures,
    library,
)
from salecli.adapters.modellock import on_disk
from salecli.core.words import amount
from salecli.errors import EnvironmentFault

_BLOCK = 1 << 20
_LONGEST_NAME = 255
_POLL = 0.2
"""Seconds after which a wait for another process looks again."""


@dataclass(slots=True)
class Transfer:
    """One file on its way; a display reads it while a thread works on it."""

    wanted: Wanted
    bytes: int = 0
    done: int = 0
    began: int = 0
    """Bytes that were there before."""
    doing: str = ""
    """In a word or two."""
    ended: bool = False


class Changed(Exception):
    """The hub has other bytes than it listed."""


def part_of(path: Path, sha256: str) -> Path:
    """Where what has arrived of a file lies."""
    end = f".{sha256[:16]}.part"
    return path.with_name(path.name[: _LONGEST_NAME - len(end)] + end)


def parts_of(path: Path) -> list[Path]:
    """Every part of a file, of whatever version."""
    with suppress(OSError):
        return sorted(
            one
            for one in path.parent.iterdir()
            if re.fullmatch(re.escape(path.name) + r"\.[0-9a-f]{16}\.part", one.name)
        )
    return []


def drop(part: Path) -> bool:
    """Remove a part that nobody works on; whether it is gone."""
    try:
        descriptor = os.open(part, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return not part.exists()
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        part.unlink()
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


@contextmanager
def held(part: Path, stop: threading.Event, waiting: Callable[[int | None], None]) -> Iterator[int]:
    """A part, opened and locked; `waiting` hears once which process has it, if another one does.

    Raises:
        Stopped: the user did not want to wait.
        EnvironmentFault: it cannot be opened or made.
    """
    told = False
    while True:
        if stop.is_set():
            raise Stopped
        try:
            part.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        except OSError as error:
            raise on_disk(error, part) from error
        try:
            if _locked(descriptor) and _is_at(descriptor, part):
                try:
                    yield descriptor
                finally:
                    if os.fstat(descriptor).st_size == 0 and _is_at(descriptor, part):
                        part.unlink()
                return
            if not told:
                told = True
                waiting(_holder(descriptor))
        finally:
            os.close(descriptor)
        stop.wait(_POLL)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # A file system without locks: two at a time are on their own there.
        return error.errno not in (errno.EAGAIN, errno.EACCES)
    return True


def _is_at(descriptor: int, part: Path) -> bool:
    """Whether the open file still has the part's name: who was before us may have moved it."""
    try:
        return os.path.samestat(os.fstat(descriptor), part.stat())
    except OSError:
        return False


def _holder(descriptor: int) -> int | None:
    """The process that has the file locked, as far as the kernel tells."""
    inode = str(os.fstat(descriptor).st_ino)
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/locks").read_text().splitlines():
            fields = line.split()
            if fields[1] == "FLOCK" and fields[5].rpartition(":")[2] == inode:
                return int(fields[4]) or None
    return None


class Download:
    """The bytes of one file into a locked part. Not for two threads."""

    def __init__(
        self, remote: Remote, transfer: Transfer, descriptor: int, patience: Patience, stop: threading.Event
    ) -> None:
        self._remote = remote
        self._transfer = transfer
        self._descriptor = descriptor
        self._patience = patience
        self._stop = stop
        self._offset = 0
        self._digest = hashlib.sha256()

    def run(self) -> None:
        """Bring the part to its last byte, and its bytes on the disk.

        Raises:
            Changed: the hub has other bytes by now.
            SaleError: it cannot be had, or not be written.
            Stopped: by the user.
        """
        self._resume()
        wrong = False
        while True:
            self._fill_up()
            if self._digest.hexdigest() == self._remote.sha256:
                break
            self._restart()
            if wrong:
                raise EnvironmentFault(
                    f"{self._transfer.wanted.file} came twice with another sha256 than the hub lists",
                    "try again later; if it stays so, a proxy changes it or the repository is damaged",
                )
            wrong = True
        os.fsync(self._descriptor)

    def _fill_up(self) -> None:
        """Request what is missing, as often as there is patience."""
        refused = False
        while self._offset < self._remote.bytes:
            before = self._offset
            try:
                self._request()
            except OSError as error:
                if _status_of(error) == 416 and before and not refused:
                    refused = True
                    self._restart()
                    continue
                if _status_of(error) is None and error.errno is not None:
                    raise self._unwritable(error) from error
                self._failed(error, before)
            except failures() as error:
                self._failed(error, before)

    def _failed(self, error: Exception, before: int) -> None:
        if self._stop.is_set():
            raise Stopped
        if self._offset > before:
            self._patience.progressed()
        self._patience.after(error, self._transfer.wanted)

    def _resume(self) -> None:
        """Hash what earlier runs brought."""
        self._transfer.doing = "resuming"
        try:
            while block := os.read(self._descriptor, _BLOCK):
                self._digest.update(block)
                self._offset += len(block)
                if self._stop.is_set():
                    raise Stopped
        except OSError as error:
            raise self._unwritable(error) from error
        if self._offset > self._remote.bytes:
            self._restart()
        self._transfer.done = self._transfer.began = self._offset
        self._transfer.doing = "pulling"

    def _restart(self) -> None:
        """Begin anew, with nothing."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self._digest = hashlib.sha256()
        self._offset = self._transfer.done = self._transfer.began = 0

    def _request(self) -> None:
        """One request, from the first missing byte to the last one."""
        hub = library()
        wanted = self._transfer.wanted
        headers = hub.utils.build_hf_headers(library_name="sale", library_version=__version__)
        headers["Accept-Encoding"] = "identity"
        if self._offset:
            headers["Range"] = f"bytes={self._offset}-"
        url = address(wanted, self._remote.revision)
        timeout = hub.constants.HF_HUB_DOWNLOAD_TIMEOUT
        # A redirect to another host goes without the token: the client sees to it.
        with hub.utils.get_session().stream("GET", url, headers=headers, timeout=timeout) as response:
            if response.status_code not in (200, 206):
                raise hub.utils.HfHubHTTPError("", response=response)
            self._check(response)
            for block in response.iter_raw():
                if self._stop.is_set():
                    raise Stopped
                if self._offset + len(block) > self._remote.bytes:
                    raise WrongAnswer(f"more than the {self._remote.bytes:,} bytes that it lists")
                self._take(block)
        if self._offset < self._remote.bytes:
            raise Cut

    def _check(self, response: Any) -> None:
        """Look at the head of an answer before its bytes: is it this file, of this size, from here on?"""
        for one in (*response.history, response):
            # The hub's own answer names the bytes; after a redirect the last one has a tag of its own kind.
            tag = one.headers.get("X-Linked-ETag") or (
                "" if response.history else one.headers.get("ETag", "")
            )
            name = tag.removeprefix("W/").strip('"')
            if re.fullmatch("[0-9a-f]{64}", name) and name != self._remote.sha256:
                raise Changed
        if response.headers.get("Content-Type", "").startswith("text/html"):
            raise WrongAnswer("a web page")
        size = self._remote.bytes
        if response.status_code == 206:
            span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
            if span is None or int(span[1]) != self._offset:
                raise WrongAnswer("another range than the one asked for")
            if span[2] not in ("*", str(size)):
                raise WrongAnswer(f"{int(span[2]):,} bytes where it lists {size:,}")
        elif self._offset:
            self._restart()  # a server that knows no ranges
        length = response.headers.get("Content-Length", "")
        if length.isascii() and length.isdigit() and int(length) != size - self._offset:
            raise WrongAnswer(f"{int(length) + self._offset:,} bytes where it lists {size:,}")

    def _take(self, block: bytes) -> None:
        rest = memoryview(block)
        while rest:
            written = os.write(self._descriptor, rest)
            self._digest.update(rest[:written])
            self._offset += written
            self._transfer.done = self._offset
            rest = rest[written:]

    def _unwritable(self, error: OSError) -> EnvironmentFault:
        """A full disk, above all."""
        file, folder = self._transfer.wanted.file, self._transfer.wanted.path.parent
        missing = amount(self._remote.bytes - self._offset)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return EnvironmentFault(
                f"the disk of {folder} is full: {missing} of {file} are missing",
                "free as much and type the same command again: it goes on where it was",
            )
        if error.errno == errno.EFBIG:
            return EnvironmentFault(
                f"{folder} takes no file of {amount(self._remote.bytes)}",
                "name another place: [models] folder in config.toml; or raise `ulimit -f`",
            )
        return on_disk(error, folder)


def _status_of(error: Exception) -> int | None:
    return getattr(getattr(error, "response", None), "status_code", None)


def renamed(part: Path, path: Path) -> None:
    """Give a whole file its final name, for good."""
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def linked(cached: Path, path: Path) -> None:
    """Give a file of the hub cache its name here too; it is copied where it lies on another disk."""
    beside = path.with_name(f"{path.name[:200]}.{os.getpid()}.new")
    try:
        beside.unlink(missing_ok=True)
        try:
            os.link(cached.resolve(), beside)
        except OSError:
            shutil.copyfile(cached, beside)
        renamed(beside, path)
    finally:
        beside.unlink(missing_ok=True)
