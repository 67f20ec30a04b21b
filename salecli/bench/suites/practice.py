"""Practice tasks that no agent was trained on: as many of each level, all families in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from salecli.bench.suites import Suite, SuiteTask
from salecli.errors import UsageError
from salecli.practice.tasks.curriculum import practice
from salecli.practice.tasks.drafts import LEVELS

TASKS = 500
FIRST_SEED = 6_300_000
"""Apart from the seeds that `sale practice eval` and people take; that of a task of the first family."""


@dataclass(frozen=True, slots=True)
class PracticeSuite:
    """Held-out tasks, levels and families in turn, so that any beginning of the list holds all of them."""

    name: str = "practice"

    def tasks(self, most: int | None = None) -> Sequence[SuiteTask]:
        levels = list(LEVELS)
        return [
            _task(levels[number % len(levels)], FIRST_SEED + number)
            for number in range(TASKS if most is None else most)
        ]


def open_suite(data: Path | None) -> Suite:
    """Practice tasks; UsageError where a folder was named."""
    if data is not None:
        raise UsageError("the practice suite makes its own tasks", "leave out --data")
    return PracticeSuite()


def _task(level: int, seed: int) -> SuiteTask:
    made = practice(level, seed)
    return SuiteTask(
        name=f"practice-{level}-{seed - FIRST_SEED}",
        level=str(level),
        issue=made.issue,
        files=made.files,
        solution={made.path: made.solution},
    )
