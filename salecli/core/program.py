"""A mixed-integer linear program, written down with names: what is minimised, over what, under which rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Variable:
    """Bounds of one variable; `whole` allows integers alone."""

    low: float = 0.0
    high: float = math.inf
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One constraint, low <= sum of coefficient * variable <= high, named for people."""

    name: str
    coefficients: Mapping[str, float]
    low: float = -math.inf
    high: float = math.inf


@dataclass(slots=True)
class Program:
    """Minimise the sum of `cost` * variable under `rows`."""

    variables: dict[str, Variable] = field(default_factory=dict)
    cost: dict[str, float] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Solution:
    """The best values found, and how far from the best possible they may be."""

    values: Mapping[str, float]
    objective: float
    bound: float
    """No solution is lower than this."""

    @property
    def gap(self) -> float:
        """How much lower the objective could be at most; 0 where it is proved to be the lowest."""
        return max(self.objective - self.bound, 0.0)


Solve = Callable[[Program, float], Solution]
"""Solves a program within so many seconds."""
