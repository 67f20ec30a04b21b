"""A market round with scripted agents."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from salecli.core import events
from salecli.core.agent import Pool
from salecli.core.auction import hold
from salecli.core.calls import Limits, Token, Turn, Usage
from salecli.core.decisions import Decisions
from salecli.core.round import Round
from salecli.core.values import Override, Pair, Plan
from salecli.errors import ModelError
from tests.core.world import TASK, ListMemory, ScriptedModel, digit, only, play, pool

PAIR = Pair(7, "an older task", 0.9, Plan("s", "lost it"), Plan("l", "won it"))


def run(
    market: Pool, memory: ListMemory | None = None, decisions: Decisions | None = None
) -> tuple[list[Any], Round]:
    record = Round()
    seen, _ = play(hold(market, TASK, memory, decisions or Decisions(), 1, record))
    return seen, record


def test_the_best_plan_wins_and_everyone_marks_everyone() -> None:
    marks = {"plan s": digit(1), "plan m": digit(5), "plan l": digit(5)}
    models = {name: ScriptedModel([f"plan {name}"], marks) for name in "sml"}
    seen, record = run(pool(models))
    assert (record.provisional, record.winner, record.refined) == ("m", "m", False)
    assert len(record.marks) == 9
    assert all(model.chosen == 1 for model in models.values())
    assert [type(event).__name__ for event in seen if not isinstance(event, events.PlanToken)][:3] == [
        "ModelLoading",
        "ModelLoaded",
        "BidStarted",
    ]
    judges = [event.mark.judge for event in only(seen, events.Marked)]
    assert judges == ["l"] * 3 + ["m"] * 3 + ["s"] * 3  # reverse pool order


def test_the_next_model_loads_while_one_works() -> None:
    """In every phase, as the order of the agents says; each is told of once."""
    models = {name: ScriptedModel([f"plan {name}"]) for name in "sml"}
    ahead: dict[str, list[str]] = {}
    record = Round()
    for event in hold(pool(models), TASK, None, Decisions(), 1, record):
        if isinstance(event, events.BidStarted):
            ahead[event.agent] = [name for name, model in models.items() if model.ahead]
        if isinstance(event, events.BidMade):
            models[event.bid.agent].loaded = False  # as where memory holds two of them
    assert ahead == {"s": ["m"], "m": ["l"], "l": []}


def test_models_that_run_at_once_load_when_they_are_asked() -> None:
    models = {name: ScriptedModel([f"plan {name}"]) for name in "sml"}
    seen, _ = run(replace(pool(models), at_once=2))
    assert sorted(event.agent for event in only(seen, events.ModelLoading)) == ["l", "m", "s"]
    assert sorted(event.agent for event in only(seen, events.ModelLoaded)) == ["l", "m", "s"]


def test_a_mark_is_the_expectation() -> None:
    marks = {"plan s": (0, 0, 0, 0.5, 0, 0.5)}
    _, record = run(pool({"s": ScriptedModel(["plan s"], marks)}))
    assert record.marks[0].value == 4.0
    assert record.marks[0].digit == 3


def test_too_little_mass_on_the_digits_gives_one_constrained_digit() -> None:
    marks = {"plan s": (0, 0, 0, 0.6, 0, 0.4)}
    _, record = run(pool({"s": ScriptedModel(["plan s"], marks, mass=0.1)}))
    assert (record.marks[0].value, record.marks[0].source) == (3.0, "constrained")


def test_cheaper_agents_refine_and_may_win() -> None:
    marks = {"plan s": digit(1), "plan l": digit(4), "better": digit(5)}
    models = {"s": ScriptedModel(["plan s", "better"], marks), "l": ScriptedModel(["plan l"], marks)}
    seen, record = run(pool(models), ListMemory({"s": [PAIR], "l": [PAIR]}))
    assert (record.provisional, record.winner, record.refined) == ("l", "s", True)
    assert record.bids[-1].pairs == (7,)
    assert "won it" in models["s"].asked[-1][0].text
    assert "plan s" in models["s"].asked[-1][0].text
    assert [event.agent for event in only(seen, events.PairsRead)] == ["s"]  # never the leader itself
    assert len(record.marks) == 6


def test_without_pairs_an_agent_sits_out() -> None:
    marks = {"plan s": digit(1), "plan l": digit(5)}
    models = {name: ScriptedModel([f"plan {name}"], marks) for name in "sl"}
    seen, record = run(pool(models), ListMemory())
    assert [event.agent for event in only(seen, events.SatOut)] == ["s"]
    assert record.winner == "l"


def test_a_failed_plan_is_out_and_the_auction_goes_on() -> None:
    models = {"s": ScriptedModel(["DIE"]), "m": ScriptedModel(["   "]), "l": ScriptedModel(["plan l"])}
    seen, record = run(pool(models))
    assert [(event.agent, event.reason) for event in only(seen, events.AgentOut)] == [
        ("s", "killed by signal 9"),
        ("m", "its plan is empty"),
    ]
    assert record.winner == "l"


def test_nobody_bid() -> None:
    with pytest.raises(ModelError, match="nobody bid"):
        run(pool({"s": ScriptedModel(["DIE"])}))


def test_a_failed_judge_is_replaced_by_the_mean_of_the_others() -> None:
    models = {
        "s": ScriptedModel(["plan s"], {"plan s": digit(2)}),
        "m": ScriptedModel(["plan m"], {"plan s": digit(4)}),
        "l": ScriptedModel(["plan l"], {"DIE": (1,)}),
    }
    seen, record = run(pool(models))
    replaced = [event.mark for event in only(seen, events.MarkReplaced)]
    assert [(mark.judge, mark.agent) for mark in replaced] == [("l", "s"), ("l", "m"), ("l", "l")]
    assert replaced[0].value == 3.0
    assert replaced[0].source == "mean"
    assert len(record.scores) == 3


def test_the_user_overrides() -> None:
    marks = {"plan s": digit(1), "plan l": digit(5)}
    models = {name: ScriptedModel([f"plan {name}"], marks) for name in "sl"}
    decisions = Decisions(Override("s", "cheap is fine"))
    seen, record = run(pool(models), decisions=decisions)
    assert (record.winner, record.override) == ("s", Override("s", "cheap is fine"))
    assert only(seen, events.WinnerChosen)[0].override == Override("s", "cheap is fine")


def test_models_may_run_at_the_same_time() -> None:
    marks = {"plan s": digit(1), "plan m": digit(5), "plan l": digit(4)}
    models = {name: ScriptedModel([f"plan {name}"], marks) for name in "sml"}
    seen, record = run(pool(models, at_once=3))
    assert record.winner == "m"
    assert [bid.agent for bid in record.bids] == ["s", "m", "l"]
    assert len(only(seen, events.PlanToken)) == 18


def test_pause_stops_at_a_border_and_resume_goes_on() -> None:
    models = {name: ScriptedModel([f"plan {name}"]) for name in "sl"}
    decisions = Decisions()
    decisions.pause()
    stream = hold(pool(models), TASK, None, decisions, 1, Round())
    kinds = []
    for event in stream:
        kinds.append(type(event))
        if isinstance(event, events.Paused):
            threading.Timer(0.05, decisions.resume).start()
    assert kinds.count(events.Paused) == 1
    assert kinds.count(events.Resumed) == 1
    assert kinds.index(events.Paused) < kinds.index(events.Marked)


def test_a_plan_that_the_context_cuts_off_is_no_bid() -> None:
    class Small(ScriptedModel):
        def stream(self, turns: Sequence[Turn], limits: Limits) -> Generator[Token, None, Usage]:
            usage = yield from super().stream(turns, limits)
            return replace(usage, end="length")

    models = {"s": Small(["half a pl"]), "l": ScriptedModel(["plan l"])}
    seen, record = run(pool(models))
    assert "context was full" in only(seen, events.AgentOut)[0].reason
    assert [bid.agent for bid in record.bids] == ["l"]


def test_an_override_that_agrees_with_the_market_is_remembered_too() -> None:
    marks = {"plan s": digit(5), "plan l": digit(1)}
    models = {name: ScriptedModel([f"plan {name}"], marks) for name in "sl"}
    _, record = run(pool(models), decisions=Decisions(Override("s", "it knows this code")))
    assert (record.winner, record.override) == ("s", Override("s", "it knows this code"))


def test_a_step_taken_while_running_stops_at_the_next_border() -> None:
    decisions = Decisions()
    decisions.step()
    assert not decisions.wait(0)
    decisions.step()
    assert decisions.wait(0)
    assert not decisions.wait(0)
    decisions.resume()
    assert decisions.wait(0)
    assert decisions.wait(0)


def test_a_step_goes_to_the_next_border_only() -> None:
    decisions = Decisions()
    decisions.pause()
    decisions.step()
    assert decisions.wait(0)
    assert not decisions.wait(0)
