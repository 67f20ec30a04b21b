"""One task of a market over a matrix: the auction from its first marks on, the work, what memory gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import cast

from salecli.bench.cells import Worked
from salecli.bench.contestants import result
from salecli.bench.played import Played, Spent
from salecli.bench.table import Table
from salecli.core import events
from salecli.core.agent import Pool
from salecli.core.auction import conclude
from salecli.core.calls import Usage
from salecli.core.decisions import Decisions
from salecli.core.finished import finished
from salecli.core.ports import Memory
from salecli.core.round import Round, scoring
from salecli.core.values import Bid, Mark, Task, Tests, Verdict, Work, WorkEnd

Done = Callable[[Bid], tuple[Worked, bool]]
"""What came of carrying out a bid, and whether that solved the task."""


def held(
    table: Table,
    posed: str,
    task: Task,
    pool: Pool,
    memory: Memory | None,
    done: Done,
    attempts: int,
    seed: int,
) -> Played:
    """Sell `posed` to the agents of `pool`, some or all of the table's, and remember it.

    The bids and their marks are the table's; the rest of the auction is core's own.
    """
    record = Round(weights=pool.weights, seed=seed)
    prices = pool.prices
    record.bids = [bid for bid in table.bids(posed) if bid.agent in prices]
    first = [mark for mark in table.marks[posed] if mark.judge in prices and mark.agent in prices]
    record.marks = list(first)
    spent: dict[str, dict[str, Spent]] = {}

    def use(phase: str, agent: str, usage: Usage) -> None:
        agents = spent.setdefault(phase, {})
        agents[agent] = agents.get(agent, Spent()) + Spent.of(usage, prices[agent])

    spent["bid"] = {agent: table.plan_spent(posed, agent) for agent in prices}
    if not record.bids:
        return Played(posed, (), False, spent)
    out: list[events.AgentOut] = []
    result(scoring(pool, task, record.bids, record))
    result(conclude(pool, task, memory, Decisions(), seed, record), out)
    for judge, usage in _marking(first, record.marks):
        use("mark", judge, usage)
    for bid in record.bids:
        if bid.refined:
            use("refine", bid.agent, bid.usage)
    for event in out:
        use("refine", event.agent, event.usage)
    works: list[Work] = []
    for bid in record.queue(pool)[:attempts]:
        worked, solved = done(bid)
        works.append(_work(bid, worked, solved))
        use("work", bid.agent, worked.usage)
        if solved:
            break
    if memory is not None:
        memory.record(finished(posed, task, pool, seed, record, works))
    totals = {(one.agent, one.refined): one.total for one in record.scores}
    return Played(
        task=posed,
        agents=tuple(one.agent for one in works),
        solved=works[-1].solved,
        spent=spent,
        refined=record.refined,
        score=totals[record.winner, record.refined],
    )


def _marking(first: Sequence[Mark], marks: Sequence[Mark]) -> Iterator[tuple[str, Usage]]:
    """(judge, usage) of all marks.

    Whoever wrote nothing since its first marks has the task in its prefix cache still, and reads the plans
    alone. Orders that play at the same time put other tasks there: that is no part of an auction's price.
    """
    refiners = {mark.agent for mark in marks if mark.refined}
    seen: set[str] = set()
    for mark in marks:
        usage = mark.usage
        if mark.refined and usage.prompt and mark.judge not in seen:
            seen.add(mark.judge)
            if mark.judge not in refiners:
                own = [one.usage for one in first if one.judge == mark.judge]
                shared = max((one.prompt - one.evaluated for one in own), default=0)
                usage = replace(usage, evaluated=min(usage.evaluated, usage.prompt - shared))
        yield mark.judge, usage


def _work(bid: Bid, worked: Worked, solved: bool) -> Work:
    """The work as memory takes it: of the verdict, what was said."""
    nothing = Tests(0 if solved else 1)
    verdict = Verdict(solved, worked.verdict, nothing, nothing) if worked.verdict else None
    end = cast(WorkEnd, worked.end)
    return Work(bid.agent, bid.refined, end, usage=worked.usage, verdict=verdict, note=worked.note)
