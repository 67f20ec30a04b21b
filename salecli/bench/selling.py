"""SALE without memory over a finished matrix: the real bids and marks, scored by core, and its ablations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from salecli.bench.played import Played, Spent
from salecli.bench.table import Table
from salecli.core.calls import Usage
from salecli.core.scoring import ranked, score
from salecli.core.values import Bid, Mark, Score, Weights

Marks = Mapping[str, Sequence[Mark]]
"""By task."""
Hear = Callable[[Sequence[Mark]], Sequence[Mark]]
"""Which marks of a task count, and as what."""


def scored(table: Table, bids: Iterable[Bid], marks: Sequence[Mark], weights: Weights) -> list[Score]:
    """Scores of one task's bids, the winner first."""
    scores = [
        score(bid, [one for one in marks if one.agent == bid.agent], weights, table.prices, table.plan_tokens)
        for bid in bids
    ]
    return ranked(scores, table.prices)


def sold(
    table: Table,
    weights: Sequence[Weights],
    marks: Marks | None = None,
    attempts: int = 1,
    length: float | None = None,
) -> list[Played]:
    """Every task sold by its own weights, in the order of the table.

    With `marks` these alone count, and are paid for. While a task is not solved, up to `attempts` bidders
    carry out their plans, the best score first. With `length` every plan counts as so many tokens long.
    """
    heard = table.marks if marks is None else marks
    return [
        _sold(table, task.name, own, heard[task.name], attempts, length)
        for task, own in zip(table.tasks, weights, strict=True)
    ]


def _sold(
    table: Table, task: str, weights: Weights, marks: Sequence[Mark], attempts: int, length: float | None
) -> Played:
    bids = table.bids(task)
    counted = bids if length is None else [replace(bid, tokens=round(length)) for bid in bids]
    scores = scored(table, counted, marks, weights)
    worked: list[str] = []
    for one in scores[:attempts]:
        worked.append(one.agent)
        if table.solved(task, one.agent):
            break
    return Played(
        task=task,
        agents=tuple(worked),
        solved=bool(worked) and table.solved(task, worked[-1]),
        spent={
            "bid": {agent: table.plan_spent(task, agent) for agent in table.prices},
            "mark": marking(table, task, marks),
            "work": {agent: table.work_spent(task, agent) for agent in worked},
        },
        score=scores[0].total if scores else None,
    )


def marking(table: Table, task: str, marks: Iterable[Mark]) -> dict[str, Spent]:
    """By judge, what these marks alone would have taken.

    A judge's first mark pays for the prompt that all of its marks share: where that one is left out, the
    next one pays for it.
    """
    wanted = {(one.judge, one.agent) for one in marks}
    found: dict[str, Spent] = {}
    for judge, price in table.prices.items():
        given = [one for one in table.marks[task] if one.judge == judge]
        kept = [one.usage for one in given if (judge, one.agent) in wanted]
        if not kept:
            continue
        spent = Spent.of(sum(kept, Usage()), price)
        if (judge, given[0].agent) not in wanted:
            spent += Spent.of(Usage(evaluated=_shared(given[0].usage, kept[0])), price)
        found[judge] = spent
    return found


def _shared(first: Usage, other: Usage) -> int:
    """Tokens of the shared prompt that the first mark evaluated; the other one had them from its cache."""
    prefix = other.prompt - other.evaluated
    return max(first.evaluated - (first.prompt - prefix), 0)


def heard(table: Table, hear: Hear) -> Marks:
    """The marks of all tasks, as `hear` takes them."""
    return {task: hear(marks) for task, marks in table.marks.items()}


def digits(marks: Sequence[Mark]) -> Sequence[Mark]:
    """Each mark as its most likely digit."""
    return [replace(one, value=float(one.digit)) for one in marks]


def peers(marks: Sequence[Mark]) -> Sequence[Mark]:
    """Without the marks that agents gave their own plans."""
    return [one for one in marks if one.judge != one.agent]


def own(marks: Sequence[Mark]) -> Sequence[Mark]:
    """Only the marks that agents gave their own plans."""
    return [one for one in marks if one.judge == one.agent]


def without(judge: str) -> Hear:
    """No marks of this judge; the others stand in for it."""
    return lambda marks: [one for one in marks if one.judge != judge]


def nobody(_: Sequence[Mark]) -> Sequence[Mark]:
    """No marks at all."""
    return ()


def mean_length(table: Table) -> float:
    """Tokens of a plan, the mean over all bids."""
    tokens = [bid.tokens for task in table.tasks for bid in table.bids(task.name)]
    return sum(tokens) / len(tokens) if tokens else 0.0
