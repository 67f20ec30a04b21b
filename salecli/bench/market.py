"""SALE over a finished matrix: core's own auctions, task after task, with a memory that grows.

The first bids, their marks and the work on them are the matrix's. What memory adds to an auction is real: the
pairs, the rewritten bids, their marks, and the work on them in a sandbox. Every such call is kept in the
ledger by its content, so that orders and variants share it, and a run that was cut short goes on.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations

from salecli.adapters.owner import temporary_folder
from salecli.adapters.sqlite import SqliteMemory
from salecli.adapters.testing import Outcome
from salecli.bench.cells import Attempt, Worked
from salecli.bench.contestants import Bidder
from salecli.bench.held import held
from salecli.bench.known import Once, known
from salecli.bench.matrix import Matrix
from salecli.bench.played import Kind, Played, Row
from salecli.bench.results import MARKET, NO_MEMORY
from salecli.bench.stage import Stage, staged, task_of
from salecli.bench.suites import SuiteTask
from salecli.bench.table import Table
from salecli.core.agent import Pool
from salecli.core.merge import merge
from salecli.core.ports import Memory
from salecli.core.values import Bid, Pair, Task, Weights

AT_ONCE = 5
"""Orders that play at the same time: while one works in a sandbox, the models have the others' auctions."""


@dataclass(frozen=True, slots=True)
class Rules:
    """One way to play the market."""

    name: str
    kind: Kind = "market"
    memory: bool = True
    notes: bool = True
    """Whether a lost plan is taught with what failed when it was carried out."""
    attempts: int = 1
    members: frozenset[str] = frozenset()
    """Who takes part, as bidder, as judge and in memory; nobody named is everybody."""


SALE = Rules(MARKET)
FORGETFUL = Rules(NO_MEMORY, memory=False)
WITH_RETRY = Rules("SALE with retry", attempts=2)
WITHOUT_NOTES = Rules("SALE with retry, no failure notes", "ablation", notes=False, attempts=2)
"""Beside a second attempt: a task that nobody solved teaches nothing, so that notes come from there alone."""
MARKETS = (SALE, WITH_RETRY, WITHOUT_NOTES)


