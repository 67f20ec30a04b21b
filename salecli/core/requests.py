"""Carries out what the user asks of a market round: bid again, exclude, other weights."""

from __future__ import annotations

import math

from salecli.core import events
from salecli.core.agent import Pool, seed_for
from salecli.core.decisions import BidAgain, Exclude, Request, Weigh
from salecli.core.round import Round, marking, scoring
from salecli.core.values import Task, Weights


def carry_out(request: Request, pool: Pool, task: Task, seed: int, record: Round) -> events.Stream:
    """Do what is asked, or say why it cannot be done.

    Refinement is never done again for it: a turn of the weights may make another agent lead than the one
    that the refined bids were written against.
    """
    match request:
        case BidAgain(agent):
            if agent not in pool.prices:
                yield events.Refused(task.id, f"bid again {agent}", "there is no such agent")
            else:
                yield from _bid_again(agent, pool, task, seed, record)
        case Exclude(agent):
            why = _stays(agent, pool, record)
            if why:
                yield events.Refused(task.id, f"exclude {agent}", why)
            else:
                yield from _exclude(agent, pool, task, record)
        case Weigh(weights):
            why = _unfit(weights, pool)
            if why:
                yield events.Refused(task.id, "weigh", why)
            else:
                yield from _weigh(weights, pool, task, record)


def refuse(task: Task, request: Request) -> events.Stream:
    """Turn down what was asked for after the winner was chosen."""
    match request:
        case BidAgain(agent):
            what = f"bid again {agent}"
        case Exclude(agent):
            what = f"exclude {agent}"
        case Weigh():
            what = "weigh"
    yield events.Refused(task.id, what, "the winner is chosen")


def _bid_again(agent: str, pool: Pool, task: Task, seed: int, record: Round) -> events.Stream:
    """A second bid takes the place of all that the agent bid so far; where it fails, the old one stands."""
    count = record.asked[agent] = record.asked.get(agent, 1) + 1
    bid = yield from pool.agent(agent).bid(task, seed_for(seed, "bid", agent, count), again=True)
    if bid is None:
        return
    marked = bool(record.scores)
    record.drop(agent)
    record.excluded.discard(agent)
    order = list(pool.prices)
    plain = [one for one in record.bids if not one.refined]
    later = [one for one in record.bids if one.refined]
    record.bids = sorted([*plain, bid], key=lambda one: order.index(one.agent)) + later
    if marked:
        yield from marking(pool, task, [bid], record)
        yield from led(pool, task, record)


def _exclude(agent: str, pool: Pool, task: Task, record: Round) -> events.Stream:
    led_before = bool(record.scores) and record.leader(pool).agent == agent
    record.drop(agent)
    record.excluded.add(agent)
    yield events.AgentOut(task.id, agent, "excluded", "excluded by the user")
    if led_before:
        yield from led(pool, task, record)


def _stays(agent: str, pool: Pool, record: Round) -> str:
    """Why an agent cannot be excluded, empty where it can."""
    if agent not in pool.prices:
        return "there is no such agent"
    bidders = {bid.agent for bid in record.bids}
    if agent in record.excluded:
        return "it is excluded already"
    if agent not in bidders:
        return "it made no bid"
    return "no other agent has bid" if bidders == {agent} else ""


def _weigh(weights: Weights, pool: Pool, task: Task, record: Round) -> events.Stream:
    record.weights = weights
    yield events.Reweighed(task.id, weights)
    if record.scores:
        yield from scoring(pool, task, record.bids, record)
        yield from led(pool, task, record)


def _unfit(weights: Weights, pool: Pool) -> str:
    """Why a round cannot be scored by these weights, empty where it can."""
    strangers = [judge for judge in weights.judges if judge not in pool.prices]
    if strangers:
        return f"there is no judge {strangers[0]}"
    numbers = (weights.cost, weights.entropy, *weights.judges.values())
    return "" if all(map(math.isfinite, numbers)) else "a weight is not a finite number"


def led(pool: Pool, task: Task, record: Round) -> events.Stream:
    """Say who leads now."""
    leader = record.leader(pool)
    yield events.Led(task.id, leader.agent, leader.refined)
