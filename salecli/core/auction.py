"""One market round: bids, marks, scores, refinement, winner."""

from __future__ import annotations

from collections.abc import Callable, Generator

from salecli.core import events
from salecli.core.agent import Pool, seed_for
from salecli.core.border import border
from salecli.core.decisions import Decisions, Request
from salecli.core.ports import Memory
from salecli.core.refine import refine
from salecli.core.requests import carry_out, led
from salecli.core.round import Round, asked, marking
from salecli.core.scoring import final_bids
from salecli.core.values import Bid, Task
from salecli.errors import ModelError

Bids = dict[str, Bid | None]
"""An agent's bid, None where it is out."""


def hold(
    pool: Pool,
    task: Task,
    memory: Memory | None,
    decisions: Decisions,
    seed: int,
    record: Round,
) -> Generator[events.Event, None, None]:
    """Hold the auction, writing what happens into `record`.

    Raises:
        ModelError: nobody bid.
    """

    record.weights, record.seed = pool.weights, seed
    yield from _bidding(pool, task, seed, record)
    yield from border(task, decisions, "bids", _requested(pool, task, seed, record))
    yield from marking(pool, task, record.bids, record)
    yield from conclude(pool, task, memory, decisions, seed, record)


def conclude(
    pool: Pool,
    task: Task,
    memory: Memory | None,
    decisions: Decisions,
    seed: int,
    record: Round,
) -> Generator[events.Event, None, None]:
    """From the first bids' scores, which `record` holds, to the winner."""
    requested = _requested(pool, task, seed, record)
    yield from led(pool, task, record)
    yield from border(task, decisions, "marks", requested)
    record.provisional = record.leader(pool).agent
    if memory is not None:
        by_agent = {bid.agent: bid for bid in record.bids}
        refined = yield from refine(pool, task, by_agent, record.provisional, memory, seed)
        if refined:
            record.bids += refined
            yield from marking(pool, task, refined, record)
            yield from led(pool, task, record)
    yield from border(task, decisions, "winner", requested)
    yield from _choose(pool, task, decisions, record)


def _requested(pool: Pool, task: Task, seed: int, record: Round) -> Callable[[Request], events.Stream]:
    return lambda request: carry_out(request, pool, task, seed, record)


def _bidding(pool: Pool, task: Task, seed: int, record: Round) -> Generator[events.Event, None, None]:
    streams = {agent.name: agent.bid(task, seed_for(seed, "bid", agent.name)) for agent in pool.agents}
    hints: list[str] = []
    bids = yield from _noting(asked(pool, streams), hints)
    record.bids += [bid for bid in bids.values() if bid is not None]
    if not record.bids:
        raise ModelError(
            "nobody bid: every agent is out",
            next((hint for hint in hints if hint), "`sale models list` checks the pool"),
        )


def _noting(
    stream: Generator[events.Event, None, Bids], hints: list[str]
) -> Generator[events.Event, None, Bids]:
    """Pass a stream on, and note what the agents that are out would need."""
    try:
        while True:
            event = next(stream)
            if isinstance(event, events.AgentOut):
                hints.append(event.hint)
            yield event
    except StopIteration as stop:
        bids: Bids = stop.value
        return bids
    finally:
        stream.close()


def _choose(
    pool: Pool, task: Task, decisions: Decisions, record: Round
) -> Generator[events.Event, None, None]:
    leader = record.leader(pool)
    record.winner, record.refined = leader.agent, leader.refined
    override = decisions.overridden()
    if override is not None:
        standing = final_bids(record.bids, record.scores)
        if override.agent in standing:
            record.override = override
            record.winner, record.refined = override.agent, standing[override.agent].refined
        else:
            why = "it is excluded" if override.agent in record.excluded else "it made no bid"
            yield events.Refused(task.id, f"override {override.agent}", why)
    yield events.WinnerChosen(task.id, record.winner, record.refined, record.override)
