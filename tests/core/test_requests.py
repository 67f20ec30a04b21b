"""What the user asks of a market round while it goes on: bid again, exclude, other weights."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from salecli.core import events
from salecli.core.agent import Pool
from salecli.core.auction import hold
from salecli.core.board import Board
from salecli.core.decisions import Border, Decisions
from salecli.core.round import Round
from salecli.core.values import Override, Pair, Plan, Weights
from tests.core.world import TASK, ListMemory, ScriptedModel, digit, only, pool

PAIR = Pair(7, "an older task", 0.9, Plan("s", "lost it"), Plan("l", "won it"))
MARKS = {
    "plan s": digit(1),
    "plan m": digit(3),
    "plan l": digit(4),
    "second": digit(5),
    "better": digit(5),
}


def market(s: tuple[str, ...] = (), m: tuple[str, ...] = (), large: tuple[str, ...] = ()) -> Pool:
    return pool(
        {
            "s": ScriptedModel(["plan s", *s], MARKS),
            "m": ScriptedModel(["plan m", *m], MARKS),
            "l": ScriptedModel(["plan l", *large], MARKS),
        }
    )


def run(
    one: Pool,
    at: Border,
    ask: Callable[[Decisions], None],
    memory: ListMemory | None = None,
    go: bool = True,
) -> tuple[list[Any], Round, Board]:
    """A round that stops at `at`; there `ask` is called, and then it goes on."""
    decisions, record, board, seen = Decisions(stops={at}), Round(), Board(), []
    for event in hold(one, TASK, memory, decisions, 1, record):
        board.apply(event)
        seen.append(event)
        if isinstance(event, events.Paused):
            assert event.at == at
            ask(decisions)
            if go:
                decisions.resume()
    board.prices = one.prices
    return seen, record, board


def after_pause(seen: list[Any]) -> list[Any]:
    return seen[[type(event) for event in seen].index(events.Paused) + 1 :]


def test_a_run_stops_by_itself_where_it_was_told_to() -> None:
    seen, record, board = run(market(), "winner", lambda decisions: None)
    assert len(only(seen, events.Paused)) == len(only(seen, events.Resumed)) == 1
    assert [type(one) for one in after_pause(seen)] == [events.Resumed, events.WinnerChosen]
    assert record.winner == "l"
    assert board.paused_at == ""


def test_a_second_bid_takes_the_place_of_the_first() -> None:
    one = market(s=("second",))
    seen, record, board = run(one, "marks", lambda decisions: decisions.bid_again("s"))
    kinds = [type(event) for event in after_pause(seen) if not isinstance(event, events.PlanToken)]
    assert kinds[:3] == [events.BidStarted, events.BidMade, events.Marked]
    assert kinds[-4:] == [events.Scored, events.Led, events.Resumed, events.WinnerChosen]
    assert record.winner == record.provisional == "s"
    assert [bid.plan for bid in record.bids] == ["second", "plan m", "plan l"]
    assert len(record.marks) == 9
    assert board.bids["s", False].plan == "second"
    assert len(board.marks) == 9
    assert board.provisional == board.winner == ("s", False)
    # The first bid and its marks were paid for.
    assert [agent for agent, _ in record.lost] == ["s", "l", "m", "s"]
    assert sum(usage.generated for _, usage in record.lost) == len("plan s")


def test_a_second_bid_gets_other_random_numbers() -> None:
    one = market(s=("second", "second"))
    seeds = []
    model = one.agent("s").model
    stream = model.stream

    def watched(turns: Any, limits: Any) -> Any:
        seeds.append(limits.seed)
        return stream(turns, limits)

    model.stream = watched  # type: ignore[method-assign]

    def ask(decisions: Decisions) -> None:
        decisions.bid_again("s")
        decisions.bid_again("s")

    run(one, "marks", ask)
    assert len(set(seeds)) == 3


@pytest.mark.parametrize("reply", ["DIE", "   "])
def test_a_second_bid_that_fails_leaves_the_old_one(reply: str) -> None:
    seen, record, board = run(market(m=(reply,)), "marks", lambda decisions: decisions.bid_again("m"))
    assert [event.phase for event in only(seen, events.AgentOut)] == ["again"]
    assert board.bids["m", False].plan == "plan m"
    assert "m" not in board.out
    assert len(record.marks) == 9
    assert record.winner == "l"


def test_an_agent_that_is_out_may_bid_again() -> None:
    one = market(s=("second",))
    one.agent("s").model.replies[0] = "DIE"  # type: ignore[attr-defined]
    _, record, board = run(one, "marks", lambda decisions: decisions.bid_again("s"))
    assert board.out == {}
    assert record.winner == "s"


def test_a_second_bid_takes_the_refined_one_with_it() -> None:
    one = market(s=("better", "second"))
    memory = ListMemory({"s": [PAIR]})
    seen, record, board = run(one, "winner", lambda decisions: decisions.bid_again("s"), memory)
    assert only(seen, events.Led)[1] == events.Led(TASK.id, "s", True)
    assert [(bid.agent, bid.refined) for bid in record.bids] == [("s", False), ("m", False), ("l", False)]
    assert not any(mark.refined for mark in record.marks)
    assert not any(score.refined for score in record.scores)
    assert (record.provisional, record.winner, record.refined) == ("l", "s", False)
    assert board.provisional == ("l", False)
    assert ("s", True) not in board.scores
    assert board.read == {}


def test_an_excluded_agent_cannot_win_and_still_marks() -> None:
    def ask(decisions: Decisions) -> None:
        decisions.exclude("l")
        decisions.bid_again("m")

    seen, record, board = run(market(m=("second",)), "marks", ask)
    out = only(seen, events.AgentOut)
    assert [(event.agent, event.phase) for event in out] == [("l", "excluded")]
    assert seen[seen.index(out[0]) + 1] == events.Led(TASK.id, "m", False)
    assert record.winner == "m"
    assert {mark.agent for mark in record.marks} == {"s", "m"}
    assert {mark.judge for mark in record.marks if mark.agent == "m"} == {"s", "m", "l"}
    assert board.exclusions == {"l"}
    assert set(board.out) == {"l"}
    assert ("l", False) not in board.bids


def test_an_agent_excluded_before_the_marks_is_never_marked() -> None:
    one = market()
    seen, _, _ = run(one, "bids", lambda decisions: decisions.exclude("l"))
    assert {event.mark.agent for event in only(seen, events.Marked)} == {"s", "m"}
    assert {event.mark.judge for event in only(seen, events.Marked)} == {"s", "m", "l"}


def test_an_override_of_an_excluded_agent_is_refused() -> None:
    def ask(decisions: Decisions) -> None:
        decisions.exclude("s")
        decisions.override("s", "I like it")

    seen, record, board = run(market(), "winner", ask)
    assert only(seen, events.Refused) == [events.Refused(TASK.id, "override s", "it is excluded")]
    assert board.refused == only(seen, events.Refused)
    assert (record.winner, record.override) == ("l", None)


def test_an_excluded_agent_that_bids_again_is_in_again() -> None:
    def ask(decisions: Decisions) -> None:
        decisions.exclude("s")
        decisions.bid_again("s")

    _, record, board = run(market(s=("second",)), "winner", ask)
    assert record.winner == "s"
    assert record.excluded == board.exclusions == set()


def test_what_cannot_be_done_is_refused_with_the_reason() -> None:
    def ask(decisions: Decisions) -> None:
        decisions.exclude("nobody")
        decisions.bid_again("nobody")
        decisions.exclude("s")
        decisions.exclude("s")
        decisions.exclude("m")
        decisions.exclude("l")
        decisions.weigh(Weights(0.5, 0.0, {"nobody": 1.0}))
        decisions.weigh(Weights(float("nan"), 0.0, {}))

    seen, record, _ = run(market(), "marks", ask)
    assert [(event.what, event.reason) for event in only(seen, events.Refused)] == [
        ("exclude nobody", "there is no such agent"),
        ("bid again nobody", "there is no such agent"),
        ("exclude s", "it is excluded already"),
        ("exclude l", "no other agent has bid"),
        ("weigh", "there is no judge nobody"),
        ("weigh", "a weight is not a finite number"),
    ]
    assert record.winner == "l"


def test_other_weights_score_everything_anew_and_are_recorded() -> None:
    turned = Weights(40.0, 0.0, {"s": 1.0})
    seen, record, board = run(market(), "marks", lambda decisions: decisions.weigh(turned))
    kinds = [type(event) for event in after_pause(seen)]
    assert kinds[:5] == [events.Reweighed, *[events.Scored] * 3, events.Led]
    assert record.winner == "s"  # nothing but the cost matters now
    assert record.weights == board.weights == turned
    assert {one.agent: one.cost for one in record.scores} == {
        score.agent: score.cost for score in board.scores.values()
    }
    assert len(record.scores) == 3
    for event in seen:
        assert events.from_dict(json.loads(json.dumps(events.to_dict(event)))) == event


def test_what_is_asked_before_the_bids_are_made_waits_for_the_next_border() -> None:
    decisions, record = Decisions(), Round()
    decisions.exclude("l")
    turned = Weights(0.5, 0.0, {"m": 1.0})
    decisions.weigh(turned)
    seen = list(hold(market(), TASK, None, decisions, 1, record))
    assert record.winner == "m"
    assert only(seen, events.Paused) == []
    kinds = [type(event) for event in seen]
    assert kinds.index(events.Reweighed) < kinds.index(events.Marked)


def test_requests_and_a_go_given_at_once_are_both_done_in_order() -> None:
    seen, record, _ = run(market(), "winner", lambda decisions: decisions.exclude("l"))
    kinds = [type(event) for event in after_pause(seen)]
    assert kinds == [events.AgentOut, events.Led, events.Resumed, events.WinnerChosen]
    assert record.winner == "m"


def test_a_run_that_stands_still_notices_a_request_at_once() -> None:
    decisions = Decisions(stops={"winner"})
    noticed = threading.Event()

    def play() -> None:
        for event in hold(market(), TASK, None, decisions, 1, Round()):
            if isinstance(event, events.Paused):
                stands.set()
            if isinstance(event, events.Reweighed):
                noticed.set()

    stands = threading.Event()
    thread = threading.Thread(target=play)
    thread.start()
    assert stands.wait(20)
    time.sleep(0.02)  # it waits by now
    decisions.weigh(Weights(0.1, 0.0, {"s": 1.0}))
    assert noticed.wait(20)
    assert decisions.paused
    decisions.resume()
    thread.join(20)
    assert not thread.is_alive()


def test_steps_lead_from_border_to_border_also_where_the_run_stops_by_itself() -> None:
    decisions = Decisions(stops={"winner"})
    decisions.pause()
    stood = []
    for event in hold(market(), TASK, None, decisions, 1, Round()):
        if isinstance(event, events.Paused):
            stood.append(event.at)
            decisions.step()
    assert stood == ["bids", "marks", "winner"]
    assert decisions.paused  # the next border is one of the work


def test_an_override_can_be_taken_back() -> None:
    decisions = Decisions(Override("s", "why"))
    decisions.withdraw_override()
    record = Round()
    list(hold(market(), TASK, None, decisions, 1, record))
    assert (record.winner, record.override) == ("l", None)
