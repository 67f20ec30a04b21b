"""Training trees: one task as a shared beginning, with a branch for each thing an agent does with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from salecli.core.calls import Turn
from salecli.practice.render import IM_END, Encode, closed, opened


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

    def chain(self, turns: Sequence[Turn], answer: str) -> Tree:
        """A tree of one branch."""
        tree = Tree()
        self.begin(tree, turns[0])
        self.grow(tree, turns[1:], answer)
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
        """Add a branch: `turns`, and the answer as what is trained; `lines`: which plan lines are right."""
        said = [*self.encode(answer), IM_END]
        before = [token for turn in turns[:-1] for token in closed(turn, self.encode)]
        before += opened(turns[-1], self.encode)
        start, number = tree.branch.count(0), max(tree.branch) + 1
        ids = before + said[:-1]
        tree.ids += ids
        tree.branch += [number] * len(ids)
        tree.place += range(start, start + len(ids))
        tree.target += [-1] * (len(before) - 1) + said
        tree.weight += [weight] * len(ids)
        right = [-1] * len(ids)
        for at, ok in zip(self._line_ends(turns[0], len(lines)), lines, strict=True):
            right[at] = int(ok)
        tree.right += right

    def _line_ends(self, turn: Turn, count: int) -> list[int]:
        """Positions of the last token of each of the last `count` lines of a turn."""
        if not count:
            return []
        ids = opened(turn, self.encode)
        breaks = (
            [at for at, token in enumerate(ids) if token in self.breaks][-count + 1 :] if count > 1 else []
        )
        return [*breaks, len(ids)]
