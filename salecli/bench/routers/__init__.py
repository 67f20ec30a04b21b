"""Routers that are no market: they see a task's embedding and name the agent, or the agents, that work on it.

What they learn for a task they learn on the other folds. Each is played at the point that is comparable to
SALE: of its settings, the one with the highest pass@1 on those other folds among those that cost no more
there than SALE does.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from salecli.bench.played import Kind, Played, Row
from salecli.bench.selling import marking
from salecli.bench.table import Table, folds

Places = Sequence[int]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Offers = Callable[["Known", Places, Places], tuple[Ints, Ints]]
"""From the tasks to learn on and those to route, the routes of either under every setting: [settings, tasks]
twice. The first are those of tasks that were held out in turn."""

LEAST = 10
"""Tasks, without which nothing is learned of their embeddings."""
_BUDGETS = 24


@dataclass(frozen=True, slots=True)
class Route:
    """Agents that work one after the other, as places in `Table.agents`; the last one's outcome counts."""

    agents: tuple[int, ...]
    scored: int = 0
    """How many of them, from the first on, also marked their own plan."""


class Known:
    """A table as arrays, and what every route over it comes to. The agents are in `Table.agents`' order."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.folds = folds(table.tasks)
        agents, tasks = table.agents, [task.name for task in table.tasks]
        count = len(agents)
        chains = [
            chain for length in range(1, count + 1) for chain in itertools.combinations(range(count), length)
        ]
        self.routes = [Route(chain, scored) for chain in chains for scored in (len(chain) - 1, len(chain))]
        self.place = {route: at for at, route in enumerate(self.routes)}
        self.prices: Floats = np.array([table.prices[agent] for agent in agents])
        own: Floats = np.array(
            [[table.solved(task, agent) for agent in agents] for task in tasks], dtype=float
        )
        self.own_solved = own
        """[tasks, agents]: 1 where the agent alone solves the task."""
        self.own_tokens: Floats = np.array(
            [
                [(table.plan_spent(task, agent) + table.work_spent(task, agent)).tokens for agent in agents]
                for task in tasks
            ],
            dtype=float,
        )
        alone = self.own_tokens * self.prices / 1e6
        marks: Floats = np.array([[_own_mark(table, task, agent) for agent in agents] for task in tasks])
        self.solved: Floats = np.array([own[:, route.agents[-1]] for route in self.routes]).T
        """[tasks, routes]."""
        self.usd: Floats = np.array(
            [
                alone[:, route.agents].sum(axis=1) + marks[:, route.agents[: route.scored]].sum(axis=1)
                for route in self.routes
            ]
        ).T
        """[tasks, routes]."""
        vectors = table.embeddings.astype(float)
        self.similarity: Floats = vectors @ vectors.T

        self.singles: Ints = np.array([self.place[Route((at,))] for at in range(count)])
        """[agents]: the route on which one agent works alone."""


def _own_mark(table: Table, task: str, agent: str) -> float:
    """USD of an agent's mark of its own plan alone."""
    own = [one for one in table.marks[task] if one.judge == one.agent == agent]
    return sum(spent.usd for spent in marking(table, task, own).values())


def splits(known: Known) -> Iterator[tuple[list[int], list[int]]]:
    """(tasks to learn on, tasks to route) of each fold that has any."""
    for fold in known.folds:
        if fold:
            yield sorted(set(range(len(known.table.tasks))) - set(fold)), fold


def held_out(known: Known, rest: Places, predict: Callable[[Places, Places], Floats]) -> Floats:
    """`predict(learned from, tasks)`, [..., tasks, agents], for each task of `rest` from its other folds."""
    inside = set(rest)
    parts: list[tuple[list[int], Floats]] = []
    for fold in known.folds:
        asked = [at for at in fold if at in inside]
        if asked:
            parts.append((asked, predict(sorted(inside - set(asked)), asked)))
    places = [at for asked, _ in parts for at in asked]
    found = np.concatenate([part for _, part in parts], axis=-2)
    order = np.argsort(places)  # `rest` is in rising order
    return found[..., order, :]


@dataclass(frozen=True, slots=True)
class Tuned:
    """A router at the point that is comparable to SALE, and elsewhere."""

    routes: Ints
    """[tasks]."""
    curve: tuple[tuple[float, float], ...]
    """(USD per task, pass@1) of the tasks that were held out, for one budget after the other."""


def tuned(known: Known, sale_usd: Floats, offers: Offers) -> Tuned:
    """Every task's route under the setting that its other folds choose; `sale_usd` is what SALE took."""
    count = len(known.table.tasks)
    alone = known.usd[:, known.singles].mean(axis=0)
    budgets = np.geomspace(max(alone.min(), 1e-12) * 0.9, max(alone.sum(), 1e-12), _BUDGETS)
    routes = np.zeros(count, dtype=int)
    swept = np.zeros((_BUDGETS, count), dtype=int)
    for rest, fold in splits(known):
        inner, outer = offers(known, rest, fold)
        at = np.array(rest)
        solved = known.solved[at, inner].mean(axis=1)
        usd = known.usd[at, inner].mean(axis=1)
        routes[fold] = outer[_best(solved, usd, float(sale_usd[at].mean()))]
        for number, budget in enumerate(budgets):
            swept[number, fold] = outer[_best(solved, usd, float(budget))]
    every = np.arange(count)
    points = {(float(known.usd[every, one].mean()), float(known.solved[every, one].mean())) for one in swept}
    return Tuned(routes, tuple(sorted(points)))


def _best(solved: Floats, usd: Floats, budget: float) -> int:
    """The setting with the highest pass@1 within the budget, the cheapest of those; or the cheapest."""
    within = usd <= budget
    if not within.any():
        return int(usd.argmin())
    order = np.lexsort((usd, np.where(within, -solved, 1.0)))
    return int(order[0])


def played(known: Known, routes: Sequence[Route]) -> list[Played]:
    """What becomes of every task on its route, in the order of the table."""
    table = known.table
    found = []
    for task, route in zip(table.tasks, routes, strict=True):
        agents = tuple(table.agents[at] for at in route.agents)
        heard = agents[: route.scored]
        own = [one for one in table.marks[task.name] if one.judge == one.agent and one.judge in heard]
        found.append(
            Played(
                task=task.name,
                agents=agents,
                solved=table.solved(task.name, agents[-1]),
                spent={
                    "bid": {agent: table.plan_spent(task.name, agent) for agent in agents},
                    "mark": marking(table, task.name, own),
                    "work": {agent: table.work_spent(task.name, agent) for agent in agents},
                },
            )
        )
    return found


def in_orders(name: str, kind: Kind, by_task: Sequence[Played], orders: Sequence[Places]) -> Row:
    """A row of a router that does the same whatever came before."""
    return Row(name, kind, tuple(tuple(by_task[at] for at in order) for order in orders))
