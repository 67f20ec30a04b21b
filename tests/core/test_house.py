"""A whole run in memory: auction, work, verdict, memory, events."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import replace

import pytest

from salecli.core import events
from salecli.core.calls import Limits, Token, Turn, Usage
from salecli.core.decisions import Decisions
from salecli.core.house import House
from salecli.core.limits import WorkLimits
from salecli.core.values import Auction, Tests
from salecli.errors import ModelError, SandboxError
from tests.core.world import (
    BAD,
    GOOD,
    TASK,
    ListMemory,
    ScriptedModel,
    TreeSandbox,
    TreeWorkspace,
    digit,
    only,
    play,
    pool,
)

MARKS = {"plan s": digit(5), "plan l": digit(2)}


def house(s: list[str], large: list[str] | None = None, **options: object) -> House:
    models = {
        "s": ScriptedModel(["plan s", *s], MARKS),
        "l": ScriptedModel(["plan l", *(large or [])], MARKS),
    }
    return House(pool(models), options.pop("workspace", None) or TreeWorkspace(), **options)  # type: ignore[arg-type]


def run(one: House) -> tuple[list[object], Auction]:
    seen, auction = play(one.run(TASK, "run1"))
    assert isinstance(auction, Auction)
    return seen, auction


def test_solved_in_one_turn() -> None:
    memory = ListMemory()
    seen, auction = run(house([GOOD], memory=memory))
    assert auction.solved
    assert auction.works[0].end == "tests pass"
    assert only(seen, events.VerdictReached)[0].verdict.reason == "2 of 2 tests pass"
    assert memory.auctions == [auction]
    kinds = [type(event) for event in seen]
    assert kinds.index(events.Remembered) < kinds.index(events.RunEnded)
    assert kinds[0] is events.RunStarted
    assert kinds[-1] is events.RunEnded


def test_a_second_turn_sees_what_failed_and_keeps_the_tokens() -> None:
    one = house([BAD, GOOD])
    _, auction = run(one)
    assert auction.solved
    assert len(auction.works[0].steps) == 2
    model = one.pool.agent("s").model
    assert isinstance(model, ScriptedModel)
    first, second = model.asked[-2], model.asked[-1]
    assert second[: len(first) - 1] == first[:-1]  # append-only
    assert second[len(first) - 1].ids == tuple(range(len(BAD)))
    assert "test_add: assert 1 == 2" in second[-2].text


def test_the_next_bidder_tries_in_a_fresh_sandbox() -> None:
    workspace = TreeWorkspace()
    seen, auction = run(house([BAD] * 3, [GOOD], workspace=workspace))
    assert [(work.agent, work.end, work.solved) for work in auction.works] == [
        ("s", "repeated action", False),
        ("l", "tests pass", True),
    ]
    assert auction.works[0].note == "test_add failed: assert 1 == 2"
    assert len(workspace.opened) == 3
    assert all(box.closed for box in workspace.opened)
    assert [event.attempt for event in only(seen, events.WorkStarted)] == [1, 2]


@pytest.mark.parametrize(
    ("replies", "limits", "end"),
    [
        (["no action"] * 3, {}, "format errors"),
        (["x" * 500] * 3, {}, "truncated"),
        (["```run\nls\n```", "```run\nls -l\n```", GOOD], {"steps": 2}, "step limit"),
        ([BAD, GOOD], {"tokens": 5}, "token limit"),
        ([BAD, BAD, BAD], {}, "repeated action"),
        (["```done\n```"], {}, "done"),
        ([BAD, "DIE"], {}, "model died"),
    ],
)
def test_every_ending_has_its_name(replies: list[str], limits: dict[str, int], end: str) -> None:
    _, auction = run(house(replies, attempts=1, limits=WorkLimits(**limits)))
    assert auction.works[0].end == end
    assert not auction.solved
    assert auction.works[0].note


def test_time_is_limited() -> None:
    _, auction = run(house([BAD, GOOD], attempts=1, limits=WorkLimits(seconds=0)))
    assert auction.works[0].end == "time limit"


def test_an_edit_that_does_not_fit_is_an_observation() -> None:
    edit = "```edit add.py\n<<<<<<< SEARCH\nnothing\n=======\ngood\n>>>>>>> REPLACE\n```"
    fits = edit.replace("nothing", "stub")
    _, auction = run(house([edit, fits]))
    assert auction.solved
    assert "is not in add.py" in auction.works[0].steps[0].observation


def test_a_dead_sandbox_is_never_the_agents_failure() -> None:
    seen, auction = run(house([GOOD], workspace=TreeWorkspace(dies_at="write")))
    assert auction.works[0].end == "sandbox died"
    assert "went away" in only(seen, events.RunFailed)[0].reason
    assert len(auction.works) == 1  # no attempt is burnt on a broken engine


def test_tests_that_cannot_start_are_a_broken_setup() -> None:
    class Broken(TreeWorkspace):
        def open(self) -> TreeSandbox:
            box = super().open()
            box.test = lambda: Tests(127, (), "pytest: not found", ran=False)  # type: ignore[method-assign]
            return box

    with pytest.raises(SandboxError, match="pytest: not found"):
        next(house([GOOD], workspace=Broken()).run(TASK, "run1"))


def test_closing_cancels_and_cleans_up() -> None:
    workspace = TreeWorkspace()
    one = house([GOOD], workspace=workspace)
    stream = one.run(TASK, "run1")
    for event in stream:
        if isinstance(event, events.WorkToken):
            break
    stream.close()
    assert all(box.closed for box in workspace.opened)
    model = one.pool.agent("s").model
    assert isinstance(model, ScriptedModel)
    assert model.closed == 1


def test_a_hint_before_any_step_stands_below_the_plan_and_a_hand_over_ends_the_work() -> None:
    decisions = Decisions()
    one = house([BAD, BAD], [GOOD], decisions=decisions)
    works = []
    for event in one.run(TASK, "run1"):
        if isinstance(event, events.WorkStarted):
            works.append(event.agent)
            if len(works) == 1:
                decisions.hint("look at the sign")
        if isinstance(event, events.StepTaken) and event.step.number == 1 and event.agent == "s":
            model = one.pool.agent("s").model
            assert isinstance(model, ScriptedModel)
            assert model.asked[-1][0].text.endswith("plan s\nhint: look at the sign")
            decisions.hand_over()
        if isinstance(event, events.WorkEnded) and event.agent == "s":
            assert event.end == "handed over"
    assert works == ["s", "l"]


def test_a_hint_is_read_with_the_next_reply_by_whoever_writes_it() -> None:
    decisions = Decisions()
    one = house([BAD, BAD, "```done\n```"], [GOOD], decisions=decisions)
    seen: list[object] = []
    stream = one.run(TASK, "run1")
    with suppress(StopIteration):
        while True:
            event = next(stream)
            seen.append(event)
            if isinstance(event, events.StepTaken):
                decisions.hint(f"hint {event.step.number} of {event.agent}")
    small, large = (one.pool.agent(name).model for name in ("s", "l"))
    assert isinstance(small, ScriptedModel)
    assert isinstance(large, ScriptedModel)
    # Each is in the prompt of the reply that follows, below what was seen, and stays in the transcript.
    assert small.asked[2][-2].text.endswith("1 failed\nhint: hint 1 of s")
    assert small.asked[3][: len(small.asked[2]) - 1] == small.asked[2][:-1]
    assert small.asked[3][-2].text.endswith("\nhint: hint 2 of s")
    # Nobody of the first attempt reads the third: the next bidder does. Nobody at all reads the last.
    assert large.asked[-1][0].text.endswith("plan l\nhint: hint 3 of s")
    assert [(event.agent, event.text) for event in only(seen, events.Hinted)] == [
        ("s", "hint 1 of s"),
        ("s", "hint 2 of s"),
        ("l", "hint 3 of s"),
    ]
    assert [(event.what, event.reason) for event in only(seen, events.Refused)] == [
        ("hint hint 1 of l", "no step follows")
    ]


def test_a_hint_at_the_border_before_a_step_comes_with_that_step() -> None:
    decisions = Decisions(stops={"work"})
    one = house([BAD, GOOD], decisions=decisions)
    paused = 0
    for event in one.run(TASK, "run1"):
        if isinstance(event, events.Paused):
            paused += 1
            if paused == 2:
                decisions.hint("look at the sign")
            decisions.resume()
    model = one.pool.agent("s").model
    assert isinstance(model, ScriptedModel)
    assert model.asked[-1][-2].text.endswith("\nhint: look at the sign")
    assert one._sale is not None
    assert one._sale.works[0].steps[0].observation.endswith("\nhint: look at the sign")


def test_what_the_user_accepts_is_asked_for_once_and_may_change() -> None:
    decisions = Decisions(accept="branch")
    assert decisions.accepted() == "branch"
    decisions.accept("none")
    assert decisions.accepted() == "none"


def test_a_memory_that_cannot_be_written_does_not_take_the_patch_away() -> None:
    class Full(ListMemory):
        def record(self, auction: Auction) -> int:
            from salecli.errors import MemoryFault

            raise MemoryFault("the disk is full")

    seen, auction = run(house([GOOD], memory=Full()))
    assert auction.solved
    assert only(seen, events.NotRemembered)[0].reason == "the disk is full"
    assert only(seen, events.RunEnded)[0].patch.diff


def test_what_memory_mended_is_said_where_it_happened() -> None:
    class Mended(ListMemory):
        says = ["restored"]  # noqa: RUF012

        def record(self, auction: Auction) -> int:
            self.says.append("no copy")
            return super().record(auction)

        def told(self) -> list[str]:
            said, self.says[:] = list(self.says), []
            return said

    seen, _ = run(house([GOOD], memory=Mended()))
    warned = [
        (place, event.reason) for place, event in enumerate(seen) if isinstance(event, events.MemoryWarned)
    ]
    assert [reason for _, reason in warned] == ["restored", "no copy"]
    assert warned[0][0] == 1
    assert isinstance(seen[warned[1][0] - 1], events.Remembered)


def test_the_same_seed_gives_the_same_run_and_money_adds_up() -> None:
    first, one = run(house([BAD, GOOD], seed=3))
    second, two = run(house([BAD, GOOD], seed=3))
    assert first == second
    assert one == two
    prices = one.prices
    spent = sum(
        (usage.evaluated + usage.generated) * prices[agent] / 1e6
        for agent, usage in [(bid.agent, bid.usage) for bid in one.bids]
        + [(mark.judge, mark.usage) for mark in one.marks]
        + [(work.agent, work.usage) for work in one.works]
    )
    assert one.usd == pytest.approx(spent)
    assert one.usd_largest > 0


def test_every_event_survives_json() -> None:
    seen, _ = run(house([BAD, GOOD], memory=ListMemory()))
    for event in seen:
        assert isinstance(event, events.Event)
        record = json.loads(json.dumps({**events.to_dict(event), "_at": "2026-01-01"}))
        assert events.from_dict(record) == event


def test_unknown_events_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown event"):
        events.from_dict({"event": "Nothing", "task": "t"})


def test_tokens_of_calls_that_came_to_nothing_are_paid_for() -> None:
    class Wasteful(ScriptedModel):
        def stream(self, turns: Sequence[Turn], limits: Limits) -> Generator[Token, None, Usage]:
            error = ModelError("killed by signal 9")
            error.usage = Usage(100, 100, 50)
            yield Token(0, "x", 0.5, -0.5)
            raise error

    one = house([GOOD])
    prices = one.pool.prices
    _, before = run(house([GOOD]))
    broken = Wasteful([], MARKS)
    agents = tuple(replace(agent, model=broken) if agent.name == "l" else agent for agent in one.pool.agents)
    one.pool = replace(one.pool, agents=agents)
    _, after = run(one)
    plan_l = next(bid for bid in before.bids if bid.agent == "l").usage
    marks_l = [mark.usage for mark in before.marks if mark.agent == "l"]
    judged = zip("ls", marks_l, strict=True)
    fewer = sum((usage.evaluated + usage.generated) * prices[judge] / 1e6 for judge, usage in judged)
    plan = (plan_l.evaluated + plan_l.generated) * prices["l"] / 1e6
    assert after.usd == pytest.approx(before.usd - plan - fewer + 150 * prices["l"] / 1e6)
