"""Reads a tar that came out of a sandbox, as hostile bytes: nothing is ever unpacked to a disk.

GNU's format alone, which our own `tar --format=gnu` writes. Not by `TarFile`, which reads more than we want:
its extended headers cost the square of their length, a chain of long names ends in Python's recursion limit.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from salecli.adapters.objects import EXECUTABLE, FILE, LINK
from salecli.errors import PatchRefused

_BLOCK = 512
_LONGEST = 1 << 16
"""Bytes of a name or of a link's target."""


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
        self._left = memoryview(b"")
        self._limit = limit

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes, fewer at the end.

        Raises:
            PatchRefused: more than the limit came.
        """
        gathered = bytearray(self._left[:size])
        self._left = self._left[size:]
        while len(gathered) < size:
            piece = next(self._pieces, b"")
            if not piece:
                break
            self._limit -= len(piece)
            if self._limit < 0:
                raise PatchRefused(
                    "the changed tree is larger than what may come out of a sandbox",
                    "the agent left very large files behind; run again, or raise the limit",
                )
            wanted = size - len(gathered)
            gathered += piece[:wanted]
            self._left = memoryview(piece)[wanted:]
        return bytes(gathered)


def read_archive(pieces: Iterable[bytes], limits: ArchiveLimits) -> Iterator[Found]:
    """Files and links of a streamed tar, modes normalised, folders left out.

    Raises:
        PatchRefused: a broken archive, something over a limit, a device, FIFO, hard link or other format.
    """
    source = Pieces(pieces, limits.bytes)
    count, name, target = 0, "", ""
    while (block := _block(source)) is not None:
        try:
            member = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except (tarfile.HeaderError, ValueError) as error:
            raise _broken(str(error)) from error
        count += 1
        if count > limits.entries:
            raise PatchRefused(f"the changed tree holds more than {limits.entries:,} entries")
        if member.size < 0:
            raise _broken("a negative size")
        if member.type == tarfile.GNUTYPE_LONGNAME:
            name = _text(source, member)
            continue
        if member.type == tarfile.GNUTYPE_LONGLINK:
            target = _text(source, member)
            continue
        member.name, member.linkname = name or member.name, target or member.linkname
        name = target = ""
        found = _found(source, member, limits)
        if found:
            yield found


def _block(source: Pieces) -> bytes | None:
    """The next header, None at the archive's end: a block of zeros."""
    block = source.read(_BLOCK)
    if len(block) < _BLOCK:
        raise _broken("it ends without an end mark")
    return block if any(block) else None


def _found(source: Pieces, member: tarfile.TarInfo, limits: ArchiveLimits) -> Found | None:
    path = member.name.removeprefix("./")
    if member.type == tarfile.DIRTYPE:
        return None
    if member.type == tarfile.SYMTYPE:
        return Found(path, LINK, member.linkname.encode("utf-8", "surrogateescape"))
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
        kind = (
            "a hard link" if member.islnk() else "a FIFO" if member.isfifo() else "a device or special file"
        )
        raise PatchRefused(f"{printable(path)}: {kind} may not come out of a sandbox")
    if member.size > limits.file_bytes:
        raise PatchRefused(
            f"{printable(path)}: {member.size:,} bytes in one file, more than {limits.file_bytes:,}"
        )
    return Found(path, EXECUTABLE if member.mode & 0o100 else FILE, _content(source, member))


def _content(source: Pieces, member: tarfile.TarInfo) -> bytes:
    """What follows a header, without its padding."""
    data = source.read(-(-member.size // _BLOCK) * _BLOCK)[: member.size]
    if len(data) < member.size:
        raise PatchRefused(
            f"{printable(member.name)}: the archive from the sandbox ends in the middle of a file"
        )
    return data


def _text(source: Pieces, member: tarfile.TarInfo) -> str:
    """A name or target too long for its header, which comes before that."""
    if member.size > _LONGEST:
        raise _broken(f"a name of {member.size:,} bytes")
    return _content(source, member).partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _broken(why: str) -> PatchRefused:
    return PatchRefused(f"the archive from the sandbox is broken: {why}")


def printable(path: str) -> str:
    """A name from a sandbox, safe to put into a message."""
    return ascii(path)[1:-1][:200]
