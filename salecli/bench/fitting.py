"""Weights for a matrix: fitted for each fifth of its tasks on the other four, never on what they judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from salecli.adapters.highs import solve
from salecli.adapters.isotonic import isotonic
from salecli.bench.selling import marking
from salecli.bench.table import FOLDS, Table, folds
from salecli.core.calibration import Correction, corrected, corrections
from salecli.core.heldout import lacking, usable
from salecli.core.learning import Case, Objective, Parts, fit, winner
from salecli.core.values import Mark, Weights
from salecli.errors import UsageError

SECONDS = 30.0
"""For each program."""
DIALS = (0.0, 0.003, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
"""Values of w_c that are tried."""
BELOW = 0.75
"""Share of the largest agent's cost that a market should stay below."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The weights that a market uses, for every task."""

    source: str
    """Where they come from, for people."""
    objective: Objective | None
    """None for weights that were not fitted here."""
    by_fold: tuple[Weights, ...]
    by_task: tuple[Weights, ...]
    """In the order of the table."""

    def record(self) -> dict[str, Any]:
        """As results.json has it."""
        return {"source": self.source, "objective": self.objective, "folds": list(map(asdict, self.by_fold))}


def cases(table: Table) -> list[Case]:
    """Every task with all of its bids, each with what the tests said of it."""
    found = []
    for task in table.tasks:
        marks = table.marks[task.name]
        parts = [
            Parts.of(
                bid,
                table.prices,
                table.plan_tokens,
                marks={one.judge: one.value for one in marks if one.agent == bid.agent},
                solved=table.solved(task.name, bid.agent),
            )
            for bid in table.bids(task.name)
        ]
        found.append(Case(task.issue, task.name, tuple(parts)))
    return found


def of_pool(table: Table, source: str = "the pool's") -> Chosen:
    """The pool's own weights, for all tasks."""
    return Chosen(source, None, (table.weights,), (table.weights,) * len(table.tasks))


def fitted(table: Table, objective: Objective, thrift: float | None = None, correct: bool = False) -> Chosen:
    """Weights by `objective` for each fold, with the pool's w_c or `thrift`; on corrected marks if so asked.

    Raises:
        UsageError: too few tasks, or the tests tell no bids apart.
    """
    known = cases(table)
    cost = table.weights.cost if thrift is None else thrift
    by_fold: list[Weights] = []
    by_task: dict[int, Weights] = {}
    for fold in folds(table.tasks):
        rest = _others(known, fold)
        few = lacking(usable(rest), objective)
        if few:
            raise UsageError(
                f"too few tasks to fit weights: in four of five parts {few}", "more tasks: --tasks"
            )
        if correct:
            by = corrections(rest, isotonic)
            rest = [corrected(case, by) for case in rest]
        found = fit(objective, usable(rest), cost, list(table.prices), solve, SECONDS)
        by_fold.append(found.weights)
        by_task |= dict.fromkeys(fold, found.weights)
    source = f"{objective}, fitted for each of {FOLDS} parts of the tasks on the others"
    return Chosen(source, objective, tuple(by_fold), tuple(by_task[at] for at in range(len(known))))


def market_weights(table: Table) -> Chosen:
    """Labelled weights, or the pool's own where there are too few tasks, with the reason in `source`."""
    try:
        return fitted(table, "labelled")
    except UsageError as error:
        return of_pool(table, f"the pool's ({error.message})")


def dialled(table: Table, chosen: Chosen) -> Chosen:
    """`chosen` with its cost dial set for each fold on the others, everything else as it is.

    To the highest pass@1 among those dials at which the market without memory takes at most BELOW of what
    the largest agent alone takes.

    Raises:
        UsageError: no dial is as cheap as that.
    """
    known, largest = cases(table), table.agents[-1]
    alone = [
        (table.plan_spent(task.name, largest) + table.work_spent(task.name, largest)).usd
        for task in table.tasks
    ]
    auction = [_auction_usd(table, task.name) for task in table.tasks]
    parts = folds(table.tasks)
    by_fold: list[Weights] = []
    by_task: dict[int, Weights] = {}
    for number, fold in enumerate(parts):
        own = chosen.by_fold[number % len(chosen.by_fold)]
        rest = [at for at in range(len(known)) if at not in fold and known[at].bids]
        budget = BELOW * sum(alone[at] for at in rest)
        found: list[tuple[int, float, Weights]] = []
        for dial in DIALS:
            weights = replace(own, cost=dial)
            won = {at: winner(known[at], weights) for at in rest}
            works = (table.work_spent(table.tasks[at].name, one.agent).usd for at, one in won.items())
            usd = sum(works) + sum(auction[at] for at in rest)
            if usd <= budget:
                found.append((sum(bool(one.solved) for one in won.values()), -usd, weights))
        if not found:
            raise UsageError(
                f"with its auctions it takes more than {100 * BELOW:.0f} % of what {largest} alone takes",
                "longer works would make auctions count for less",
            )
        by_fold.append(max(found, key=lambda one: one[:2])[2])
        by_task |= dict.fromkeys(fold, by_fold[-1])
    source = f"{chosen.source}; the cost dial too"
    return Chosen(source, chosen.objective, tuple(by_fold), tuple(by_task[at] for at in range(len(known))))


def _auction_usd(table: Table, task: str) -> float:
    """What all bids and marks on a task take."""
    marks = marking(table, task, table.marks[task]).values()
    return sum(table.plan_spent(task, agent).usd for agent in table.prices) + sum(one.usd for one in marks)


def fold_corrections(table: Table) -> list[Mapping[str, Correction]]:
    """For every task, each judge's correction by what became of the plans of the other folds."""
    known = cases(table)
    found: dict[int, Mapping[str, Correction]] = {}
    for fold in folds(table.tasks):
        found |= dict.fromkeys(fold, corrections(_others(known, fold), isotonic))
    return [found[at] for at in range(len(known))]


def put_right(marks: Sequence[Mark], by: Mapping[str, Correction]) -> list[Mark]:
    """The marks with each judge's correction."""
    return [replace(one, value=by[one.judge].of(one.value)) if one.judge in by else one for one in marks]


def _others(known: Sequence[Case], fold: Sequence[int]) -> list[Case]:
    inside = set(fold)
    return [case for at, case in enumerate(known) if at not in inside]
