"""The routers over a finished matrix, as `sale bench run` plays and tells them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from salecli.cli.bench_market import marketed
from salecli.cli.output import Output
from salecli.core.words import plural

if TYPE_CHECKING:
    from salecli.bench.matrix import Matrix
    from salecli.core.agent import Pool

_PATIENCE = 1_800.0
"""Seconds for the embedder: a bench that ran for an hour does not end because the machine is busy."""


def routed(matrix: Matrix, pool: Pool, count: int, output: Output) -> dict[str, Any]:
    """All rows of results.json over a matrix without gaps, played in `count` orders and told as a table.

    Raises:
        SaleError: the tasks cannot be embedded, or what the market needs has gone; it can be resumed then.
    """
    # numpy and scipy stand behind these, and the embedder is a process of its own.
    from salecli.adapters.embedder import MiniLM
    from salecli.bench.fitting import market_weights
    from salecli.bench.known import KnownEmbedder
    from salecli.bench.rows import account, every_row
    from salecli.bench.table import orders, table

    seed = matrix.ledger.header.seed
    with closing(MiniLM(_PATIENCE)) as embedder:
        output.story(f"routers: {plural(count, 'order')} of {plural(len(matrix.tasks), 'task')}")
        known = table(matrix, pool, KnownEmbedder(embedder, matrix.ledger))
    chosen = market_weights(known)
    places = orders(count, seed, known.tasks)
    market, grown = marketed(matrix, known, pool, chosen.by_task, places, output)
    found = every_row(known, places, chosen, seed, market)
    told = account(known, found, chosen, seed)
    told |= grown | {"shapley": told["shapley"] | grown["shapley"]}
    _tell(told, known.agents[-1], output)
    output.story(f"weights: {chosen.source}")
    return told | {"weights": chosen.record()}


def _tell(told: Mapping[str, Any], largest: str, output: Output) -> None:
    """The table of rows, and which are missing."""
    points, usd = f"to {largest}, points", f"USD to {largest}, %"
    output.table(
        ["router", "pass@1 %", "USD per 1,000 tasks", points, "", usd, " "],
        [
            [
                row["name"],
                f"{100 * row['pass'][0]:.1f}",
                _digits(1000 * row["usd_per_task"][0]),
                *_against(row["against_largest"]["pass"], 100, 1),
                *_against(row["against_largest"]["usd"], 100, 0),
            ]
            for row in told["rows"]
        ],
        right={"pass@1 %", "USD per 1,000 tasks", points, usd},
    )
    for name, why in told["left_out"].items():
        output.story(f"left out: {name}: {why}")


def _digits(usd: float) -> str:
    """Three digits that count, never as a power of ten."""
    return f"{usd:,.0f}" if usd >= 100 else f"{usd:.3g}" if usd >= 0.001 else f"{usd:.6f}"


def _against(estimate: Sequence[float] | None, scale: float, digits: int) -> tuple[str, str]:
    if estimate is None:
        return "-", ""
    value, low, high = (f"{scale * one:+.{digits}f}" for one in estimate)
    return value, f"({low} to {high})"
