"""What smaller juries cost: a pool of eight on practice tasks, by how many judges each bid has.

The eight are the practice models, each twice: as the practice pool samples it, and warmer. The same bids are
marked by juries of every size, so all that differs between the rows is who marked.
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from salecli.core.values import Task

if TYPE_CHECKING:
    from salecli.config import Settings
    from salecli.core.agent import Pool
    from salecli.core.values import Bid, Mark
    from salecli.pool import PoolSpec

SIZES = (2, 3, 4, 8)
TASKS = 50
LEVELS = 5
SEED = 8_100_000
WARM = 0.7
Result = TypeVar("Result")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One auction by juries of one size."""

    winner: str
    plan: str
    tokens: int
    """Evaluated by the judges."""
    solves: bool
    """Whether the winner's plan says the right program."""


def rows(tasks: int = TASKS) -> list[Row]:
    """For each size: how often the winner is that of the full jury, judge tokens saved, right first plans."""
    from salecli.config import load_settings
    from salecli.pool import load_pool

    with tempfile.TemporaryDirectory() as folder:
        spec = load_pool(str(_pool(Path(folder, "eight.toml"))))
        found = list(_outcomes(load_settings(), spec, tasks))
    made = []
    for size in SIZES:
        own = [by_size[size] for by_size in found]
        full = [by_size[SIZES[-1]] for by_size in found]
        same = sum(one.winner == other.winner for one, other in zip(own, full, strict=True))
        # Several agents often write the very same plan: then it does not matter who wins.
        plan = sum(one.plan == other.plan for one, other in zip(own, full, strict=True))
        saved = 1 - sum(one.tokens for one in own) / sum(one.tokens for one in full)
        name = f"jury of {size} of {SIZES[-1]}"
        made += [
            _row(f"{name}: the full jury's winner", 100 * same / len(found), "% of tasks"),
            _row(f"{name}: the full jury's plan, by whomever", 100 * plan / len(found), "% of tasks"),
            _row(f"{name}: judge tokens saved", 100 * saved, "%"),
            _row(f"{name}: the winner's plan is right", 100 * sum(one.solves for one in own) / len(own), "%"),
        ]
    return made


def _row(name: str, value: float, unit: str) -> Row:
    return {"name": name, "value": round(value, 1), "unit": unit, "bar": None, "ok": None}


def _pool(file: Path) -> Path:
    """Write the pool of eight; marks alone tell its plans apart, each judge weighing as its model does."""
    from salecli.pool import load_pool

    practice = load_pool("practice")
    total = 2 * sum(practice.weights.judges.values())
    agents, judges = [], []
    for one in practice.agents:
        for name, own in ((one.name, ""), (f"{one.name}-warm", f"sampling = {{ temperature = {WARM} }}\n")):
            agents.append(
                f'[[agents]]\nname = "{name}"\nmodel = "{one.path}"\nprice = {one.price}\n'
                f"context = {one.context}\n{own}"
            )
            judges.append(f"{name} = {practice.weights.judges[one.name] / total}\n")
    head = practice.file.read_text(encoding="utf-8").partition("[weights]")[0]
    weights = f"[weights]\ncost = {practice.weights.cost}\n[weights.judges]\n"
    file.write_text("".join((head, weights, *judges, *agents)), encoding="utf-8")
    return file


def _outcomes(settings: Settings, spec: PoolSpec, tasks: int) -> Iterator[dict[int, Outcome]]:
    """For each task, what juries of each size make of the same bids."""
    from salecli.build import market
    from salecli.core.agent import seed_for
    from salecli.practice.tasks.curriculum import practice

    with market(settings, spec) as pool:
        for number in range(tasks):
            given = practice(1 + number % LEVELS, SEED + number)
            task = given.task
            bids = [
                bid
                for agent in pool.agents
                if (bid := _result(agent.bid(task, seed_for(number, "bid", agent.name)))) is not None
            ]
            yield {size: _outcome(pool, size, task, bids, given.plan, number) for size in SIZES}


def _outcome(pool: Pool, size: int, task: Task, bids: list[Bid], right: str, seed: int) -> Outcome:
    from salecli.core.round import Round, marking

    record = Round(bids=list(bids), weights=pool.weights, seed=seed)
    _result(marking(replace(pool, jury=size), task, bids, record))
    winner = record.leader(pool).agent
    plan = next(bid.plan for bid in bids if bid.agent == winner)
    return Outcome(winner, plan, _tokens(record.marks), plan == right)


def _tokens(marks: list[Mark]) -> int:
    """Tokens that the judges evaluate where none of them has read anything of the task before."""
    first: dict[str, Mark] = {}
    for mark in marks:
        first.setdefault(mark.judge, mark)
    return sum(mark.usage.prompt if first[mark.judge] is mark else mark.usage.evaluated for mark in marks)


def _result(stream: Generator[object, None, Result]) -> Result:
    while True:
        try:
            next(stream)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
