"""A revision: the agent that worked last goes on with what a person said of its work."""

from __future__ import annotations

from typing import Any

import pytest

from salecli.core import events
from salecli.core.decisions import Decisions
from salecli.core.house import House
from salecli.core.limits import WorkLimits
from salecli.core.values import Auction, Completed
from salecli.errors import MemoryFault, UsageError
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
MISFIT = "```edit add.py\n<<<<<<< SEARCH\nnothing\n=======\ngood\n>>>>>>> REPLACE\n```"
LIST = "```run\nls\n```"
BETTER = "```write add.py\ngood, and documented\n```"


class Noted(TreeWorkspace):
    """Keeps what was done in each sandbox."""

    def open(self) -> TreeSandbox:
        box = super().open()
        box.done = done = []  # type: ignore[attr-defined]
        write, run, test = box.write, box.run, box.test

        def noted_write(path: str, content: str) -> None:
            done.append(("write", content.strip()))
            write(path, content)

        def noted_run(command: str) -> Completed:
            done.append(("run", command))
            return run(command)

        def noted_test() -> Any:
            done.append(("test", ""))
            return test()

        box.write, box.run, box.test = noted_write, noted_run, noted_test  # type: ignore[method-assign]
        return box


def house(s: list[str], large: list[str] | None = None, **options: Any) -> House:
    models = {
        "s": ScriptedModel(["plan s", *s], MARKS),
        "l": ScriptedModel(["plan l", *(large or [])], MARKS),
    }
    return House(pool(models), options.pop("workspace", None) or TreeWorkspace(), **options)


def sold(one: House) -> Auction:
    _, auction = play(one.run(TASK, "run1"))
    assert isinstance(auction, Auction)
    return auction


def revised(one: House, comment: str) -> tuple[list[Any], Auction]:
    seen, auction = play(one.revise(TASK, "run1", comment))
    assert isinstance(auction, Auction)
    return seen, auction


def test_the_agent_goes_on_where_it_stood_with_the_comment() -> None:
    workspace = Noted()
    one = house([LIST, MISFIT, GOOD, BETTER], workspace=workspace)
    first = sold(one)
    seen, second = revised(one, "document it")
    model = one.pool.agent("s").model
    assert isinstance(model, ScriptedModel)
    before, after = model.asked[-2], model.asked[-1]
    # The transcript is what it was, grown by the last reply, its observation and the comment.
    assert [turn.text for turn in after[: len(before) - 1]] == [turn.text for turn in before[:-1]]
    assert after[len(before) - 1].text == GOOD
    assert after[-2].text.endswith("2 passed, 0 failed\nhint: document it")
    # The earlier steps are carried out again, but for what could not be done and for the test runs.
    assert workspace.opened[-1].done[:2] == [("run", "ls"), ("write", "good")]  # type: ignore[attr-defined]
    assert workspace.opened[-1].done[2:] == [("write", "good, and documented"), ("test", "")]  # type: ignore[attr-defined]
    assert all(box.closed for box in workspace.opened)
    assert [event.step.number for event in only(seen, events.StepTaken)] == [4]
    assert [(event.agent, event.attempt) for event in only(seen, events.WorkStarted)] == [("s", 2)]
    ended = only(seen, events.RunEnded)[0]
    assert ended.patch.diff == "good, and documented\n"
    assert ended.solved
    assert [len(work.steps) for work in second.works] == [3, 1]
    assert second.works[0] == first.works[0]
    assert second.tokens > first.tokens
    assert second.usd == pytest.approx(
        first.usd + (second.works[1].usage.evaluated + second.works[1].usage.generated) * 0.1 / 1e6
    )
    assert [type(event) for event in seen][-2:] == [events.VerdictReached, events.RunEnded]


def test_a_second_revision_knows_the_first() -> None:
    one = house([BAD, "```done\n```", BAD, "```done\n```", GOOD], attempts=1)
    assert not sold(one).solved
    revised(one, "first word")
    seen, auction = revised(one, "second word")
    model = one.pool.agent("s").model
    assert isinstance(model, ScriptedModel)
    told = "\n".join(turn.text for turn in model.asked[-1])
    assert told.index("hint: first word") < told.index("hint: second word")
    assert [turn.text for turn in model.asked[-1] if turn.role == "assistant"][:-1] == [
        BAD,
        "```done\n```",
        BAD,
        "```done\n```",
    ]
    assert only(seen, events.StepTaken)[0].step.number == 5
    assert auction.solved
    assert len(auction.works) == 3


def test_memory_is_amended_and_then_said() -> None:
    memory = ListMemory()
    one = house([BAD, "```done\n```", GOOD], attempts=1, memory=memory)
    sold(one)
    seen, auction = revised(one, "look at the sign")
    assert memory.auctions == [auction]
    kinds = [type(event) for event in seen]
    assert kinds[-2:] == [events.Remembered, events.RunEnded]
    assert only(seen, events.Remembered)[0].auction == 1


