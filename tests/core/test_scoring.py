"""Cost minus value, worked out by hand."""

from __future__ import annotations

import math

import pytest

from salecli.core.scoring import final_bids, plain_cost, plain_entropy, ranked, score
from salecli.core.values import Bid, Mark, Score, Weights

PRICES = {"s": 0.1, "m": 0.2, "l": 0.4}


def bid(agent: str, tokens: int = 50, entropy: float = 0.0, refined: bool = False) -> Bid:
    return Bid(agent, "plan", tokens, entropy, vocabulary=100, refined=refined)


def test_the_formula_by_hand() -> None:
    weights = Weights(cost=0.5, entropy=-0.25, judges={"s": 0.25, "l": 0.5})
    marks = [Mark("s", "s", False, 2.0), Mark("l", "s", False, 4.0), Mark("m", "s", False, 5.0)]
    one = score(bid("s", 50, math.log(100) / 2), marks, weights, PRICES, plan_tokens=100)
    assert one.cost == pytest.approx(0.5 * 0.1 * 50 / (0.4 * 100))
    assert one.entropy == pytest.approx(-0.25 * 0.5)
    assert one.jury == pytest.approx(0.25 * 0.4 + 0.5 * 0.8)
    assert one.total == pytest.approx(one.cost - one.entropy - one.jury)


def test_cost_and_entropy_stay_in_the_unit_interval() -> None:
    assert plain_cost(bid("l", 1000), PRICES, 100) == 1.0
    assert plain_cost(bid("l", 100), PRICES, 100) == 1.0
    assert plain_cost(bid("s", 100), {"s": 0.0}, 100) == 0.0
    assert plain_entropy(bid("s", entropy=99.0)) == 1.0


def test_ties_go_to_the_cheaper_agent_then_to_pool_order() -> None:
    scores = [Score("l", False, 0, 0, 0.5), Score("m", False, 0, 0, 0.5), Score("s", False, 0, 0, 0.4)]
    assert [one.agent for one in ranked(scores, PRICES)] == ["m", "l", "s"]
    same = {"a": 0.1, "b": 0.1}
    scores = [Score("b", False, 0, 0, 0), Score("a", False, 0, 0, 0)]
    assert [one.agent for one in ranked(scores, same)] == ["a", "b"]


def test_an_agent_stands_with_its_better_bid() -> None:
    first, second = bid("s"), bid("s", refined=True)
    scores = [Score("s", False, 0, 0, 0.5), Score("s", True, 0, 0, 0.4)]
    assert final_bids([first, second], scores) == {"s": first}
