"""An Auction to rows of the memory file and back, nothing lost."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from salecli.adapters import checksums
from salecli.adapters.lessons import lessons
from salecli.core.values import Auction, Tests
from salecli.errors import MemoryFault

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from sqlite_utils import Database

Row = dict[str, Any]
CHANGED = "its rows are not as they were written"


@cache
def adapter() -> TypeAdapter[Auction]:
    """Checks and converts plain data to an Auction and back."""
    from pydantic import TypeAdapter  # a tenth of a second of import

    return TypeAdapter(Auction)


def plain(auction: Auction) -> Row:
    """The auction as dicts, lists, texts and numbers."""
    data: Row = adapter().dump_python(auction, mode="json")
    return data


def text_hash(text: str) -> str:
    """The content hash under which a task's text is known."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def to_json(value: object) -> str:
    """JSON in ASCII: bytes that were not UTF-8 stand in texts as lone surrogates, which SQLite refuses."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))


def now() -> str:
    """The time of a record, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def insert(db: Database, auction: Auction, created_at: str = "", number: int | None = None) -> int:
    """Write an auction inside the caller's transaction; the id, also of one that is there already.

    `number` is the id it shall have; else the next one.
    """
    data = plain(auction)
    text = text_id(db, auction.task.text)
    task = _task_id(db, data["task"], text)
    known = db.execute(
        "SELECT id FROM auctions WHERE run = ? AND task = ?", [stored(auction.run), task]
    ).fetchone()
    if known:
        return int(known[0])
    number = _insert(
        db,
        "auctions",
        {
            **({} if number is None else {"id": number}),
            **{name: data[name] for name in _PLAIN},
            "seed": str(auction.seed),
            "prices": to_json(data["prices"]),
            "weights": to_json(data["weights"]),
            "task": task,
            **_outcome(auction),
            "created_at": created_at or now(),
        },
    )
    bids = {}
    for bid in data["bids"]:
        row = {**bid, "pairs": to_json(bid["pairs"]), "usage": to_json(bid["usage"]), "auction": number}
        del row["spread"]  # the journal has it; here entropy_kind says that the entropy is a middle
        bids[bid["agent"], bid["refined"]] = _insert(db, "bids", row)
    for mark in data["marks"]:
        packed = {name: to_json(mark[name]) for name in ("probabilities", "usage")}
        _insert(db, "marks", {**mark, **packed, "auction": number})
    for score in data["scores"]:
        _insert(db, "scores", {**score, "auction": number})
    if data["override"]:
        _insert(db, "overrides", {**data["override"], "auction": number})
    _insert_works(db, auction, data, number)
    _insert_lessons(db, auction, number, text, bids)
    checksums.seal(db, number)
    return number


def amend(db: Database, number: int, auction: Auction) -> None:
    """Put an auction's works, and what came of them, in place of those recorded; the caller's transaction.

    Raises:
        MemoryFault: there is none with this id any more, or its rows are not as they were written.
    """
    known = db.execute(
        "SELECT t.text FROM auctions AS a JOIN tasks AS t ON t.id = a.task WHERE a.id = ?", [number]
    ).fetchone()
    if known is None:
        raise MemoryFault(
            f"auction {number} is no longer in memory", "it was deleted meanwhile: start a new run"
        )
    if not checksums.intact(db, number):
        raise damaged(number, CHANGED)
    db.execute("DELETE FROM lessons WHERE auction = ?", [number])
    db.execute("DELETE FROM verdicts WHERE work IN (SELECT id FROM works WHERE auction = ?)", [number])
    db.execute("DELETE FROM works WHERE auction = ?", [number])
    db.table("auctions").update(number, {name: stored(value) for name, value in _outcome(auction).items()})
    _insert_works(db, auction, plain(auction), number)
    bids = {(row["agent"], bool(row["refined"])): row["id"] for row in _rows(db, "bids", "auction", number)}
    _insert_lessons(db, auction, number, known[0], bids)
    checksums.seal(db, number)
    edited(db)


def edited(db: Database) -> None:
    """Note, inside the caller's transaction, that recorded auctions are not what they were."""
    db.execute("UPDATE edits SET count = count + 1")


def _outcome(auction: Auction) -> Row:
    """What the works made of an auction, as columns of its row."""
    return {
        "solved": auction.solved,
        "solved_by": next((work.agent for work in auction.works if work.solved), None),
        "tokens": auction.tokens,
        "usd": auction.usd,
        "usd_largest": auction.usd_largest,
    }


def _insert_works(db: Database, auction: Auction, data: Row, number: int) -> None:
    for work, value in zip(data["works"], auction.works, strict=True):
        verdict = work.pop("verdict")
        packed = {name: to_json(work[name]) for name in ("steps", "usage", "patch")}
        at = _insert(db, "works", {**work, **packed, "auction": number})
        if verdict and value.verdict:
            counts = {**_counts("before", value.verdict.before), **_counts("after", value.verdict.after)}
            sides = {name: to_json(verdict[name]) for name in ("before", "after")}
            _insert(db, "verdicts", {**verdict, **sides, **counts, "work": at})


