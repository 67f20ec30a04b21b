"""Reads a tar that came out of a sandbox, as hostile bytes: nothing is ever unpacked to a disk."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from salecli.adapters.objects import EXECUTABLE, FILE, LINK
from salecli.errors import PatchRefused


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """How much may come out of a sandbox."""

    bytes: int = 1 << 30
    file_bytes: int = 100 << 20
    entries: int = 200_000


@dataclass(frozen=True, slots=True)
class Found:
    """One file or link of the archive; a link's content is its target."""

    path: str
    mode: str
    content: bytes


class Pieces:
    """A file to read from, made of an iterator of byte pieces, that counts what passes."""

    def __init__(self, pieces: Iterable[bytes], limit: int) -> None:
        self._pieces = iter(pieces)
        self._left = b""
        self._limit = limit

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes, fewer at the end.

        Raises:
            PatchRefused: more than the limit came.
        """
        gathered = [self._left]
        have = len(self._left)
        while have < size:
            piece = next(self._pieces, b"")
            if not piece:
                break
            self._limit -= len(piece)
            if self._limit < 0:
                raise PatchRefused(
                    "the changed tree is larger than what may come out of a sandbox",
                    "the agent left very large files behind; run again, or raise the limit",
                )
            gathered.append(piece)
            have += len(piece)
        whole = b"".join(gathered)
        self._left = whole[size:]
        return whole[:size]


def read_archive(pieces: Iterable[bytes], limits: ArchiveLimits) -> Iterator[Found]:
    """Files and links of a streamed tar, modes normalised, folders left out.

    Raises:
        PatchRefused: a broken archive, something over a limit, a device, FIFO or hard link.
    """
    source = cast(BinaryIO, Pieces(pieces, limits.bytes))
    count = 0
    try:
        with tarfile.open(
            fileobj=source, mode="r|", bufsize=1 << 16, encoding="utf-8", errors="surrogateescape"
        ) as archive:
            for member in archive:
                count += 1
                # tarfile remembers every member; a million of them would fill the memory.
                archive.members = []  # type: ignore[attr-defined]
                if count > limits.entries:
                    raise PatchRefused(f"the changed tree holds more than {limits.entries:,} entries")
                found = _found(archive, member, limits)
                if found:
                    yield found
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        raise PatchRefused(f"the archive from the sandbox is broken: {error}") from error


def _found(archive: tarfile.TarFile, member: tarfile.TarInfo, limits: ArchiveLimits) -> Found | None:
    path = member.name.removeprefix("./")
    if member.isdir():
        return None
    if member.issym():
        return Found(path, LINK, member.linkname.encode("utf-8", "surrogateescape"))
    if not member.isreg():
        kind = (
            "a hard link" if member.islnk() else "a FIFO" if member.isfifo() else "a device or special file"
        )
        raise PatchRefused(f"{printable(path)}: {kind} may not come out of a sandbox")
    if member.size > limits.file_bytes:
        raise PatchRefused(
            f"{printable(path)}: {member.size:,} bytes in one file, more than {limits.file_bytes:,}"
        )
    content = archive.extractfile(member)
    data = content.read() if content else b""
    if len(data) != member.size:
        raise PatchRefused(f"{printable(path)}: the archive from the sandbox ends in the middle of a file")
    return Found(path, EXECUTABLE if member.mode & 0o100 else FILE, data)


def printable(path: str) -> str:
    """A name from a sandbox, safe to put into a message."""
    return ascii(path)[1:-1][:200]
