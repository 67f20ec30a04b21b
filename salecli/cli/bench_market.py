"""The market with memory over a finished matrix, as `sale bench run` plays and tells it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from salecli.cli.output import Output
from salecli.cli.progress import progress
from salecli.core.values import Weights

if TYPE_CHECKING:
    from salecli.bench.market import Market, Rules
    from salecli.bench.matrix import Matrix
    from salecli.bench.played import Row
    from salecli.bench.table import Table
    from salecli.core.agent import Pool

_COALITIONS = 200
"""Most tasks that the markets of all groups of agents play."""


def marketed(
    matrix: Matrix,
    table: Table,
    pool: Pool,
    weights: Sequence[Weights],
    orders: Sequence[Sequence[int]],
    output: Output,
) -> tuple[list[Row], dict[str, Any]]:
    """The rows of the markets with memory, and what results.json says of how they grow.

    Raises:
        SaleError: what every task needs has gone; it can be resumed then.
    """
    from salecli.bench.market import FORGETFUL, MARKETS, SALE, Market, coalitions
    from salecli.bench.shapley import with_memory
    from salecli.bench.shares import win_share
    from salecli.bench.statistics import Bootstrap, shares

    market = Market(matrix, table, pool, weights)
    *rows, forgetful = _played(market, [*MARKETS, FORGETFUL], orders, "auctions", output)
    sale = next(row for row in rows if row.name == SALE.name)
    # The auctions of coalitions have few calls in common: some tasks of one order must do.
    beginning = orders[0][:_COALITIONS]
    some = coalitions(table.agents)
    groups = _played(market, some, [beginning], "auctions of coalitions", output)
    played = {rule.members: row.orders[0] for rule, row in zip(some, groups, strict=True)}
    played[frozenset(table.agents)] = sale.orders[0][: len(beginning)]
    seed = matrix.ledger.header.seed
    parts = with_memory(played, table.agents)
    return rows, {
        "win_share": win_share(sale, forgetful, table.agents, seed),
        "shapley": {"with memory": shares(parts, Bootstrap(len(beginning), seed))},
        "shapley_tasks": {"with memory": len(beginning), "without memory": len(table.tasks)},
    }


def _played(
    market: Market, rules: Sequence[Rules], orders: Sequence[Sequence[int]], what: str, output: Output
) -> list[Row]:
    total = len(rules) * sum(map(len, orders))
    with closing(market.play(rules, orders)) as played, progress(output, total, what=what) as told:
        while True:
            try:
                told.add(next(played).solved)
            except StopIteration as stop:
                rows: list[Row] = stop.value
                return rows
