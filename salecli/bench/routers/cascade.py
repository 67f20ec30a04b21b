"""Cascades: the next dearer agent works where the work of the one before is not accepted.

FrugalGPT accepts by a scorer that is learned and sees no test. Tests are the judge of work in this tool, so
there is the cascade that stops when they pass as well: a stronger one, and a retry.
"""

from __future__ import annotations

import itertools

import numpy as np

from salecli.adapters.logistic import regress
from salecli.bench.routers import Floats, Ints, Known, Places, Route, held_out

_COMPONENTS = 16
"""Of the embeddings, that the scorer sees."""
_THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


class Scorer:
    """How likely each agent's own plan is to solve its task, by logistic regression for each agent.

    It sees the task's embedding, by its first principal components, and of the plan its length, entropy and
    the mark that its author gives it.
    """

    def __init__(self, known: Known) -> None:
        self._known = known
        table = known.table
        vectors = table.embeddings.astype(float)
        vectors = vectors - vectors.mean(axis=0)
        _, _, axes = np.linalg.svd(vectors, full_matrices=False)
        embedded = vectors @ axes[:_COMPONENTS].T
        plans = np.zeros((len(table.tasks), len(table.agents), 3))
        self._bid = np.zeros((len(table.tasks), len(table.agents)), dtype=bool)
        for row, task in enumerate(table.tasks):
            own = {one.agent: one.value for one in table.marks[task.name] if one.judge == one.agent}
            for bid in table.bids(task.name):
                column = table.agents.index(bid.agent)
                self._bid[row, column] = True
                plans[row, column] = bid.tokens, bid.entropy, own.get(bid.agent, 0.0)
        shape = (*plans.shape[:2], embedded.shape[1])
        self._features = np.concatenate([plans, np.broadcast_to(embedded[:, None], shape)], axis=2)

    def chances(self, learned: Places, asked: Places) -> Floats:
        """[asked, agents]; below 0 where there is no plan to carry out."""
        found = np.zeros((len(asked), self._features.shape[1]))
        for agent in range(found.shape[1]):
            solved = self._known.own_solved[learned, agent] > 0
            chance = regress(self._features[learned, agent].tolist(), solved.tolist())
            found[:, agent] = [chance(row) for row in self._features[asked, agent].tolist()]
        return np.where(self._bid[asked], found, -1.0)

    def offers(self, known: Known, rest: Places, fold: Places) -> tuple[Ints, Ints]:
        """The routes of every list of agents under all thresholds: fits routers.Offers."""
        inner, outer = held_out(known, rest, self.chances), self.chances(rest, fold)
        return _stopped(known, inner), _stopped(known, outer)


def _stopped(known: Known, chances: Floats) -> Ints:
    """[settings, tasks]: where each cascade stops, for each list of agents and each choice of thresholds."""
    found: list[Ints] = []
    for chain in (route.agents for route in known.routes if route.scored == len(route.agents) - 1):
        thresholds = np.array(list(itertools.product(_THRESHOLDS, repeat=len(chain) - 1)))
        accepted = chances[None, :, list(chain[:-1])] >= thresholds[:, None, :]
        last = np.ones((*accepted.shape[:2], 1), dtype=bool)
        stops = np.concatenate([accepted, last], axis=2).argmax(axis=2)
        ends = [known.place[Route(chain[: at + 1], min(at + 1, len(chain) - 1))] for at in range(len(chain))]
        found.append(np.array(ends)[stops])
    return np.concatenate(found)


def until_solved(known: Known) -> list[Route]:
    """The cascade whose judge are the tests: the cheapest agent first, until one solves the task."""
    count = len(known.prices)
    routes = []
    for solved in known.own_solved:
        first = next((at for at in range(count) if solved[at]), count - 1)
        routes.append(Route(tuple(range(first + 1))))
    return routes
