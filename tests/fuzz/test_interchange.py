"""The memory's importer: a file of lines is taken whole, or refused with the line's number."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from salecli.adapters import interchange
from salecli.adapters.sqlite import SqliteMemory
from salecli.adapters.sqlitefile import prepare
from salecli.errors import UsageError
from tests.adapters.auctions import WordCounter, rich_auction
from tests.fuzz.conftest import MORE
from tests.fuzz.hostile import TEXT, damaged, grows_in_proportion, made_or


def exported(folder: Path) -> bytes:
    memory = SqliteMemory(folder / "first.sqlite3", WordCounter(), "pool", "prompts")
    memory.record(rich_auction())
    return "".join(f"{line}\n" for line in interchange.exported(memory.path)).encode("ascii")


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return exported(tmp_path_factory.mktemp("export"))


def places(value: Any, above: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The way to every value inside."""
    yield above
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(one, (*above, key))


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | TEXT
    | st.sampled_from([2**63, -1, 1e400, "", [], {}])
)


def replaced(record: Any, place: tuple[str | int, ...], value: object) -> Any:
    if not place:
        return value
    at = record
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    return record


def tried(folder: Path, raw: bytes) -> None:
    source = folder / "import.jsonl"
    source.write_bytes(raw)
    assert prepare(folder / "second.sqlite3") is None
    done = made_or(UsageError, lambda: interchange.imported(folder / "second.sqlite3", source))
    if isinstance(done, UsageError):
        assert ", line " in done.message
        assert len(done.message) < 2_000
    else:
        assert done.added + done.known <= raw.count(b"\n") + 1


def test_one_value_changed_is_taken_or_refused(tmp_path: Path, line: bytes) -> None:
    ways = list(places(json.loads(line)))

    @settings(max_examples=MORE or 60)
    @given(st.sampled_from(ways), SCALARS)
    def is_sound(place: tuple[str | int, ...], value: object) -> None:
        tried(tmp_path, json.dumps(replaced(json.loads(line), place, value)).encode())

    is_sound()
    # What was taken can be given again: nothing came in that cannot go out.
    memory = SqliteMemory(tmp_path / "second.sqlite3", WordCounter(), "pool", "prompts")
    assert all(isinstance(one, str) for one in interchange.exported(memory.path))


@pytest.mark.parametrize("kind", ["damaged", "anything"])
def test_any_bytes_are_taken_or_refused(tmp_path: Path, line: bytes, kind: str) -> None:
    drawn = damaged(line) if kind == "damaged" else st.binary(max_size=200)

    @settings(max_examples=MORE or 50)
    @given(drawn)
    @example(b"[" * 100_000)
    @example(b'{"format": "sale-memory", "version": 1, "auction": ' + b'{"a":' * 5000)
    @example(line.replace(b'"id":1', b'"id":true'))
    @example(line.replace(b'"id":1', b'"id":1' + b"0" * 5000))
    @example(line.replace(b'"version":1', b'"version":1.0'))
    def is_sound(raw: bytes) -> None:
        tried(tmp_path, raw)

    is_sound()


@pytest.mark.parametrize(
    "unit", [b"[", b'{"a":', b'"', b"9", b"\n", b"\\u0000", b'{"format": "sale-memory"}\n', b"\xff", b"0,"]
)
def test_time_grows_with_the_file(tmp_path: Path, unit: bytes) -> None:
    def read(raw: bytes) -> None:
        source = tmp_path / "import.jsonl"
        source.write_bytes(raw)
        with suppress(UsageError):
            list(interchange.lines(source))

    grows_in_proportion(read, unit)
    grows_in_proportion(lambda raw: read(b'{"format": "sale-memory", "version": 1, "auction": [' + raw), unit)
