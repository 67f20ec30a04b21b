"""Many writers on one memory file, some of them killed: every acknowledged auction is there afterwards."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from salecli.adapters import records
from salecli.adapters.examine import examine
from salecli.adapters.restore import restore
from salecli.adapters.sqlite import SqliteMemory
from salecli.adapters.sqlitefile import prepare, reading, writing
from salecli.errors import MemoryFault
from tests.adapters.auctions import WordCounter, auction
from tests.adapters.memory_writers import Written, fill, killed

SECONDS = float(os.environ.get("SALE_MEMORY_SECONDS", "4"))
"""How long the writers write; 60 is the promise, a few are enough to notice a change."""


def opened(folder: Path) -> SqliteMemory:
    return SqliteMemory(folder / "memory.sqlite3", WordCounter(), "pool", "prompts")


def assert_all_there(path: Path, done: Written) -> None:
    assert done.missing(path) == []
    assert done.faults == []
    found = examine(path)
    assert found.sound, found
    assert found.auctions >= len(done.acknowledged)
    sys.stdout.write(f"{len(done.acknowledged)} acknowledged, all there; slowest {done.slowest:.2f} s\n")


@pytest.mark.slow
@pytest.mark.timeout(300 + 2 * SECONDS)
def test_eight_processes_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "memory.sqlite3"
    done = fill(path, processes=8, threads=1, seconds=SECONDS)
    assert len({run.partition("-")[0] for run in done.acknowledged}) == 8
    assert_all_there(path, done)


@pytest.mark.slow
def test_threads_of_several_processes_lose_nothing(tmp_path: Path) -> None:
    """A process that looks at the file in one thread must not let go of the locks of another."""
    path = tmp_path / "memory.sqlite3"
    done = fill(path, processes=3, threads=3, seconds=min(SECONDS, 4))
    assert len(done.acknowledged) > 9
    assert_all_there(path, done)


@pytest.mark.slow
def test_writers_that_are_killed_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "memory.sqlite3"
    done = killed(path, times=30, seed=4)
    assert len(done.acknowledged) > 10
    assert_all_there(path, done)
    assert not list(tmp_path.glob("*.damaged*"))


VISIT = """
import sqlite3, sys
for last in (False, True):
    connection = sqlite3.connect(sys.argv[1])
    connection.execute("SELECT * FROM bids").fetchall()
    if last:
        print("here", flush=True)
        sys.stdin.read()
    connection.close()
"""
"""A visitor that would be the last to close, and one that stays."""


def test_a_look_at_the_file_lets_go_of_no_lock(tmp_path: Path) -> None:
    """A closed descriptor drops a process's locks: another process would fold the -wal in and remove it."""
    memory = opened(tmp_path)
    memory.record(auction())
    with writing(memory.path) as db:
        records.insert(db, auction(run="kept", text="date of a file"))
        assert prepare(memory.path, check=False) is None
        visitor = subprocess.Popen(
            [sys.executable, "-c", VISIT, memory.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert visitor.stdout is not None
        assert visitor.stdout.readline() == b"here\n"
    visitor.communicate(b"", timeout=60)
    assert opened(tmp_path).size() == 2


def test_a_transaction_has_the_file_from_its_beginning_and_is_flushed(tmp_path: Path) -> None:
    memory = opened(tmp_path)
    with writing(memory.path) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA synchronous").fetchone() == (2,)
        other = sqlite3.connect(memory.path, timeout=0, isolation_level=None)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()


def test_the_file_is_not_replaced_while_it_is_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = opened(tmp_path)
    memory.record(auction())
    monkeypatch.setattr("salecli.adapters.restore.PATIENCE", 0.1)
    inode = memory.path.stat().st_ino
    with reading(memory.path), pytest.raises(MemoryFault, match="is being written by"):
        restore(memory.path, "for no reason")
    assert memory.path.stat().st_ino == inode
    assert restore(memory.path, "for no reason") is not None
    assert opened(tmp_path).size() == 1


def test_who_keeps_others_from_writing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = opened(tmp_path)
    memory.record(auction())
    monkeypatch.setattr("salecli.adapters.sqlitefile.PATIENCE", 0.1)
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('BEGIN IMMEDIATE'); print('mine', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(memory.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(MemoryFault) as caught:
            memory.record(auction(run="waits"))
        assert (
            caught.value.message == f"the memory file {memory.path} is being written by process {other.pid}"
        )
        assert caught.value.hint == f"end it with: kill {other.pid}; or try again later"
        assert "locked" not in caught.value.message
        other.kill()
    assert memory.record(auction(run="waits")) == 2


def test_a_writer_waits_for_one_that_is_slow(tmp_path: Path) -> None:
    memory = opened(tmp_path)
    other = sqlite3.connect(memory.path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(0.5, other.rollback).start()
    assert memory.record(auction()) == 1
    other.close()
