"""How long plans and works are: against each other, and the auction against works of real agents."""

from __future__ import annotations

from typing import Any

import numpy as np

from salecli.bench.statistics import Bootstrap, ByTask, Floats
from salecli.bench.suites import spread
from salecli.bench.table import Table

_POINTS = 500
_REAL = (
    (
        20_000,
        "successful trajectories of mini-SWE-agent on SWE-bench Verified typically stay below it"
        " (arXiv 2602.16069)",
    ),
    (
        1_500_000,
        "two of eight models take over 1.5 million tokens more than a third one on SWE-bench Verified"
        " (arXiv 2604.22750)",
    ),
)
"""Tokens that the work on one task takes, and who measured it on what."""


def at_real_lengths(sale: ByTask, largest: ByTask, bootstrap: Bootstrap) -> list[dict[str, Any]]:
    """The auction's share of all tokens, and what SALE costs, were work as long as that of real agents.

    Every work takes as many times more tokens as it needs for the largest agent's to be that long on average;
    bids, marks and refinements stay as they are.
    """
    works = float((largest.tokens - largest.auction_tokens).mean())

    def stretched(auction: Floats, every: Floats, times: float) -> Floats:
        return auction + times * (every - auction)

    found = []
    for tokens, source in _REAL if works else ():
        times = tokens / works
        whole = stretched(sale.auction_tokens, sale.tokens, times)
        usd = [stretched(one.auction_usd, one.usd, times) for one in (sale, largest)]
        found.append(
            {
                "work_tokens": tokens,
                "source": source,
                "auction_share": round(float(sale.auction_tokens.sum() / whole.sum()), 6),
                "usd_against_largest": bootstrap.less_one(*usd),
            }
        )
    return found


def plan_and_work(table: Table) -> dict[str, Any]:
    """Generated tokens of plans and of works, and how well their ranks agree for each agent."""
    from scipy.stats import spearmanr

    points: list[tuple[int, int, str]] = []
    for task in table.tasks:
        for bid in table.bids(task.name):
            worked = table.cells[task.name, bid.agent].worked
            if worked is not None:
                points.append((bid.tokens, worked.usage.generated, bid.agent))
    agreed: dict[str, float | None] = {}
    for agent in table.agents:
        lengths = np.array([[plan, work] for plan, work, own in points if own == agent]).reshape(-1, 2)
        constant = len(lengths) < 2 or (np.ptp(lengths, axis=0) == 0).any()
        agreed[agent] = None if constant else round(float(spearmanr(lengths).statistic), 5)
    return {
        "plan_and_work": [list(point) for point in spread(points, _POINTS)],
        "plan_work_spearman": agreed,
    }
