"""Judges use the scale differently: what became of the plans that each marked puts its marks right.

A corrected mark is five times the share of plans with such a mark that solved their task, never falling as
the mark rises. While few plans that a judge marked were carried out, its marks stay nearly as they are.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from salecli.core.learning import Case, Parts
from salecli.core.scoring import TOP_MARK

BELIEF = 50.0
"""Plans after which a judge's own scale and what became of its plans count alike."""
_STEPS = 10
"""Parts of the scale: at each of their ends one plan is taken to have come out as the mark says, so that what
is seen of some marks does not speak for marks far from them."""

Isotonic = Callable[[Sequence[float], Sequence[float]], Sequence[float]]
"""From values and their weights, the values nearest to them that never fall."""


@dataclass(frozen=True, slots=True)
class Correction:
    """One judge's marks put right: straight lines between points, flat beyond them."""

    points: tuple[tuple[float, float], ...]
    """(mark, corrected mark), both 0 to 5; the marks rise, the corrected ones never fall."""
    plans: int
    """That it rests on."""

    def of(self, mark: float) -> float:
        """The corrected mark."""
        at = bisect_right(self.points, mark, key=lambda point: point[0])
        if at == 0:
            return self.points[0][1]
        if at == len(self.points):
            return self.points[-1][1]
        (low, start), (high, end) = self.points[at - 1], self.points[at]
        return start + (end - start) * (mark - low) / (high - low)


def corrections(cases: Sequence[Case], isotonic: Isotonic) -> dict[str, Correction]:
    """Every judge's correction, by the plans of `cases` that were carried out."""
    seen: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for case in cases:
        for bid in case.bids:
            for judge, mark in bid.marks.items() if bid.solved is not None else ():
                seen[judge].append((mark, TOP_MARK * float(bool(bid.solved))))
    return {judge: _correction(marked, isotonic) for judge, marked in seen.items()}


def _correction(marked: Sequence[tuple[float, float]], isotonic: Isotonic) -> Correction:
    weights: dict[float, float] = defaultdict(float)
    sums: dict[float, float] = defaultdict(float)
    scale = [TOP_MARK * step / _STEPS for step in range(_STEPS + 1)]
    for mark, value in [*zip(scale, scale, strict=True), *marked]:
        weights[mark] += 1
        sums[mark] += value
    marks = sorted(weights)
    fitted = isotonic([sums[mark] / weights[mark] for mark in marks], [weights[mark] for mark in marks])
    share = len(marked) / (len(marked) + BELIEF)
    points = [
        (mark, mark + share * (value - mark))
        for at, (mark, value) in enumerate(zip(marks, fitted, strict=True))
        # Between the ends of a run of one value the points lie on a straight line, and say nothing more.
        if not (0 < at < len(marks) - 1 and fitted[at - 1] == value == fitted[at + 1])
    ]
    return Correction(tuple(points), len(marked))


def corrected(case: Case, by: Mapping[str, Correction]) -> Case:
    """The case with marks put right; those of judges without a correction stay."""

    def right(bid: Parts) -> Parts:
        marks = {judge: by[judge].of(mark) if judge in by else mark for judge, mark in bid.marks.items()}
        return replace(bid, marks=marks)

    return replace(case, bids=tuple(map(right, case.bids)))


def correcting(isotonic: Isotonic) -> Callable[[Sequence[Case]], Callable[[Case], Case]]:
    """What learns corrections from some cases, and puts the marks of others right."""

    def learned(cases: Sequence[Case]) -> Callable[[Case], Case]:
        by = corrections(cases, isotonic)
        return lambda case: corrected(case, by)

    return learned
