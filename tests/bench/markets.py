"""A finished matrix by hand: scripted agents on practice tasks, bids and marks as a test wants them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salecli.bench.cells import Cell, Header, Ledger, Opinion, Worked
from salecli.bench.contestants import Bidder
from salecli.bench.market import Market
from salecli.bench.matrix import Matrix
from salecli.bench.suites import SuiteTask, open_suite
from salecli.bench.table import Table, table
from salecli.config import Settings
from salecli.core.agent import Agent, Pool
from salecli.core.calls import Usage
from salecli.core.limits import WorkLimits
from salecli.core.values import Bid, Mark
from tests.core.world import ScriptedModel, digit, pool

HEADER = Header("practice", "scripted", "abc", "def", 0)


class Hashes:
    """An embedder whose vectors mean nothing."""

    name = "hashes"

    def embed(self, text: str) -> Sequence[float]:
        chance = random.Random(hashlib.sha256(text.encode()).hexdigest())
        values = [chance.gauss(0, 1) for _ in range(8)]
        length = sum(value * value for value in values) ** 0.5
        return [value / length for value in values]


@dataclass
class World:
    """A complete matrix, and the market over it."""

    matrix: Matrix
    table: Table
    pool: Pool

    @property
    def market(self) -> Market:
        """A new one over the same ledger."""
        return Market(self.matrix, self.table, self.pool)


def world(
    ledger: Ledger,
    models: Mapping[str, ScriptedModel],
    solves: Callable[[SuiteTask, str], bool],
    marks: Callable[[SuiteTask, str, str], int],
    count: int,
    client: Any = None,
) -> World:
    """`count` practice tasks; `solves` says who solves what, `marks` what judge, agent stand for."""
    market = pool(models)
    settings = Settings()
    bidders = [Bidder(agent, agent.name, WorkLimits(), 0) for agent in market.agents]
    tasks = open_suite("practice").tasks(count)
    matrix = Matrix(tasks, bidders, ledger, settings, client, jobs=2)
    for task in tasks:
        bids = [_bid(one.agent, task) for one in bidders]
        for one, bid in zip(bidders, bids, strict=True):
            ledger.add(_cell(matrix.key(task, one), task, bid, solves(task, one.name)))
            given = tuple(
                Mark(one.name, other.agent, False, float(value), digit(value), 1.0, usage=Usage(50, 20, 0))
                for other in bids
                for value in [marks(task, one.name, other.agent)]
            )
            ledger.add(Opinion(one.opinion_key(task, bids), task.name, one.name, given))
    return World(matrix, table(matrix, market, Hashes()), market)


def _bid(agent: Agent, task: SuiteTask) -> Bid:
    return Bid(agent.name, f"{agent.name} plans {task.name}", 20, 0.5, 100, usage=Usage(30, 30, 20))


def _cell(key: str, task: SuiteTask, bid: Bid, solved: bool) -> Cell:
    said = "1 of 1 tests pass" if solved else "test_it fails"
    worked = Worked(
        "tests pass" if solved else "step limit",
        "" if solved else said,
        said,
        ("write a.py",),
        Usage(60, 40, 30),
        "diff",
    )
    return Cell(key, task.name, bid.agent, "passed" if solved else "failed", said, bid, worked)


def ledger(folder: Path) -> Ledger:
    """Of the matrix in `folder`."""
    return Ledger(folder, HEADER)
