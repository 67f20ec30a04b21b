"""The outcome matrix: every contestant once on every task, several sandboxes at once, where it was left."""

from __future__ import annotations

import gc
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from salecli.bench.cells import Cell, Ledger, Opinion, hashed
from salecli.bench.contestants import Bidder, Contestant
from salecli.bench.stage import Stage, staged
from salecli.bench.suites import SuiteTask
from salecli.config import Settings
from salecli.core.merge import merge
from salecli.core.values import Bid
from salecli.errors import DockerGone, EnvironmentFault, SaleError

if TYPE_CHECKING:
    from docker import DockerClient

BLOCK = 50
"""Tasks that are open at the same time: so many cells share a load of a model that does not stay resident."""
IN_A_ROW = 3
"""Errors in a row after which what every task needs is held to be gone."""

Item = Cell | Opinion
Job = Callable[[], Item]


@dataclass(slots=True)
class Matrix:
    """Fills a ledger; where the contestants are bidders, each also marks all bids on every task."""

    tasks: Sequence[SuiteTask]
    contestants: Sequence[Contestant]
    ledger: Ledger
    settings: Settings
    client: DockerClient
    jobs: int = 1
    grouped: bool = False
    """Whether one contestant does all tasks of a block before the next begins: for models that do not fit
    into memory together."""
    cancel_models: Callable[[], None] = lambda: None
    _stages: dict[str, Stage] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _errors: int = 0

    def key(self, task: SuiteTask, contestant: Contestant) -> str:
        """Identity of a cell."""
        return hashed("cell", contestant.identity, task.hash, self.ledger.header.seed)

    def cell(self, task: SuiteTask, contestant: Contestant) -> Cell | None:
        """What is known of a contestant on a task; an error is as good as nothing."""
        found = self.ledger.cells.get(self.key(task, contestant))
        return found if found is not None and found.outcome != "error" else None

    @property
    def missing(self) -> int:
        """Cells that are still to be filled."""
        return sum(self.cell(task, one) is None for task in self.tasks for one in self.contestants)

    def run(self) -> Generator[Item, None, None]:
        """Fill what is missing, each item in the ledger before it is handed on; closing it cancels.

        Raises:
            SaleError: what every task needs has gone; the same call goes on later.
        """
        for begin in range(0, len(self.tasks), BLOCK):
            block = self.tasks[begin : begin + BLOCK]
            with ExitStack() as stack:
                try:
                    yield from self._all(self._cells(block, stack))
                    yield from self._all(self._opinions(block, stack))
                finally:
                    self._stages.clear()
            # GitPython and docker-py leave circles that live through hundreds of tasks otherwise.
            gc.collect()

    def _all(self, jobs: Sequence[Job]) -> Generator[Item, None, None]:
        """Do jobs, several at a time, in their order."""
        queue = deque(jobs)
        count = min(self.jobs, len(queue))
        streams = {lane: _lane(queue) for lane in range(count)}
        with closing(merge(streams, count, dict.fromkeys(streams, self._cancel))) as items:
            for item in items:
                self.ledger.add(item)
                yield item

    def _cells(self, block: Sequence[SuiteTask], stack: ExitStack) -> list[Job]:
        """The jobs of the cells that are missing; neighbours share neither task nor contestant."""
        count = len(self.contestants)
        if self.grouped:
            pairs = [(task, one) for one in self.contestants for task in block]
        else:
            pairs = [
                (task, self.contestants[(place + shift) % count])
                for shift in range(count)
                for place, task in enumerate(block)
            ]
        return [self._filled(task, one, stack) for task, one in pairs if self.cell(task, one) is None]

    def _filled(self, task: SuiteTask, contestant: Contestant, stack: ExitStack) -> Job:
        def job() -> Cell:
            key = self.key(task, contestant)
            try:
                cell = contestant.attempt(self._stage(task, stack), key)
            except DockerGone:
                raise
            except SaleError as error:
                cell = Cell(key, task.name, contestant.name, "error", error.message)
            self._count(cell)
            return cell

        return job

    def _opinions(self, block: Sequence[SuiteTask], stack: ExitStack) -> list[Job]:
        """The jobs of the marks that are missing: a judge does all tasks before the next one begins."""
        return [
            self._marked(task, judge, bids, stack)
            for judge in reversed(self.contestants)
            if isinstance(judge, Bidder)
            for task in block
            if (bids := self._bids(task)) and judge.opinion_key(task, bids) not in self.ledger.opinions
        ]

    def _marked(self, task: SuiteTask, judge: Bidder, bids: Sequence[Bid], stack: ExitStack) -> Job:
        def job() -> Opinion:
            return judge.opinion(self._stage(task, stack), bids, judge.opinion_key(task, bids))

        return job

    def _bids(self, task: SuiteTask) -> list[Bid]:
        """Every bid on a task, none while one contestant's is still to come."""
        cells = [self.cell(task, one) for one in self.contestants]
        if any(cell is None for cell in cells):
            return []
        return [cell.bid for cell in cells if cell is not None and cell.bid is not None]

    def _stage(self, task: SuiteTask, stack: ExitStack) -> Stage:
        with self._lock:
            if task.name not in self._stages:
                self._stages[task.name] = stack.enter_context(staged(task, self.settings, self.client))
            return self._stages[task.name]

    def _cancel(self) -> None:
        self.cancel_models()
        for stage in list(self._stages.values()):
            stage.workspace.close()

    def _count(self, cell: Cell) -> None:
        with self._lock:
            self._errors = self._errors + 1 if cell.outcome == "error" else 0
            if self._errors >= IN_A_ROW:
                raise EnvironmentFault(
                    f"{IN_A_ROW} tasks in a row could not be judged, the last one, {cell.task}, because: "
                    f"{cell.reason}",
                    "`sale doctor` looks at what every run needs; then the same command goes on",
                )


def _lane(queue: deque[Job]) -> Generator[Item, None, None]:
    """Jobs one after the other, as long as there are any."""
    while True:
        try:
            job = queue.popleft()
        except IndexError:
            return
        yield job()
