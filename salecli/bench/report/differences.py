"""What one row does better than another on the same tasks, with intervals by the bootstrap over tasks."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from salecli.bench.results import Estimate, Paired
from salecli.bench.statistics import Bootstrap, Floats

_SEED = 1
"""Of the resamples: the same results give the same intervals."""


def solved(one: Paired) -> Floats:
    """Share of the orders in which each task was solved, [tasks]."""
    orders = [np.frombuffer(text.encode(), np.uint8) - ord("0") for text in one.solved]
    return np.asarray(np.mean(orders, axis=0, dtype=np.float64))


def spent(one: Paired) -> Floats:
    """USD on each task, [tasks]."""
    return np.asarray(one.usd, np.float64)


def difference(ours: Floats, theirs: Floats) -> Estimate:
    """Mean of `ours` less mean of `theirs`, both [tasks] of at least one, task by task."""
    found = _bootstrap(len(ours)).estimate(ours - theirs)
    assert found is not None
    return Estimate(*found)


def excess(ours: Floats, theirs: Floats) -> Estimate | None:
    """Sum of `ours` over sum of `theirs`, less 1, both [tasks]; None where theirs is nothing."""
    found = _bootstrap(len(ours)).less_one(ours, theirs)
    return None if found is None else Estimate(*found)


@functools.cache
def _bootstrap(tasks: int) -> Bootstrap:
    return Bootstrap(tasks, _SEED)


def chosen(one: Paired, places: Sequence[int]) -> Paired:
    """The same on some of its tasks."""
    return Paired(
        solved=["".join(text[place] for place in places) for text in one.solved],
        usd=[one.usd[place] for place in places],
    )
