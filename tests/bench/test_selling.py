"""SALE over a table made by hand: who wins, what is paid for, what each ablation takes away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from salecli.bench import selling
from salecli.bench.fitting import dialled, fitted, fold_corrections, market_weights, of_pool
from salecli.bench.table import Table, folds
from salecli.core.learning import Objective
from salecli.core.values import Weights
from salecli.errors import UsageError
from tests.bench.tables import ENDING, JURY, PLAN, PREFIX, PRICES, WORK, Marks, made, noisy


def winners(table: Table, weights: Weights = JURY, hear: selling.Hear | None = None) -> list[str]:
    marks = selling.heard(table, hear) if hear else None
    return [one.agents[0] for one in selling.sold(table, [weights] * len(table.tasks), marks)]


def test_the_lowest_cost_minus_value_wins_and_ties_go_to_the_cheaper_agent() -> None:
    table = made([[False, False, True, True], [True] * 4])
    assert winners(table) == ["m", "xs"]
    assert winners(table, replace(JURY, cost=0.0)) == ["m", "xs"]
    assert winners(table, replace(JURY, cost=100.0)) == ["xs", "xs"]


def test_everybody_s_bid_and_all_marks_are_paid_for_and_one_work() -> None:
    table = made([[False, False, True, True]])
    (one,) = selling.sold(table, [JURY])
    everybody = sum(PRICES.values()) / 1e6
    marks = PREFIX + 4 * ENDING
    assert one.solved
    assert one.usd == pytest.approx(everybody * (PLAN + marks) + WORK * PRICES["m"] / 1e6)
    assert one.auction.tokens == 4 * (PLAN + marks)
    assert set(one.spent["work"]) == {"m"}
    assert one.score == pytest.approx(0.01 * 0.16 * 40 / (0.36 * 100) - 1.0)


def test_a_retry_goes_to_the_next_best_bid_and_only_after_a_failure() -> None:
    best: Marks = lambda task, judge, agent: {"xs": 4.0, "s": 1.0, "m": 3.0, "l": 2.0}[agent]  # noqa: E731
    table = made([[False, True, True, True], [True] * 4, [False] * 4], best)
    found = selling.sold(table, [JURY] * 3, attempts=2)
    assert [one.agents for one in found] == [("xs", "m"), ("xs",), ("xs", "m")]
    assert [one.solved for one in found] == [True, True, False]
    once = selling.sold(table, [JURY] * 3)
    assert found[0].usd - once[0].usd == pytest.approx(WORK * PRICES["m"] / 1e6)


def test_the_next_mark_pays_for_the_prompt_where_a_judge_s_first_is_left_out() -> None:
    table = made([[True] * 4])
    spent = selling.marking(table, "task-0", selling.peers(table.marks["task-0"]))
    assert {judge: one.tokens for judge, one in spent.items()} == dict.fromkeys(PRICES, PREFIX + 3 * ENDING)
    alone = selling.marking(table, "task-0", selling.own(table.marks["task-0"]))
    assert {judge: one.tokens for judge, one in alone.items()} == dict.fromkeys(PRICES, PREFIX + ENDING)
    assert alone["l"].usd == pytest.approx((PREFIX + ENDING) * 0.36 / 1e6)
    assert selling.marking(table, "task-0", ()) == {}


def test_marks_that_are_left_out_decide_nothing() -> None:
    """xs flatters itself, its peers flatter s, and l alone knows that m is right."""

    def marks(_: int, judge: str, agent: str) -> float:
        if judge == agent:
            return 5.0 if agent == "xs" else 1.0
        if judge == "l":
            return 4.0 if agent == "m" else 0.0
        return 3.0 if agent == "s" else 0.0

    table = made([[False, False, True, False]], marks)
    flat = replace(JURY, cost=0.0)
    assert winners(table, flat) == ["s"]
    assert winners(table, flat, selling.own) == ["xs"]
    assert winners(table, flat, selling.peers) == ["s"]
    assert winners(table, Weights(0.0, 0.0, {"xs": 0.4, "s": 0.0, "m": 0.0, "l": 0.6})) == ["m"]
    trusting = Weights(0.0, 0.0, {"xs": 0.45, "s": 0.0, "m": 0.0, "l": 0.55})
    assert winners(table, trusting, selling.without("l")) == ["xs"]
    assert winners(table, trusting, selling.without("xs")) == ["m"]
    assert winners(table, JURY, selling.nobody) == ["xs"]


def test_expected_marks_tell_apart_what_digits_do_not() -> None:
    marks: Marks = lambda task, judge, agent: {"xs": 3.1, "s": 3.4, "m": 3.2, "l": 3.3}[agent]  # noqa: E731
    table = made([[False, True, False, False]], marks)
    assert winners(table, replace(JURY, cost=0.0)) == ["s"]
    assert winners(table, replace(JURY, cost=0.0), selling.digits) == ["xs"]


def test_a_constant_length_leaves_the_price() -> None:
    table = made([[True] * 4])
    long = replace(table.cells["task-0", "xs"])
    assert long.bid is not None
    table.cells["task-0", "xs"] = replace(long, bid=replace(long.bid, tokens=100))  # type: ignore[index]
    weights = [Weights(1.0, 0.0, dict.fromkeys(PRICES, 0.25))]
    assert selling.sold(table, weights)[0].agents == ("s",)
    assert selling.sold(table, weights, length=selling.mean_length(table))[0].agents == ("xs",)


def outcomes_and_marks(turned: Sequence[int] = ()) -> Table:
    """Noisy outcomes that some judges tell better than others; turned round in places, marks as before."""
    outcomes, _ = noisy(100, seed=5)

    def marks(task: int, judge: str, agent: str) -> float:
        right = outcomes[task][list(PRICES).index(agent)]
        knows = (task * 7 + len(agent) + 3 * ord(judge[0])) % 10 < {"xs": 5, "s": 6, "m": 7, "l": 9}[judge]
        return (4.0 if right == knows else 1.0) + 0.01 * ((task * 13 + ord(agent[0])) % 10)

    def entropy(task: int, agent: str) -> float:
        return 0.2 + 0.05 * ((task * 3 + ord(agent[0])) % 7) - 0.1 * outcomes[task][list(PRICES).index(agent)]

    now = [[not one for one in row] if at in turned else row for at, row in enumerate(outcomes)]
    return made(now, marks, entropy=entropy)


@pytest.mark.parametrize("objective", ["labelled", "minimax"])
def test_a_fold_s_weights_never_saw_its_outcomes(objective: Objective) -> None:
    table = outcomes_and_marks()
    fold = folds(table.tasks)[1]
    before = fitted(table, objective)
    after = fitted(outcomes_and_marks(fold), objective)
    assert after.by_fold[1] == before.by_fold[1]
    assert all(before.by_task[at] == before.by_fold[1] for at in fold)
    if objective == "labelled":  # the other asks for no outcome
        assert after.by_fold[0] != before.by_fold[0]
    assert all(
        abs(one.entropy) + sum(one.judges.values()) == pytest.approx(1) and one.cost == JURY.cost
        for one in before.by_fold
    )


def test_a_fold_s_corrections_never_saw_its_outcomes() -> None:
    table = outcomes_and_marks()
    fold = folds(table.tasks)[1]
    before, after = fold_corrections(table), fold_corrections(outcomes_and_marks(fold))
    for at in range(100):
        assert (before[at] == after[at]) is (at in fold)


def test_the_dial_is_set_where_it_solves_most_for_three_quarters_of_the_price() -> None:
    """All marks are for l, hardly less for m, and little for the others, one of whom solves nothing."""
    liked: Marks = lambda task, judge, agent: {"xs": 3.0, "s": 3.0, "m": 4.9, "l": 5.0}[agent]  # noqa: E731
    outcomes = [[at % 2 == 0, False, True, True] for at in range(40)]
    table = made(outcomes, liked, work=10_000)
    chosen = dialled(table, of_pool(table))
    assert {one.agents for one in selling.sold(table, [replace(JURY, cost=0.0)] * 40)} == {("l",)}
    assert {one.agents for one in selling.sold(table, chosen.by_task)} == {("m",)}
    fold = folds(table.tasks)[3]
    turned = [[True, False, False, False] if at in fold else row for at, row in enumerate(outcomes)]
    again = made(turned, liked, work=10_000)
    assert dialled(again, of_pool(again)).by_fold[3] == chosen.by_fold[3]
    with pytest.raises(UsageError, match="it takes more than 75 % of what l alone takes"):
        dialled(made(outcomes, liked), of_pool(table))


def test_too_few_tasks_leave_the_pool_s_weights_and_say_so() -> None:
    table = made([[True, False, False, True]] * 12)
    with pytest.raises(UsageError, match=r"too few tasks to fit weights: .* 20 are needed"):
        fitted(table, "labelled")
    chosen = market_weights(table)
    assert chosen.by_task == (JURY,) * 12
    assert "the pool's (too few tasks" in chosen.source
    assert chosen.record()["objective"] is None


def test_learned_weights_heed_the_judge_that_knows() -> None:
    table = outcomes_and_marks()
    chosen = market_weights(table)
    assert chosen.objective == "labelled"
    learned = selling.sold(table, chosen.by_task)
    alike = selling.sold(table, [JURY] * 100)
    assert sum(one.solved for one in learned) >= sum(one.solved for one in alike)
    assert all(one.judges["l"] > one.judges["xs"] for one in chosen.by_fold)
