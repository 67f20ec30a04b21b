"""What is written to a run's journal, and when."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest

from salecli.adapters.journal import Run, new_run, recorded
from salecli.core import events


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return new_run(tmp_path)


def stream(ended: list[str], *happened: events.Event) -> Generator[events.Event, None, str]:
    try:
        yield from happened
        return "result"
    finally:
        ended.append("closed")


def test_each_event_is_written_before_it_is_handed_on(run: Run) -> None:
    ended: list[str] = []
    happened = [events.Paused("t", "winner"), events.Resumed("t"), events.Refused("t", "weigh", "why")]
    for place, event in enumerate(recorded(run, stream(ended, *happened)), 1):
        assert event == happened[place - 1]
        assert list(run.read()) == happened[:place]
    assert ended == ["closed"]


def test_leaving_early_closes_the_run_and_keeps_what_was_written(run: Run) -> None:
    ended: list[str] = []
    tokens = [events.PlanToken("t", "s", False, "x", 0.5)] * 3
    with closing(recorded(run, stream(ended, *tokens))) as played:
        next(played)
    assert ended == ["closed"]
    assert list(run.read()) == tokens[:1]  # it waited for the next event, or for the end


def test_a_revision_is_appended(run: Run) -> None:
    for word in ("first", "second"):
        list(recorded(run, stream([], events.Refused("t", word, ""))))
    assert [event.what for event in run.read() if isinstance(event, events.Refused)] == ["first", "second"]
    stamps = [stamp for stamp, _ in run.stamped()]
    assert stamps == sorted(stamps)
    assert stamps[0] > 0
