"""Checksums of what is learned from: a byte that flipped on the disk must not teach anybody.

SQLite notices pages that do not fit together, not a letter of a plan that became another. So an auction's row
holds the CRC-32 of all rows that belong to the auction, a lesson's row that of all that it teaches, and an
embedding's row that of its vector. They are made where rows are written, and compared where rows are read.
A migration that changes these tables makes them anew (`renew`).
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlite_utils import Database

COLUMN = "checksum"
LATER = "corrected"
"""A column that came after the checksums: it counts where it holds something, so that older ones hold."""
_PARTS = (
    "SELECT * FROM auctions WHERE id = ?",
    "SELECT * FROM bids WHERE auction = ? ORDER BY id",
    "SELECT * FROM marks WHERE auction = ? ORDER BY id",
    "SELECT * FROM scores WHERE auction = ? ORDER BY id",
    "SELECT * FROM overrides WHERE auction = ?",
    "SELECT * FROM works WHERE auction = ? ORDER BY id",
    "SELECT v.* FROM verdicts AS v JOIN works AS w ON w.id = v.work WHERE w.auction = ? ORDER BY v.work",
    "SELECT k.*, t.* FROM auctions AS a JOIN tasks AS k ON k.id = a.task JOIN texts AS t ON t.id = k.text"
    " WHERE a.id = ?",
)
LESSON = (
    "SELECT l.checksum, l.auction, l.agent, l.text, l.pool_hash, l.prompts_hash, l.note, t.text, lost.agent,"
    " lost.plan, won.agent, won.plan,"
    # Only what the user said of it: a work that passed the tests has no other note.
    " ifnull((SELECT w.note FROM works AS w JOIN verdicts AS v ON v.work = w.id WHERE v.solved"
    " AND w.auction = l.auction AND w.agent = won.agent AND w.refined = won.refined"
    " ORDER BY w.id DESC LIMIT 1), '')"
    " FROM lessons AS l JOIN texts AS t ON t.id = l.text"
    " JOIN bids AS lost ON lost.id = l.lost JOIN bids AS won ON won.id = l.won"
    " WHERE l.auction = ? AND l.agent = ?"
)
"""A lesson with its checksum first, and then all that it is made from."""


def of(values: object, before: int = 0) -> int:
    """CRC-32 of values as SQLite gives them back: numbers, texts, bytes and None, in tuples and lists."""
    return zlib.crc32(repr(values).encode("utf-8", "surrogatepass"), before)


def of_auction(db: Database, number: int) -> int:
    """CRC-32 of all rows that belong to an auction, but for the checksum itself."""
    total = 0
    for question in _PARTS:
        found = db.execute(question, [number])
        columns = [column[0] for column in found.description]
        rows = found.fetchall()
        if COLUMN in columns:
            place = columns.index(COLUMN)
            rows = [row[:place] + row[place + 1 :] for row in rows]
        if LATER in columns:
            place = columns.index(LATER)
            rows = [row[:place] + row[place + (row[place] is None) :] for row in rows]
        total = of(rows, total)
    return total


def of_vector(text: int, embedder: str, vector: bytes) -> int:
    """CRC-32 of an embedding: of which text, by whom, and the vector."""
    return of((text, embedder, vector))


def seal(db: Database, number: int) -> None:
    """Write the checksums of an auction and of its lessons, inside the caller's transaction."""
    agents = db.execute("SELECT agent FROM lessons WHERE auction = ?", [number]).fetchall()
    for (agent,) in agents:
        values = db.execute(LESSON, [number, agent]).fetchone()
        total = of(values[1:]) if values else None
        db.execute("UPDATE lessons SET checksum = ? WHERE auction = ? AND agent = ?", [total, number, agent])
    db.execute("UPDATE auctions SET checksum = ? WHERE id = ?", [of_auction(db, number), number])


def intact(db: Database, number: int) -> bool:
    """Whether an auction's rows are as they were written; its lessons can be drawn from it anew."""
    row = db.execute("SELECT checksum FROM auctions WHERE id = ?", [number]).fetchone()
    return row is not None and row[0] == of_auction(db, number)


def sound(db: Database, number: int) -> bool:
    """Whether an auction's rows, and those of its lessons, are as they were written."""
    if not intact(db, number):
        return False
    agents = db.execute("SELECT agent FROM lessons WHERE auction = ?", [number]).fetchall()
    return all(lesson(db, number, agent) is not None for (agent,) in agents)


def lesson(db: Database, number: int, agent: object) -> tuple[Any, ...] | None:
    """What an auction teaches an agent, as LESSON selects it; None where it is not as it was written."""
    row = db.execute(LESSON, [number, agent]).fetchone()
    return row if row is not None and row[0] == of(row[1:]) else None


def renew(db: Database) -> None:
    """Write all checksums for the rows as they are now, inside the caller's transaction."""
    for (number,) in db.execute("SELECT id FROM auctions").fetchall():
        seal(db, number)
    for text, embedder in db.execute("SELECT text, embedder FROM embeddings").fetchall():
        key = [text, embedder]
        vector = db.execute("SELECT vector FROM embeddings WHERE text = ? AND embedder = ?", key).fetchone()
        total = of_vector(text, embedder, vector[0])
        db.execute("UPDATE embeddings SET checksum = ? WHERE text = ? AND embedder = ?", [total, *key])
