"""Finished benches of a pool in the real format: only very high marks of two judges mean anything."""

from __future__ import annotations

import random
from pathlib import Path

from salecli.bench.cells import Cell, Header, Ledger, Opinion
from salecli.core.calls import Usage
from salecli.core.values import Bid, Mark
from salecli.pool import PoolSpec
from tests.past_markets import VOCABULARY, prompts_hash

SKILL = (0.3, 0.4, 0.5, 0.6)
"""Share of the tasks that each agent solves, the cheapest first."""
PRAISE = 4.7
"""Of plans that come true, judges m and l give most a mark above it; of the others, to none."""


def bench(folder: Path, spec: PoolSpec, count: int = 200, seed: int = 1, praise: float = 0.6) -> Path:
    """A finished matrix of `count` tasks; `praise` is the share of the good plans that are told as such."""
    rng = random.Random(seed)
    header = Header("practice", spec.name, spec.hash(), prompts_hash(spec), 0)
    with Ledger(folder, header) as ledger:
        for number in range(count):
            task = f"task-{number}"
            right = {agent: rng.random() < skill for agent, skill in zip(spec.names, SKILL, strict=True)}
            bids = {
                agent: Bid(agent, f"1. {task}", rng.randint(40, 90), 0.02 * rng.random(), VOCABULARY)
                for agent in spec.names
            }
            for agent, bid in bids.items():
                outcome = "passed" if right[agent] else "failed"
                ledger.add(Cell(f"{task} {agent}", task, agent, outcome, bid=bid))  # type: ignore[arg-type]
            for judge in spec.names:
                marks = []
                for agent in spec.names:
                    told = judge in ("m", "l") and right[agent] and rng.random() < praise
                    value = rng.uniform(PRAISE, 5) if told else rng.uniform(0, PRAISE)
                    marks.append(Mark(judge, agent, False, value, usage=Usage()))
                ledger.add(Opinion(f"{task} {judge}", task, judge, tuple(marks)))
    return folder
