from __future__ import annotations

import os
import random
import shlex
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from salecli.adapters import interchange
from salecli.adapters.sqlite import SqliteMemory
from salecli.core.values import Task
from salecli.errors import MemoryDamaged, MemoryFault
from tests.adapters.auctions import WordCounter, auction

QUESTION = Task("q", "q", "sum a list")


def opened(path: Path) -> SqliteMemory:
    return SqliteMemory(path, WordCounter(), "pool", "prompts")


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    path = tmp_path / "it's memory.sqlite3"
    memory = opened(path)
    for number in range(9):
        memory.record(auction(run=f"r{number}", text=f"sum number {number}"))
    # The last connection folds the side files in. The copy has a test of its own.
    path.with_name(path.name + ".copy").unlink()
    assert sorted(one.name for one in tmp_path.iterdir()) == [path.name, f"{path.name}-lock"]
    return path


def assert_set_aside(fault: MemoryFault, path: Path) -> str:
    """What the hint says to type keeps the file as it was and gives a memory that works; what it said."""
    before = path.read_bytes()
    command = fault.hint
    assert command == f"sale memory restore --memory {shlex.quote(str(path))}"
    programs = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, shell=True, check=True, env=programs, capture_output=True, text=True)
    (kept,) = path.parent.glob(f"{path.name}.damaged*/{path.name}")
    assert kept.read_bytes() == before
    opened(path).record(auction(run="after", text="date of a file"))
    return done.stdout


