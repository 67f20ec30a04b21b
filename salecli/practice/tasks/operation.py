"""An operation: one kind of step, its code, and the phrases for it on each side of the split."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

SLOTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "c": tuple("123456789"),
        "k": tuple("2345"),
        "m": tuple("3456789"),
        "h": ("20", "25", "30", "40", "50"),
        "f": ("price", "count"),
        "t": ("Rome", "Oslo", "Lima", "Bern"),
        "a": tuple("aeiorst"),
    }
)
"""What may stand in the slot {c}, {k}, ... of a name, a code and a phrase."""
_SLOT = re.compile(r"\{([a-z])\}")


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One kind of step; every phrase holds each word of its name, so any of them tells the name."""

    name: str
    code: str
    """A Python statement of one line."""
    said: tuple[str, ...]
    """Phrases of training tasks."""
    held: tuple[str, ...]
    """Phrases of held-out tasks."""
    takes: str = ""
    """The variable that it reads: xs numbers, s text, ws words, rows records, d a dictionary, n a number."""
    gives: str = ""
    """The variable that it sets."""

    def filled(self, rng: random.Random) -> Step:
        """The operation with random values in its slots."""
        wanted = dict.fromkeys(_SLOT.findall(self.name))
        return Step(self, tuple((slot, rng.choice(SLOTS[slot])) for slot in wanted))

    def phrases(self, held_out: bool) -> tuple[str, ...]:
        """Those of one side of the split."""
        return self.held if held_out else self.said


@dataclass(frozen=True, slots=True)
class Step:
    """An operation with its slots filled."""

    operation: Operation
    filling: tuple[tuple[str, str], ...] = ()

    def fill(self, text: str) -> str:
        """`text` with the step's values in its slots."""
        for slot, value in self.filling:
            text = text.replace(f"{{{slot}}}", value)
        return text

    @property
    def name(self) -> str:
        return self.fill(self.operation.name)

    @property
    def code(self) -> str:
        return self.fill(self.operation.code)

    @property
    def line(self) -> str:
        """The step as a plan writes it."""
        return f"{self.name}: {self.code}"


def table(takes: str, gives: str, *rows: tuple[str, str, str, str]) -> tuple[Operation, ...]:
    """Operations of one kind, from (name, code, training phrases, held-out phrases), common ones first.

    Phrases stand between bars. Where there is a variable `gives`, the code is the expression that it gets.
    """
    return tuple(
        Operation(name, f"{gives} = {code}" if gives else code, _split(said), _split(held), takes, gives)
        for name, code, said, held in rows
    )


def _split(phrases: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in phrases.split("|"))


FEWEST = 6
"""So many operations of each kind are met at every level, and known to every agent."""


def shared(operations: Sequence[Operation], share: float, fewest: int = FEWEST) -> Sequence[Operation]:
    """The commonest `share` of a table, at least `fewest`."""
    return operations[: max(fewest, round(share * len(operations)))]
