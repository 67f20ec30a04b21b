"""A damaged memory file: what comes back, from where, and that nothing is overwritten."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from salecli.adapters import copies
from salecli.adapters.copies import due, renew_copy
from salecli.adapters.examine import examine
from salecli.adapters.forget import forget
from salecli.adapters.restore import copied, needed, restore, whole
from salecli.adapters.sqlite import SqliteMemory
from salecli.adapters.sqlitefile import copy_of, reading
from salecli.core.values import Task
from salecli.errors import MemoryDamaged, MemoryFault
from tests.adapters.auctions import WordCounter, auction, work
from tests.adapters.memory_writers import environment

QUESTION = Task("q", "q", "sum a list")
PAGE = 4096


def opened(path: Path) -> SqliteMemory:
    return SqliteMemory(path, WordCounter(), "pool", "prompts")


def one(number: int) -> dict[str, object]:
    """What makes auction `number` tell itself from others, in more than a page of its own."""
    bids = (
        ("small", False, f"plan small {number} " + f"{number:02d} " * 1500, 0.5),
        ("large", False, f"plan large {number}", 0.1),
    )
    return {"run": f"r{number}", "text": f"sum number {number}", "bids": bids}


@pytest.fixture
def memory(tmp_path: Path) -> SqliteMemory:
    """Nine auctions: the copy holds the first five."""
    memory = opened(tmp_path / "memory.sqlite3")
    for number in range(1, 10):
        memory.record(auction(**one(number)))  # type: ignore[arg-type]
        if number == 5:
            assert renew_copy(memory.path)
    assert memory.told() == []
    return memory


def overwrite(path: Path, text: str, letter: bytes = b"\xa5", whole_page: bool = True) -> None:
    """Damage the page that holds `text`, or the first letter of it alone."""
    at = path.read_bytes().index(text.encode())
    with path.open("r+b") as file:
        file.seek(at // PAGE * PAGE if whole_page else at)
        file.write(letter * PAGE if whole_page else letter)


def as_written(memory: SqliteMemory, numbers: range) -> bool:
    return all(memory.auction(number) == auction(**one(number)) for number in numbers)  # type: ignore[arg-type]


def test_the_copy_is_private_whole_and_renewed_when_it_is_old(memory: SqliteMemory) -> None:
    copy = copy_of(memory.path)
    assert oct(copy.stat().st_mode & 0o777) == "0o600"
    assert whole(copy) == 5
    assert not due(memory.path)
    old = time.time() - copies.PERIOD - 1
    os.utime(copy, (old, old))
    memory.record(auction(run="tenth"))
    assert whole(copy) == 10
    assert not due(memory.path)
    assert not memory.path.with_name(memory.path.name + ".copying").exists()


def garbage(path: Path) -> None:
    path.write_bytes(os.urandom(9000))


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def first_page(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 3000)


@pytest.mark.parametrize("harm", [garbage, truncated, emptied, first_page, Path.unlink])
def test_a_run_restores_from_the_copy_and_says_so(memory: SqliteMemory, harm: Callable[[Path], None]) -> None:
    path = memory.path
    harm(path)
    there = path.exists()
    damaged = path.read_bytes() if there else b""
    again = opened(path)
    (said,) = again.told()
    assert re.search(
        r"(is damaged|gone).*It was restored: 5 auctions from the copy of \d{4}-\d\d-\d\d \d\d:\d\d", said
    )
    assert "may be missing" in said
    assert as_written(again, range(1, 6))
    if there:
        assert (path.parent / "memory.sqlite3.damaged" / path.name).read_bytes() == damaged
        assert said.endswith(f"The damaged file stands in {path}.damaged")
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    again.record(auction(run="goes on"))
    assert opened(path).told() == []
    assert examine(path).sound
    assert not list(path.parent.glob("*.restoring*"))


def test_what_can_be_read_of_the_damaged_file_comes_along(memory: SqliteMemory) -> None:
    overwrite(memory.path, "02 " * 300)
    again = opened(memory.path)
    (said,) = again.told()
    assert "5 auctions from the copy" in said
    assert "4 auctions from the damaged file; none is missing" in said
    assert as_written(again, range(1, 10))
    # Vectors came along too: nothing has to be embedded anew.
    silent = SqliteMemory(memory.path, WordCounter(broken=True), "pool", "prompts")
    assert len(silent.pairs(Task("q", "q", "sum number 7"), "small", 20)) == 9


def test_what_can_be_read_nowhere_is_named(memory: SqliteMemory) -> None:
    overwrite(memory.path, "07 " * 300)
    again = opened(memory.path)
    (said,) = again.told()
    assert "1 auction could not be saved: 7" in said
    assert as_written(again, range(1, 7))
    assert as_written(again, range(8, 10))


@pytest.mark.slow
@pytest.mark.parametrize("copy", [True, False])
def test_whichever_page_is_damaged_nothing_wrong_comes_back(memory: SqliteMemory, copy: bool) -> None:
    path = memory.path
    good, kept = path.read_bytes(), copy_of(path).read_bytes()
    whole_again = 0
    for page in range(1, len(good) // PAGE, 3):
        path.write_bytes(good[: page * PAGE] + b"x" * PAGE + good[(page + 1) * PAGE :])
        if not copy:
            copy_of(path).unlink(missing_ok=True)
        done = restore(path, needed(path))
        assert done is not None
        again = opened(path)
        assert again.size() >= (5 if copy else 0)
        if done.all_known:
            assert again.size() == 9 - len(done.lost)
        with reading(path) as db:
            numbers = [number for (number,) in db.execute("SELECT id FROM auctions")]
        for number in numbers:
            assert again.auction(number) == auction(**one(number))  # type: ignore[arg-type]
        assert examine(path).sound
        assert (done.aside / path.name).read_bytes() != good if done.aside else False
        whole_again += again.size() == 9
        copy_of(path).write_bytes(kept)
    assert whole_again >= 3


def test_damage_that_shows_in_the_middle_of_a_run_loses_nothing(memory: SqliteMemory) -> None:
    garbage(memory.path)
    number = memory.record(auction(run="goes on"))
    (said,) = memory.told()
    assert "It was restored" in said
    assert memory.auction(number) == auction(run="goes on")
    assert memory.size() == 6


def test_an_amended_auction_comes_back_as_it_was_amended(memory: SqliteMemory) -> None:
    newer = replace(auction(**one(3)), works=(work("large", False), work("small", True)), tokens=999)  # type: ignore[arg-type]
    memory.amend(3, newer)
    overwrite(memory.path, "05 " * 300)
    assert opened(memory.path).auction(3) == newer


def test_what_stood_in_the_wal_is_kept_and_not_read_into_the_new_file(memory: SqliteMemory) -> None:
    path, wal = memory.path, memory.path.with_name(memory.path.name + "-wal")
    with reading(path):  # so that the -wal stays
        memory.record(auction(run="last"))
        written = wal.read_bytes()
    assert written
    garbage(path)
    wal.write_bytes(written)
    again = opened(path)
    assert len(again.told()) == 1
    assert not wal.exists()
    assert (path.parent / "memory.sqlite3.damaged" / wal.name).read_bytes() == written
    assert as_written(again, range(1, 6))
    assert (again.size(), examine(path).sound) == (5, True)


def test_without_a_copy_the_user_decides(memory: SqliteMemory) -> None:
    copy_of(memory.path).unlink()
    overwrite(memory.path, "07 " * 300)
    with pytest.raises(MemoryDamaged) as caught:
        opened(memory.path)
    assert f"sale memory restore --memory {memory.path}" in caught.value.hint
    done = restore(memory.path, needed(memory.path))
    assert done is not None
    assert (done.copied, done.saved, done.lost) == (None, 8, (7,))
    assert opened(memory.path).size() == 8


def test_a_copy_that_is_damaged_itself_is_not_used(memory: SqliteMemory) -> None:
    garbage(copy_of(memory.path))
    overwrite(memory.path, "02 " * 300)
    with pytest.raises(MemoryDamaged):
        opened(memory.path)
    done = restore(memory.path, "damaged")
    assert done is not None
    assert (done.copied, done.saved, done.lost) == (None, 8, (2,))


def test_damage_never_replaces_the_copy(memory: SqliteMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("salecli.adapters.sqlitefile.CHECKED", 0)  # as with a large file
    overwrite(memory.path, "02 " * 300)
    again = opened(memory.path)
    assert again.told() == []
    before = copy_of(memory.path).read_bytes()
    with pytest.raises(MemoryDamaged):
        renew_copy(memory.path)
    assert copy_of(memory.path).read_bytes() == before
    # The copy's own check is what finds it, and the record that was on its way stays.
    os.utime(copy_of(memory.path), (0, 0))
    again.record(auction(run="tenth"))
    (said,) = again.told()
    assert "none is missing" in said
    assert as_written(again, range(1, 10))
    assert again.size() == 10


def test_a_flipped_letter_is_left_out_of_learning_named_and_brought_back(memory: SqliteMemory) -> None:
    overwrite(memory.path, "plan large 2", b"q", whole_page=False)
    again = opened(memory.path)
    assert again.told() == []  # no page is damaged
    pairs = again.pairs(QUESTION, "small", 8)
    assert sorted(pair.auction for pair in pairs) == [1, 3, 4, 5, 6, 7, 8, 9]
    (said,) = again.told()
    assert said.startswith("auction 2 is left out of learning: its rows are not as they were written")
    again.pairs(QUESTION, "small", 8)
    assert again.told() == []  # once is enough
    with pytest.raises(MemoryFault, match="auction 2 in memory is damaged: its rows are not as"):
        again.auction(2)
    with pytest.raises(MemoryFault, match="auction 2 in memory is damaged"):  # it is not sealed as it is
        again.amend(2, auction(**one(2)))  # type: ignore[arg-type]
    assert examine(memory.path).changed == (2,)
    done = restore(memory.path, needed(memory.path))
    assert done is not None
    assert (done.copied, done.saved, done.lost) == (5, 4, ())
    assert as_written(opened(memory.path), range(1, 10))
    assert len(again.pairs(QUESTION, "small", 20)) == 9
    assert needed(memory.path) == ""


@pytest.mark.parametrize("column", ["note", "lost", "pool_hash"])
def test_a_lesson_that_changed_teaches_nobody(memory: SqliteMemory, column: str) -> None:
    import sqlite3

    connection = sqlite3.connect(memory.path)
    value = {"note": "'it failed'", "lost": "2", "pool_hash": "'other'"}[column]
    connection.execute(f"UPDATE lessons SET {column} = {value} WHERE auction = 4 AND agent = 'small'")
    connection.commit()
    connection.close()
    for pool in ("pool", "other"):
        again = SqliteMemory(memory.path, WordCounter(), pool, "prompts")
        assert 4 not in [pair.auction for pair in again.pairs(QUESTION, "small", 20)]
    assert examine(memory.path).changed == (4,)


def test_a_flipped_vector_is_made_anew(memory: SqliteMemory) -> None:
    import sqlite3

    connection = sqlite3.connect(memory.path)
    connection.execute("UPDATE embeddings SET vector = zeroblob(32) WHERE text > 1")
    connection.commit()
    connection.close()
    assert examine(memory.path).vectors == 8
    embedder = WordCounter()
    SqliteMemory(memory.path, embedder, "pool", "prompts").pairs(QUESTION, "small", 8)
    assert set(embedder.asked) == {f"sum number {number}" for number in range(2, 10)} | {QUESTION.text}
    assert examine(memory.path).vectors == 0


def test_the_copy_forgets_too(memory: SqliteMemory) -> None:
    forget(memory.path, [2])
    assert whole(copy_of(memory.path)) == 8
    assert b"plan large 2" not in copy_of(memory.path).read_bytes()
    garbage(memory.path)
    assert "8 auctions from the copy" in opened(memory.path).told()[0]


OPENER = """
import sys
from pathlib import Path
from salecli.adapters.sqlite import SqliteMemory
from tests.adapters.auctions import WordCounter
print("ready", flush=True)
sys.stdin.readline()
memory = SqliteMemory(Path(sys.argv[1]), WordCounter(), "pool", "prompts")
print(memory.size(), len(memory.told()))
"""


def openers(path: Path, count: int) -> list[subprocess.Popen[str]]:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", OPENER, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        for _ in range(count)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    return started


def test_processes_that_find_it_damaged_at_once_restore_it_once(memory: SqliteMemory) -> None:
    overwrite(memory.path, "02 " * 300)
    said = [process.communicate(timeout=120)[0].split() for process in openers(memory.path, 4)]
    assert [size for size, _ in said] == ["9"] * 4
    assert sorted(told for _, told in said) == ["0", "0", "0", "1"]
    assert [one.name for one in memory.path.parent.glob("*.damaged*")] == ["memory.sqlite3.damaged"]


@pytest.mark.slow
def test_a_restore_that_is_killed_is_done_again(memory: SqliteMemory) -> None:
    overwrite(memory.path, "02 " * 300)
    damaged = memory.path.read_bytes()
    for turn in range(5):
        (process,) = openers(memory.path, 1)
        time.sleep(0.05 * turn)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    again = opened(memory.path)
    assert as_written(again, range(1, 10))
    (aside,) = memory.path.parent.glob("*.damaged*")
    assert (aside / memory.path.name).read_bytes() == damaged
    again.record(auction(run="goes on"))
    assert not list(memory.path.parent.glob("*.restoring"))


def test_a_sound_file_is_left_alone(memory: SqliteMemory) -> None:
    assert needed(memory.path) == ""
    assert restore(memory.path, "for no reason", unless_whole=True) is None
    copy = copied(memory.path)
    assert copy is not None
    assert copy.auctions == 5
