"""Training trees: one task as a shared beginning, with a branch for each thing an agent does with it."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from salecli.core.calls import Turn
from salecli.practice.render import IM_END, Encode, closed, opened

_LINE_WEIGHT = 1.0
"""Of the right lines of a plan in a mark's prompt, as text: who can say them sees where a plan differs."""


LOOKED_UP, MARK = 3.0, 4.0
"""Weights of what a rewritten bid fetches from the pairs, the smallest part of its text, and of a mark."""


@dataclass(slots=True)
class Tree:
    """Token ids with what each position is trained to say next."""

    ids: list[int] = field(default_factory=list)
    branch: list[int] = field(default_factory=list)
    """0 for the shared beginning, else the branch's number."""
    place: list[int] = field(default_factory=list)
    """Position in the branch's own sequence."""
    target: list[int] = field(default_factory=list)
    """The next token where it is trained, else -1."""
    weight: list[float] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    """At the end of a plan line in a mark's prompt: 1 right, 0 wrong; else -1."""


@dataclass(frozen=True, slots=True)
class Growth:
    """Makes trees of prompts and answers."""

    encode: Encode
    breaks: frozenset[int]
    """Ids of all tokens that hold a newline."""

    def chain(self, turns: Sequence[Turn], answer: str, looked_up: Collection[int] = ()) -> Tree:
        """A tree of one branch; the answer's lines of these numbers weigh more."""
        tree = Tree()
        self.begin(tree, turns[0])
        self.grow(tree, turns[1:], answer)
        line = 0
        for at, wanted in enumerate(tree.target):
            if wanted >= 0 and line in looked_up:
                tree.weight[at] = LOOKED_UP
            line += wanted in self.breaks
        return tree

    def begin(self, tree: Tree, turn: Turn) -> None:
        """Begin a tree with the turn that its branches share."""
        ids = closed(turn, self.encode)
        tree.ids += ids
        tree.branch += [0] * len(ids)
        tree.place += range(len(ids))
        tree.target += [-1] * len(ids)
        tree.weight += [0.0] * len(ids)
        tree.right += [-1] * len(ids)

    def grow(
        self, tree: Tree, turns: Sequence[Turn], answer: str, weight: float = 1.0, lines: Sequence[bool] = ()
    ) -> None:
        """Add a branch: `turns`, and the answer as what is trained; `lines`: which plan lines are right.

        The right ones before the first wrong one are trained as text, too.
        """
        said = [*self.encode(answer), IM_END]
        before = [token for turn in turns[:-1] for token in closed(turn, self.encode)]
        before += opened(turns[-1], self.encode)
        start, number = tree.branch.count(0), max(tree.branch) + 1
        ids = before + said[:-1]
        tree.ids += ids
        tree.branch += [number] * len(ids)
        tree.place += range(start, start + len(ids))
        target = [-1] * (len(before) - 1) + said
        weights = [weight] * len(ids)
        right = [-1] * len(ids)
        edges = self._line_edges(turns[0], len(lines))
        for (low, high), ok, so_far in zip(itertools.pairwise(edges), lines, _all_so_far(lines), strict=True):
            right[high] = int(ok)
            if so_far:  # not the end of the last line: whether another one follows is not known
                high -= 2 * (high == edges[-1])
                target[low:high], weights[low:high] = ids[low + 1 : high + 1], [_LINE_WEIGHT] * (high - low)
        tree.target += target
        tree.weight += weights
        tree.right += right

    def _line_edges(self, turn: Turn, count: int) -> list[int]:
        """Positions of the token before the last `count` lines of a turn, and of the last one of each."""
        if not count:
            return [0]
        ids = opened(turn, self.encode)
        return [*[at for at, token in enumerate(ids) if token in self.breaks][-count:], len(ids)]


def _all_so_far(lines: Sequence[bool]) -> Iterator[bool]:
    return itertools.accumulate(lines, lambda one, other: one and other)
