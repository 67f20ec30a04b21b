"""Refinement: agents cheaper than the leader rewrite their bids after reading lost and won plans."""

from __future__ import annotations

from collections.abc import Generator, Mapping

from salecli.core import events
from salecli.core.agent import Pool, seed_for
from salecli.core.ports import Memory
from salecli.core.round import asked
from salecli.core.values import Bid, Task
from salecli.errors import EnvironmentFault, MemoryFault


def refine(
    pool: Pool, task: Task, bids: Mapping[str, Bid], leader: str, memory: Memory, seed: int
) -> Generator[events.Event, None, list[Bid]]:
    """The refined bids of all agents cheaper than `leader` that memory has pairs for, in pool order."""
    prices = pool.prices
    streams = {
        agent.name: _one(pool, task, bids[agent.name], memory, seed)
        for agent in pool.agents
        if agent.name in bids and prices[agent.name] < prices[leader]
    }
    refined = yield from asked(pool, streams)
    return [bid for bid in refined.values() if bid is not None]


def _one(
    pool: Pool, task: Task, bid: Bid, memory: Memory, seed: int
) -> Generator[events.Event, None, Bid | None]:
    agent = pool.agent(bid.agent)
    try:
        pairs = memory.pairs(task, agent.name, pool.pairs)
    except (MemoryFault, EnvironmentFault) as error:
        yield events.SatOut(task.id, agent.name, error.message)
        return None
    if not pairs:
        yield events.SatOut(task.id, agent.name, "no similar past task with a lost and a won plan")
        return None
    return (yield from agent.refine(task, bid, pairs, seed_for(seed, "refine", agent.name)))
