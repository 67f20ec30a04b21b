"""Plans with faults like those of small models, and the mark that a plan deserves."""

from __future__ import annotations

import random
from collections.abc import Sequence

from salecli.practice.tasks.curriculum import Practice, plan_of
from salecli.practice.tasks.drafts import UNKNOWN, rival

Line = tuple[str, str, bool]
"""A plan line's name and code, and whether it is right where it stands."""


def faulty(
    practice: Practice, rng: random.Random, count: int, without: frozenset[str] = frozenset()
) -> list[Line]:
    """The reference plan's lines after up to `count` random faults, none with an operation of `without`."""
    draft = practice.draft
    found: list[tuple[int, str, str, bool]] = [(at, *practice.lines[at], True) for at in practice.planned]
    for _ in range(count):
        place = rng.randrange(len(found))
        at, name, _, _ = found[place]
        kind = rng.choices(("code", "other", "unknown", "swap", "missing", "added"), (6, 4, 2, 2, 2, 1))[0]
        movable = draft.shape != "class" and not draft.broken
        if kind == "swap" and movable and place + 1 < len(found):
            one, other = found[place], found[place + 1]
            found[place], found[place + 1] = (*other[:3], False), (*one[:3], False)
        elif kind == "missing" and len(found) > 1:
            del found[place]
            if place < len(found):
                found[place] = (*found[place][:3], False)
        elif kind == "added" and movable:
            other_step = rival(draft, at, rng, without)
            found.insert(place, (at, other_step.name, other_step.code, False))
        elif kind == "unknown":
            found[place] = (at, name, UNKNOWN, False)
        else:
            other_step = rival(draft, at, rng, without)
            found[place] = (at, other_step.name if kind == "other" else name, other_step.code, False)
    return [(name, code, right) for _, name, code, right in found]


def text_of(lines: Sequence[Line]) -> str:
    """Plan text of lines."""
    return plan_of((name, code) for name, code, _ in lines)


def deserved(plan: str, reference: str) -> int:
    """The mark that a plan deserves: 5 without any fault, else 0 to 3 by its share of right lines in order.

    A plan with a fault fails its tests, however small it is: the gap says so.
    """
    ours, theirs = _bare(plan), _bare(reference)
    if ours == theirs:
        return 5
    return int(3.5 * _common(ours, theirs) / max(len(ours), len(theirs), 1))


def _bare(plan: str) -> list[str]:
    return [line.partition(". ")[2].strip() for line in plan.strip().splitlines()]


def _common(ours: Sequence[str], theirs: Sequence[str]) -> int:
    """Length of the longest common subsequence of lines."""
    row = [0] * (len(theirs) + 1)
    for line in ours:
        before = row[:]
        for at, other in enumerate(theirs):
            row[at + 1] = before[at] + 1 if line == other else max(before[at + 1], row[at])
    return row[-1]
