"""A told run of two attempts: the first ends unsolved, the second solves it; made of real events."""

from __future__ import annotations

from collections.abc import Sequence

from salecli.core import events
from salecli.core.calls import Usage
from salecli.core.observe import seen_tests
from salecli.core.values import Case, Change, Patch, Step, Tests, Verdict, Weights
from tests.core.world import TASK

PRICES = {"xs": 0.05, "s": 0.09, "m": 0.16, "l": 0.36}
DIFF = "diff --git a/cart.py b/cart.py\n--- a/cart.py\n+++ b/cart.py\n@@ -1 +1 @@\n-a\n+b\n"


def ran(signs: str, output: str = "") -> Tests:
    """A test run of these signs: `.` passed, `F` failed, `E` error, `s` skipped."""
    outcomes = {".": "passed", "F": "failed", "E": "error", "s": "skipped"}
    cases = tuple(
        Case(f"test_{at}", outcomes[sign], "" if sign in ".s" else f"expected {at}, got None")  # type: ignore[arg-type]
        for at, sign in enumerate(signs)
    )
    return Tests(int("F" in signs or "E" in signs), cases, output)


def written(agent: str, text: str) -> list[events.Event]:
    """A reply as it streams."""
    return [events.WorkToken("t1", agent, piece) for piece in text.splitlines(keepends=True)]


def stepped(agent: str, step: Step) -> list[events.Event]:
    return [*written(agent, step.reply), events.StepTaken("t1", agent, step)]


def step(
    number: int, run: Tests | None, reply: str = "", observation: str = "", target: str = "cart.py"
) -> Step:
    """A step that wrote cart.py and ran the tests, or ran a command."""
    reply = reply or f"I look at the sums.\n```{'write' if run else 'run'} {target}\ntotal = {number}\n```"
    seen = observation or (seen_tests(run, 600) if run else "exit 0\nok")
    return Step(number, "write" if run else "run", target, reply, seen, run, Usage(100, 50, 120, 2.0))


BEFORE = ran("F........F..", "E  expected 10.10, got 10.09")


def begun() -> list[events.Event]:
    """Until the winner goes to work."""
    weights = Weights(0.5, 0.0, {})
    return [
        events.RunStarted("t1", "7f3a00", TASK, "practice", PRICES, weights, 120, 0, 214),
        events.TestsBefore("t1", BEFORE),
        events.WinnerChosen("t1", "xs", True),
    ]


def failing(agent: str = "xs") -> list[events.Event]:
    """A first attempt of three steps that runs into its limit."""
    patch = Patch("base", "tree", DIFF, (Change("cart.py", "modified", 1, 1),))
    return [
        events.WorkStarted("t1", agent, True, 1),
        *stepped(agent, step(1, ran("F.........F."))),
        *stepped(agent, step(2, None, target="pytest -x")),
        *stepped(agent, step(3, ran("..........F."))),
        events.PatchMade("t1", agent, patch),
        events.WorkEnded("t1", agent, "step limit", "3 steps were taken", Usage(300, 150, 360)),
        events.VerdictReached("t1", agent, Verdict(False, "11 of 12 pass", BEFORE, ran("..........F."))),
    ]


def solving(agent: str = "m", number: int = 2) -> list[events.Event]:
    """An attempt that solves it, and the end of the run."""
    changes = (Change("cart.py", "modified", 1, 1), Change("test_cart.py", "modified", 2, 0, ("test",)))
    patch = Patch("base", "tree", DIFF, changes)
    return [
        events.WorkStarted("t1", agent, False, number),
        *stepped(agent, step(1, ran("............"))),
        events.PatchMade("t1", agent, patch),
        events.WorkEnded("t1", agent, "tests pass", "", Usage(100, 50, 120)),
        events.VerdictReached("t1", agent, Verdict(True, "12 of 12 pass", BEFORE, ran("............"))),
        events.Remembered("t1", 215),
        events.RunEnded("t1", True, agent, patch, 1940, 0.0001, 0.00005, 0.0007),
    ]


def whole() -> Sequence[events.Event]:
    return [*begun(), *failing(), *solving()]
