"""Auctions taken out of the memory: nothing of them stays, nothing else changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from salecli.adapters.forget import forget
from salecli.adapters.sqlite import SqliteMemory
from salecli.adapters.sqlitefile import reading
from salecli.core.values import Auction
from tests.adapters.auctions import WordCounter, auction, rich_auction, work


@pytest.fixture
def memory(tmp_path: Path) -> SqliteMemory:
    return SqliteMemory(tmp_path / "memory.sqlite3", WordCounter(), "pool", "prompts")


def rows(path: Path) -> dict[str, int]:
    with reading(path) as db:
        return {name: db.table(name).count for name in db.table_names() if name != "edits"}


def test_nothing_of_a_deleted_auction_stays(memory: SqliteMemory) -> None:
    number = memory.record(rich_auction())
    assert all(rows(memory.path).values())
    assert forget(memory.path, [number]) == 1
    assert not any(rows(memory.path).values())
    with pytest.raises(KeyError):
        memory.auction(number)


def test_its_words_are_gone_from_the_file(memory: SqliteMemory) -> None:
    number = memory.record(auction("a", "a secret of mine " * 50))
    memory.record(auction("b"))
    forget(memory.path, [number])
    with reading(memory.path):
        pass  # the last connection that closes writes the log back into the file
    assert b"a secret of mine" not in memory.path.read_bytes()


def test_the_others_stay_as_they_were(memory: SqliteMemory) -> None:
    kept = auction("kept", "sort a file")
    number, gone = memory.record(kept), memory.record(auction("gone", "sort a file"))
    forget(memory.path, [gone])
    assert memory.auction(number) == kept


def test_no_bid_names_what_is_gone(memory: SqliteMemory) -> None:
    first = memory.record(auction("first"))
    bids = [("small", True, "plan", 0.1), ("large", False, "plan", 0.2)]
    reader = auction("reader", "sum two lists", bids=bids)
    number = memory.record(
        replace(reader, bids=(replace(reader.bids[0], pairs=(first, 11, 111)), reader.bids[1]))
    )
    forget(memory.path, [first])
    assert memory.auction(number).bids[0].pairs == (11, 111)


def test_what_is_not_there_cannot_be_deleted(memory: SqliteMemory) -> None:
    memory.record(auction("a"))
    assert forget(memory.path, [7]) == 0
    assert memory.size() == 1


def lesson(run: str, text: str) -> Auction:
    return auction(run, text, works=[work("large", True)])


def test_a_running_auction_learns_no_more_from_it(memory: SqliteMemory) -> None:
    """Also where the deleted one's id is given to another."""
    memory.record(lesson("a", "sum a list"))
    last = memory.record(lesson("b", "sort a file"))
    task = auction("c", "sort a file").task
    assert [pair.auction for pair in memory.pairs(task, "small", 8)] == [last, 1]
    forget(memory.path, [1])
    assert [pair.auction for pair in memory.pairs(task, "small", 8)] == [last]
    forget(memory.path, [last])
    assert list(memory.pairs(task, "small", 8)) == []
    again = memory.record(lesson("d", "price a tree"))
    assert [(pair.auction, pair.task) for pair in memory.pairs(task, "small", 8)] == [(again, "price a tree")]
