from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from salecli.adapters import interchange
from salecli.adapters.sqlite import SqliteMemory
from salecli.adapters.sqlitefile import prepare
from salecli.core.values import Task
from salecli.errors import UsageError
from tests.adapters.auctions import WordCounter, auction, rich_auction

QUESTION = Task("q", "q", "sum a list")


def opened(path: Path, embedder: WordCounter | None = None) -> SqliteMemory:
    return SqliteMemory(path, embedder or WordCounter(), "pool", "prompts")


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """Three auctions; the last one refined a bid after reading the first two."""
    memory = opened(tmp_path / "first.sqlite3")
    for one in (auction(run="a"), auction(run="b", text="sum a tree"), rich_auction()):
        memory.record(one)
    file = tmp_path / "export.jsonl"
    file.write_text("".join(f"{line}\n" for line in interchange.exported(memory.path)), encoding="ascii")
    return file


def test_a_round_trip_loses_nothing(export: Path, tmp_path: Path) -> None:
    embedder = WordCounter(broken=True)
    memory = opened(tmp_path / "second.sqlite3", embedder)
    done = interchange.imported(memory.path, export)
    assert (done.added, done.known) == (3, 0)
    assert [memory.auction(number) for number in (1, 2, 3)] == [
        auction(run="a"),
        auction(run="b", text="sum a tree"),
        rich_auction(),
    ]
    assert len(memory.pairs(QUESTION, "small", 8)) == 3  # its vectors came along
    again = tmp_path / "again.jsonl"
    again.write_text("".join(f"{line}\n" for line in interchange.exported(memory.path)))
    assert again.read_bytes() == export.read_bytes()


def test_what_is_there_already_is_skipped_and_sources_get_their_new_numbers(
    export: Path, tmp_path: Path
) -> None:
    memory = opened(tmp_path / "second.sqlite3")
    for run in ("x", "y", "b"):
        memory.record(auction(run=run, text="sum a tree"))
    done = interchange.imported(memory.path, export)
    assert (done.added, done.known) == (2, 1)
    assert done.ids == {1: 4, 2: 3, 3: 5}
    assert memory.auction(5).bids[-1].pairs == (4, 3)
    assert interchange.imported(memory.path, export).added == 0


def test_sources_that_did_not_come_along_are_dropped(export: Path, tmp_path: Path) -> None:
    export.write_text("\n" + export.read_text().splitlines()[2])
    memory = opened(tmp_path / "second.sqlite3")
    interchange.imported(memory.path, export)
    assert memory.auction(1).bids[-1].pairs == ()


Change = Callable[[dict[str, Any]], object]
HOSTILE: dict[str, tuple[Change, str]] = {
    "another format": (lambda line: line.update(format="x"), "not a line of an export"),
    "a later version": (lambda line: line.update(version=2), "version is 2"),
    "no auction": (lambda line: line.pop("auction"), "auction"),
    "a text for a number": (lambda line: line["auction"].update(usd="much"), "usd: "),
    "a missing field": (lambda line: line["auction"]["task"].pop("text"), "task.text: "),
    "an unknown ending": (lambda line: line["auction"]["works"][0].update(end="magic"), "works.0.end: "),
    "a winner without a bid": (lambda line: line["auction"].update(winner="nobody"), "made no such bid"),
    "a bidder without a price": (lambda line: line["auction"].update(prices={}), "prices has none"),
    "work without a bid": (lambda line: line["auction"]["works"][0].update(agent="x"), "made no such bid"),
    "no run": (lambda line: line["auction"].update(run=""), "run is empty"),
    "a huge count": (lambda line: line["auction"].update(tokens=2**70), "too large"),
    "a huge sum": (lambda line: line["auction"].update(usd=10**400), "usd: "),
    "a negative count": (lambda line: line["auction"]["bids"][0].update(tokens=-1), "negative"),
    "infinity": (lambda line: line["auction"].update(usd=float("inf")), "Infinity is not a number"),
    "no date": (lambda line: line.update(created_at="yesterday"), "yesterday"),
    "no id": (lambda line: line.update(id="7"), "no `id`"),
    "no vector": (lambda line: line.update(embedding={"name": "words"}), "no name or no vector"),
    "a vector that is not base64": (lambda line: line["embedding"].update(vector="%%%"), "not base64"),
    "a vector of another length": (
        lambda line: line["embedding"].update(vector="AACAQAAAgEA="),
        "of length 1",
    ),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_line_is_named_and_nothing_is_imported(export: Path, tmp_path: Path, what: str) -> None:
    change, said = HOSTILE[what]
    lines = export.read_text().splitlines()
    second = json.loads(lines[1])
    change(second)
    export.write_text("\n".join([lines[0], json.dumps(second), lines[2]]))
    refused(export, tmp_path, said)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"hello", "Expecting value"),
        (b"\xff\xfe", "utf-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"9" * 10_000, "digits"),
        (b"[]", "not a line of an export"),
        (b'{"format": "sale-memory", "version": 1, "x": 1e999}', "too large"),
    ],
)
def test_a_line_that_is_no_record_is_named(export: Path, tmp_path: Path, line: bytes, said: str) -> None:
    export.write_bytes(export.read_bytes().splitlines()[0] + b"\n" + line + b"\n")
    refused(export, tmp_path, said)


def refused(export: Path, tmp_path: Path, said: str) -> None:
    path = tmp_path / "second.sqlite3"
    prepare(path)
    with pytest.raises(UsageError) as caught:
        interchange.imported(path, export)
    assert caught.value.message.startswith(f"{export}, line 2: ")
    assert said in caught.value.message
    assert opened(path).size() == 0


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interchange, "LONGEST", 1000)
    (tmp_path / "long").write_bytes(b" " * 2000)
    with pytest.raises(UsageError, match="line 1: it is longer than"):
        list(interchange.lines(tmp_path / "long"))


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        list(interchange.lines(tmp_path / "none"))
