"""Random tokens that repeat parts of themselves: what networks learn to copy and to look up from.

Carrying out a plan, and fetching names and numbers from an issue, is copying above all. Within the minutes
of a training, networks of this size do not find it in tasks, where half of all tokens can be guessed; here
nothing can (Olsson et al., arXiv 2209.11895).
"""

from __future__ import annotations

import itertools
import random

from salecli.practice.render import SPECIAL
from salecli.practice.trees import Tree

_LENGTH = (100, 160)
"""Fewest and most tokens."""


def repeating(rng: random.Random, vocabulary: int) -> Tree:
    """A sequence that trains each token whose predecessor stood there before, followed by the same."""

    def some(low: int, high: int) -> list[int]:
        return [rng.randrange(len(SPECIAL), vocabulary) for _ in range(rng.randint(low, high))]

    length = rng.randint(*_LENGTH)
    passage = some(6, 60)
    ids = [*some(0, 20), *passage]
    while len(ids) < length:
        start = rng.randrange(max(1, len(passage) - 3))
        ids += [*some(0, 6), *passage[start : rng.randint(start + 2, len(passage))]]
    followed: dict[int, int] = {}
    target = [-1] * len(ids)
    for at, (one, after) in enumerate(itertools.pairwise(ids)):
        if followed.get(one) == after:
            target[at] = after
        followed[one] = after
    return _chain(ids, target)


def recalling(rng: random.Random, vocabulary: int) -> Tree:
    """Lines of a key and its value, as in plans, and then some of the keys again: their values are trained.

    Keys share their tokens, so that only all of them together tell a line. In half of the sequences some
    lines stand there before with an open value, as in bids that lost, and keys that were never explained stay
    open: to fetch what a past plan says of a step is what a bid is rewritten for.
    """
    between, end, unknown, *letters = rng.sample(range(len(SPECIAL), vocabulary), 11)
    others = [one for one in range(len(SPECIAL), vocabulary) if one not in (between, end, unknown)]

    def some(count: int) -> list[int]:
        return rng.choices(others, k=count)

    keys = list({tuple(rng.choices(letters, k=rng.randint(1, 4))): None for _ in range(rng.randint(4, 9))})
    values = {key: some(rng.randint(2, 7)) for key in keys}
    opens = rng.random() < 0.5
    hidden = set(rng.sample(keys, rng.randint(0, 2))) if opens else set()
    ids: list[int] = some(3)
    target: list[int] = [-1] * 3

    def line(key: tuple[int, ...], value: list[int], trained: bool = False) -> None:
        said = [*key, between, *value, end]
        ids.extend(said)
        target.extend([-1] * len(key))
        target.extend([*value, end, -1] if trained else [-1] * (len(value) + 2))

    told = [key for key in keys if key not in hidden]
    while told:
        part, told = told[:3], told[3:]
        for key in part if opens else ():
            line(key, [unknown] if rng.random() < 0.4 else values[key])
        for key in part:
            line(key, values[key])
    asked = rng.sample(keys, min(len(keys), 5))
    for key in asked if opens else ():
        line(key, [unknown] if key in hidden or rng.random() < 0.5 else values[key])
    for key in rng.sample(asked, len(asked)):
        line(key, [unknown] if key in hidden else values[key], trained=True)
    return _chain(ids, target)


def _chain(ids: list[int], target: list[int]) -> Tree:
    count = len(ids)
    return Tree(ids, [0] * count, list(range(count)), target, [1.0] * count, [-1] * count)
