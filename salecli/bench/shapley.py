"""Shapley values: what each agent adds to pass@1, as a bidder, a judge and a worker, over all coalitions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from salecli.bench.played import Played
from salecli.bench.selling import scored
from salecli.bench.table import Table
from salecli.core.values import Weights

Floats = NDArray[np.float64]
Coalition = frozenset[str]


def coalitions(agents: Sequence[str]) -> Iterator[Coalition]:
    """Every group of agents but the empty one."""
    for size in range(1, len(agents) + 1):
        yield from map(frozenset, itertools.combinations(agents, size))


def shapley(worth: Mapping[Coalition, Floats], agents: Sequence[str]) -> dict[str, Floats]:
    """Each agent's part, [tasks], of what all of them together are worth; nobody is worth 0.

    `worth` holds [tasks] for every coalition. The parts add up to the worth of all (Shapley, 1953).
    """
    count = len(agents)
    found: dict[str, Floats] = {}
    for agent in agents:
        found[agent] = np.zeros_like(worth[frozenset(agents)])
        for coalition in worth:
            if agent not in coalition:
                continue
            rest = coalition - {agent}
            share = math.factorial(len(rest)) * math.factorial(count - len(coalition)) / math.factorial(count)
            found[agent] += share * (worth[coalition] - (worth[rest] if rest else 0.0))
    return found


def without_memory(table: Table, weights: Sequence[Weights]) -> dict[str, Floats]:
    """Shapley values for pass@1 of the market without memory, [tasks] for each agent.

    Only members of a coalition bid, and only they mark. Prices are scaled as in the whole market, so that
    the cost dial means the same in each.
    """
    worth = {
        members: np.array(
            [_solved(table, task.name, own, members) for task, own in zip(table.tasks, weights, strict=True)],
            dtype=float,
        )
        for members in coalitions(table.agents)
    }
    return shapley(worth, table.agents)


def with_memory(played: Mapping[Coalition, Sequence[Played]], agents: Sequence[str]) -> dict[str, Floats]:
    """Shapley values for pass@1 of the market with memory, [auctions] for each agent.

    `played`: what each coalition's own market came to, all over the same tasks in the same order; only its
    members bid, mark, work, and are remembered.
    """
    worth = {members: np.array([float(one.solved) for one in order]) for members, order in played.items()}
    return shapley(worth, agents)


def _solved(table: Table, task: str, weights: Weights, members: Coalition) -> bool:
    bids = [bid for bid in table.bids(task) if bid.agent in members]
    marks = [one for one in table.marks[task] if one.judge in members]
    scores = scored(table, bids, marks, weights)
    return bool(scores) and table.solved(task, scores[0].agent)
