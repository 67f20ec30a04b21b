from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from salecli.adapters import records
from salecli.adapters.sqlite import SqliteMemory
from salecli.adapters.sqlitefile import writing
from salecli.core.values import Task
from salecli.errors import MemoryFault
from tests.adapters.auctions import WordCounter, auction, rich_auction, work

QUESTION = Task("q", "q", "sum a list")


def opened(tmp_path: Path, embedder: WordCounter | None = None, pool: str = "pool") -> SqliteMemory:
    return SqliteMemory(tmp_path / "memory.sqlite3", embedder or WordCounter(), pool, "prompts")


def test_an_auction_comes_back_as_it_was(tmp_path: Path) -> None:
    memory = opened(tmp_path)
    kept = [auction(), rich_auction()]
    numbers = [memory.record(one) for one in kept]
    again = opened(tmp_path)
    assert [again.auction(number) for number in numbers] == kept
    assert again.size() == 2
    with pytest.raises(KeyError):
        again.auction(99)


def test_the_same_run_is_remembered_once(tmp_path: Path) -> None:
    memory = opened(tmp_path)
    assert memory.record(auction()) == memory.record(auction())
    assert memory.size() == 1


def test_an_agent_learns_from_its_own_lost_plan(tmp_path: Path) -> None:
    memory = opened(tmp_path)
    number = memory.record(auction())
    (pair,) = memory.pairs(QUESTION, "small", 8)
    assert (pair.auction, pair.task) == (number, "sum a list")
    assert pair.similarity == pytest.approx(1)
    assert (pair.lost.agent, pair.lost.text) == ("small", "plan small")
    assert (pair.won.agent, pair.won.text) == ("large", "plan large")
    assert memory.pairs(QUESTION, "stranger", 8) == []
    assert memory.pairs(QUESTION, "small", 0) == []


def test_the_most_similar_come_first_and_only_k(tmp_path: Path) -> None:
    memory = opened(tmp_path)
    for place, text in enumerate(("sort a tree by list price", "sum a tree", "sum a list of names", "date")):
        memory.record(auction(run=f"r{place}", text=text))
    found = memory.pairs(Task("q", "q", "sum the list"), "small", 3)
    assert [pair.task for pair in found] == ["sum a list of names", "sum a tree", "sort a tree by list price"]
    likeness = [pair.similarity for pair in found]
    assert likeness == sorted(likeness, reverse=True)
    assert len(memory.pairs(QUESTION, "small", 8)) == 4


def test_one_pair_per_text_from_the_newest_auction_that_teaches(tmp_path: Path) -> None:
    memory = opened(tmp_path)
    memory.record(auction(run="old"))
    assert memory.pairs(QUESTION, "small", 8)[0].auction == 1
    newest = memory.record(auction(run="new"))
    memory.record(auction(run="failed", works=(work("large", False),)))
    assert [pair.auction for pair in memory.pairs(QUESTION, "small", 8)] == [newest]


def test_pairs_are_of_the_same_pool_and_prompts_alone(tmp_path: Path) -> None:
    opened(tmp_path).record(auction())
    assert len(opened(tmp_path).pairs(QUESTION, "small", 8)) == 1
    assert opened(tmp_path, pool="other").pairs(QUESTION, "small", 8) == []
    other_prompts = SqliteMemory(tmp_path / "memory.sqlite3", WordCounter(), "pool", "others")
    assert other_prompts.pairs(QUESTION, "small", 8) == []


def test_what_another_process_recorded_is_seen(tmp_path: Path) -> None:
    memory = opened(tmp_path)
    assert memory.pairs(QUESTION, "small", 8) == []
    for start in (0, 3, 10, 300, 600):
        with writing(memory.path) as db:
            for number in range(start, start + 300):
                records.insert(db, auction(run=f"r{number}", text=f"sum number {number}"))
        assert len(memory.pairs(QUESTION, "small", 1000)) == start + 300
    assert len(memory.pairs(QUESTION, "large", 1000)) == 900
    assert len({pair.task for pair in memory.pairs(QUESTION, "large", 1000)}) == 900


