"""Memory files of every earlier schema, as their `sale` left them."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from salecli.adapters import checksums, schema
from salecli.adapters.examine import examine
from salecli.adapters.sqlite import SqliteMemory
from salecli.adapters.sqlitefile import reading
from salecli.core.values import Auction, Task
from tests.adapters.auctions import WordCounter, auction, work
from tests.adapters.memory_writers import environment

FIRST = Path(__file__).with_name("memory-1.sql")
"""What version 1 wrote of one auction."""
SINCE = {
    2: "CREATE TABLE edits (id INTEGER PRIMARY KEY, count INTEGER NOT NULL);INSERT INTO edits VALUES (1, 0);",
    3: """
    ALTER TABLE auctions ADD COLUMN checksum INTEGER; UPDATE auctions SET checksum = 1248057797;
    ALTER TABLE lessons ADD COLUMN checksum INTEGER;
    UPDATE lessons SET checksum = CASE rowid WHEN 1 THEN 647428880 ELSE 4012308152 END;
    ALTER TABLE embeddings ADD COLUMN checksum INTEGER; UPDATE embeddings SET checksum = 1336142983;
    """,
}
"""What each later version but the latest made of it."""
EARLIER = range(1, schema.LATEST)


def written(path: Path, version: int) -> Path:
    connection = sqlite3.connect(path)
    connection.executescript(FIRST.read_text())
    for number in range(2, version + 1):
        connection.executescript(SINCE[number])
    connection.execute(f"PRAGMA user_version = {version}")
    connection.execute(f"PRAGMA application_id = {schema.APPLICATION}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    return path


def recorded() -> Auction:
    """The auction that stands in the fixture."""
    return auction(works=(replace(work("large", True), steps=()),))


def opened(path: Path) -> SqliteMemory:
    return SqliteMemory(path, WordCounter(), "pool", "prompts")


def shape(path: Path) -> dict[str, object]:
    """Tables with their columns, and indices."""
    with reading(path) as db:
        tables = {name: db.execute(f"PRAGMA table_info({name})").fetchall() for name in db.table_names()}
        indices = db.execute("SELECT name, tbl_name FROM sqlite_master WHERE type = 'index' ORDER BY name")
        return {**tables, "indices": indices.fetchall()}


@pytest.mark.parametrize("version", EARLIER)
def test_an_earlier_file_is_brought_up_to_date_and_loses_nothing(tmp_path: Path, version: int) -> None:
    memory = opened(written(tmp_path / "old.sqlite3", version))
    assert memory.told() == []
    assert memory.auction(1) == recorded()
    (pair,) = memory.pairs(Task("q", "q", "sum a list"), "small", 8)
    assert (pair.lost.text, pair.won.text) == ("plan small", "plan large")
    memory.amend(memory.record(auction(run="new", text="date of a file")), auction(run="new"))
    assert opened(memory.path).size() == 2
    found = examine(memory.path)
    assert (found.sound, found.vectors) == (True, 0)
    fresh = opened(tmp_path / "fresh.sqlite3")
    assert shape(memory.path) == shape(fresh.path)


@pytest.mark.parametrize("version", EARLIER)
def test_an_earlier_file_that_several_open_at_once(tmp_path: Path, version: int) -> None:
    path = written(tmp_path / "old.sqlite3", version)
    with ThreadPoolExecutor(6) as threads:
        sizes = list(threads.map(lambda _: opened(path).size(), range(12)))
    assert sizes == [1] * 12
    with reading(path) as db:
        assert schema.version(db) == schema.LATEST
        assert checksums.intact(db, 1)


FULL = """
import resource, sys
from pathlib import Path
from salecli.adapters.sqlite import SqliteMemory
from salecli.errors import MemoryFault
from tests.adapters.auctions import WordCounter
path = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
try:
    SqliteMemory(path, WordCounter(), "pool", "prompts")
except MemoryFault as fault:
    print(fault.message)
"""


def test_an_earlier_file_without_room_to_grow_stays_as_it_was(tmp_path: Path) -> None:
    path = written(tmp_path / "old.sqlite3", 1)
    before = path.read_bytes()
    command = [sys.executable, "-c", FULL, str(path)]
    said = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    assert "the memory file" in said.stdout
    assert said.stderr == ""
    assert path.read_bytes() == before
    assert opened(path).auction(1) == recorded()


def test_every_version_has_its_fixture() -> None:
    assert set(SINCE) == set(range(2, schema.LATEST))
