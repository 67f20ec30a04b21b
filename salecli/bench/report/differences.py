"""What one row does better than another on the same tasks, with intervals by the bootstrap over tasks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from salecli.bench.results import Estimate, Paired

RESAMPLES = 2_000
_SEED = 1
"""Of the resamples: the same results give the same intervals."""

Values = NDArray[np.float64]


def solved(one: Paired) -> Values:
    """Share of the orders in which each task was solved, [tasks]."""
    orders = [np.frombuffer(text.encode(), np.uint8) - ord("0") for text in one.solved]
    return np.asarray(np.mean(orders, axis=0, dtype=np.float64))


def spent(one: Paired) -> Values:
    """USD on each task, [tasks]."""
    return np.asarray(one.usd, np.float64)


def difference(ours: Values, theirs: Values) -> Estimate:
    """Mean of `ours` less mean of `theirs`, both [tasks], task by task."""
    apart = ours - theirs
    return _estimate(float(apart.mean()), apart[_drawn(len(apart))].mean(axis=1))


def excess(ours: Values, theirs: Values) -> Estimate | None:
    """Sum of `ours` over sum of `theirs`, less 1, both [tasks]; None where theirs is nothing."""
    drawn = _drawn(len(ours))
    below = theirs[drawn].sum(axis=1)
    if not below.all():
        return None
    return _estimate(float(ours.sum() / theirs.sum()) - 1, ours[drawn].sum(axis=1) / below - 1)


def _drawn(tasks: int) -> NDArray[np.int64]:
    """Places of tasks, drawn anew with putting back, [resamples, tasks]."""
    return np.random.default_rng(_SEED).integers(0, tasks, (RESAMPLES, tasks))


def _estimate(value: float, resampled: Values) -> Estimate:
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Estimate(value, float(low), float(high))


def chosen(one: Paired, places: Sequence[int]) -> Paired:
    """The same on some of its tasks."""
    return Paired(
        solved=["".join(text[place] for place in places) for text in one.solved],
        usd=[one.usd[place] for place in places],
    )
