"""Memory as JSON lines, one auction a line: to keep, to look into, to bring to another machine.

    {"format": "sale-memory", "version": 1, "id": 7, "created_at": "...", "auction": {...},
     "embedding": {"name": "...", "vector": "<base64 of little-endian float32>"}}

`id` is the auction's id in the file it came from: refined bids name the auctions they learned from by it, and
are given the new ids on the way in. `embedding` may be missing; it is then computed when it is needed.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salecli.adapters import overview, records
from salecli.adapters.recall import intact_vector, keep_vector, packed, unpacked
from salecli.adapters.sqlitefile import reading, writing
from salecli.core.values import Auction
from salecli.errors import MemoryFault, UsageError

if TYPE_CHECKING:
    from sqlite_utils import Database

    from salecli.adapters.recall import Vector

FORMAT, VERSION = "sale-memory", 1
LONGEST = 64 << 20
"""Bytes of one line."""
BATCH = 100
"""Auctions a transaction: others who write meanwhile need not wait for the whole file."""


def exported(path: Path) -> Iterator[str | MemoryFault]:
    """One line for each auction of the memory file, oldest first, without line ends, in ASCII.

    A damaged auction gives its fault instead of a line, so that the others come out.
    """
    with reading(path) as db:
        for number, created in overview.ids(db):
            try:
                auction = records.load(db, number)
            except MemoryFault as fault:
                yield fault
                continue
            line: dict[str, Any] = {
                "format": FORMAT,
                "version": VERSION,
                "id": number,
                "created_at": created,
                "auction": records.plain(auction),
            }
            stored = db.execute(
                "SELECT t.id, e.embedder, e.vector, e.checksum FROM texts AS t"
                " JOIN embeddings AS e ON e.text = t.id WHERE t.hash = ? ORDER BY e.rowid DESC LIMIT 1",
                [records.text_hash(auction.task.text)],
            ).fetchone()
            vector = intact_vector(*stored) if stored else None
            if vector is not None:
                coded = base64.b64encode(packed(vector)).decode()
                line["embedding"] = {"name": stored[1], "vector": coded}
            yield records.to_json(line)


def write_all(path: Path, write: Callable[[str], object]) -> tuple[int, list[str]]:
    """Write every auction's line; how many there were, and what is wrong with those that were left out."""
    good, damaged = 0, []
    for line in exported(path):
        if isinstance(line, MemoryFault):
            damaged.append(line.message)
            continue
        write(line + "\n")
        good += 1
    return good, damaged


@contextmanager
def new_file(target: Path, memory: Path, replace: bool = False) -> Iterator[Callable[[str], object]]:
    """What writes text to the file of an export, which appears when it is complete.

    Raises:
        UsageError: it cannot be written, is the memory file itself, or is there and `replace` is False.
    """
    if target.exists() and target.samefile(memory):
        raise UsageError(f"{target} is the memory file itself", "name another file")
    if target.exists() and not replace:
        raise UsageError(f"{target} is there already", "name a new file, or add --force to replace it")
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="ascii", dir=target.absolute().parent, prefix=f".{target.name}.", delete=False
        ) as growing:
            try:
                yield growing.write
                growing.close()
                Path(growing.name).replace(target)
            except BaseException:
                Path(growing.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror}", "name another file") from error


@dataclass(frozen=True, slots=True)
class Line:
    """One checked line of an export."""

    id: int
    created_at: str
    auction: Auction
    embedder: str
    vector: Vector | None


@dataclass(slots=True)
class Imported:
    """What an import did."""

    added: int = 0
    known: int = 0
    """Auctions that were there already, by their run id."""
    ids: dict[int, int] = field(default_factory=dict)
    """Ids of the exported file -> ids here."""


def imported(path: Path, source: Path) -> Imported:
    """Remember the auctions of an export; those whose run is there already are skipped.

    The whole file is checked before anything is written.

    Raises:
        UsageError: the file cannot be read, or a line is not what an export holds; it names the line.
    """
    for _ in lines(source):
        pass
    done = Imported()
    batch: list[Line] = []
    for line in lines(source):
        batch.append(line)
        if len(batch) == BATCH:
            _write(path, batch, done)
            batch = []
    _write(path, batch, done)
    return done


def _write(path: Path, batch: list[Line], done: Imported) -> None:
    if not batch:
        return
    added, known, new = 0, 0, {}
    with writing(path) as db:
        for line in batch:
            here = _known(db, line.auction)
            if here is not None:
                known += 1
                new[line.id] = here
                continue
            number = records.insert(db, _renumbered(line.auction, {**done.ids, **new}), line.created_at)
            new[line.id] = number
            added += 1
            if line.vector is not None:
                _offer_vector(db, line)
    done.added += added
    done.known += known
    done.ids |= new


def _known(db: Database, auction: Auction) -> int | None:
    """The id here of the same run's same task; the tasks of a batch may share a run."""
    row = db.execute(
        "SELECT a.id FROM auctions AS a JOIN tasks AS k ON k.id = a.task WHERE a.run = ? AND k.name = ?",
        [records.stored(auction.run), records.stored(auction.task.id)],
    ).fetchone()
    return int(row[0]) if row else None


