"""Rows in numbers: means over tasks with intervals by the bootstrap, all from the same resamples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from salecli.bench.played import PHASES, Played, Row

if TYPE_CHECKING:
    from salecli.bench.table import Table  # docker stands behind it: reports are read without

RESAMPLES = 2_000
_DIGITS = 6

Floats = NDArray[np.float64]
Estimate = list[float]
"""[value, low, high]: with 95 % the true one lies between the two."""


class Bootstrap:
    """Resamples of the tasks: what is read from the same one of them is paired."""

    def __init__(self, tasks: int, seed: int) -> None:
        drawn = np.random.default_rng(seed).multinomial(tasks, np.full(tasks, 1 / tasks), size=RESAMPLES)
        self._counts: Floats = drawn.astype(float)
        """[resamples, tasks]."""

    def estimate(self, values: Floats, over: Floats | None = None) -> Estimate | None:
        """The sum of `values` by the sum of `over`, [tasks] each; `over` is 1 for each task unless told.

        None where there is no such number: USD for each solved task, where none was solved.
        """
        under = np.ones_like(values) if over is None else over
        whole = float(under.sum())
        if whole <= 0:
            return None
        sums, unders = self._counts @ values, self._counts @ under
        ratios = sums[unders > 0] / unders[unders > 0]
        if not len(ratios):
            return None
        low, high = np.percentile(ratios, [2.5, 97.5])
        return [_short(float(values.sum()) / whole), _short(float(low)), _short(float(high))]

    def less_one(self, values: Floats, over: Floats) -> Estimate | None:
        """As `estimate`, less 1: how much dearer, as a share."""
        found = self.estimate(values, over)
        return None if found is None else [_short(value - 1) for value in found]


def _short(value: float) -> float:
    """A number without the digits that mean nothing."""
    return float(f"{value:.{_DIGITS}g}") + 0.0


class ByTask:
    """A row as arrays over the table's tasks: means over the orders."""

    def __init__(self, row: Row, table: Table) -> None:
        self.row, self._table = row, table
        place = {task.name: at for at, task in enumerate(table.tasks)}
        self._orders: list[list[Played]] = []
        for order in row.orders:
            if sorted(one.task for one in order) != sorted(place):
                raise ValueError(f"{row.name} was not played on every task once")
            self._orders.append(sorted(order, key=lambda one: place[one.task]))

    def mean(self, values: Sequence[Sequence[float]]) -> Floats:
        """[tasks] of [orders][tasks]."""
        found: Floats = np.array(values, dtype=float).mean(axis=0)
        return found

    @cached_property
    def solved(self) -> Floats:
        """[tasks]: the share of orders in which it was solved."""
        return self.mean([[float(one.solved) for one in order] for order in self._orders])

    @cached_property
    def usd(self) -> Floats:
        """[tasks]."""
        return self.mean([[one.usd for one in order] for order in self._orders])

    @cached_property
    def tokens(self) -> Floats:
        """[tasks]."""
        return self.mean([[one.tokens for one in order] for order in self._orders])

    @cached_property
    def auction_tokens(self) -> Floats:
        """[tasks]: of all phases but the work."""
        return self.mean([[one.auction.tokens for one in order] for order in self._orders])

    @cached_property
    def auction_usd(self) -> Floats:
        """[tasks]: of all phases but the work."""
        return self.mean([[one.auction.usd for one in order] for order in self._orders])

    def by_phase(self) -> dict[str, float]:
        """Tokens per task."""
        every = self._every
        return {
            phase: _short(
                sum(spent.tokens for one in every for spent in one.spent.get(phase, {}).values()) / len(every)
            )
            for phase in PHASES
        }

    def task_share(self) -> dict[str, float]:
        """Of tasks, by the agent whose work counted."""
        every = self._every
        last = Counter(one.agents[-1] for one in every if one.agents)
        return {agent: _short(last[agent] / len(every)) for agent in self._table.agents}

    def token_share(self) -> dict[str, float]:
        """Of all tokens, by the agent that read or wrote them."""
        taken: Counter[str] = Counter()
        for one in self._every:
            for agents in one.spent.values():
                taken.update({agent: spent.tokens for agent, spent in agents.items()})
        whole = sum(taken.values()) or 1
        return {agent: _short(taken[agent] / whole) for agent in self._table.agents}

    def escalated(self) -> tuple[float, float]:
        """Shares of tasks that went over and under the oracle, the cheapest agent that solves a task.

        Over: to a dearer agent. Under: to a cheaper one, which did not solve it.
        """
        table = self._table
        best = {
            task.name: next((agent for agent in table.agents if table.solved(task.name, agent)), None)
            for task in table.tasks
        }
        over = under = 0
        for one in self._every:
            right = best[one.task]
            if right is None or not one.agents:
                continue
            difference = table.prices[one.agents[-1]] - table.prices[right]
            over += difference > 0
            under += difference < 0 and not one.solved
        return _short(over / len(self._every)), _short(under / len(self._every))

    def compact(self) -> dict[str, Any]:
        """Task by task, for the comparison of two runs."""
        return {
            "solved": ["".join("01"[one.solved] for one in order) for order in self._orders],
            "usd_per_task_by_task": [float(f"{usd:.3g}") for usd in self.usd],
        }

    @cached_property
    def _every(self) -> list[Played]:
        return [one for order in self._orders for one in order]


Curve = Sequence[tuple[float, float]]


def summary(
    one: ByTask, largest: ByTask, table: Table, bootstrap: Bootstrap, curve: Curve = ()
) -> dict[str, Any]:
    """A row as results.json has it."""
    over, under = one.escalated()
    levels = np.array([task.level for task in table.tasks])
    against = bootstrap.estimate(one.solved - largest.solved)
    return {
        "name": one.row.name,
        "kind": one.row.kind,
        "pass": bootstrap.estimate(one.solved),
        "usd_per_task": bootstrap.estimate(one.usd),
        "usd_per_solved": bootstrap.estimate(one.usd, one.solved),
        "usd_per_million": bootstrap.estimate(one.usd * 1e6, one.tokens),
        "tokens_by_phase": one.by_phase(),
        "auction_share": bootstrap.estimate(one.auction_tokens, one.tokens),
        "task_share": one.task_share(),
        "token_share": one.token_share(),
        "over": over,
        "under": under,
        "levels": {str(level): _level(one, bootstrap, levels == level) for level in np.unique(levels)},
        "against_largest": {"pass": against, "usd": bootstrap.less_one(one.usd, largest.usd)},
        **({"curve": [[_short(usd), _short(solved)] for usd, solved in curve]} if curve else {}),
    }


def _level(one: ByTask, bootstrap: Bootstrap, inside: NDArray[np.bool_]) -> dict[str, Any]:
    chosen = inside.astype(float)
    return {
        "pass": bootstrap.estimate(one.solved * chosen, chosen),
        "usd_per_task": bootstrap.estimate(one.usd * chosen, chosen),
        "tasks": int(inside.sum()),
    }


def shares(values: Mapping[str, Floats], bootstrap: Bootstrap) -> dict[str, Estimate | None]:
    """Estimates of several quantities over the same tasks."""
    return {name: bootstrap.estimate(value) for name, value in values.items()}