def test_an_auction_that_could_not_be_remembered_is_recorded_after_the_revision() -> None:
    class Full(ListMemory):
        full = True

        def record(self, auction: Auction) -> int:
            if self.full:
                raise MemoryFault("the disk is full")
            return super().record(auction)

    memory = Full()
    one = house([GOOD, BETTER], memory=memory)
    sold(one)
    memory.full = False
    _, auction = revised(one, "document it")
    assert memory.auctions == [auction]


def test_limits_count_anew_and_a_revision_that_goes_wrong_takes_nothing_away() -> None:
    limits = WorkLimits(steps=2)
    one = house([BAD, GOOD, BAD, BAD.replace("bad", "worse")], limits=limits)
    assert sold(one).solved
    seen, auction = revised(one, "shorter")
    assert auction.works[1].end == "step limit"
    assert len(auction.works[1].steps) == 2
    assert not only(seen, events.VerdictReached)[0].verdict.solved
    ended = only(seen, events.RunEnded)[0]
    assert ended.solved
    assert ended.patch.diff == "good\n"


def test_where_the_first_step_was_never_taken_the_comment_stands_below_the_plan() -> None:
    one = house(["DIE", GOOD], attempts=1)
    sold(one)
    _, auction = revised(one, "try once more")
    model = one.pool.agent("s").model
    assert isinstance(model, ScriptedModel)
    assert model.asked[-1][0].text.endswith("plan s\nhint: try once more")
    assert auction.solved


def test_a_hand_over_that_nobody_answered_does_not_end_the_revision() -> None:
    decisions = Decisions()
    one = house([GOOD, BETTER], decisions=decisions)
    sold(one)
    decisions.hand_over()
    _, auction = revised(one, "document it")
    assert auction.works[-1].end == "tests pass"


def test_a_sandbox_that_dies_is_no_fault_of_the_agent() -> None:
    one = house([GOOD, BETTER], workspace=TreeWorkspace(dies_at="write", dies_in=3))
    sold(one)
    seen, auction = revised(one, "document it")
    assert auction.works[-1].end == "sandbox died"
    assert "went away" in only(seen, events.RunFailed)[0].reason
    assert only(seen, events.RunEnded)[0].patch.diff == "good\n"


def test_what_is_asked_after_the_winner_was_chosen_is_refused() -> None:
    decisions = Decisions()
    one = house([GOOD], decisions=decisions)
    seen = []
    for event in one.run(TASK, "run1"):
        seen.append(event)
        if isinstance(event, events.WorkStarted):
            decisions.exclude("s")
    assert [(event.what, event.reason) for event in only(seen, events.Refused)] == [
        ("exclude s", "the winner is chosen")
    ]


@pytest.mark.parametrize("run", ["run1", "another"])
def test_without_work_there_is_nothing_to_revise(run: str) -> None:
    one = house([GOOD])
    if run == "another":
        sold(one)
    with pytest.raises(UsageError, match="nobody has worked"):
        next(one.revise(TASK, run, "why"))


def test_a_rejection_is_noted_beside_the_plan_and_changes_no_verdict() -> None:
    memory = ListMemory()
    one = house([GOOD, BETTER], memory=memory)
    before = sold(one)
    seen, auction = play(one.reject("run1", "no docstring\nat all"))
    assert [type(event) for event in seen] == [events.Rejected, events.Remembered, events.RunEnded]
    assert auction is None
    (kept,) = memory.auctions
    assert kept.solved
    assert kept.works[-1].note == "rejected by the user: no docstring at all"
    assert kept.works[-1].verdict == before.works[-1].verdict
    assert seen[-1].patch == before.works[-1].patch
    # What follows goes on from there, and loses nothing of it.
    _, after = revised(one, "document it")
    assert [work.note for work in after.works] == ["rejected by the user: no docstring at all", ""]


def test_the_rejection_of_a_failed_work_stands_beside_what_failed() -> None:
    memory = ListMemory()
    one = house([BAD, "```done\n```"], memory=memory, attempts=1)
    sold(one)
    play(one.reject("run1", "wrong way"))
    assert memory.auctions[0].works[0].note == (
        "test_add failed: assert 1 == 2; rejected by the user: wrong way"
    )


@pytest.mark.parametrize("run", ["run1", "another"])
def test_without_work_there_is_nothing_to_reject(run: str) -> None:
    one = house([GOOD])
    if run == "another":
        sold(one)
    with pytest.raises(UsageError, match="nothing to reject"):
        next(one.reject(run, "why"))