@pytest.mark.parametrize("content", [b"hello", b"x" * 5000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_garbage_is_named_and_never_overwritten(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "memory.sqlite3"
    path.write_bytes(content)
    with pytest.raises(MemoryFault, match="is damaged") as caught:
        opened(path)
    assert path.read_bytes() == content
    assert_set_aside(caught.value, path)


def test_a_truncated_file_is_named(filled: Path) -> None:
    with filled.open("r+b") as file:
        file.truncate(filled.stat().st_size * 2 // 3)
    with pytest.raises(MemoryFault, match="is damaged") as caught:
        opened(filled)
    assert_set_aside(caught.value, filled)


def test_overwritten_pages_are_named(filled: Path) -> None:
    with filled.open("r+b") as file:
        for page in range(2, filled.stat().st_size // 4096):
            file.seek(4096 * page)
            file.write(b"\xa5" * 512)
    with pytest.raises(MemoryFault, match="is damaged") as caught:
        opened(filled)
    assert_set_aside(caught.value, filled)


def test_what_is_set_aside_takes_a_free_name_and_the_side_files(filled: Path) -> None:
    wal = filled.with_name(filled.name + "-wal")
    shutil.copy(filled, wal)
    filled.with_name(filled.name + ".damaged").mkdir()
    filled.write_bytes(b"no database at all")
    with pytest.raises(MemoryDamaged) as caught:
        opened(filled)
    assert_set_aside(caught.value, filled)
    folder = filled.with_name(filled.name + ".damaged-2")
    assert {one.name for one in folder.iterdir()} == {filled.name, wal.name}


def test_damage_that_appears_later_is_a_fault_too(filled: Path) -> None:
    memory = opened(filled)
    filled.write_bytes(b"gone mad" * 1000)
    with pytest.raises(MemoryFault, match="is damaged"):
        memory.size()
    with pytest.raises(MemoryFault, match="is damaged"):
        memory.pairs(QUESTION, "small", 8)
    with pytest.raises(MemoryFault, match="is damaged"):
        memory.record(auction())


def test_a_record_that_cannot_be_understood_names_itself(filled: Path) -> None:
    with sqlite3.connect(filled) as connection:
        connection.execute("UPDATE bids SET usage = 'nonsense' WHERE auction = 3")
    connection.close()
    memory = opened(filled)
    with pytest.raises(MemoryFault, match="auction 3 in memory is damaged"):
        memory.auction(3)
    assert memory.auction(4).run == "r3"


def test_random_damage_is_a_fault_or_harmless(filled: Path) -> None:
    good = filled.read_bytes()
    faults = 0
    for seed in range(40):
        chance = random.Random(seed)
        content = bytearray(good)
        for _ in range(chance.choice((1, 20, 200))):
            content[chance.randrange(len(content))] = chance.randrange(256)
        for side in filled.parent.iterdir():
            side.unlink()
        filled.write_bytes(content)
        try:
            memory = opened(filled)
            memory.pairs(QUESTION, "small", 8)
            list(interchange.exported(filled))
            memory.record(auction(run="new", text="date"))
        except MemoryFault:
            faults += 1
    assert faults > 10


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(MemoryFault, match="is a folder"):
        opened(tmp_path)


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MemoryFault, match="not a regular file"):
        opened(tmp_path / "pipe")


def test_a_path_below_a_file_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MemoryFault, match="cannot be"):
        opened(tmp_path / "file" / "memory.sqlite3")


def test_an_empty_file_becomes_a_memory(tmp_path: Path) -> None:
    (tmp_path / "memory.sqlite3").touch()
    assert opened(tmp_path / "memory.sqlite3").size() == 0


def test_a_file_from_a_newer_sale_is_left_alone(filled: Path) -> None:
    with sqlite3.connect(filled) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(MemoryFault, match=r"written by a newer sale: its schema is version 99") as caught:
        opened(filled)
    assert "upgrade" in caught.value.hint


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "browser.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE history (url)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(MemoryFault, match="of another program"):
        opened(path)
    assert path.read_bytes() == before


READER = """
import sys
from pathlib import Path
from salecli.adapters.sqlite import SqliteMemory
from salecli.core.values import Task
from salecli.errors import MemoryDamaged, MemoryFault
from tests.adapters.auctions import WordCounter, auction
try:
    memory = SqliteMemory(Path(sys.argv[1]), WordCounter(), "pool", "prompts")
    print(memory.size(), len(memory.pairs(Task("q", "q", "sum a list"), "small", 8)))
    print(memory.fault.message if memory.fault else "may be written")
    memory.record(auction(run="one more"))
except MemoryFault as fault:
    print("fault:", fault.message, "|", fault.hint)
"""


def unprivileged(path: Path) -> list[str]:
    """What READER says of the file, without root's right to pass over permissions."""
    command = [sys.executable, "-c", READER, str(path)]
    if os.geteuid() == 0:
        kept = "-dac_override,-dac_read_search"
        command = ["setpriv", f"--bounding-set={kept}", f"--inh-caps={kept}", *command]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_read_only_memory_still_teaches(filled: Path, what: str) -> None:
    place = filled if what == "file" else filled.parent
    mode = place.stat().st_mode
    place.chmod(0o444 if what == "file" else 0o555)
    try:
        said = unprivileged(filled)
    finally:
        place.chmod(mode)
    assert said[0] == "9 8"
    assert said[1] == f"the memory {what} {place} may not be written"
    assert said[2].startswith(f"fault: {said[1]} | chmod u+w {shlex.quote(str(place))}")
    assert opened(filled).size() == 9


def test_a_memory_that_may_not_be_read_is_a_fault(filled: Path) -> None:
    filled.chmod(0)
    try:
        said = unprivileged(filled)
    finally:
        filled.chmod(0o600)
    assert said[0].startswith(f"fault: the memory file {filled} may not be read | chmod u+rw ")


def test_a_memory_that_cannot_be_created_is_a_fault(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        said = unprivileged(tmp_path / "deep" / "memory.sqlite3")
    finally:
        tmp_path.chmod(0o700)
    assert said[0].startswith("fault: the memory file")
    assert "cannot be created: Permission denied" in said[0]
    assert not (tmp_path / "deep").exists()


def test_a_lock_that_never_ends_is_a_fault(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("salecli.adapters.sqlitefile.PATIENCE", 0.1)
    memory = opened(filled)
    other = sqlite3.connect(filled, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(MemoryFault, match="is being written by"):
            memory.record(auction(run="waits"))
        assert memory.size() == 9  # readers do not wait for writers
    finally:
        other.close()
    memory.record(auction(run="waits"))
