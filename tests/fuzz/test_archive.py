"""The tar reader: whatever a sandbox sends, it ends in files or in a refusal."""

from __future__ import annotations

import io
import tarfile
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from salecli.adapters.archive import ArchiveLimits, Found, read_archive
from salecli.errors import PatchRefused
from tests.adapters.sandboxes import archive
from tests.fuzz.hostile import CODES, MEGABYTE, damaged, grows_in_proportion, made_or

LIMITS = ArchiveLimits(bytes=8 << 20, file_bytes=1 << 20, entries=2_000)
WHOLE = archive(("a.py", b"x = 1\n" * 90), ("link", "a.py"), ("d/" * 60 + "deep", b"y"), ("far", "t" * 300))


def read(raw: bytes, step: int = 1000) -> list[Found]:
    return list(read_archive((raw[at : at + step] for at in range(0, len(raw), step)), LIMITS))


def header(kind: bytes, size: int, name: str = "n") -> bytes:
    """One block that announces `size` bytes of this kind."""
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT)


@given(st.binary(max_size=3000) | damaged(WHOLE))
@example(header(b"L", -1))
@example(header(b"L", 1 << 62))
@example(header(b"0", 1 << 40) + bytes(1024))
@example(header(b"S", 512) + b"\xff" * 1024)
@example(header(b"x", 30) + b"30 path=../../x\n".ljust(512, b"1") + header(b"0", 0) + bytes(1024))
@example(header(b"L", 3) + b"a\xff\n".ljust(512, b"\0") + header(b"0", 0) + bytes(1024))
def test_any_bytes_are_files_or_a_refusal(raw: bytes) -> None:
    found = made_or(PatchRefused, lambda: read(raw))
    if isinstance(found, PatchRefused):
        assert found.message.isprintable()
        return
    for file in found:
        assert file.mode in ("100644", "100755", "120000")
        assert len(file.content) <= LIMITS.file_bytes


NAMES = st.text(CODES.filter(lambda sign: sign not in "\0"), min_size=1, max_size=300).map(
    lambda name: name.encode("utf-8", "replace").decode() + "."
)


@given(st.dictionaries(NAMES, st.binary(max_size=700) | NAMES, max_size=8), st.integers(1, 2000))
def test_what_is_put_in_comes_out_byte_for_byte(files: dict[str, bytes | str], step: int) -> None:
    put = {name.strip("/").removeprefix("./"): content for name, content in files.items()}
    put.pop("", None)
    found = {file.path: file.content for file in read(archive(*put.items()), step)}
    expected = {
        name: content.encode() if isinstance(content, str) else content for name, content in put.items()
    }
    assert found == expected


@pytest.mark.parametrize(
    "unit",
    [
        header(b"L", 1),  # a name for a name for a name
        header(b"K", 512) + b"a" * 512,
        header(b"x", 512) + b"1" * 512,
        header(b"g", 20) + b"20 hdrcharset=BINARY".ljust(512, b"\0"),
        header(b"0", 0),
        header(b"0", 300) + bytes(512),
        header(b"5", 0, "d/"),
        header(b"2", 0),
        bytes(512),
        b"9" * 512,
    ],
    ids=["names", "targets", "pax", "global", "empty files", "files", "folders", "links", "zeros", "nines"],
)
def test_time_and_depth_grow_with_the_archive(unit: bytes) -> None:
    def tried(raw: bytes) -> None:
        with suppress(PatchRefused):
            list(read_archive([raw], ArchiveLimits()))

    grows_in_proportion(tried, unit)
    grows_in_proportion(lambda raw: tried(header(b"x", len(raw)) + raw), b"1")
    grows_in_proportion(lambda raw: tried(header(b"L", len(raw)) + raw + bytes(1024)), b"a" * 512)


def test_small_pieces_take_no_longer_than_large_ones() -> None:
    raw = archive(("big", b"x" * (MEGABYTE // 4)))
    assert [len(file.content) for file in read(raw, 1)] == [MEGABYTE // 4]


def test_a_negative_size_is_refused() -> None:
    for kind in (b"0", b"L", b"5"):
        with pytest.raises(PatchRefused, match="negative size"):
            read(header(kind, -1) + bytes(1024))


def test_a_zip_bomb_of_names_is_refused() -> None:
    raw = io.BytesIO(header(b"L", 64 << 20))
    with pytest.raises(PatchRefused, match="name"):
        list(read_archive(iter(lambda: raw.read(512) or b"a" * 65536, b""), ArchiveLimits()))
