"""Sequences of random tokens that repeat parts of themselves: what a network learns to copy from.

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
    count = len(ids)
    return Tree(ids, [0] * count, list(range(count)), target, [1.0] * count, [-1] * count)
