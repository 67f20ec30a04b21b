"""The finished outcome matrix as routers read it: bids, marks, outcomes, costs, embeddings, task by task."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from salecli.bench.cells import Cell
from salecli.bench.contestants import Bidder, result
from salecli.bench.played import Spent
from salecli.bench.suites import SuiteTask
from salecli.core.agent import Pool, seed_for
from salecli.core.calls import Usage
from salecli.core.judge import Failure, Failures, fill
from salecli.core.values import Bid, Mark, Task, Weights

if TYPE_CHECKING:
    from salecli.bench.matrix import Matrix
    from salecli.core.ports import Embedder

FOLDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A complete matrix of one pool: every agent's cell and every judge's marks on every task."""

    tasks: tuple[SuiteTask, ...]
    prices: Mapping[str, float]
    """USD per million tokens, by agent, in pool order."""
    weights: Weights
    """The pool's."""
    plan_tokens: int
    cells: Mapping[tuple[str, str], Cell]
    """By (task, agent)."""
    marks: Mapping[str, tuple[Mark, ...]]
    """By task; where a judge failed, the mean of the bid's other marks stands, as in an auction."""
    embeddings: NDArray[np.float32]
    """[tasks, dimensions], each of length 1."""

    @property
    def agents(self) -> tuple[str, ...]:
        """The cheapest first, in pool order where prices are equal."""
        return tuple(sorted(self.prices, key=self.prices.__getitem__))

    def bids(self, task: str) -> list[Bid]:
        """Every bid that was made on a task, in pool order."""
        cells = [self.cells[task, agent] for agent in self.prices]
        return [cell.bid for cell in cells if cell.bid is not None]

    def solved(self, task: str, agent: str) -> bool:
        """What the tests said of this agent's work."""
        return self.cells[task, agent].outcome == "passed"

    def plan_spent(self, task: str, agent: str) -> Spent:
        """What its bid took, or what a bid that came to nothing took."""
        cell = self.cells[task, agent]
        return Spent.of(cell.bid.usage if cell.bid is not None else cell.lost, self.prices[agent])

    def work_spent(self, task: str, agent: str) -> Spent:
        """What carrying out its own plan took."""
        worked = self.cells[task, agent].worked
        return Spent.of(worked.usage if worked is not None else Usage(), self.prices[agent])


def table(matrix: Matrix, pool: Pool, embedder: Embedder) -> Table:
    """A matrix that has no cell missing, with the task embeddings that memory would use.

    Raises:
        EnvironmentFault: the embedder cannot be had.
    """
    cells: dict[tuple[str, str], Cell] = {}
    marks: dict[str, tuple[Mark, ...]] = {}
    for task in matrix.tasks:
        for one in matrix.contestants:
            cell = matrix.cell(task, one)
            if cell is None:
                raise ValueError(f"the cell of {one.name} on {task.name} is missing")
            cells[task.name, one.name] = cell
        marks[task.name] = tuple(_marks(matrix, task, cells))
    return Table(
        tasks=tuple(matrix.tasks),
        prices=pool.prices,
        weights=pool.weights,
        plan_tokens=pool.plan_tokens,
        cells=cells,
        marks=marks,
        embeddings=np.array([embedder.embed(task.issue) for task in matrix.tasks], dtype=np.float32),
    )


def _marks(matrix: Matrix, task: SuiteTask, cells: Mapping[tuple[str, str], Cell]) -> list[Mark]:
    """All marks of a task's bids, the judges in the order in which an auction asks them."""
    made = [cells[task.name, one.name].bid for one in matrix.contestants]
    bids = [bid for bid in made if bid is not None]
    given: list[Mark] = []
    failures: dict[str, Failures] = {}
    for judge in reversed(matrix.contestants):
        if not bids or not isinstance(judge, Bidder):
            continue
        opinion = matrix.ledger.opinions[judge.opinion_key(task, bids)]
        given += opinion.marks
        if opinion.missing:
            failures[judge.name] = {
                (agent, False): Failure(reason) for agent, reason in opinion.missing.items()
            }
    return result(fill(given, failures, Task(id=task.name, title=task.name, text=task.issue)))


def orders(count: int, seed: int, tasks: Sequence[object]) -> list[list[int]]:
    """`count` orders of the tasks, as their places: seeded shuffles, order k the same whatever the count."""
    found = []
    for number in range(count):
        places = list(range(len(tasks)))
        random.Random(seed_for(seed, "order", number)).shuffle(places)
        found.append(places)
    return found


def folds(tasks: Sequence[SuiteTask], count: int = FOLDS) -> list[list[int]]:
    """The places of the tasks in `count` parts of much the same size, by a digest of each task's name."""
    digests = [hashlib.sha256(task.name.encode("utf-8", "surrogatepass")).digest() for task in tasks]
    order = sorted(range(len(tasks)), key=digests.__getitem__)
    return [sorted(order[start::count]) for start in range(count)]
