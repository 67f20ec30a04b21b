"""Weights from past auctions, by the real solver: what the two programs choose, and how they are tried."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import pytest

from salecli.adapters.highs import solve
from salecli.adapters.isotonic import isotonic
from salecli.adapters.logistic import regress
from salecli.core.calibration import correcting
from salecli.core.heldout import FOLDS, LEAST, LEAST_ORDERED, Learned, Progress, learn
from salecli.core.learning import (
    OBJECTIVES,
    WORST,
    Case,
    Objective,
    Parts,
    fit,
    labelled,
    minimax,
    orders,
    total,
    winner,
)
from salecli.core.program import Program, Row, Variable
from salecli.core.values import Weights
from salecli.errors import ConfigError, UsageError

JUDGES = ("good", "bad")
PRICES = {"small": 0.05, "large": 0.36}
EVEN = Weights(0.02, 0.0, {"good": 0.5, "bad": 0.5})


def parts(agent: str, solved: bool | None, good: float, bad: float, entropy: float = 0.1) -> Parts:
    return Parts(agent, PRICES[agent], PRICES[agent], entropy, {"good": good, "bad": bad}, solved)


def case(name: str, *bids: Parts) -> Case:
    return Case(f"text of {name}", name, bids)


def market(count: int, seed: int = 1, known: float = 1.0) -> list[Case]:
    """Cases in which judge `good` is mostly right, `bad` guesses, and a low entropy speaks for a plan."""
    rng = random.Random(seed)
    found = []
    for number in range(count):
        bids = []
        for agent, skill in (("small", 0.4), ("large", 0.7)):
            right = rng.random() < skill
            good = 2.5 + (1 if right else -1) + rng.gauss(0, 0.8)
            entropy = max(0.1 + (-0.03 if right else 0.03) + rng.gauss(0, 0.03), 0.001)
            told = right if rng.random() < known else None
            bids.append(parts(agent, told, min(max(good, 0), 5), rng.uniform(0, 5), entropy))
        found.append(case(f"task {number}", *bids))
    return found


def drained(progress: Progress) -> Learned:
    found: list[Learned] = []

    def run() -> Iterator[object]:
        found.append((yield from progress))

    assert list(run())
    return found[0]


def learned(cases: Iterable[Case], *objectives: Objective, now: Weights = EVEN) -> Learned:
    return drained(learn(list(cases), now, now.cost, JUDGES, solve, regress, 20, objectives or OBJECTIVES))


def grid(steps: int, signs: tuple[int, ...]) -> Iterator[Weights]:
    """Weights with |w_h| + the judges' = 1, in steps."""
    for h, good in itertools.product(range(steps + 1), repeat=2):
        if h + good <= steps:
            for sign in signs:
                judges = {"good": good / steps, "bad": (steps - h - good) / steps}
                yield Weights(0.02, sign * h / steps, judges)


def anchor(weights: Weights) -> float:
    return abs(weights.entropy) + sum(weights.judges.values())


def test_labelled_trusts_the_judge_who_knows() -> None:
    cases = [
        case(f"{at}", parts("small", at % 2 == 0, 3 + at % 2 * -1, 1), parts("large", at % 2 == 1, 2.5, 4))
        for at in range(10)
    ]
    found = labelled(cases, 0.02, JUDGES, solve, 10)
    assert all(winner(one, found.weights).solved for one in cases)
    assert not all(winner(one, EVEN).solved for one in cases)
    assert found.weights.judges["good"] > 0.9
    assert found.gap == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("low", "sign"), [(True, -1), (False, 1)])
def test_labelled_learns_the_sign_of_entropy(low: bool, sign: int) -> None:
    cases = [
        case(
            f"{at}",
            parts("small", bool(at % 2), 3, 3, 0.1 if bool(at % 2) == low else 0.2),
            parts("large", not at % 2, 3, 3, 0.2 if bool(at % 2) == low else 0.1),
        )
        for at in range(10)
    ]
    found = labelled(cases, 0.02, JUDGES, solve, 10).weights
    assert found.entropy * sign > 0.9
    assert all(winner(one, found).solved for one in cases)


def test_minimax_finds_the_lowest_worst_score() -> None:
    cases = market(60)
    found = minimax(cases, 0.02, JUDGES, solve, 20)

    def worst(weights: Weights) -> float:
        return max(min(total(bid, weights) for bid in one.bids) for one in cases)

    assert worst(found.weights) == pytest.approx(found.value, abs=1e-4)
    assert found.value <= min(map(worst, grid(60, (1,)))) + 1e-4
    assert found.gap < 1e-5
    assert found.weights.entropy >= 0


