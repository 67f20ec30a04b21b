"""One market round: bids, marks, scores, refinement, winner."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from salecli.core import events
from salecli.core.agent import Pool, seed_for
from salecli.core.decisions import Decisions
from salecli.core.judge import Failures, fill, mark
from salecli.core.merge import merge
from salecli.core.ports import Memory
from salecli.core.refine import cancels, refine
from salecli.core.scoring import final_bids, plain_cost, plain_entropy, ranked, score
from salecli.core.values import Bid, Mark, Override, Score, Task, Usage
from salecli.errors import ModelError

Bids = dict[str, Bid | None]
"""An agent's bid, None where it is out."""


@dataclass(slots=True)
class Round:
    """What a market round has come to so far; it grows while the round goes on."""

    bids: list[Bid] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    lost: list[tuple[str, Usage]] = field(default_factory=list)
    """(agent, usage) of calls that came to nothing."""
    provisional: str = ""
    winner: str = ""
    refined: bool = False
    """Whether the winning bid is a refined one."""
    override: Override | None = None

    def ranking(self, pool: Pool) -> list[Bid]:
        """The bid that stands for each agent, the best score first."""
        standing = final_bids(self.bids, self.scores)
        by_agent = {one.agent: one for one in reversed(ranked(self.scores, pool.prices))}
        order = [one.agent for one in ranked(by_agent.values(), pool.prices)]
        return [standing[agent] for agent in order]


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
    yield from _bidding(pool, task, seed, record)
    yield from border(task, decisions)
    yield from _marking(pool, task, record.bids, record)
    leader = ranked(record.scores, pool.prices)[0]
    record.provisional = leader.agent
    yield events.Led(task.id, leader.agent, leader.refined)
    yield from border(task, decisions)
    if memory is not None:
        by_agent = {bid.agent: bid for bid in record.bids}
        refined = yield from refine(pool, task, by_agent, leader.agent, memory, seed)
        if refined:
            record.bids += refined
            yield from _marking(pool, task, refined, record)
            leader = ranked(record.scores, pool.prices)[0]
            yield events.Led(task.id, leader.agent, leader.refined)
    yield from border(task, decisions)
    yield from _choose(task, leader, decisions, record)


def _bidding(pool: Pool, task: Task, seed: int, record: Round) -> Generator[events.Event, None, None]:
    streams = {agent.name: agent.bid(task, seed_for(seed, "bid", agent.name)) for agent in pool.agents}
    hints: list[str] = []
    bids = yield from _noting(merge(streams, pool.at_once, cancels(pool)), hints)
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


def _marking(
    pool: Pool, task: Task, bids: Sequence[Bid], record: Round
) -> Generator[events.Event, None, None]:
    # Judges in reverse pool order: the model that wrote the last bid is still resident.
    streams = {agent.name: mark(agent, task, bids) for agent in reversed(pool.agents)}
    given = yield from merge(streams, pool.at_once, cancels(pool))
    marks = [one for found, _ in given.values() for one in found]
    failures: dict[str, Failures] = {judge: missing for judge, (_, missing) in given.items() if missing}
    if not marks:
        reason = next(iter(next(iter(failures.values())).values())).reason
        raise ModelError(
            f"nobody marked: every judge is out ({reason})", "`sale models list` checks the pool"
        )
    marks = yield from fill(marks, failures, task)
    record.marks += marks
    for bid in bids:
        own = [one for one in marks if one.agent == bid.agent and one.refined == bid.refined]
        scored = score(bid, own, pool.weights, pool.prices, pool.plan_tokens)
        record.scores.append(scored)
        yield events.Scored(
            task.id, scored, plain_cost(bid, pool.prices, pool.plan_tokens), plain_entropy(bid)
        )


def _choose(
    task: Task, leader: Score, decisions: Decisions, record: Round
) -> Generator[events.Event, None, None]:
    record.winner, record.refined = leader.agent, leader.refined
    override = decisions.overridden()
    if override is not None:
        standing = final_bids(record.bids, record.scores)
        if override.agent in standing:
            record.override = override
            record.winner, record.refined = override.agent, standing[override.agent].refined
        else:
            yield events.SatOut(task.id, override.agent, "chosen by the user, but it made no bid")
    yield events.WinnerChosen(task.id, record.winner, record.refined, record.override)


def border(task: Task, decisions: Decisions) -> Generator[events.Event, None, None]:
    """A phase border: the run stands still here while it is paused."""
    if not decisions.paused:
        decisions.wait()
        return
    yield events.Paused(task.id)
    while not decisions.wait(0.2):
        pass
    yield events.Resumed(task.id)
