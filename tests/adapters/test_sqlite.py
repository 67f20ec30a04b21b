from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from salecli.adapters import records, schema
from salecli.adapters.forget import forget
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


def test_an_auction_that_was_gone_on_with_is_amended(tmp_path: Path) -> None:
    memory = opened(tmp_path)
    failed = work("large", False, note="test_new failed")
    first = auction(works=(failed,))
    number = memory.record(first)
    other = memory.record(auction(run="other", text="date", works=(work("large", False),)))
    assert memory.pairs(QUESTION, "small", 8) == []
    second = replace(first, works=(failed, work("large", True)), tokens=400, usd=0.5, usd_largest=0.75)
    memory.amend(number, second)
    assert opened(tmp_path).auction(number) == second
    assert memory.auction(other).run == "other"
    assert memory.size() == 2
    # What it teaches is known to this process, also after it had read the memory, and to others.
    for reader in (memory, opened(tmp_path)):
        (pair,) = reader.pairs(QUESTION, "small", 8)
        assert (pair.auction, pair.lost.text, pair.won.text) == (number, "plan small", "plan large")
    with writing(memory.path) as db:
        row = db.execute("SELECT solved, solved_by FROM auctions WHERE id = ?", [number]).fetchone()
        assert row == (1, "large")
        assert db.execute("SELECT count(*) FROM works").fetchone() == (3,)
        assert db.execute("SELECT count(*) FROM verdicts").fetchone() == (3,)
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    # A record of the same run, as `sale memory import` makes one, changes nothing of it.
    assert memory.record(first) == number
    assert memory.auction(number) == second


def test_why_the_user_rejected_a_solution_is_taught_beside_its_plan(tmp_path: Path) -> None:
    memory = opened(tmp_path)
    first = auction()
    number = memory.record(first)
    (pair,) = memory.pairs(QUESTION, "small", 8)
    assert pair.won.note == ""
    note = "rejected by the user: no tests of its own"
    memory.amend(number, replace(first, works=(replace(first.works[0], note=note),)))
    for reader in (memory, opened(tmp_path)):
        (pair,) = reader.pairs(QUESTION, "small", 8)
        assert (pair.won.text, pair.won.note, pair.lost.note) == ("plan large", note, "")


def test_a_lesson_known_from_an_older_auction_survives_a_later_amendment(tmp_path: Path) -> None:
    memory = opened(tmp_path)
    first = auction(run="r1", text="sort a tree", works=(work("large", False),))
    number = memory.record(first)
    memory.record(auction(run="r2"))
    assert len(memory.pairs(QUESTION, "small", 8)) == 1
    memory.amend(number, replace(first, works=(*first.works, work("large", True))))
    assert len(memory.pairs(QUESTION, "small", 8)) == 2


def test_a_deleted_auction_teaches_no_more_even_where_a_new_one_takes_its_id(tmp_path: Path) -> None:
    memory, other = opened(tmp_path), opened(tmp_path)
    number = memory.record(auction())
    assert len(memory.pairs(QUESTION, "small", 8)) == len(other.pairs(QUESTION, "small", 8)) == 1
    assert forget(memory.path, [number]) == 1
    assert other.pairs(QUESTION, "small", 8) == []
    assert memory.record(auction(run="new", text="date of a tree")) == number
    (pair,) = memory.pairs(QUESTION, "small", 8)
    assert pair.task == "date of a tree"
    assert pair.similarity < 0.9


def test_a_file_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    from sqlite_utils import Database

    path = tmp_path / "memory.sqlite3"
    db = Database(path)
    schema.MIGRATIONS[0](db)
    db.execute("PRAGMA user_version = 1")
    db.execute(f"PRAGMA application_id = {schema.APPLICATION}")
    db.close()
    memory = opened(tmp_path)
    memory.amend(memory.record(auction()), auction())
    assert len(memory.pairs(QUESTION, "small", 8)) == 1


def test_an_amendment_is_whole_or_not_at_all(tmp_path: Path) -> None:
    memory = opened(tmp_path)
    number = memory.record(auction())
    stranger = auction(works=(work("large", True),), bids=(("nobody", False, "plan", 0.5),))
    with pytest.raises(KeyError):  # a lesson about a bid that is not in the file
        memory.amend(number, replace(stranger, bids=(*auction().bids, *stranger.bids)))
    assert memory.auction(number) == auction()
    assert len(memory.pairs(QUESTION, "small", 8)) == 1
    with pytest.raises(MemoryFault, match="auction 99 is no longer"):
        memory.amend(99, auction())


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
