"""What the tests of a fresh sandbox say of a patch, before against after."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from salecli.core import events
from salecli.core.observe import failure_note
from salecli.core.ports import Workspace
from salecli.core.values import Task, Tests, Verdict, Work
from salecli.errors import PatchRefused


def judged(
    task: Task, before: Tests, workspace: Workspace, done: Work
) -> Generator[events.Event, None, Work]:
    """The work with what the tests of a fresh sandbox say of its patch."""
    if done.patch is None or done.patch.empty:
        return done if done.note else replace(done, note="nothing was changed")
    try:
        after = workspace.verify(done.patch)
    except PatchRefused as error:
        # The agent's patch is at fault, not the setup: the next bidder may do better.
        reason = f"the patch is refused: {error.message}"
        refused = Verdict(False, reason, before, Tests(1, ran=False))
        yield events.VerdictReached(task.id, done.agent, refused)
        return replace(done, end="patch refused", patch=None, verdict=refused, note=refused.reason)
    given = reached(before, after)
    yield events.VerdictReached(task.id, done.agent, given)
    return replace(done, verdict=given, note="" if given.solved else given.reason)


def reached(before: Tests, after: Tests) -> Verdict:
    """Solved where the original tests pass with the patch and none that passed before is lost."""
    reason, solved = _say(before, after)
    return Verdict(solved, reason, before, after)


def _say(before: Tests, after: Tests) -> tuple[str, bool]:
    if not after.ran or after.timed_out:
        return failure_note(after), False
    ended = {case.name: case.outcome for case in after.cases}
    lost = [
        case.name for case in before.cases if case.outcome == "passed" and ended.get(case.name) != "passed"
    ]
    if lost:
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        return f"{lost[0]}{more} passed before, and no longer does", False
    if not after.green:
        return failure_note(after), False
    if after.passed == 0:
        return "no test ran", False
    if before.green:
        return f"all {after.passed} tests still pass; none failed before, so they say little", True
    return f"{after.passed} of {len(after.cases)} tests pass", True
