"""A market round and its works as the auction that memory keeps, with what all of it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from salecli.core.agent import Pool
from salecli.core.calls import Usage
from salecli.core.round import Round
from salecli.core.values import Auction, Task, Work


def finished(run: str, task: Task, pool: Pool, seed: int, record: Round, works: Sequence[Work]) -> Auction:
    """The finished record of a round after these works."""
    prices = pool.prices
    calls = spent(record, works)
    return Auction(
        run=run,
        task=task,
        pool=pool.name,
        pool_hash=pool.hash,
        prompts_hash=pool.prompts_hash,
        seed=seed,
        prices=prices,
        weights=record.weights,
        bids=tuple(record.bids),
        marks=tuple(record.marks),
        scores=tuple(record.scores),
        provisional=record.provisional,
        winner=record.winner,
        winner_refined=record.refined,
        override=record.override,
        works=tuple(works),
        tokens=sum(usage.evaluated + usage.generated for _, usage in calls),
        usd=sum(usd(agent, usage, prices) for agent, usage in calls),
        usd_largest=_largest_alone(record, works, prices),
    )


def spent(record: Round, works: Sequence[Work]) -> list[tuple[str, Usage]]:
    """(agent, usage) of everything that was generated or evaluated."""
    return (
        record.lost
        + [(bid.agent, bid.usage) for bid in record.bids]
        + [(mark.judge, mark.usage) for mark in record.marks]
        + [(one.agent, one.usage) for one in works]
    )


def usd(agent: str, usage: Usage, prices: Mapping[str, float]) -> float:
    """What an agent's tokens cost; those that its prefix cache saved cost nothing."""
    return (usage.evaluated + usage.generated) * prices[agent] / 1e6


def _largest_alone(record: Round, works: Sequence[Work], prices: Mapping[str, float]) -> float:
    """USD that the dearest agent alone would have cost: its own bid and one work of the length seen."""
    dearest = max(prices, key=lambda agent: prices[agent])
    bid = next((bid for bid in record.bids if bid.agent == dearest and not bid.refined), None)
    plan = bid.usage if bid else Usage()
    # A revision goes on with the work of the same agent: both are what the task took.
    done = sum((one.usage for one in works if one.agent == works[-1].agent), Usage())
    return usd(dearest, plan, prices) + usd(dearest, done, prices)
