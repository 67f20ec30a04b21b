"""Cost minus value.

c = p_i * |s| / (p_max * L)     in [0, 1]
h = mean token entropy / ln(V)  in [0, 1]
g_j = mark_j / 5                in [0, 1]
score = w_c * c - (w_h * h + sum_j w_j * g_j), the lowest wins

Where a jury J is smaller than all judges, the weights of those who marked stand in for all, so that bids
with different juries compare: sum_j w_j * g_j becomes W * (sum over J of w_j * g_j) / (sum over J of w_j), W
being the sum of all w_j. Where nobody in J has a weight, their marks count alike: W * mean of g_j over J.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from salecli.core.values import Bid, Mark, Score, Weights

TOP_MARK = 5


def plain_cost(bid: Bid, prices: Mapping[str, float], plan_tokens: int) -> float:
    """c: the plan's price as a share of the dearest agent's price for a plan of full length."""
    dearest = max(prices.values())
    if dearest <= 0:
        return 0.0  # a pool of free models: length alone cannot be priced
    return min(prices[bid.agent] * bid.tokens / (dearest * plan_tokens), 1.0)


def plain_entropy(bid: Bid) -> float:
    """h: mean token entropy as a share of the highest that the vocabulary allows."""
    if bid.vocabulary < 2:
        return 0.0
    return min(max(bid.entropy / math.log(bid.vocabulary), 0.0), 1.0)


def score(
    bid: Bid, marks: Iterable[Mark], weights: Weights, prices: Mapping[str, float], plan_tokens: int
) -> Score:
    """One bid's score from the marks it was given."""
    return Score(
        agent=bid.agent,
        refined=bid.refined,
        cost=weights.cost * plain_cost(bid, prices, plan_tokens),
        entropy=weights.entropy * plain_entropy(bid),
        jury=weighed({mark.judge: mark.counted for mark in marks}, weights.judges),
    )


def weighed(marks: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """The weighted marks, 0 to 5 by judge; those that were given stand in for those that were not."""
    given = sum(weights.get(judge, 0.0) * value / TOP_MARK for judge, value in marks.items())
    if not marks or marks.keys() >= {judge for judge, weight in weights.items() if weight}:
        return given
    total = sum(weights.values())
    present = sum(weights.get(judge, 0.0) for judge in marks)
    if present <= 0:
        return total * sum(marks.values()) / TOP_MARK / len(marks)
    return given * total / present


def ranked(scores: Iterable[Score], prices: Mapping[str, float]) -> list[Score]:
    """Scores, the winner first: lowest total, ties to the cheaper agent, then to pool order."""
    order = {agent: place for place, agent in enumerate(prices)}
    return sorted(scores, key=lambda one: (one.total, prices[one.agent], order[one.agent]))


def final_bids(bids: Sequence[Bid], scores: Sequence[Score]) -> dict[str, Bid]:
    """The bid that stands for each agent: its better-scoring one, where it made two."""
    totals = {(one.agent, one.refined): one.total for one in scores}
    standing: dict[str, Bid] = {}
    for bid in bids:
        now = standing.get(bid.agent)
        key = (bid.agent, bid.refined)
        if key in totals and (now is None or totals[key] < totals[(now.agent, now.refined)]):
            standing[bid.agent] = bid
    return standing


def in_proportion(shares: Mapping[str, float], total: float) -> dict[str, float]:
    """Shares in their proportion that sum to `total`; equal ones where all were zero."""
    now = sum(shares.values())
    if now <= 1e-9:
        return {judge: total / len(shares) for judge in shares}
    return {judge: share * total / now for judge, share in shares.items()}
