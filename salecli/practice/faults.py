"""Plans with faults like those of small models, and how right a plan is."""

from __future__ import annotations

import random
from collections.abc import Sequence

from salecli.practice.curriculum import numbered
from salecli.practice.operations import LISTS, NUMBERS, Operation, Step, step

Lines = list[tuple[str, bool]]
"""Plan lines without their numbers, each with whether it is right where it stands."""


def any_step(rng: random.Random, final: bool, known: Sequence[Operation] | None = None) -> Step:
    """A random step, drawn evenly."""
    table = known or (NUMBERS if final else LISTS)
    one = rng.choice(table)
    return step(one, rng.choice(one.constants) if one.constants else None)


def _wrong_expression(one: Step, rng: random.Random, final: bool) -> str:
    """The step's name with an expression that is not its own."""
    kind = rng.randrange(3)
    if kind == 0 and any(letter.isdigit() for letter in one.expression):
        at = rng.choice([at for at, letter in enumerate(one.expression) if letter.isdigit()])
        other = rng.choice([digit for digit in "123456789" if digit != one.expression[at]])
        return f"{one.name}: {one.expression[:at]}{other}{one.expression[at + 1 :]}"
    other_step = any_step(rng, final)
    if kind == 1:
        head, tail = one.expression.split(" "), other_step.expression.split(" ")
        cut = rng.randint(0, min(len(head), len(tail)))
        spliced = " ".join(head[:cut] + tail[cut:])
        return f"{one.name}: {spliced}"
    return f"{one.name}: {other_step.expression}"


def _wrong_constant(one: Step, rng: random.Random) -> str | None:
    digits = [at for at, letter in enumerate(one.name) if letter.isdigit()]
    if not digits:
        return None
    old = one.name[digits[-1]]
    new = rng.choice([digit for digit in "123456789" if digit != old])
    return f"{one.name.replace(old, new)}: {one.expression.replace(old, new)}"


def faulty(steps: Sequence[Step], rng: random.Random, faults: int) -> Lines:
    """The plan's lines after up to `faults` random faults."""
    finals = {one.name for one in NUMBERS}
    lines: list[tuple[Step | None, str, bool]] = [(one, one.line, True) for one in steps]
    for _ in range(faults):
        at = rng.randrange(len(lines))
        one = lines[at][0]
        kind = rng.choices(
            ("expression", "other", "constant", "swap", "missing", "added"), (6, 4, 3, 2, 2, 1)
        )[0]
        if kind == "swap" and at + 1 < len(lines):
            (a, b, _x), (c, d, _y) = lines[at], lines[at + 1]
            lines[at], lines[at + 1] = (c, d, False), (a, b, False)
        elif kind == "missing" and len(lines) > 1:
            del lines[at]
            if at < len(lines):
                lines[at] = (*lines[at][:2], False)
        elif kind == "added":
            lines.insert(at, (None, any_step(rng, False).line, False))
        elif one is not None:
            final = one.name in finals
            wrong = _wrong_constant(one, rng) if kind == "constant" else None
            if wrong is None and kind == "other":
                wrong = any_step(rng, final).line
            wrong = wrong or _wrong_expression(one, rng, final)
            lines[at] = (one, wrong, wrong == one.line)
    return [(line, ok) for _, line, ok in lines]


def plan_of(lines: Lines) -> str:
    """Plan text of lines."""
    return numbered(line for line, _ in lines)


def rightness(plan: str, reference: str) -> int:
    """The mark that a plan deserves, 0 to 5, against the reference: 5 only without any fault."""
    if plan.strip() == reference.strip():
        return 5
    ours, theirs = _bare(plan), _bare(reference)
    share = common(ours, theirs) / max(len(ours), len(theirs), 1)
    return min(4, int(5 * share + 0.5))


def _bare(plan: str) -> list[str]:
    return [line.partition(". ")[2].strip() for line in plan.strip().splitlines()]


def common(ours: Sequence[str], theirs: Sequence[str]) -> int:
    """Length of the longest common subsequence of lines."""
    row = [0] * (len(theirs) + 1)
    for line in ours:
        before = row[:]
        for at, other in enumerate(theirs):
            row[at + 1] = before[at] + 1 if line == other else max(before[at + 1], row[at])
    return row[-1]