def test_a_file_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    memory = opened(tmp_path)
    memory.record(auction())
    assert len(memory.pairs(QUESTION, "small", 8)) == 1
    for side in tmp_path.iterdir():
        side.unlink()
    memory.record(auction(run="other", text="date"))
    assert [pair.task for pair in memory.pairs(QUESTION, "small", 8)] == ["date"]


def test_a_known_text_needs_no_embedder(tmp_path: Path) -> None:
    opened(tmp_path).record(auction())
    embedder = WordCounter()
    memory = opened(tmp_path, embedder)
    assert len(memory.pairs(QUESTION, "small", 8)) == 1
    memory.record(auction(run="again"))
    assert embedder.asked == []


def test_an_empty_memory_needs_no_embedder(tmp_path: Path) -> None:
    assert opened(tmp_path, WordCounter(broken=True)).pairs(QUESTION, "small", 8) == []


def test_without_an_embedder_the_auction_is_kept_and_its_vector_made_up_for(tmp_path: Path) -> None:
    broken = opened(tmp_path, WordCounter(broken=True))
    broken.record(auction())
    with pytest.raises(MemoryFault, match="cannot be compared with this one: no model"):
        broken.pairs(QUESTION, "small", 8)
    embedder = WordCounter()
    assert len(opened(tmp_path, embedder).pairs(QUESTION, "small", 8)) == 1
    assert set(embedder.asked) == {"sum a list"}
    assert len(opened(tmp_path, WordCounter(broken=True)).pairs(QUESTION, "small", 8)) == 1


def test_another_embedder_makes_its_own_vectors(tmp_path: Path) -> None:
    opened(tmp_path).record(auction())
    other = WordCounter(name="others")
    assert len(opened(tmp_path, other).pairs(QUESTION, "small", 8)) == 1
    assert set(other.asked) == {"sum a list"}


def test_threads_may_ask_at_once(tmp_path: Path) -> None:
    memory = opened(tmp_path)
    for number in range(20):
        memory.record(auction(run=f"r{number}", text=f"sum number {number}"))
    found: list[int] = []

    def ask(name: str) -> None:
        found.append(len(memory.pairs(QUESTION, name, 8)))

    threads = [threading.Thread(target=ask, args=(name,)) for name in ("small", "large") * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [8] * 8


WRITER = """
import sys
from pathlib import Path
from salecli.adapters.sqlite import SqliteMemory
from tests.adapters.auctions import WordCounter, auction
name, path = sys.argv[1], Path(sys.argv[2])
sys.stdin.readline()
for number in range(5):
    memory = SqliteMemory(path, WordCounter(), "pool", "prompts")
    memory.record(auction(run=f"{name}-{number}", text=f"sum number {number}"))
"""


def test_eight_processes_create_and_fill_one_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "memory.sqlite3"
    root = Path(__file__).parents[2]
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(name), str(path)],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
        for name in range(8)
    ]
    for writer in writers:  # all are started before any may write
        assert writer.stdin is not None
        writer.stdin.write(b"\n")
        writer.stdin.flush()
    ends = [writer.communicate(timeout=240)[1].decode() for writer in writers]
    assert [(writer.returncode, said) for writer, said in zip(writers, ends, strict=True)] == [(0, "")] * 8
    memory = SqliteMemory(path, WordCounter(), "pool", "prompts")
    assert memory.size() == 40
    assert len(memory.pairs(QUESTION, "small", 100)) == 5
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    assert oct(path.parent.stat().st_mode & 0o777) == "0o700"


def test_a_write_that_fails_halfway_leaves_nothing(tmp_path: Path) -> None:
    memory = opened(tmp_path)
    memory.record(auction())
    broken = auction(run="broken", text="date")
    broken = replace(broken, tokens=2**65)  # SQLite cannot hold it
    with pytest.raises(OverflowError):
        memory.record(broken)
    assert memory.size() == 1
    assert [pair.task for pair in memory.pairs(QUESTION, "small", 8)] == ["sum a list"]
