"""A batch of tasks whose runs are written down here: order, ends, budgets, and who is blamed for what."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from salecli.core import batch, events
from salecli.core.batch import Batch, Result, Terms
from salecli.core.values import Case, Patch, Tests, Verdict
from salecli.errors import (
    BrokenTests,
    EnvironmentFault,
    MemoryFault,
    RepositoryError,
    SaleError,
    SandboxError,
)


def suite(*outcomes: str) -> Tests:
    cases = tuple(
        Case(
            f"test_{number}",
            "passed" if outcome == "passed" else "failed",
            "" if outcome == "passed" else "no",
        )
        for number, outcome in enumerate(outcomes)
    )
    return Tests(int("failed" in outcomes), cases)


def run(task: str, solved: bool, usd: float = 0.1, outcomes: Iterable[str] = ("passed",)) -> events.Stream:
    """A run from its verdict to its end."""
    verdict = Verdict(solved, "as the tests say", suite("failed"), suite(*outcomes))
    yield events.VerdictReached(task, "xs", verdict)
    yield events.RunEnded(task, solved, "xs", Patch("b", "t", "diff"), 7, usd, 0.0, 0.0)


@dataclass
class World:
    """What happens to each task, and a clock that a run moves on by a second."""

    does: dict[str, Callable[[], events.Stream]] = field(default_factory=dict)
    played: list[str] = field(default_factory=list)
    checks: int = 0
    away: int = 0
    """How often the surroundings will be found to be gone."""
    now: float = 0.0

    def play(self, task: str) -> events.Stream:
        self.played.append(task)
        self.now += 1
        return self.does[task]() if task in self.does else run(task, True)

    def check(self, task: str) -> None:
        self.checks += 1
        self.now += 1
        if self.away:
            self.away -= 1
            raise SandboxError("no Docker engine answers", "start it")

    def batch(self, tasks: Iterable[str], skips: dict[str, str] | None = None, **terms: Any) -> Batch:
        made = Batch(
            tasks,
            self.play,
            self.check,
            skips=skips or {},
            terms=Terms(**terms),
            clock=lambda: self.now,
        )
        made._closing.wait = lambda timeout=None: False  # type: ignore[method-assign]
        return made


def results(made: Batch) -> dict[str, Result]:
    return {item.result.task: item.result for item in made.run() if isinstance(item, batch.Ended)}


def failing(error: SaleError) -> Callable[[], events.Stream]:
    def play() -> events.Stream:
        raise error

    return play


def test_tasks_come_in_their_order_and_say_what_came_of_them() -> None:
    world = World({"b": lambda: run("b", False, outcomes=("passed", "failed", "failed"))})
    found = results(world.batch(["a", "b", "c"], {"c": "later"}))
    assert world.played == ["a", "b"]
    assert [(one.outcome, one.agent, one.usd, one.seconds) for one in found.values()] == [
        ("passed", "xs", 0.1, 1.0),
        ("failed", "xs", 0.1, 1.0),
        ("skipped", "", 0.0, 0.0),
    ]
    assert found["b"].details == ("test_1: no", "test_2: no")
    assert found["a"].details == ()
    assert found["c"].reason == "later"


def test_many_failing_tests_are_cut() -> None:
    world = World({"a": lambda: run("a", False, outcomes=["failed"] * 30)})
    assert results(world.batch(["a"]))["a"].details[-1] == "and 22 more"


def test_fail_fast_begins_no_further_task() -> None:
    world = World({"b": lambda: run("b", False)})
    made = world.batch("abcd", fail_fast=True)
    assert list(results(made)) == ["a", "b"]
    assert (made.stopped, made.left) == ("fail-fast", ["c", "d"])


def test_a_budget_of_money_counts_what_was_spent_before() -> None:
    world = World()
    made = world.batch("abcd", usd=0.35)
    made.spent = 0.2
    assert list(results(made)) == ["a", "b"]
    assert (made.stopped, made.left) == ("budget spent", ["c", "d"])


def test_a_budget_of_time_ends_no_task_that_has_begun() -> None:
    world = World()
    made = world.batch("abcd", seconds=1.5)
    assert list(results(made)) == ["a", "b"]
    assert made.stopped == "time is up"


@pytest.mark.parametrize(
    "error", [RepositoryError("no tests", "add some"), BrokenTests("cannot start", "build an image")]
)
def test_a_broken_repository_is_an_error_of_its_task_alone(error: SaleError) -> None:
    world = World({"b": failing(error)})
    found = results(world.batch("abc"))
    assert [one.outcome for one in found.values()] == ["passed", "error", "passed"]
    assert (found["b"].reason, found["b"].hint) == (error.message, error.hint)
    assert world.checks == 0
    assert world.played == ["a", "b", "c"]


def once(first: events.Stream) -> Callable[[], events.Stream]:
    """The first time this, then a run that passes."""
    streams = [first]
    return lambda: streams.pop() if streams else run("b", True)


def died() -> events.Stream:
    yield events.RunFailed("b", "the sandbox went away", "look at it")
    yield from run("b", False)


def test_a_sandbox_that_went_away_is_nobodys_failure() -> None:
    world = World({"b": once(died())})
    made = world.batch("abc")
    items = list(made.run())
    assert [item.reason for item in items if isinstance(item, batch.Again)] == ["the sandbox went away"]
    ended = {item.result.task: item.result for item in items if isinstance(item, batch.Ended)}
    assert [one.outcome for one in ended.values()] == ["passed"] * 3
    assert ended["b"].usd == pytest.approx(0.2), "what the first try cost was paid for"
    assert world.played == ["a", "b", "b", "c"]


def test_a_sandbox_that_goes_away_again_is_an_error_and_no_failure() -> None:
    world = World({"b": died})
    found = results(world.batch("abc"))
    assert found["b"].outcome == "error"
    assert found["b"].hint == "look at it"
    assert found["c"].outcome == "passed"


def test_an_engine_that_comes_back_is_waited_for() -> None:
    world = World({"b": once(died())}, away=3)
    items = list(world.batch("abc").run())
    assert [type(item).__name__ for item in items].count("Away") == 1
    assert [item.result.outcome for item in items if isinstance(item, batch.Ended)] == ["passed"] * 3


@pytest.mark.parametrize("error", [SandboxError("gone"), MemoryFault("gone")])
def test_an_engine_that_is_gone_stops_the_batch_and_counts_nothing(error: SaleError) -> None:
    world = World({"b": failing(error)}, away=1000)
    made = world.batch("abc")
    seen = []
    with pytest.raises(SandboxError, match="no Docker engine"):
        seen += [item for item in made.run() if isinstance(item, batch.Ended)]
    assert world.played == ["a", "b"]
    assert made.left == ["c"]


def test_three_in_a_row_that_nobody_could_judge_stop_the_batch() -> None:
    world = World(dict.fromkeys("bcd", died))
    with pytest.raises(EnvironmentFault, match="3 tasks in a row"):
        results(world.batch("abcde"))
    assert world.played == ["a", "b", "b", "c", "c", "d", "d"]


def test_a_bug_is_an_error_of_its_task_with_a_trace() -> None:
    def broken() -> events.Stream:
        raise ZeroDivisionError("oh")

    found = results(World({"b": broken}).batch("abc"))
    assert [one.outcome for one in found.values()] == ["passed", "error", "passed"]
    assert found["b"].bug
    assert "ZeroDivisionError: oh" in found["b"].reason
    assert any("in broken" in line for line in found["b"].details)


def test_jobs_work_at_the_same_time_and_share_what_is_left() -> None:
    together = threading.Barrier(2, timeout=20)

    def meeting() -> events.Stream:
        together.wait()
        yield from run("x", True)

    world = World(dict.fromkeys("abcd", meeting))
    made = world.batch("abcd", jobs=2)
    assert sorted(results(made)) == list("abcd")
    assert made.left == []


def test_closing_ends_what_every_job_waits_for() -> None:
    waiting, cancelled, closed = threading.Semaphore(0), threading.Event(), []

    def stuck() -> events.Stream:
        waiting.release()
        try:
            cancelled.wait(20)
            yield events.RunFailed("x", "cancelled", "")
        finally:
            closed.append(1)

    world = World(dict.fromkeys("abcd", stuck))
    made = world.batch("abcd", jobs=2)
    made.cancel = lambda task: cancelled.set()
    stream = made.run()
    assert isinstance(next(stream), batch.Began)
    for _ in range(2):
        assert waiting.acquire(timeout=20)
    stream.close()
    assert closed == [1, 1]
    assert made.left == ["c", "d"]
