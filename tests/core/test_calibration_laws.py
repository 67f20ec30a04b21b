"""Corrections of marks, whatever became of the plans."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from salecli.adapters.isotonic import isotonic
from salecli.core.calibration import BELIEF, corrections
from salecli.core.learning import Case, Parts


def plan(mark: float, solved: bool) -> Case:
    return Case("t", "t", (Parts("small", 0.05, 0.1, 0.1, {"j": mark}, solved),))


outcomes = st.lists(st.tuples(st.floats(0, 5), st.booleans()), max_size=60)


@given(outcomes, st.lists(st.floats(-1, 6), min_size=2))
def test_whatever_was_seen_corrections_never_fall_and_few_plans_move_little(
    seen: list[tuple[float, bool]], asked: list[float]
) -> None:
    found = corrections([plan(*one) for one in seen], isotonic)
    assert bool(found) is bool(seen)
    for one in found.values():
        assert one.plans == len(seen)
        values = [one.of(mark) for mark in sorted(asked)]
        assert all(low <= high + 1e-9 for low, high in pairwise(values))
        most = 5 * len(seen) / (len(seen) + BELIEF)
        for mark in asked:
            inside = min(max(mark, 0.0), 5.0)
            assert -1e-9 <= one.of(mark) <= 5 + 1e-9
            assert abs(one.of(mark) - inside) <= most + 1e-9
