"""Routers that learn nothing: single agents, the oracle, and chance with the shares of another router."""

from __future__ import annotations

import random
from collections.abc import Sequence

from salecli.bench.played import Row
from salecli.bench.routers import Known, Places, Route, in_orders, played
from salecli.core.agent import seed_for


def singles(known: Known, orders: Sequence[Places]) -> list[Row]:
    """Each agent alone: its own plan and its work."""
    count = len(known.table.tasks)
    return [
        in_orders(agent, "agent", played(known, [Route((at,))] * count), orders)
        for at, agent in enumerate(known.table.agents)
    ]


def oracle(known: Known) -> list[Route]:
    """The cheapest agent that solves the task; the cheapest of all where nobody does."""
    return [Route((int(solved.argmax()),)) for solved in known.own_solved]


def with_shares(name: str, known: Known, other: Row, orders: Sequence[Places], seed: int) -> Row:
    """As many tasks for each agent as `other` gives it in each order, but drawn by lot."""
    found = []
    for number, (order, like) in enumerate(zip(orders, other.orders, strict=True)):
        agents = [known.table.agents.index(one.agents[-1]) if one.agents else 0 for one in like]
        random.Random(seed_for(seed, "lot", number)).shuffle(agents)
        drawn = dict(zip(order, agents, strict=True))
        by_task = played(known, [Route((drawn[at],)) for at in range(len(drawn))])
        found.append(tuple(by_task[at] for at in order))
    return Row(name, "router", tuple(found))
