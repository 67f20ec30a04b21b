"""Practice tasks in five levels, each determined by its level and seed.

A task is a tiny repository: a module with a stub, its pytest tests, and an issue that describes a
pipeline of steps over a list of integers. Which step sequences are for training and which are held
out is decided by a hash of the sequence, so no agent has been trained on a held-out task.
"""

from __future__ import annotations

import functools
import hashlib
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from salecli.practice.operations import LISTS, NUMBERS, Operation, Step, filled, step

MODULES = (
    "lists", "series", "items", "rows", "marks", "scores", "prices", "counts", "sizes", "levels",
    "points", "orders", "stock", "votes", "laps", "coins", "cards", "bins", "logs", "notes",
)  # fmt: skip
FUNCTIONS = (
    "trim", "tidy", "pick", "fold", "clean", "blend", "shape", "pack", "mix", "scan", "sift",
    "comb", "forge", "grade", "knit", "mend", "press", "weigh", "shift", "build",
)  # fmt: skip
TEST_COMMAND = "python3 -m pytest -q"
CASES = 4
_HELD_OUT = 8
"""One step sequence in this many is held out."""
_LARGEST, _LONGEST = 9999, 24
"""Values and lists of a task stay within these, so that tests stay readable and fast."""


@dataclass(frozen=True, slots=True)
class Level:
    """What a level draws from: how many steps, how many operations of each table, how flat the tail is."""

    fewest: int
    most: int
    lists: int
    numbers: int
    exponent: float
    """Of the Zipf law by which rarer operations are drawn less; 0 draws all alike."""


LEVELS = {
    1: Level(1, 2, 18, 4, 0.7),
    2: Level(2, 3, 30, 6, 0.8),
    3: Level(3, 4, 45, 9, 0.8),
    4: Level(4, 5, len(LISTS), len(NUMBERS), 0.7),
    5: Level(5, 7, len(LISTS), len(NUMBERS), 0.35),
}


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A sequence of steps with the phrases that describe them."""

    steps: tuple[Step, ...]
    phrases: tuple[str, ...]

    @property
    def plan(self) -> str:
        """The reference plan."""
        return numbered(one.line for one in self.steps)

    @property
    def expressions(self) -> tuple[str, ...]:
        return tuple(one.expression for one in self.steps)

    @property
    def held_out(self) -> bool:
        """True where this exact sequence is kept from training."""
        key = "|".join(one.name for one in self.steps)
        return hashlib.sha256(key.encode()).digest()[0] % _HELD_OUT == 0


@dataclass(frozen=True, slots=True)
class Practice:
    """One practice task with its reference plan and solution."""

    level: int
    seed: int
    module: str
    function: str
    issue: str
    pipeline: Pipeline
    inputs: tuple[tuple[int, ...], ...]

    @property
    def title(self) -> str:
        return f"Write {self.function} in {self.path}"

    @property
    def path(self) -> str:
        return f"{self.module}.py"

    @property
    def stub(self) -> str:
        return f"def {self.function}(xs):\n    raise NotImplementedError\n"

    @property
    def solution(self) -> str:
        return code(self.function, [one.line for one in self.pipeline.steps])

    @property
    def tests(self) -> str:
        """The text of the task's test module."""
        cases = "".join(
            f"\n\ndef test_{self.function}_{number}():\n"
            f"    assert {self.function}({list(given)!r}) == {run(self.pipeline.expressions, given)!r}\n"
            for number, given in enumerate(self.inputs, 1)
        )
        return f"from {self.module} import {self.function}\n{cases}"

    @property
    def names(self) -> tuple[str, ...]:
        """Every path of the repository, sorted."""
        return tuple(sorted(("issue.md", self.path, f"test_{self.path}")))

    @property
    def files(self) -> dict[str, str]:
        """The repository: text by path."""
        return {"issue.md": self.issue, self.path: self.stub, f"test_{self.path}": self.tests}


def numbered(lines: Iterable[str]) -> str:
    """Plan text from its lines."""
    return "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))


def code(function: str, lines: Sequence[str]) -> str:
    """A module that carries out plan lines `name: expression`, each under a comment with its number and name.

    The numbers help whoever reads it, and small models most of all: they tell which line comes next.
    """
    body = []
    for number, line in enumerate(lines, 1):
        name, _, expression = line.partition(": ")
        kept = "return" if number == len(lines) else "xs ="
        body += [f"    # {number}. {name}", f"    {kept} {expression}"]
    return "\n".join([f"def {function}(xs):", *body]) + "\n"


@functools.lru_cache(maxsize=20_000)
def _compiled(expression: str) -> Callable[[list[int]], object]:
    made: Callable[[list[int]], object] = eval(f"lambda xs: {expression}")  # our own expressions only
    return made


