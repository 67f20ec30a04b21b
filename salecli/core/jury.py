"""Who marks which bid, where not every judge marks every bid."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence

from salecli.core.values import Bid, Mark

Drawn = list[list[Bid]]
"""For each judge, in the order that they were given, the bids that it marks."""


def draw(
    judges: Sequence[str], bids: Sequence[Bid], size: int, seed: int, given: Iterable[Mark] = ()
) -> Drawn:
    """Draw `size` judges for each bid, the author always one of them; 0, or all there are, is every judge.

    Every judge marks equally often: among the bids that are drawn for together, and with the marks `given`
    before them where each judge wrote one of those bids, the counts differ by one at most.
    """
    if not 0 < size < len(judges):
        return [list(bids) for _ in judges]
    rng = random.Random(seed)
    counts = Counter(dict.fromkeys(judges, 0)) + Counter(mark.judge for mark in given)
    drawn: list[set[str]] = []
    for bid in bids:
        others = [judge for judge in judges if judge != bid.agent]
        author = {bid.agent} & set(judges)
        drawn.append(author | set(rng.sample(others, size - len(author))))
        counts.update(drawn[-1])
    _level(judges, bids, drawn, counts)
    return [[bid for bid, jury in zip(bids, drawn, strict=True) if judge in jury] for judge in judges]


def _level(judges: Sequence[str], bids: Sequence[Bid], drawn: list[set[str]], counts: Counter[str]) -> None:
    """Hand bids from judges with many marks to judges with fewer, as long as that evens them out.

    A judge with two marks more than another sits on at least two juries that the other does not sit on, and
    wrote one of those bids at most: so there is always one to hand over. Each such step makes the sum of
    squares smaller, so it ends.
    """
    while True:
        order = sorted(judges, key=lambda judge: counts[judge])
        for many, few, place in (
            (many, few, place)
            for many in reversed(order)
            for few in order
            if counts[many] - counts[few] > 1
            for place, jury in enumerate(drawn)
            if many in jury and few not in jury and bids[place].agent != many
        ):
            drawn[place] = drawn[place] - {many} | {few}
            counts[many] -= 1
            counts[few] += 1
            break
        else:
            return
