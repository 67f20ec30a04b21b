"""Taking auctions out of the memory file for good."""

from __future__ import annotations

import json
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from salecli.adapters import checksums
from salecli.adapters.copies import discard_copy, renew_copy
from salecli.adapters.records import edited, to_json
from salecli.adapters.sqlitefile import writing
from salecli.errors import MemoryFault

if TYPE_CHECKING:
    from sqlite_utils import Database

_PARTS = ("lessons", "marks", "scores", "overrides", "bids", "works")
"""Tables whose rows belong to one auction, those that name others of them first."""


def forget(path: Path, numbers: Collection[int]) -> int:
    """Delete auctions with all that belongs to them, and return how many there were.

    Other auctions stay as they were recorded, but no longer name these as what they learned from: a later
    auction may be given a deleted one's id. The copy forgets them too.
    """
    with writing(path) as db:
        # What was deleted shall not stand readable in the file's free pages.
        db.execute("PRAGMA secure_delete = ON")
        done = sum(_forget(db, number) for number in numbers)
        edited(db)
        db.execute("DELETE FROM tasks WHERE id NOT IN (SELECT task FROM auctions)")
        for table, key in (("embeddings", "text"), ("texts", "id")):
            db.execute(f"DELETE FROM {table} WHERE {key} NOT IN (SELECT text FROM tasks)")
    discard_copy(path)
    with suppress(MemoryFault):  # without room for it the next one is made later
        renew_copy(path)
    return done


def _forget(db: Database, number: int) -> int:
    db.execute("DELETE FROM verdicts WHERE work IN (SELECT id FROM works WHERE auction = ?)", [number])
    for table in _PARTS:
        db.execute(f"DELETE FROM {table} WHERE auction = ?", [number])
    readers = db.execute(
        "SELECT id, auction, pairs FROM bids WHERE auction > ? AND pairs LIKE ?", [number, f"%{number}%"]
    ).fetchall()
    for bid, reader, pairs in readers:
        known = json.loads(pairs)
        if number in known:
            sound = checksums.sound(db, reader)
            kept = [one for one in known if one != number]
            db.execute("UPDATE bids SET pairs = ? WHERE id = ?", [to_json(kept), bid])
            if sound:  # what was damaged before stays known as damaged
                checksums.seal(db, reader)
    return int(db.execute("DELETE FROM auctions WHERE id = ?", [number]).rowcount)