def run(expressions: Sequence[str], given: Sequence[int]) -> object:
    """What a pipeline of our own expressions makes of a list.

    Raises:
        ValueError: a value or a list grows beyond what a task may show.
    """
    value: object = list(given)
    for expression in expressions:
        value = _compiled(expression)(value)  # type: ignore[arg-type]
        if isinstance(value, list):
            if len(value) > _LONGEST or any(abs(x) > _LARGEST for x in value):
                raise ValueError("the pipeline grows too large")
        elif abs(value) > _LARGEST:  # type: ignore[arg-type]
            raise ValueError("the pipeline grows too large")
    return value


def _weights(count: int, exponent: float) -> list[float]:
    return [(rank + 3.0) ** -exponent for rank in range(count)]


def draw(
    level: int, rng: random.Random, missing: frozenset[str] = frozenset()
) -> list[tuple[Operation, int | None]]:
    """A random sequence of operations of a level, without those that are `missing`."""
    shape = LEVELS[level]
    count = rng.randint(shape.fewest, shape.most)
    lists = [one for one in LISTS[: shape.lists] if one.name not in missing]
    chosen: list[Operation] = []
    weights = _weights(len(lists), shape.exponent)
    while len(chosen) < count:
        one = rng.choices(lists, weights)[0]
        if one not in chosen:
            chosen.append(one)
    if rng.random() < 0.5:
        numbers = [one for one in NUMBERS[: shape.numbers] if one.name not in missing]
        chosen[-1] = rng.choices(numbers, _weights(len(numbers), shape.exponent))[0]
    return [(one, rng.choice(one.constants) if one.constants else None) for one in chosen]


def pipeline(drawn: Sequence[tuple[Operation, int | None]], rng: random.Random) -> Pipeline:
    """Steps and randomly chosen phrases for a drawn sequence."""
    return Pipeline(
        tuple(step(one, constant) for one, constant in drawn),
        tuple(filled(rng.choice(one.phrases), constant) for one, constant in drawn),
    )


def _given(rng: random.Random) -> tuple[int, ...]:
    values = [rng.randint(-9, 20) for _ in range(rng.randint(5, 9))]
    if rng.random() < 0.5:
        values[rng.randrange(len(values))] = rng.choice(values)
    return tuple(values)


def inputs(found: Pipeline, rng: random.Random, count: int = CASES) -> tuple[tuple[int, ...], ...] | None:
    """Lists on which every step of a pipeline, and its place, makes a difference; None where there are none.

    Only the steps' presence is checked, and neighbours' order where it matters on any list at all.
    """
    full = found.expressions
    rivals = [full[:at] + full[at + 1 :] for at in range(len(full)) if len(full) > 1]
    open_rivals = set(range(len(rivals)))
    chosen: list[tuple[int, ...]] = []
    spare: list[tuple[int, ...]] = []
    try:
        for _ in range(6 * count):
            given = _given(rng)
            result = run(full, given)
            if result in ([], list(given)):
                continue
            caught = {at for at in open_rivals if _differs(rivals[at], given, result)}
            open_rivals -= caught
            (chosen if caught else spare).append(given)
            if not open_rivals and len(chosen) + len(spare) >= count:
                return tuple((chosen + spare)[:count])
    except (ValueError, TypeError):
        return None
    return None


def _differs(expressions: Sequence[str], given: Sequence[int], result: object) -> bool:
    try:
        return run(expressions, given) != result
    except (ValueError, TypeError, IndexError):
        return True


def same_effect(one: Sequence[str], other: Sequence[str], given: Sequence[Sequence[int]]) -> bool:
    """True where two pipelines agree on every list."""
    return not any(_differs(other, values, run(one, values)) for values in given)


def describe(found: Pipeline, module: str, function: str, rng: random.Random) -> str:
    """An issue text for a pipeline: its phrases in order, each with its number."""
    said = found.phrases
    shape = rng.choices(range(3), (4, 2, 2))[0]
    if shape == 0:
        body = numbered(said)
    elif shape == 1:
        body = " ".join(f"Step {number}: {one}." for number, one in enumerate(said, 1))
    else:
        body = f"It must {', '.join(f'({number}) {one}' for number, one in enumerate(said, 1))}."
    return f"# Write {function} in {module}.py\n{body}\n"


def practice(level: int, seed: int, held_out: bool = True, missing: frozenset[str] = frozenset()) -> Practice:
    """The task of a level and seed, drawn from the held-out or from the training side."""
    rng = random.Random(f"{level}/{seed}/{'held out' if held_out else 'training'}")
    return sample(level, rng, held_out, missing, seed)


def sample(
    level: int, rng: random.Random, held_out: bool, missing: frozenset[str] = frozenset(), seed: int = 0
) -> Practice:
    """A random task of a level from one side of the split."""
    while True:
        found = pipeline(draw(level, rng, missing), rng)
        if found.held_out is not held_out:
            continue
        given = inputs(found, rng)
        if given is None:
            continue
        module, function = rng.choice(MODULES), rng.choice(FUNCTIONS)
        issue = describe(found, module, function, rng)
        return Practice(level, seed, module, function, issue, found, given)
