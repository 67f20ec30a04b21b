"""Marks put right by what became of the plans, with the real regression."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from salecli.adapters.isotonic import isotonic
from salecli.core.calibration import BELIEF, corrected, correcting, corrections
from salecli.core.learning import Case, Parts


def case(name: str, mark: float, solved: bool | None, judge: str = "j") -> Case:
    return Case(name, name, (Parts("small", 0.05, 0.1, 0.1, {judge: mark}, solved),))


def judged(count: int, seed: int = 1) -> list[Case]:
    """A judge who praises: all marks lie between 4 and 5, and plans come true from 0 to 100 % over them."""
    rng = random.Random(seed)
    marks = [rng.uniform(4, 5) for _ in range(count)]
    return [case(f"{at}", mark, rng.random() < mark - 4) for at, mark in enumerate(marks)]


def test_without_outcomes_marks_stay() -> None:
    assert corrections([case("a", 3.0, None)], isotonic) == {}
    untouched = case("a", 3.3, None)
    assert corrected(untouched, {}) == untouched


def test_a_single_outcome_hardly_moves_a_mark() -> None:
    found = corrections([case("a", 4.0, False)], isotonic)["j"]
    assert found.plans == 1
    assert 3.9 < found.of(4.0) < 4
    assert found.of(1.0) == pytest.approx(1.0)


def test_with_many_outcomes_a_mark_says_how_often_such_plans_come_true() -> None:
    found = corrections(judged(4_000), isotonic)["j"]
    assert len(found.points) < 200, "points on one line are said once"
    for mark in (4.1, 4.3, 4.5, 4.7, 4.9):
        assert found.of(mark) == pytest.approx(5 * (mark - 4), abs=0.5)


def test_the_fewer_outcomes_the_nearer_to_the_judges_own_scale() -> None:
    away = [abs(corrections(judged(count), isotonic)["j"].of(4.2) - 4.2) for count in (3, 30, 300)]
    assert away == sorted(away)
    assert away[0] < 5 * 3 / BELIEF < away[1] < away[2] - 1


def test_corrected_marks_never_fall_and_stay_on_the_scale() -> None:
    rng = random.Random(2)
    noise = [case(f"{at}", rng.uniform(0, 5), rng.random() < 0.5) for at in range(300)]
    found = corrections(noise, isotonic)["j"]
    values = [found.of(step / 100) for step in range(-50, 551)]
    assert all(low <= high for low, high in pairwise(values))
    assert 0 <= values[0] <= values[-1] <= 5


def test_judges_are_put_right_apart() -> None:
    harsh = [case(f"h{at}", 1.0, True, "harsh") for at in range(100)]
    mild = [case(f"m{at}", 4.0, False, "mild") for at in range(100)]
    put = correcting(isotonic)([*harsh, *mild])
    both = Case("x", "x", (Parts("small", 0.05, 0.1, 0.1, {"harsh": 1.0, "mild": 4.0, "new": 2.0}),))
    [bid] = put(both).bids
    assert bid.marks["harsh"] > 3.5
    assert bid.marks["mild"] < 1.5
    assert bid.marks["new"] == 2.0
