"""Trees packed into one line of tokens, with who sees whom: what a step of the training evaluates."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from salecli.practice.network import HIDDEN, Layout, Rows, Sight
from salecli.practice.trees import Tree


@dataclass(frozen=True, slots=True)
class Batch:
    """Trees ready for the network, which gives hidden states of the trained tokens alone."""

    layout: Layout
    target: torch.Tensor
    weight: torch.Tensor
    right: torch.Tensor
    """Each [trained tokens], as `Tree` has them."""


_Row = tuple[range, range]
"""The tokens of a tree's beginning, and a branch's own."""


def joined(trees: list[Tree], device: str) -> Batch:
    """Trees as one line of tokens; each branch is a row that sees its tree's beginning and itself."""
    seen: list[_Row] = []
    start = 0
    for tree in trees:
        borders = [at for at in range(1, len(tree.ids)) if tree.branch[at] != tree.branch[at - 1]]
        edges = [start + at for at in (0, *borders, len(tree.ids))]
        begun = range(edges[0], edges[1])
        seen.append((range(0), begun))
        seen += [(begun, range(low, high)) for low, high in itertools.pairwise(edges[1:])]
        start = edges[-1]
    seen.sort(key=_length)
    groups = list(_alike(seen))

    def flat(name: str) -> list[int]:
        return [x for tree in trees for x in getattr(tree, name)]

    target, right = flat("target"), flat("right")
    trained = [at for at in range(start) if target[at] >= 0 or right[at] >= 0]
    places = torch.tensor(flat("place"), device=device)
    every = Sight(*_looks(groups, range(start), device))
    last = Sight(*_looks(groups, trained, device), torch.tensor(trained, device=device))
    layout = Layout(torch.tensor(flat("ids"), device=device), places, every, last)

    def kept(values: Sequence[float], kind: torch.dtype) -> torch.Tensor:
        return torch.tensor([values[at] for at in trained], dtype=kind, device=device)

    return Batch(
        layout, kept(target, torch.long), kept(flat("weight"), torch.float32), kept(right, torch.long)
    )


def _length(row: _Row) -> int:
    return len(row[0]) + len(row[1])


def _alike(seen: list[_Row]) -> Iterator[list[_Row]]:
    """Rows in groups of like length, so that little is filled up."""
    group: list[_Row] = []
    for row in seen:
        if group and _length(row) > 1.2 * _length(group[0]) + 12:
            yield group
            group = []
        group.append(row)
    yield group


def _looks(
    groups: Sequence[Sequence[_Row]], tokens: Sequence[int], device: str
) -> tuple[tuple[Rows, ...], torch.Tensor]:
    """What each of `tokens` sees: its tree's beginning, and its own branch up to itself."""
    number = {token: at for at, token in enumerate(tokens)}
    rows, order, used = [], [0] * len(tokens), 0
    for group in groups:
        asking = [
            (begun, own, asked) for begun, own in group if (asked := [one for one in own if one in number])
        ]
        if not asking:
            continue
        most = max(len(asked) for _, _, asked in asking)
        known = max(len(begun) + len(own) for begun, own, _ in asking)
        queries, keys, last = [], [], []
        for begun, own, asked in asking:
            short = [0] * (most - len(asked))
            queries.append([*(number[one] for one in asked), *short])
            keys.append([*begun, *own, *[0] * (known - len(begun) - len(own))])
            last.append([*(len(begun) + one - own.start for one in asked), *short])
            for at, one in enumerate(asked):
                order[number[one]] = used + at
            used += most
        visible = torch.arange(known) <= torch.tensor(last)[:, :, None]
        rows.append(
            Rows(
                torch.tensor(queries, device=device),
                torch.tensor(keys, device=device),
                torch.where(visible, 0.0, HIDDEN).to(device),
            )
        )
    return tuple(rows), torch.tensor(order, device=device)
