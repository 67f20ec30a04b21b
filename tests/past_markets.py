"""Memories full of auctions whose agents, marks and entropies behave as measured ones do, by a seed."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from salecli import resources
from salecli.adapters import records
from salecli.adapters.sqlitefile import prepare, writing
from salecli.core.prompts import Templates
from salecli.core.scoring import ranked, score
from salecli.core.values import Auction, Bid, Mark, Task, Weights, Work
from salecli.pool import PoolSpec, load_pool
from tests.adapters.auctions import auction, work

TELLING = (0.2, 0.4, 0.7, 1.0)
"""How much the marks of each judge, the smallest agent first, tell of a plan."""
VOCABULARY = 768


def pool() -> PoolSpec:
    return load_pool("practice")


def prompts_hash(spec: PoolSpec) -> str:
    return Templates(resources.templates(spec.prompt_folder())).hash


def auctions(
    count: int, seed: int = 1, weights: Weights | None = None, attempts: int = 2, sure: float = 1.0
) -> Iterator[Auction]:
    """Auctions of the practice pool: larger agents solve more, and what says so are marks and low entropy.

    The winner by `weights` works, and where it fails the next best, up to `attempts`; the others' outcome
    stays unknown. `sure` turns up how much marks and entropy tell.
    """
    spec = pool()
    rng = random.Random(seed)
    weights = weights or Weights(0.02, 0.0, dict.fromkeys(spec.names, 0.25))
    prices = {agent.name: float(agent.price) for agent in spec.agents}
    for number in range(count):
        yield _held(number, rng, spec, prices, weights, attempts, sure)


def _held(
    number: int,
    rng: random.Random,
    spec: PoolSpec,
    prices: Mapping[str, float],
    weights: Weights,
    attempts: int,
    sure: float,
) -> Auction:
    hardness, right, bids, marks = rng.random(), {}, [], []
    for rank, agent in enumerate(spec.names):
        right[agent] = rng.random() < _logistic(6 * (0.35 + 0.225 * rank - hardness) + rng.gauss(0, 1))
        side = sure if right[agent] else -sure
        entropy = 0.02 * math.exp(rng.gauss(0, 0.5) - side / 2)
        bids.append(Bid(agent, f"1. step {number}", rng.randint(40, 180), entropy, VOCABULARY))
        for judge, telling in zip(spec.names, TELLING, strict=True):
            value = 5 * _logistic(2 + 1.2 * side * telling + rng.gauss(0, 1.3))
            marks.append(Mark(judge, agent, False, value, (0.0, 0.0, 0.0, 0.2, 0.4, 0.4), 0.99))
    scores = [
        score(bid, [one for one in marks if one.agent == bid.agent], weights, prices, spec.plan_tokens)
        for bid in bids
    ]
    order = [one.agent for one in ranked(scores, prices)]
    works: list[Work] = []
    while len(works) < attempts and not (works and works[-1].solved):
        agent = order[len(works)]
        works.append(work(agent, right[agent]))
    text = f"Write task_{number} in points.py\n\nIt takes a list.\n"
    return replace(
        auction(run=f"r{number}", text=text, works=works),
        task=Task(f"task-{number}", text.splitlines()[0], text, "shop", "base", "pytest -q", ("points.py",)),
        pool=spec.name,
        pool_hash=spec.hash(),
        prompts_hash=prompts_hash(spec),
        prices=prices,
        weights=weights,
        bids=tuple(bids),
        marks=tuple(marks),
        scores=tuple(scores),
        provisional=order[0],
        winner=order[0],
    )


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def remember(path: Path, *past: Auction) -> Path:
    """A memory file that holds these auctions."""
    path.parent.mkdir(parents=True, exist_ok=True)
    prepare(path)
    with writing(path) as db:
        for one in past:
            records.insert(db, one)
    return path
