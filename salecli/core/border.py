"""Where a run takes in what the user asks for, and stands still while it is paused."""

from __future__ import annotations

from collections.abc import Callable

from salecli.core import events
from salecli.core.decisions import Border, Decisions, Request
from salecli.core.values import Task


def border(
    task: Task,
    decisions: Decisions,
    at: Border,
    carry_out: Callable[[Request], events.Stream],
) -> events.Stream:
    """A border: what was asked for is carried out, and the run stands still here while it is paused."""

    def asked() -> events.Stream:
        for request in decisions.requests():
            yield from carry_out(request)

    yield from asked()
    if decisions.arrive(at):
        return
    yield events.Paused(task.id, at)
    while not decisions.wait():
        yield from asked()
    yield from asked()
    yield events.Resumed(task.id)
