"""The full check of a memory file, on demand: every page, every reference, every checksum."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from salecli.adapters import checksums
from salecli.adapters.sqlitefile import reading

if TYPE_CHECKING:
    from sqlite_utils import Database

MOST = 100
"""Problems of pages that are listed."""


@dataclass(frozen=True, slots=True)
class Examined:
    """What a full check found."""

    auctions: int
    pages: tuple[str, ...]
    """What is wrong with the file's pages and references, in SQLite's words."""
    changed: tuple[int, ...]
    """Auctions whose rows are not as they were written."""
    vectors: int
    """Embeddings that are not as they were written: they are made anew when they are needed."""

    @property
    def sound(self) -> bool:
        return not self.pages and not self.changed


def examine(path: Path) -> Examined:
    """Check a whole memory file; it is read once or twice from end to end.

    Raises:
        MemoryFault: it cannot be read that far.
    """
    with reading(path) as db:
        pages = [str(row[0]) for row in db.execute(f"PRAGMA integrity_check({MOST})") if row[0] != "ok"]
        for table, row, parent, _ in db.execute("PRAGMA foreign_key_check").fetchmany(MOST):
            pages.append(f"row {row} of {table} names a row of {parent} that is not there")
        numbers = [int(number) for (number,) in db.execute("SELECT id FROM auctions ORDER BY id")]
        changed = [number for number in numbers if not checksums.sound(db, number)]
        return Examined(len(numbers), tuple(pages), tuple(changed), _vectors(db))


def _vectors(db: Database) -> int:
    rows = db.execute("SELECT text, embedder, vector, checksum FROM embeddings")
    return sum(row[3] != checksums.of_vector(*row[:3]) for row in rows)