def test_labelled_finds_the_lowest_mean_of_the_worst_tenth() -> None:
    cases = market(60)
    found = labelled(cases, 0.02, JUDGES, solve, 20)
    told = list(orders(cases))

    def apart(key: str, one: Parts, other: Parts) -> float:
        if key == "entropy":
            return abs(one.entropy - other.entropy)
        return abs(one.marks[key] - other.marks[key]) / 5

    spread = {key: sum(apart(key, a, b) for _, a, b in told) / len(told) for key in ("entropy", *JUDGES)}

    def value(weights: Weights) -> float:
        unit = abs(weights.entropy) * spread["entropy"]
        unit += sum(weights.judges[judge] * spread[judge] for judge in JUDGES)
        by_task: dict[str, float] = {}
        for one, ahead, behind in told:
            violation = (total(ahead, weights) - total(behind, weights)) / unit
            by_task[one.task] = max(by_task.get(one.task, violation), violation)
        worst = sorted(by_task.values(), reverse=True)
        # The mean of the worst tenth, the last of which may count in part.
        size = WORST * len(worst)
        whole = int(size)
        return (sum(worst[:whole]) + (size - whole) * worst[whole]) / size

    assert value(found.weights) == pytest.approx(found.value, abs=1e-3)
    assert found.value <= min(map(value, grid(40, (1, -1)))) + 1e-3


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_weights_keep_the_anchor_and_the_dial(objective: Objective) -> None:
    found = fit(objective, market(80, known=0.6), 0.3, JUDGES, solve, 20).weights
    assert anchor(found) == pytest.approx(1, abs=1e-9)
    assert min(found.judges.values()) >= 0
    assert found.cost == 0.3


def test_never_tried_is_neither_failed_nor_solved() -> None:
    cheap = case("a", parts("small", None, 1, 1), parts("large", True, 2, 2))
    dear = case("b", parts("small", True, 1, 1), parts("large", None, 2, 2))
    both = case("c", parts("small", True, 1, 1), parts("large", True, 2, 2))
    assert list(orders([cheap, dear, both])) == []
    told = case("d", parts("small", False, 1, 1), parts("large", True, 2, 2))
    [(_, ahead, behind)] = orders([told])
    assert (ahead.agent, behind.agent) == ("large", "small")


def test_a_memory_of_winners_alone_does_not_turn_choices_round() -> None:
    """All that such a memory is sure of is where past weights were wrong, though they were mostly right."""
    past = Weights(0.02, 0.0, {"good": 0.8, "bad": 0.2})
    cases = []
    for one in market(400):
        order = sorted(one.bids, key=lambda bid: total(bid, past))
        tried = order[:1] if order[0].solved else order
        cases.append(replace(one, bids=tuple(b if b in tried else replace(b, solved=None) for b in one.bids)))
    sure = labelled(cases, 0.02, JUDGES, solve, 10).weights
    [result] = learned(cases, "labelled", now=past).results
    truth = market(1_000, seed=9)

    def right(weights: Weights) -> int:
        return sum(bool(winner(one, weights).solved) for one in truth)

    assert right(result.fit.weights) > right(past) > right(sure)


def test_a_smaller_jury_is_learned_from_too() -> None:
    """For a judge who was not on a bid's jury stands the mean of those who were."""
    cases = [
        replace(one, bids=tuple(_without(bid, JUDGES[number % 2]) for bid in one.bids))
        if number % 3 == 0
        else one
        for number, one in enumerate(market(90))
    ]
    found = labelled(cases, 0.02, JUDGES, solve, 10).weights
    assert found.judges["good"] > 2 * found.judges["bad"]


def _without(bid: Parts, judge: str) -> Parts:
    return replace(bid, marks={name: mark for name, mark in bid.marks.items() if name != judge})


def test_better_weights_are_told_from_those_in_use() -> None:
    found = learned(market(200))
    best = found.best(False)
    assert best.fit.objective == "labelled"
    assert best.better
    assert best.trial.gain.low > 0
    assert best.trial.solved.low <= best.trial.solved.mean <= best.trial.solved.high
    assert best.trial.solved.mean > found.now.solved.mean + 0.05
    assert found.now.gain.mean == 0
    assert sum(best.trial.outcomes) == 200
    assert sum(best.trial.wins.values()) == pytest.approx(1)
    assert all(winner(one.case, EVEN) == one.before != one.after for one in best.changes)
    assert all(loss.chosen.solved is False and loss.better.solved for loss in best.losses)
    assert [loss.by for loss in best.losses] == sorted((loss.by for loss in best.losses), reverse=True)


def test_what_is_learned_by_heart_is_no_better() -> None:
    """Judges that guess, on tasks that any weights can be fitted to: held-out tasks show it."""
    rng = random.Random(4)
    cases = [
        case(
            f"{at}",
            parts("small", bool(at % 2), rng.uniform(0, 5), rng.uniform(0, 5), 0.1),
            parts("large", not at % 2, rng.uniform(0, 5), rng.uniform(0, 5), 0.1),
        )
        for at in range(40)
    ]
    found = learned(cases, "labelled")
    assert found.results[0].trial.gain.low <= 0