def _offer_vector(db: Database, line: Line) -> None:
    """Keep a line's vector where none is known yet: what was computed here is not replaced."""
    text = records.text_id(db, line.auction.task.text)
    known = db.execute(
        "SELECT count(*) FROM embeddings WHERE text = ? AND embedder = ?", [text, line.embedder]
    ).fetchone()[0]
    if not known and line.vector is not None:
        keep_vector(db, text, line.embedder, line.vector)


def _renumbered(auction: Auction, ids: dict[int, int]) -> Auction:
    """The auction with its bids' sources under their ids here; those that did not come along are dropped."""
    if not any(bid.pairs for bid in auction.bids):
        return auction
    bids = tuple(
        replace(bid, pairs=tuple(ids[number] for number in bid.pairs if number in ids))
        for bid in auction.bids
    )
    return replace(auction, bids=bids)


def lines(source: Path) -> Iterator[Line]:
    """The checked lines of an export; empty ones are passed over."""
    try:
        with source.open("rb") as file:
            number = 0
            while raw := file.readline(LONGEST + 1):
                number += 1
                if len(raw) > LONGEST:
                    raise _wrong(source, number, f"it is longer than {LONGEST >> 20} MiB")
                if raw.strip():
                    yield _line(source, number, raw)
    except OSError as error:
        raise UsageError(f"{source} cannot be read: {error.strerror}", "name a file that exists") from error


def _line(source: Path, number: int, raw: bytes) -> Line:
    try:
        data = json.loads(raw.decode("utf-8"), parse_constant=_no_number)
        _sane(data)
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise ValueError(f"it is not a line of an export: no `format` of {FORMAT!r}")
        if data.get("version") != VERSION:
            raise ValueError(f"its version is {data.get('version')!r}; this sale reads version {VERSION}")
        auction = records.adapter().validate_python(data.get("auction"))
        _consistent(auction)
        stamp = data.get("created_at")
        if not isinstance(stamp, str) or not datetime.fromisoformat(stamp):
            raise ValueError("it has no `created_at`")
        if not isinstance(data.get("id"), int):
            raise ValueError("it has no `id`")
        name, vector = _embedding(data.get("embedding"))
        return Line(data["id"], stamp, auction, name, vector)
    except RecursionError as error:
        raise _wrong(source, number, "it is nested too deeply") from error
    except ValueError as error:
        raise _wrong(source, number, _reason(error)) from error


def _wrong(source: Path, number: int, why: str) -> UsageError:
    return UsageError(
        f"{source}, line {number}: {why}", "mend or remove that line; nothing of the file was imported"
    )


def _reason(error: ValueError) -> str:
    """The first thing wrong, in a line."""
    problems = getattr(error, "errors", None)
    if callable(problems):
        first = problems(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        return f"{place or 'auction'}: {first['msg']}"
    return str(error)


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is not a number")


def _sane(value: object) -> None:
    """Refuse numbers that a record cannot hold."""
    if isinstance(value, dict):
        for one in value.values():
            _sane(one)
    elif isinstance(value, list):
        for one in value:
            _sane(one)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number is too large")


def _consistent(auction: Auction) -> None:
    """Refuse a record whose parts do not belong together."""
    bids = [(bid.agent, bid.refined) for bid in auction.bids]
    counts = [
        auction.tokens,
        *(bid.tokens for bid in auction.bids),
        *(bid.vocabulary for bid in auction.bids),
    ]
    if not all(0 <= count < 2**63 for count in counts):
        raise ValueError("a count of tokens is negative or too large")
    if not auction.run:
        raise ValueError("auction.run is empty")
    if len(set(bids)) != len(bids):
        raise ValueError("auction.bids holds the same bid twice")
    if (auction.winner, auction.winner_refined) not in bids:
        raise ValueError(f"auction.winner {auction.winner!r} made no such bid")
    for name in [auction.provisional, *(bid.agent for bid in auction.bids)]:
        if name not in auction.prices:
            raise ValueError(f"auction.prices has none for {name!r}")
    for work in auction.works:
        if (work.agent, work.refined) not in bids:
            raise ValueError(f"auction.works: {work.agent!r} made no such bid")


def _embedding(data: object) -> tuple[str, Vector | None]:
    if data is None:
        return "", None
    values = data if isinstance(data, dict) else {}
    name, coded = values.get("name"), values.get("vector")
    if not isinstance(name, str) or not name.isascii() or not isinstance(coded, str):
        raise ValueError("`embedding` has no name or no vector")
    try:
        vector = unpacked(base64.b64decode(coded, validate=True))
    except binascii.Error as error:
        raise ValueError("`embedding.vector` is not base64") from error
    # Of length 1 to within float32: a longer one would be like everything.
    if vector is None or abs(float(vector @ vector) - 1) > 1e-3 or len(packed(vector)) > 1 << 16:
        raise ValueError("`embedding.vector` is no vector of length 1")
    return name, vector
