"""Everything that is played over a finished matrix, and results.json's account of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from salecli.bench import fitting, reliability, selling, shapley
from salecli.bench.fitting import Chosen
from salecli.bench.lengths import at_real_lengths, plan_and_work
from salecli.bench.played import Played, Row
from salecli.bench.results import MARKET, NO_MEMORY, ORACLE
from salecli.bench.routers import LEAST, Known, Offers, Places, in_orders, played, tuned
from salecli.bench.routers.cascade import Scorer, until_solved
from salecli.bench.routers.neighbours import carrot, to_router, wtp
from salecli.bench.routers.plain import oracle, singles, with_shares
from salecli.bench.statistics import Bootstrap, ByTask, Curve, shares, summary
from salecli.bench.table import Table
from salecli.core.learning import OBJECTIVES, Objective
from salecli.core.values import Weights
from salecli.errors import UsageError

_PAIRED = ("agent", "router", "market", "bound")
_RETRY = 2
"""Attempts of a retry, as many as `sale solve` makes."""


@dataclass(frozen=True, slots=True)
class Rows:
    """All routers over one table."""

    rows: tuple[Row, ...]
    curves: Mapping[str, Curve]
    """By row: (USD per task, pass@1) under other settings."""
    left_out: Mapping[str, str]
    """Why a row is missing, by its name."""


def every_row(
    table: Table, orders: Sequence[Places], chosen: Chosen, seed: int, market: Sequence[Row] = ()
) -> Rows:
    """Every router of the list; `market` are the rows that real refinement made, and stand before the others.

    What the routers are compared with is "SALE", or "SALE without memory" where that is all there is.
    """
    rows = list(market)
    if all(row.name != NO_MEMORY for row in rows):
        rows.append(in_orders(NO_MEMORY, "market", selling.sold(table, chosen.by_task), orders))
    again = selling.sold(table, chosen.by_task, attempts=_RETRY)
    rows.append(in_orders(f"{NO_MEMORY}, with retry", "market", again, orders))
    sale = _compared(rows)
    known = Known(table)
    plain = singles(known, orders)
    rows += plain
    rows.append(with_shares(f"random ({sale.name}'s shares)", known, sale, orders, seed))
    curves: dict[str, Curve] = {}
    left_out: dict[str, str] = {}
    offered: dict[str, Offers] = {"WTP": wtp, "CARROT": carrot, "TO-Router": to_router}
    if len(table.tasks) < LEAST:
        few = f"{LEAST} tasks are needed to learn from"
        left_out |= dict.fromkeys([*offered, "FrugalGPT"], few)
    else:
        offered["FrugalGPT"] = Scorer(known).offers
        spent = ByTask(sale, table).usd
        for name, offers in offered.items():
            found = tuned(known, spent, offers)
            curves[name] = found.curve
            by_task = played(known, [known.routes[at] for at in found.routes])
            rows.append(in_orders(name, "router", by_task, orders))
    rows.append(in_orders("cascade with tests", "router", played(known, until_solved(known)), orders))
    rows.append(in_orders(ORACLE, "bound", played(known, oracle(known)), orders))
    curves[NO_MEMORY] = _dialled(table, chosen)
    for name, sell in _ablations(table, chosen):
        try:
            rows.append(in_orders(name, "ablation", sell(), orders))
        except UsageError as error:
            left_out[name] = error.message
    return Rows(tuple(rows), curves, left_out)


def _compared(rows: Sequence[Row]) -> Row:
    """The row that the routers are measured against."""
    by_name = {row.name: row for row in rows}
    return by_name.get(MARKET, by_name[NO_MEMORY])


Sell = Callable[[], Sequence[Played]]


def _ablations(table: Table, chosen: Chosen) -> Iterator[tuple[str, Sell]]:
    """(name, what sells the tasks so), each one change to the market without memory.

    A term is taken out and the rest stays as it is: nothing is fitted anew but where the name says so. Where
    marks are left out, those that remain stand in for them, as core has it for smaller juries.
    """
    weights = chosen.by_task

    def weighed(change: Callable[[Weights], Weights]) -> Sell:
        return lambda: selling.sold(table, [change(one) for one in weights])

    def hearing(hear: selling.Hear) -> Sell:
        return lambda: selling.sold(table, weights, selling.heard(table, hear))

    yield "no price", weighed(lambda one: replace(one, cost=0.0))
    length = selling.mean_length(table)
    yield "no length", lambda: selling.sold(table, weights, length=length)
    yield "no entropy", weighed(lambda one: replace(one, entropy=0.0))
    yield "no jury", hearing(selling.nobody)
    silent = selling.heard(table, selling.nobody)
    yield "no jury, with retry", lambda: selling.sold(table, weights, silent, attempts=_RETRY)
    yield "no self mark", hearing(selling.peers)
    yield "no peer marks", hearing(selling.own)
    for judge in table.prices:
        yield f"without judge {judge}", hearing(selling.without(judge))
    yield "integer marks", hearing(selling.digits)
    yield "calibrated marks", lambda: _calibrated(table, chosen)
    yield "dial fitted", lambda: selling.sold(table, fitting.dialled(table, chosen).by_task)
    yield "the pool's weights", lambda: selling.sold(table, fitting.of_pool(table).by_task)
    for objective in OBJECTIVES:
        yield f"{objective} weights", partial(_fitted, table, chosen, objective)


def _fitted(table: Table, chosen: Chosen, objective: Objective) -> Sequence[Played]:
    known = chosen if chosen.objective == objective else fitting.fitted(table, objective)
    return selling.sold(table, known.by_task)


def _calibrated(table: Table, chosen: Chosen) -> Sequence[Played]:
    """Marks as outcomes on the other folds put them right; weights that were fitted are fitted to those."""
    by_task = zip(table.tasks, fitting.fold_corrections(table), strict=True)
    marks = {task.name: fitting.put_right(table.marks[task.name], by) for task, by in by_task}
    again = fitting.fitted(table, chosen.objective, correct=True) if chosen.objective else chosen
    return selling.sold(table, again.by_task, marks)


def _dialled(table: Table, chosen: Chosen) -> Curve:
    """What the market without memory comes to as the cost dial is turned, its other weights as they are."""
    points = []
    for cost in fitting.DIALS:
        sold = selling.sold(table, [replace(one, cost=cost) for one in chosen.by_task])
        usd, solved = np.mean([[one.usd, one.solved] for one in sold], axis=0)
        points.append((float(usd), float(solved)))
    return sorted(set(points))


def account(table: Table, found: Rows, chosen: Chosen, seed: int) -> dict[str, Any]:
    """What results.json says of the rows, the marks and the plans."""
    bootstrap = Bootstrap(len(table.tasks), seed)
    by_task = [ByTask(row, table) for row in found.rows]
    largest = next(one for one in by_task if one.row.name == table.agents[-1] and one.row.kind == "agent")
    sale = ByTask(_compared(found.rows), table)
    parts = shapley.without_memory(table, chosen.by_task)
    return {
        "rows": [
            summary(one, largest, table, bootstrap, found.curves.get(one.row.name, ())) for one in by_task
        ],
        "left_out": dict(found.left_out),
        "paired": {one.row.name: one.compact() for one in by_task if one.row.kind in _PAIRED},
        "shapley": {"without memory": shares(parts, bootstrap)},
        "calibration": {
            "marks": reliability.of_marks(table),
            "scores": reliability.of_scores(table, chosen.by_task),
            "corrected marks": reliability.of_corrected(table),
        },
        **plan_and_work(table),
        "auction_at_real_lengths": at_real_lengths(sale, largest, bootstrap),
    }
