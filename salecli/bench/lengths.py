"""How long plans and works are: against each other, and the auction against works of real agents."""

from __future__ import annotations

from typing import Any

import numpy as np

from salecli.bench.suites import spread
from salecli.bench.table import Table

_POINTS = 500
_REAL = (
    (
        20_000,
        "most solved trajectories of mini-SWE-agent on SWE-bench Verified are shorter, every token counted"
        " once (arXiv 2602.16069)",
    ),
    (
        4_167_850,
        "mean of eight models on SWE-bench Verified, every prompt counted anew at each step, cached or not"
        " (arXiv 2604.22750)",
    ),
)
"""Tokens that the work on one task takes, and who measured it on what."""


def at_real_lengths(auction_tokens: float) -> list[dict[str, Any]]:
    """The auction's share of all tokens, were the work as long as that of real agents."""
    return [
        {
            "work_tokens": tokens,
            "source": source,
            "auction_share": round(auction_tokens / (auction_tokens + tokens), 6),
        }
        for tokens, source in _REAL
    ]


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
