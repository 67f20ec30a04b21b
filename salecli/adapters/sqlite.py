"""Memory in one SQLite file: what is remembered, and what of it is taught.

A connection per call, never shared between threads; any number of processes may use one file.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from salecli.adapters import checksums, records
from salecli.adapters.copies import due, renew_copy
from salecli.adapters.recall import Recall, as_text, keep_vector, unit, vector_of
from salecli.adapters.restore import mend
from salecli.adapters.sqlitefile import prepare, reading, writing
from salecli.core.values import Auction, Pair, Plan, Task
from salecli.errors import EnvironmentFault, MemoryDamaged, MemoryFault

if TYPE_CHECKING:
    from sqlite_utils import Database

    from salecli.adapters.recall import Vector
    from salecli.core.ports import Embedder

Answer = TypeVar("Answer")


def remembered(path: Path) -> int:
    """How many auctions a memory file holds."""
    with reading(path) as db:
        return int(db.execute("SELECT count(*) FROM auctions").fetchone()[0])


class SqliteMemory:
    """Past auctions in the file `path`; pairs come from those of the same pool and prompts alone.

    The file is created, with its folder, where there is none; one that turns out damaged is restored from its
    copy, which is renewed now and then after a record. Vectors are those of `embedder`; a text that was seen
    before needs none. All methods may raise MemoryFault.
    """

    def __init__(self, path: Path, embedder: Embedder, pool_hash: str, prompts_hash: str) -> None:
        self.path = path
        self._embedder = embedder
        self._recall = Recall(embedder, pool_hash, prompts_hash)
        self._lock = threading.Lock()
        self._said: dict[str, bool] = {}
        """What is to be told, each thing once: True where that was done."""
        self.fault: MemoryFault | None = self._mending(partial(prepare, path))
        """Why nothing can be recorded, known before any work is done; None where all is well."""

    def size(self) -> int:
        """How many auctions are remembered."""
        return self._mending(partial(remembered, self.path))

    def told(self) -> list[str]:
        """What was mended or left out since the last call, for the user."""
        with self._lock:
            new = [text for text, done in self._said.items() if not done]
            self._said |= dict.fromkeys(new, True)
        return new

    def pairs(self, task: Task, agent: str, k: int) -> Sequence[Pair]:
        """(lost, won) pairs of the k most similar past tasks in which `agent` wrote at least one side.

        Most similar first; one pair per task text, from its newest auction that teaches this agent. A pair
        that is not as it was written is left out.
        """
        return self._mending(partial(self._pairs, task, agent, k))

    def _pairs(self, task: Task, agent: str, k: int) -> Sequence[Pair]:
        try:
            with reading(self.path) as db:
                computed = self._recall.refresh(db, self._identity())
                if not self._recall.teaches(agent):
                    return []
                vector = self._vector(db, task.text)
                found = self._nearest(db, vector, agent, k)
        except EnvironmentFault as error:
            raise MemoryFault(
                f"past tasks cannot be compared with this one: {error.message}", error.hint
            ) from error
        if computed and self.fault is None:
            with writing(self.path) as db:
                for text, known in computed:
                    keep_vector(db, text, self._embedder.name, known)
        return found

    def _nearest(self, db: Database, vector: Vector, agent: str, k: int) -> list[Pair]:
        while True:
            near = self._recall.nearest(vector, agent, k)
            found = [(auction, _pair(db, auction, agent, likeness)) for auction, likeness in near]
            bad = [auction for auction, pair in found if pair is None]
            if not bad:
                return [pair for _, pair in found if pair is not None]
            for auction in bad:
                self._recall.leave_out(auction, agent)
                self._tell(
                    f"auction {auction} is left out of learning: {records.CHANGED}; "
                    "see what can be done: sale memory check"
                )

    def record(self, auction: Auction) -> int:
        """Remember an auction durably, and return its id; the same run's same task is remembered once.

        Where the embedder is out of order the auction is kept all the same: its vector is made up for later.
        """
        number = self._mending(partial(self._record, auction))
        self._renew_copy()
        return number

    def _record(self, auction: Auction) -> int:
        fault = prepare(self.path, check=False)
        if fault is not None:
            raise fault
        records.adapter()  # made before others have to wait for this write
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
        self._mending(partial(self._amend, number, auction))
        self._renew_copy()

    def _amend(self, number: int, auction: Auction) -> None:
        records.adapter()
        with writing(self.path) as db:
            records.amend(db, number, auction)

    def auction(self, number: int) -> Auction:
        """The auction with this id, as it was recorded; KeyError where there is none."""
        with reading(self.path) as db:
            return records.load(db, number)

    def _mending(self, act: Callable[[], Answer]) -> Answer:
        """What `act` answers; once more where the file was damaged and could be restored from its copy."""
        try:
            return act()
        except MemoryDamaged as damage:
            restored = mend(self.path, damage)
            if restored is not None:
                self._tell(restored.message)
            return act()

    def _renew_copy(self) -> None:
        """Renew the copy where it is time to; what was recorded is durable without it."""
        if not due(self.path):
            return
        try:
            self._mending(partial(renew_copy, self.path))
        except MemoryFault as fault:
            self._tell(f"no copy of the memory could be made: {fault.message}; {fault.hint}")

    def _tell(self, text: str) -> None:
        with self._lock:
            self._said.setdefault(text, False)

    def _vector(self, db: Database, text: str) -> Vector:
        known = vector_of(db, self._embedder.name, text)
        return unit(self._embedder.embed(text)) if known is None else known

    def _identity(self) -> tuple[int, int]:
        status = self.path.stat()
        return status.st_dev, status.st_ino


def _pair(db: Database, auction: int, agent: str, likeness: float) -> Pair | None:
    """What an auction teaches an agent; None where its rows are not as they were written."""
    row = checksums.lesson(db, auction, records.stored(agent))
    if row is None:
        return None
    note, text, lost, lost_plan, won, won_plan, objection = map(as_text, row[6:])
    return Pair(
        auction=auction,
        task=text,
        similarity=likeness,
        lost=Plan(lost, lost_plan, note),
        won=Plan(won, won_plan, objection),
    )
