"""The memory file's tables, as numbered migrations. A migration that was released is never edited.

The version stands in SQLite's `user_version`; `application_id` tells a memory file from other SQLite files.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from salecli.adapters import checksums

if TYPE_CHECKING:
    from sqlite_utils import Database

APPLICATION = 0x53414C45
"""`SALE` in ASCII, in the file's header."""


def _first(db: Database) -> None:
    """Texts, their embeddings, tasks, auctions with all that happened in them, and the lessons they teach."""
    db.table("texts").create(
        {"id": int, "hash": str, "text": str}, pk="id", not_null={"hash", "text"}
    ).create_index(["hash"], unique=True)
    # One vector per text and embedder, so that another embedder can be used later without losing the first.
    db.table("embeddings").create(
        {"text": int, "embedder": str, "vector": bytes},
        pk=("text", "embedder"),
        foreign_keys=[("text", "texts", "id")],
        not_null={"vector"},
    )
    # `snapshot` holds the file list and the named files' texts, as compressed JSON.
    db.table("tasks").create(
        {"id": int, "hash": str, "text": int, "name": str, "title": str, "repository": str, "base": str,
         "test_command": str, "snapshot": bytes},
        pk="id",
        foreign_keys=[("text", "texts", "id")],
        not_null={"hash", "text"},
    ).create_index(["hash"], unique=True)  # fmt: skip
    # `seed` is text: a seed may be larger than SQLite's integers.
    db.table("auctions").create(
        {"id": int, "run": str, "task": int, "pool": str, "pool_hash": str, "prompts_hash": str, "seed": str,
         "prices": str, "weights": str, "provisional": str, "winner": str, "winner_refined": int,
         "solved": int, "solved_by": str, "tokens": int, "usd": float, "usd_largest": float,
         "created_at": str},
        pk="id",
        foreign_keys=[("task", "tasks", "id")],
        not_null={"run", "task", "winner", "solved", "created_at"},
    ).create_index(["run", "task"], unique=True).create_index(["task"])  # fmt: skip
    _rounds(db)
    _labour(db)
    # Which plans an agent learns from in an auction: derived from the record when it is written.
    db.table("lessons").create(
        {"auction": int, "agent": str, "text": int, "pool_hash": str, "prompts_hash": str, "lost": int,
         "won": int, "note": str},
        pk=("auction", "agent"),
        foreign_keys=[("auction", "auctions", "id"), ("text", "texts", "id"), ("lost", "bids", "id"),
                      ("won", "bids", "id")],
    ).create_index(["pool_hash", "prompts_hash", "auction"])  # fmt: skip


def _rounds(db: Database) -> None:
    db.table("bids").create(
        {"id": int, "auction": int, "agent": str, "refined": int, "plan": str, "tokens": int,
         "entropy": float, "vocabulary": int, "entropy_kind": str, "pairs": str, "usage": str},
        pk="id",
        foreign_keys=[("auction", "auctions", "id")],
    ).create_index(["auction"])  # fmt: skip
    db.table("marks").create(
        {"id": int, "auction": int, "judge": str, "agent": str, "refined": int, "value": float,
         "probabilities": str, "mass": float, "source": str, "usage": str},
        pk="id",
        foreign_keys=[("auction", "auctions", "id")],
    ).create_index(["auction"])  # fmt: skip
    db.table("scores").create(
        {
            "id": int,
            "auction": int,
            "agent": str,
            "refined": int,
            "cost": float,
            "entropy": float,
            "jury": float,
        },
        pk="id",
        foreign_keys=[("auction", "auctions", "id")],
    ).create_index(["auction"])
    db.table("overrides").create(
        {"auction": int, "agent": str, "reason": str},
        pk="auction",
        foreign_keys=[("auction", "auctions", "id")],
    )


def _labour(db: Database) -> None:
    db.table("works").create(
        {"id": int, "auction": int, "agent": str, "refined": int, "end": str, "steps": str, "usage": str,
         "patch": str, "note": str},
        pk="id",
        foreign_keys=[("auction", "auctions", "id")],
    ).create_index(["auction"])  # fmt: skip
    db.table("verdicts").create(
        {"work": int, "solved": int, "reason": str, "passed_before": int, "failed_before": int,
         "passed_after": int, "failed_after": int, "before": str, "after": str},
        pk="work",
        foreign_keys=[("work", "works", "id")],
    )  # fmt: skip


def _second(db: Database) -> None:
    """How often recorded auctions were amended or deleted: a reader that keeps them in mind notices by it."""
    db.table("edits").create({"id": int, "count": int}, pk="id", not_null={"count"}).insert(
        {"id": 1, "count": 0}
    )


def _third(db: Database) -> None:
    """Checksums of auctions, lessons and embeddings."""
    for table in ("auctions", "lessons", "embeddings"):
        db.table(table).add_column(checksums.COLUMN, int)
    checksums.renew(db)


def _fourth(db: Database) -> None:
    """What a mark counted as, where past verdicts put it right."""
    db.table("marks").add_column(checksums.LATER, float)


MIGRATIONS: tuple[Callable[[Database], None], ...] = (_first, _second, _third, _fourth)
LATEST = len(MIGRATIONS)


def version(db: Database) -> int:
    """How many migrations the open file has had."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def migrate(db: Database) -> None:
    """Bring the open file up to the latest schema, inside the caller's transaction."""
    for number in range(version(db), LATEST):
        MIGRATIONS[number](db)
        db.execute(f"PRAGMA user_version = {number + 1}")
        db.execute(f"PRAGMA application_id = {APPLICATION}")
