"""Tables of a finished matrix made by hand, so that what routers must come to is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from salecli.bench.cells import Cell, Worked
from salecli.bench.suites import SuiteTask
from salecli.bench.table import Table
from salecli.core.calls import Usage
from salecli.core.values import Bid, Mark, Weights

PRICES = {"xs": 0.05, "s": 0.09, "m": 0.16, "l": 0.36}
PREFIX, ENDING, PLAN, WORK = 50, 10, 100, 200
"""Tokens: of the prompt that a judge's marks share, of each mark after it, of bids and of works."""
JURY = Weights(cost=0.01, entropy=0.0, judges=dict.fromkeys(PRICES, 0.25))

Marks = Callable[[int, str, str], float]
"""(task, judge, agent) -> mark."""


def made(
    solved: Sequence[Sequence[bool]],
    marks: Marks | None = None,
    embeddings: Sequence[Sequence[float]] | None = None,
    weights: Weights = JURY,
    entropy: Callable[[int, str], float] = lambda task, agent: 0.1,
    work: int = WORK,
) -> Table:
    """A row of outcomes for each task, the cheapest agent's first; unless told, marks know what solves."""
    tasks = tuple(
        SuiteTask(f"task-{number}", str(1 + number % 2), f"issue {number}", {}, {})
        for number in range(len(solved))
    )
    cells: dict[tuple[str, str], Cell] = {}
    given: dict[str, tuple[Mark, ...]] = {}
    for number, (task, row) in enumerate(zip(tasks, solved, strict=True)):
        outcomes = dict(zip(PRICES, row, strict=True))
        for agent, passed in outcomes.items():
            usage = Usage(prompt=PLAN - 40, evaluated=PLAN - 40, generated=40)
            bid = Bid(agent, f"plan of {agent}", 40, entropy(number, agent), 1000, usage=usage)
            done = Usage(prompt=work, evaluated=work - 60, generated=60)
            cells[task.name, agent] = Cell(
                key=f"{task.name} {agent}",
                task=task.name,
                agent=agent,
                outcome="passed" if passed else "failed",
                bid=bid,
                worked=Worked("tests pass" if passed else "done", "", "", ("write a.py",), done, ""),
            )
        known = {agent: 5.0 * passed for agent, passed in outcomes.items()}
        given[task.name] = tuple(
            _mark(judge, agent, known[agent] if marks is None else marks(number, judge, agent), first)
            for judge in reversed(PRICES)
            for first, agent in zip([True, False, False, False], PRICES, strict=True)
        )
    vectors = np.array([[1.0, 0.0]] * len(tasks) if embeddings is None else embeddings, dtype=np.float32)
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return Table(tasks, PRICES, weights, 100, cells, given, vectors)


def _mark(judge: str, agent: str, value: float, first: bool) -> Mark:
    usage = Usage(prompt=PREFIX + ENDING, evaluated=PREFIX + ENDING if first else ENDING)
    low = int(value)
    shares = [0.0] * 6
    shares[low], shares[min(low + 1, 5)] = 1 - (value - low), value - low or 1 - (value - low)
    return Mark(judge, agent, False, value, tuple(shares), 1.0, usage=usage)


def clusters(count: int) -> tuple[list[list[bool]], list[list[float]]]:
    """Outcomes and embeddings of two kinds of tasks in turn: the first only xs solves, the second only l."""
    outcomes = [[number % 2 == 0, False, False, number % 2 == 1] for number in range(count)]
    # A little apart from each other too, so that no two are alike.
    embeddings = [
        [1.0, 0.001 * number] if number % 2 == 0 else [0.001 * number, 1.0] for number in range(count)
    ]
    return outcomes, embeddings


def noisy(count: int, seed: int) -> tuple[list[list[bool]], list[list[float]]]:
    """Outcomes that lean on the embeddings, with chance in them."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, 6))
    lean = vectors @ rng.normal(size=(6, 4))
    outcomes = lean + rng.normal(size=lean.shape) + np.array([-0.8, -0.3, 0.2, 0.6]) > 0
    return outcomes.tolist(), vectors.tolist()
