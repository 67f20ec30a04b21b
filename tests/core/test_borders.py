"""Standing still before a step of the work: pause, step, hand over, stop, and what is not counted."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import Any

from salecli.core import events
from salecli.core.decisions import Decisions
from salecli.core.house import House
from salecli.core.limits import WorkLimits
from salecli.core.work import work
from tests.core.world import (
    BAD,
    GOOD,
    TASK,
    ScriptedModel,
    TreeSandbox,
    TreeWorkspace,
    digit,
    only,
    play,
    pool,
    suite,
)

MARKS = {"plan s": digit(5), "plan m": digit(3), "plan l": digit(2)}
LIST = "```run\nls\n```"
RED = suite("")


def house(s: list[str], large: list[str] | None = None, **options: Any) -> House:
    models = {
        "s": ScriptedModel(["plan s", *s], MARKS),
        "l": ScriptedModel(["plan l", *(large or [])], MARKS),
    }
    return House(pool(models), options.pop("workspace", None) or TreeWorkspace(), **options)


def kinds(seen: list[Any]) -> list[str]:
    """The kinds of events from the work's start on, without tokens."""
    names = [type(event).__name__ for event in seen if not isinstance(event, events.WorkToken)]
    return names[names.index("WorkStarted") :]


def test_a_pause_holds_before_the_next_step_and_a_step_is_one_step() -> None:
    decisions, seen = Decisions(), []
    for event in house([LIST, BAD, GOOD], decisions=decisions).run(TASK, "run1"):
        seen.append(event)
        match event:
            case events.WorkToken() if not only(seen, events.StepTaken):
                decisions.pause()
            case events.Paused(at=at):
                assert at == "work"
                decisions.step()
    assert kinds(seen)[:9] == [
        *["WorkStarted", "StepTaken", "Paused", "Resumed", "StepTaken"],
        *["Paused", "Resumed", "StepTaken", "PatchMade"],
    ]
    assert only(seen, events.RunEnded)[0].solved


def test_a_step_from_the_auction_leads_to_the_work_s_first_step() -> None:
    decisions, stood = Decisions(stops={"winner"}), []
    one = house([GOOD], decisions=decisions)
    for event in one.run(TASK, "run1"):
        if isinstance(event, events.Paused):
            model = one.pool.agent("s").model
            assert isinstance(model, ScriptedModel)
            stood.append((event.at, len(model.asked)))
            decisions.step()
    assert stood == [("winner", 1), ("work", 1)]


def test_a_work_that_stands_still_is_closed_at_once() -> None:
    decisions, workspace = Decisions(), TreeWorkspace()
    stream = house([GOOD], decisions=decisions, workspace=workspace).run(TASK, "run1")
    for event in stream:
        if isinstance(event, events.WorkStarted):
            decisions.pause()
        if isinstance(event, events.Paused):
            break
    stream.close()
    assert all(box.closed for box in workspace.opened)


def test_handing_over_where_it_stands_still_leads_to_the_next_bidders_first_step() -> None:
    decisions, seen = Decisions(), []
    for event in house([BAD, BAD], [GOOD], decisions=decisions).run(TASK, "run1"):
        seen.append(event)
        match event:
            case events.StepTaken(agent="s"):
                decisions.pause()
            case events.Paused() if len(only(seen, events.Paused)) == 1:
                decisions.hand_over()
            case events.Paused():
                assert only(seen, events.WorkStarted)[-1].agent == "l"
                assert decisions.paused
                decisions.resume()
    assert [event.end for event in only(seen, events.WorkEnded)] == ["handed over", "tests pass"]
    assert len(only(seen, events.Paused)) == 2


def test_what_is_asked_while_the_work_stands_still_is_refused_at_once() -> None:
    decisions, refused, done = Decisions(stops={"work"}), threading.Event(), threading.Event()
    waits: list[None] = []
    wait = decisions.wait

    def counted(timeout: float | None = None) -> bool:
        waits.append(None)
        return wait(timeout)

    decisions.wait = counted  # type: ignore[method-assign]

    def run() -> None:
        for event in house([GOOD], decisions=decisions).run(TASK, "run1"):
            if isinstance(event, events.Paused):
                decisions.exclude("s")
            if isinstance(event, events.Refused):
                refused.set()
        done.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert refused.wait(20)
    assert not done.wait(0.1)
    assert len(waits) <= 3  # it waits, and does not turn round and round
    decisions.resume()
    thread.join(20)
    assert done.is_set()


@dataclass
class Clock:
    """Seconds that pass only when told."""

    now: float = 0.0
    seen: list[Any] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now


def test_the_time_for_which_it_stands_still_is_not_the_work_s() -> None:
    clock, decisions = Clock(), Decisions(stops={"work"})
    one = house([BAD, GOOD])
    bid, _ = play(one.pool.agent("s").bid(TASK, 1))
    made = only(bid, events.BidMade)[0].bid
    agent, limits = one.pool.agent("s"), WorkLimits(seconds=10)
    sandbox = TreeSandbox({"add.py": "stub"})
    stream = work(agent, TASK, made, sandbox, RED, limits, decisions, 1, clock)
    seen = []
    for event in stream:
        seen.append(event)
        if isinstance(event, events.Paused):
            clock.now += 1000
            decisions.resume()
        if isinstance(event, events.StepTaken):
            clock.now += 6
    assert only(seen, events.WorkEnded)[0].end == "tests pass"
    assert len(only(seen, events.StepTaken)) == 2


def test_the_limits_are_told_and_old_recordings_do_not_know_them() -> None:
    limits = WorkLimits(steps=7, tokens=900, seconds=60)
    one = house([BAD] * 3, [GOOD], limits=limits)
    seen, _ = play(one.run(TASK, "run1"))
    more, _ = play(one.revise(TASK, "run1", "shorter"))
    started = only([*seen, *more], events.WorkStarted)
    assert [(event.attempt, event.attempts) for event in started] == [(1, 2), (2, 2), (3, 0)]
    assert {event.limits for event in started} == {limits}
    for event in started:
        assert events.from_dict(json.loads(json.dumps(events.to_dict(event)))) == event
    old = {"event": "WorkStarted", "task": "t", "agent": "s", "refined": False, "attempt": 1}
    assert events.from_dict(old) == events.WorkStarted("t", "s", False, 1, 0, None)


def test_loading_tells_how_large_the_file_is() -> None:
    one = house([GOOD])
    model = one.pool.agent("s").model
    assert isinstance(model, ScriptedModel)
    model.size = 5_000_000_000
    seen, _ = play(one.run(TASK, "run1"))
    # The other one is loaded already when it is asked.
    assert [(event.agent, event.bytes) for event in only(seen, events.ModelLoading)] == [("s", 5_000_000_000)]
    assert [event.agent for event in only(seen, events.ModelLoaded)] == ["s", "l"]
    old = {"event": "ModelLoading", "task": "t", "agent": "s"}
    assert events.from_dict(old) == events.ModelLoading("t", "s", 0)
