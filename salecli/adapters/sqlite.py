"""Memory in one SQLite file: what is remembered, and what of it is taught.

A connection per call, never shared between threads; any number of processes may use one file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from salecli.adapters import records
from salecli.adapters.recall import Recall, as_text, keep_vector, unit, vector_of
from salecli.adapters.sqlitefile import prepare, reading, writing
from salecli.core.values import Auction, Pair, Plan, Task
from salecli.errors import EnvironmentFault, MemoryFault

if TYPE_CHECKING:
    from sqlite_utils import Database

    from salecli.adapters.recall import Vector
    from salecli.core.ports import Embedder


def remembered(path: Path) -> int:
    """How many auctions a memory file holds."""
    with reading(path) as db:
        return int(db.execute("SELECT count(*) FROM auctions").fetchone()[0])


class SqliteMemory:
    """Past auctions in the file `path`; pairs come from those of the same pool and prompts alone.

    The file is created, with its folder, where there is none. Vectors are those of `embedder`; a text that
    was seen before needs none. All methods may raise MemoryFault.
    """

    def __init__(self, path: Path, embedder: Embedder, pool_hash: str, prompts_hash: str) -> None:
        self.path = path
        self._embedder = embedder
        self._recall = Recall(embedder, pool_hash, prompts_hash)
        self.fault: MemoryFault | None = prepare(path)
        """Why nothing can be recorded, known before any work is done; None where all is well."""

    def size(self) -> int:
        """How many auctions are remembered."""
        return remembered(self.path)

    def pairs(self, task: Task, agent: str, k: int) -> Sequence[Pair]:
        """(lost, won) pairs of the k most similar past tasks in which `agent` wrote at least one side.

        Most similar first; one pair per task text, from its newest auction that teaches this agent.
        """
        try:
            with reading(self.path) as db:
                computed = self._recall.refresh(db, self._identity())
                if not self._recall.teaches(agent):
                    return []
                vector = self._vector(db, task.text)
                near = self._recall.nearest(vector, agent, k)
                found = [_pair(db, auction, agent, likeness) for auction, likeness in near]
        except EnvironmentFault as error:
            raise MemoryFault(
                f"past tasks cannot be compared with this one: {error.message}", error.hint
            ) from error
        if computed and self.fault is None:
            with writing(self.path) as db:
                for text, known in computed:
                    keep_vector(db, text, self._embedder.name, known)
        return found

    def record(self, auction: Auction) -> int:
        """Remember an auction durably, and return its id; the same run's same task is remembered once.

        Where the embedder is out of order the auction is kept all the same: its vector is made up for later.
        """
        fault = prepare(self.path, check=False)
        if fault is not None:
            raise fault
        with reading(self.path) as db:
            vector = vector_of(db, self._embedder.name, auction.task.text)
        known = vector is not None
        if vector is None:
            try:
                vector = unit(self._embedder.embed(auction.task.text))
            except EnvironmentFault:
                vector = None
        with writing(self.path) as db:
            number = records.insert(db, auction)
            if vector is not None and not known:
                keep_vector(db, records.text_id(db, auction.task.text), self._embedder.name, vector)
        return number

    def amend(self, number: int, auction: Auction) -> None:
        """Put the works of `auction`, and what came of them, in place of those recorded under this id.

        What it teaches is drawn from it anew; all in one transaction.
        """
        with writing(self.path) as db:
            records.amend(db, number, auction)

    def auction(self, number: int) -> Auction:
        """The auction with this id, as it was recorded; KeyError where there is none."""
        with reading(self.path) as db:
            return records.load(db, number)

    def _vector(self, db: Database, text: str) -> Vector:
        known = vector_of(db, self._embedder.name, text)
        return unit(self._embedder.embed(text)) if known is None else known

    def _identity(self) -> tuple[int, int]:
        status = self.path.stat()
        return status.st_dev, status.st_ino


def _pair(db: Database, auction: int, agent: str, likeness: float) -> Pair:
    row = db.execute(
        "SELECT t.text, l.note, lost.agent, lost.plan, won.agent, won.plan,"
        # Only what the user said: a work that passed the tests has no other note.
        " (SELECT w.note FROM works AS w JOIN verdicts AS v ON v.work = w.id WHERE v.solved"
        " AND w.auction = l.auction AND w.agent = won.agent AND w.refined = won.refined"
        " ORDER BY w.id DESC LIMIT 1) FROM lessons AS l"
        " JOIN texts AS t ON t.id = l.text JOIN bids AS lost ON lost.id = l.lost"
        " JOIN bids AS won ON won.id = l.won WHERE l.auction = ? AND l.agent = ?",
        [auction, agent],
    ).fetchone()
    if row is None:
        raise records.damaged(auction, "its lesson names plans that are not there")
    text, note, lost, lost_plan, won, won_plan, objection = row
    return Pair(
        auction=auction,
        task=as_text(text),
        similarity=likeness,
        lost=Plan(lost, as_text(lost_plan), as_text(note)),
        won=Plan(won, as_text(won_plan), as_text(objection or "")),
    )
