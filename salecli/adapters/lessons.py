"""What an auction teaches: which lost plan to put beside which won plan, for each agent that bid."""

from __future__ import annotations

import math
from dataclasses import dataclass

from salecli.core.values import Auction, Bid


@dataclass(frozen=True, slots=True)
class Lesson:
    """The lost and the won bid that `agent` learns from; at least one of them is its own."""

    agent: str
    lost: Bid
    won: Bid
    note: str
    """What failed when the lost plan was carried out; empty where it was not."""


NOT_THE_PLAN = ("model died", "sandbox died", "handed over")
"""Endings that say nothing about the plan that was being carried out."""


def lessons(auction: Auction) -> tuple[Lesson, ...]:
    """One lesson per agent at most; none where nobody solved the task.

    The won plan is the one whose work passed the tests, whoever chose it. An agent's lost plan is its own:
    first one whose work failed, then its refined bid, then its first. The author of the won plan learns from
    the best lost plan of another agent, and only where there is none from its own other bid.
    """
    proof = next((work for work in auction.works if work.solved), None)
    bids = {(bid.agent, bid.refined): bid for bid in auction.bids}
    won = bids.get((proof.agent, proof.refined)) if proof else None
    if won is None or not won.plan.strip():
        return ()
    notes = {
        (work.agent, work.refined): work.note
        for work in auction.works
        if not work.solved and work.end not in NOT_THE_PLAN
    }
    totals = {(score.agent, score.refined): score.total for score in auction.scores}
    # A plan that says the same as the won one teaches nothing beside it.
    lost = [bid for bid in bids.values() if bid.plan.strip() and bid.plan.strip() != won.plan.strip()]

    def worked(bid: Bid) -> bool:
        return (bid.agent, bid.refined) in notes

    def total(bid: Bid) -> float:
        return totals.get((bid.agent, bid.refined), math.inf)

    found = []
    for agent in dict.fromkeys(bid.agent for bid in auction.bids):
        own = min(
            (bid for bid in lost if bid.agent == agent),
            key=lambda bid: (not worked(bid), not bid.refined),
            default=None,
        )
        other = min(
            (bid for bid in lost if bid.agent != agent),
            key=lambda bid: (not worked(bid), total(bid)),
            default=None,
        )
        side = (other or own) if agent == won.agent else own
        if side is not None:
            found.append(Lesson(agent, side, won, notes.get((side.agent, side.refined), "")))
    return tuple(found)