def _insert_lessons(
    db: Database, auction: Auction, number: int, text: int, bids: Mapping[tuple[str, bool], int]
) -> None:
    for lesson in lessons(auction):
        _insert(
            db,
            "lessons",
            {
                "auction": number,
                "agent": lesson.agent,
                "text": text,
                "pool_hash": auction.pool_hash,
                "prompts_hash": auction.prompts_hash,
                "lost": bids[lesson.lost.agent, lesson.lost.refined],
                "won": bids[lesson.won.agent, lesson.won.refined],
                "note": lesson.note,
            },
        )


_PLAIN = (
    "run",
    "pool",
    "pool_hash",
    "prompts_hash",
    "provisional",
    "winner",
    "winner_refined",
)


def load(db: Database, number: int) -> Auction:
    """The auction with this id, as it was recorded.

    Raises:
        KeyError: there is none.
        MemoryFault: its rows cannot be understood, or are not as they were written.
    """
    rows = _rows(db, "auctions", "id", number)
    if not rows:
        raise KeyError(number)
    try:
        auction: Auction = adapter().validate_python(_assembled(db, rows[0]))
        if not checksums.intact(db, number):
            raise damaged(number, CHANGED)
    except (ValueError, KeyError, TypeError, IndexError, zlib.error) as error:
        raise damaged(number, str(error).splitlines()[0]) from error
    return auction


def damaged(number: int, why: str) -> MemoryFault:
    """The fault of one auction whose rows do not fit together."""
    return MemoryFault(
        f"auction {number} in memory is damaged: {why}",
        "the others can be read; what can be saved of it comes back with: sale memory restore",
    )


def _assembled(db: Database, row: Row) -> Row:
    number = row["id"]
    task = _rows(db, "tasks", "id", row["task"])[0]
    snapshot = json.loads(zlib.decompress(task["snapshot"]))
    text = _rows(db, "texts", "id", task["text"])[0]["text"]
    works = []
    for work in _rows(db, "works", "auction", number):
        verdict = next(iter(_rows(db, "verdicts", "work", work["id"])), None)
        works.append({**_decoded(work), "verdict": verdict and _decoded(verdict)})
    return {
        **_decoded(row),
        "task": {**task, **snapshot, "id": task["name"], "text": text},
        "bids": [_decoded(one) for one in _rows(db, "bids", "auction", number)],
        "marks": [_decoded(one) for one in _rows(db, "marks", "auction", number)],
        "scores": _rows(db, "scores", "auction", number),
        "override": next(iter(_rows(db, "overrides", "auction", number)), None),
        "works": works,
    }


_JSON = ("prices", "weights", "pairs", "usage", "probabilities", "steps", "patch", "before", "after")


def _decoded(row: Row) -> Row:
    return {name: json.loads(value) if name in _JSON else value for name, value in row.items()}


def _counts(side: str, tests: Tests) -> Row:
    return {f"passed_{side}": tests.passed, f"failed_{side}": tests.failed}


def _rows(db: Database, table: str, key: str, value: object) -> list[Row]:
    order = "rowid" if table in ("overrides", "verdicts") else "id"
    rows = db.table(table).rows_where(f"{key} = ?", [value], order_by=order)
    return [{name: _text_out(name, value) for name, value in row.items()} for row in rows]


def _insert(db: Database, table: str, row: Mapping[str, Any]) -> int:
    return int(db.table(table).insert({name: stored(value) for name, value in row.items()}).last_pk)


def stored(value: object) -> object:
    """Texts as SQLite takes them; those with lone surrogates as bytes."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return value.encode("utf-8", "surrogatepass")
    return value


def _text_out(name: str, value: object) -> object:
    if isinstance(value, bytes) and name != "snapshot":
        return value.decode("utf-8", "surrogatepass")
    return value


def text_id(db: Database, text: str) -> int:
    """The row of a task's text, written where it is new."""
    digest = text_hash(text)
    known = db.execute("SELECT id FROM texts WHERE hash = ?", [digest]).fetchone()
    return int(known[0]) if known else _insert(db, "texts", {"hash": digest, "text": text})


def _task_id(db: Database, task: Row, text: int) -> int:
    digest = text_hash(to_json(task))
    known = db.execute("SELECT id FROM tasks WHERE hash = ?", [digest]).fetchone()
    if known:
        return int(known[0])
    snapshot = zlib.compress(to_json({"files": task["files"], "named": task["named"]}).encode())
    row = {name: task[name] for name in ("title", "repository", "base", "test_command")}
    return _insert(
        db, "tasks", {**row, "hash": digest, "text": text, "name": task["id"], "snapshot": snapshot}
    )
