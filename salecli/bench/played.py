"""What a router came to: who worked on each task, whether it was solved, and what that took."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from salecli.core.calls import Usage

PHASES = ("bid", "mark", "refine", "work")
"""The marks of refined bids are "mark", the work of a second attempt is "work"."""

Kind = Literal["agent", "router", "market", "ablation", "bound"]


@dataclass(frozen=True, slots=True)
class Spent:
    """Tokens that were evaluated or generated, those of the prefix cache left out, and what they cost."""

    tokens: int = 0
    usd: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.tokens + other.tokens, self.usd + other.usd)

    @classmethod
    def of(cls, usage: Usage, price: float) -> Spent:
        """What a model's calls took, at `price` USD per million tokens."""
        tokens = usage.evaluated + usage.generated
        return cls(tokens, tokens * price / 1e6)


@dataclass(frozen=True, slots=True)
class Played:
    """One task under one router."""

    task: str
    """SuiteTask.name."""
    agents: tuple[str, ...]
    """Who worked on it, in this order: the last one's outcome counts; empty where nobody bid."""
    solved: bool
    spent: Mapping[str, Mapping[str, Spent]]
    """By phase, by agent."""
    refined: bool = False
    """Whether the winner's plan was a refined one."""
    score: float | None = None
    """Of the winning bid; None for routers without scores."""

    @property
    def usd(self) -> float:
        """Of all phases and agents."""
        return sum(one.usd for agents in self.spent.values() for one in agents.values())

    @property
    def tokens(self) -> int:
        """Of all phases and agents."""
        return sum(one.tokens for agents in self.spent.values() for one in agents.values())

    @property
    def auction(self) -> Spent:
        """What all phases but the work took."""
        before = (self.spent.get(phase, {}).values() for phase in PHASES if phase != "work")
        return sum(itertools.chain.from_iterable(before), Spent())


@dataclass(frozen=True, slots=True)
class Row:
    """One router over all orders of the tasks."""

    name: str
    kind: Kind
    orders: tuple[tuple[Played, ...], ...]
    """In the order of play; order k of every row is the same order of the tasks."""