class Market:
    """Plays a complete matrix of bidders."""

    def __init__(
        self, matrix: Matrix, table: Table, pool: Pool, weights: Sequence[Weights] | None = None
    ) -> None:
        """Nothing is asked or loaded yet; `weights`, one for each task, stand in for the pool's."""
        self._matrix = matrix
        self._table = table
        self._weights = weights or [pool.weights] * len(matrix.tasks)
        self._bidders = {one.name: one for one in matrix.contestants if isinstance(one, Bidder)}
        self._once = Once(matrix.ledger)
        agents = tuple(known(self._bidders[agent.name], self._once) for agent in pool.agents)
        # The jury of a matrix is whole, and an order plays in one thread.
        self._pool = replace(pool, agents=agents, at_once=1, jury=0)
        self._tasks = [task_of(posed, matrix.settings) for posed in matrix.tasks]
        vectors = zip(self._tasks, table.embeddings.tolist(), strict=True)
        self._embedder = Embedded({task.text: vector for task, vector in vectors})
        self._room = threading.BoundedSemaphore(max(1, matrix.jobs))
        self._before: dict[str, Outcome] = {}
        self._stages: dict[int, Stage] = {}

    def play(
        self, rules: Sequence[Rules], orders: Sequence[Sequence[int]]
    ) -> Generator[Played, None, list[Row]]:
        """Play every order by each of the rules, each with a fresh memory; every auction as it ends.

        Closing it cancels, and the market is over; what was answered by then is kept.

        Raises:
            SaleError: what every task needs has gone; the same call goes on later.
        """
        streams = {
            (rule.name, number): self._order(rule, order)
            for rule in rules
            for number, order in enumerate(orders)
        }
        # Models that do not fit into memory together would be loaded anew at every turn.
        at_once = 1 if self._matrix.grouped else AT_ONCE
        played = yield from merge(streams, at_once, dict.fromkeys(streams, self._cancel))
        return [
            Row(rule.name, rule.kind, tuple(played[rule.name, number] for number in range(len(orders))))
            for rule in rules
        ]

    def _order(self, rules: Rules, order: Sequence[int]) -> Generator[Played, None, tuple[Played, ...]]:
        pool, dearest = self._pool, 1.0
        if rules.members:
            pool = replace(pool, agents=tuple(one for one in pool.agents if one.name in rules.members))
            # Prices are scaled as in the whole market: the cost dial means the same in each.
            dearest = max(pool.prices.values()) / max(self._pool.prices.values())
        played: list[Played] = []
        place = temporary_folder()
        try:
            memory: Memory | None = None
            if rules.memory:
                memory = SqliteMemory(place / "memory.db", self._embedder, pool.hash, pool.prompts_hash)
                memory = memory if rules.notes else Mute(memory)
            for at in order:
                posed, weights = self._matrix.tasks[at], self._weights[at]
                one = held(
                    self._table,
                    posed.name,
                    self._tasks[at],
                    replace(pool, weights=replace(weights, cost=weights.cost * dearest)),
                    memory,
                    partial(self._worked, posed),
                    rules.attempts,
                    self._matrix.ledger.header.seed,
                )
                played.append(one)
                yield one
        finally:
            shutil.rmtree(place, ignore_errors=True)
        return tuple(played)

    def _cancel(self) -> None:
        self._once.cancelled = True
        self._matrix.cancel_models()
        for stage in tuple(self._stages.values()):
            stage.workspace.close()

    def _worked(self, posed: SuiteTask, bid: Bid) -> tuple[Worked, bool]:
        """What came of carrying out a bid, and whether that solved the task.

        Under the seed of a first attempt, also in a second one: the matrix holds these.
        """
        cell = self._table.cells[posed.name, bid.agent]
        if cell.worked is not None and cell.bid is not None and cell.bid.plan == bid.plan:
            return cell.worked, cell.outcome == "passed"
        bidder = self._bidders[bid.agent]
        key = bidder.attempt_key(posed, bid.plan)
        attempts = self._matrix.ledger.attempts
        made = self._once.get(attempts, key, lambda: self._carried_out(bidder, posed, bid, key))
        return made.worked, made.outcome == "passed"

    def _carried_out(self, bidder: Bidder, posed: SuiteTask, bid: Bid, key: str) -> Attempt:
        me, matrix = threading.get_ident(), self._matrix
        before = self._before.get(posed.name)
        with self._room, staged(posed, matrix.settings, matrix.client, before) as stage:
            self._stages[me] = stage
            try:
                made = bidder.carry_out(stage, bid, key)
            finally:
                del self._stages[me]
            if stage.workspace.before is not None:
                self._before[posed.name] = stage.workspace.before
            return made


def coalitions(agents: Sequence[str]) -> list[Rules]:
    """A market with memory for each set of some agents, but not all."""
    return [
        Rules("+".join(some), members=frozenset(some))
        for count in range(1, len(agents))
        for some in combinations(agents, count)
    ]


class Embedded:
    """The embeddings that a table holds already. Fits core's Embedder."""

    name = "table"

    def __init__(self, vectors: Mapping[str, Sequence[float]]) -> None:
        """Of length 1, by text."""
        self._vectors = vectors

    def embed(self, text: str) -> Sequence[float]:
        """The text's; KeyError where it is no task of the table."""
        return self._vectors[text]


class Mute:
    """A memory that teaches plans alone, as the paper has it. Fits core's Memory."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.size, self.record = memory.size, memory.record
        self.amend, self.told = memory.amend, memory.told

    def pairs(self, task: Task, agent: str, k: int) -> Sequence[Pair]:
        """The memory's own pairs, without what failed."""
        pairs = self._memory.pairs(task, agent, k)
        return [replace(one, lost=replace(one.lost, note=""), won=replace(one.won, note="")) for one in pairs]