def test_one_text_is_never_learned_from_and_judged_on() -> None:
    """Every task stands there five times: were copies in other folds, they would be known by heart."""
    cases = [replace(one, title=f"{one.title}, {copy}") for one in market(40) for copy in range(FOLDS)]
    seen: list[set[str]] = []

    def spying(program: Program, seconds: float):  # type: ignore[no-untyped-def]
        seen.append({row.name for row in program.rows})
        return solve(program, seconds)

    drained(learn(cases, EVEN, 0.02, JUDGES, spying, regress, 20, ["labelled"]))
    assert len(seen) == FOLDS + 1
    for names in seen[:FOLDS]:
        copies: Mapping[str, int] = {
            text: sum(f"{text}, " in name for name in names) for text in (one.title for one in market(40))
        }
        assert set(copies.values()) <= {0, FOLDS}


def test_who_never_worked_is_judged_by_marks_and_not_by_whom_past_weights_liked() -> None:
    """Only what one bad judge liked was ever tried; what other weights would do is told all the same."""
    truth = market(400)
    past = Weights(0.02, 0.0, {"good": 0.0, "bad": 1.0})
    seen = [
        replace(
            one,
            bids=tuple(bid if bid == winner(one, past) else replace(bid, solved=None) for bid in one.bids),
        )
        for one in truth
    ]
    best = Weights(0.02, 0.0, {"good": 1.0, "bad": 0.0})
    real = sum(bool(winner(one, best).solved) for one in truth) / len(truth)
    told = learned(seen, "minimax", now=best).now
    assert told.outcomes[2] > 100
    assert told.solved.mean == pytest.approx(real, abs=0.03)


def test_the_same_auctions_give_the_same_figures() -> None:
    first, second = (learned(market(60), "labelled") for _ in range(2))
    assert first == second


def test_too_few_tasks_are_refused_with_how_many_are_needed() -> None:
    with pytest.raises(UsageError, match=f"{LEAST - 1} tasks .* {LEAST} are needed"):
        learned(market(LEAST - 1))
    same = [replace(one, task="the same") for one in market(40)]
    with pytest.raises(UsageError, match=f"1 task with .* {LEAST} are needed"):
        learned(same)
    open_ = [replace(one, bids=(one.bids[0], replace(one.bids[1], solved=None))) for one in market(40)]
    with pytest.raises(UsageError, match=f"{LEAST_ORDERED} are needed"):
        learned(open_, "labelled")


def test_bids_that_differ_in_nothing_are_refused() -> None:
    same = [case(f"{at}", parts("small", True, 3, 3), parts("large", False, 3, 3)) for at in range(30)]
    with pytest.raises(UsageError, match="do not differ"):
        learned(same, "labelled")


def test_an_infeasible_program_names_what_is_in_the_way() -> None:
    program = Program({"x": Variable(0, 1), "y": Variable(0, 1)}, {"x": 1.0})
    program.rows += [
        Row("the sum is 1", {"x": 1.0, "y": 1.0}, 1, 1),
        Row("x is at least y", {"x": 1.0, "y": -1.0}, low=0),
        Row("x is at least 3", {"x": 1.0}, low=3),
    ]
    with pytest.raises(ConfigError, match=r"in the way: x is at least 3$"):
        solve(program, 5)


def test_an_unbounded_program_names_what_runs_away() -> None:
    program = Program({"x": Variable(), "y": Variable(0, 1)}, {"x": -1.0, "y": 1.0})
    program.rows.append(Row("x is at least y", {"x": 1.0, "y": -1.0}, low=0))
    with pytest.raises(ConfigError, match=r"nothing bounds x$"):
        solve(program, 5)


def test_a_time_too_short_is_said() -> None:
    rng = random.Random(1)
    cases = [
        Case(f"{at}", f"{at}", tuple(
            Parts(agent, price, price, rng.random(), {judge: rng.uniform(0, 5) for judge in "abcdef"})
            for agent, price in [(f"agent {one}", one) for one in range(1, 9)]
        ))
        for at in range(200)
    ]  # fmt: skip
    found = minimax(cases, 0.02, tuple("abcdef"), solve, 0.3)
    assert found.gap > 0
    assert anchor(found.weights) == pytest.approx(1)
    with pytest.raises(UsageError, match="within 0 s"):
        labelled(market(200), 0.02, JUDGES, solve, 0)


def test_a_thousand_auctions_are_learned_from_within_a_minute() -> None:
    """By both programs, on marks as they were given and as past verdicts put them right."""
    began = time.monotonic()
    cases = market(1_000, known=0.5)
    correct = correcting(isotonic)
    found = drained(learn(cases, EVEN, 0.02, JUDGES, solve, regress, 40, OBJECTIVES, correct))
    assert time.monotonic() - began < 60
    assert found.best(False).better
    assert len(found.results) == 4
