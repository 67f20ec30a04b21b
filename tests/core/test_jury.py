"""Juries that are smaller than the pool: who marks what, how it scores, what is shown of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from salecli.core import events
from salecli.core.auction import hold
from salecli.core.board import Board
from salecli.core.decisions import Decisions
from salecli.core.jury import draw
from salecli.core.round import Round
from salecli.core.scoring import score
from salecli.core.values import Bid, Mark, Pair, Plan, Weights
from tests.core.world import TASK, ListMemory, ScriptedModel, digit, only, play, pool

EIGHT = tuple("abcdefgh")


def bids(*agents: str, refined: bool = False) -> list[Bid]:
    return [Bid(agent, f"plan {agent}", 10, 0.5, 100, refined=refined) for agent in agents]


def juries(judges: Sequence[str], drawn: list[list[Bid]]) -> dict[tuple[str, bool], set[str]]:
    found: dict[tuple[str, bool], set[str]] = {}
    for judge, own in zip(judges, drawn, strict=True):
        for bid in own:
            found.setdefault((bid.agent, bid.refined), set()).add(judge)
    return found


@pytest.mark.parametrize("size", range(1, 8))
@pytest.mark.parametrize("bidders", [EIGHT, EIGHT[:5], EIGHT[2:3], EIGHT[1::2]])
def test_every_judge_marks_equally_often(bidders: tuple[str, ...], size: int) -> None:
    for seed in range(40):
        made = bids(*bidders)
        drawn = draw(EIGHT, made, size, seed)
        found = juries(EIGHT, drawn)
        assert {agent: len(jury) for (agent, _), jury in found.items()} == dict.fromkeys(bidders, size)
        assert all(agent in jury for (agent, _), jury in found.items())
        counts = [len(own) for own in drawn]
        assert max(counts) - min(counts) <= 1


def test_refined_bids_keep_the_balance_of_the_whole_auction() -> None:
    for seed in range(40):
        first = draw(EIGHT, bids(*EIGHT), 3, seed)
        given = [
            Mark(judge, bid.agent, False, 3.0) for judge, own in zip(EIGHT, first, strict=True) for bid in own
        ]
        second = draw(EIGHT, bids(*"abc", refined=True), 3, seed, given)
        assert all(agent in jury for (agent, _), jury in juries(EIGHT, second).items())
        counts = [len(one) + len(other) for one, other in zip(first, second, strict=True)]
        assert max(counts) - min(counts) <= 1


def test_the_draw_is_seeded() -> None:
    made = bids(*EIGHT)
    assert draw(EIGHT, made, 3, 7) == draw(EIGHT, made, 3, 7)
    assert len({str(draw(EIGHT, made, 3, seed)) for seed in range(20)}) > 15


@pytest.mark.parametrize("size", [0, 8, 9])
def test_a_jury_of_all_is_everyone(size: int) -> None:
    made = bids(*EIGHT)
    assert draw(EIGHT, made, size, 1) == [made] * 8


def test_the_weights_of_those_who_marked_stand_in_for_all() -> None:
    weights = Weights(0.0, -0.2, {"a": 0.4, "b": 0.2, "c": 0.2, "d": 0.0})
    (bid,) = bids("a")

    def jury(**given: float) -> float:
        marks = [Mark(judge, "a", False, value) for judge, value in given.items()]
        return score(bid, marks, weights, {"a": 1.0}, 100).jury

    assert jury(a=5, b=2.5, c=0) == pytest.approx(0.4 * 1 + 0.2 * 0.5)  # all that count: nothing to scale
    assert jury(a=5, b=2.5) == pytest.approx(0.8 * (0.4 * 1 + 0.2 * 0.5) / 0.6)
    assert jury(b=5) == pytest.approx(0.8)  # as high as full marks of everyone
    assert jury(d=2.5) == pytest.approx(0.8 * 0.5)
    assert jury() == 0


def market(size: int, **replies: list[str]) -> tuple[dict[str, ScriptedModel], list[events.Event], Round]:
    """An auction of eight agents, of which d writes the plan that all like; "a" may refine."""
    marks = {f"plan {name}": digit(5 if name == "d" else 2) for name in EIGHT}
    models = {name: ScriptedModel(replies.get(name, [f"plan {name}"]), marks) for name in EIGHT}
    pair = Pair(7, "an older task", 0.9, Plan("a", "lost it"), Plan("h", "won it"))
    record = Round()
    house = pool(models, jury=size)
    seen, _ = play(hold(house, TASK, ListMemory({"a": [pair]}), Decisions(), 1, record))
    return models, seen, record


def test_an_auction_with_juries_of_three() -> None:
    models, seen, record = market(3, a=["plan a", "plan d"])
    assert len(record.bids) == 9
    assert len(record.marks) == len(only(seen, events.Marked)) == 27
    counts = Counter(mark.judge for mark in record.marks)
    assert max(counts.values()) - min(counts.values()) <= 1
    assert (record.provisional, record.winner, record.refined) == ("d", "a", True)
    assert not only(seen, events.MarkReplaced)
    # A judge reads its bids of a phase in one go.
    assert all(model.chosen <= 2 for model in models.values())


def test_a_jury_of_one_is_the_author_alone() -> None:
    _, _, record = market(1)
    assert [(mark.judge, mark.agent) for mark in record.marks if not mark.refined] == [
        (name, name) for name in reversed(EIGHT)
    ]


def test_where_a_judge_of_three_fails_the_other_two_stand_in() -> None:
    failed = {name: ScriptedModel([f"plan {name}"], {"DIE": (1,)} if name == "e" else {}) for name in EIGHT}
    record = Round()
    seen, _ = play(hold(pool(failed, jury=3), TASK, None, Decisions(), 1, record))
    replaced = only(seen, events.MarkReplaced)
    assert {event.mark.judge for event in replaced} == {"e"}
    assert len(replaced) == 3
    assert len(record.marks) == 24


def test_the_board_shows_who_is_not_on_a_jury() -> None:
    _, seen, record = market(3)
    board = Board()
    prices = dict.fromkeys(EIGHT, 0.1)
    started = events.RunStarted(TASK.id, "r", TASK, "p", prices, record.weights, 100, 1, 0, jury=3)
    for event in [started, *seen]:
        assert board.mark("a", ("b", False)) in ("", "-", "2.0")
        board.apply(event)
    for bid in record.bids:
        row = [board.mark(judge, (bid.agent, bid.refined)) for judge in EIGHT]
        assert row.count("-") == 5
        assert "" not in row
