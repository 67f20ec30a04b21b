"""The clock of a run: it stands while the user is waited for, live and in recordings."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from salecli.adapters.journal import JOURNAL
from salecli.core import events
from salecli.tui.replay import AT_ONCE, Replay
from salecli.tui.worked import Worked
from tests.tui import scene
from tests.tui.test_live import until
from tests.tui.works import begun, solving

LONG = 1000.0


def told(*seen: tuple[events.Event, float]) -> list[float]:
    worked = Worked(0.0)
    return [worked.take(event, now) for event, now in seen]


def test_it_stands_from_a_pause_to_the_next_word() -> None:
    first, second = begun()[:2]
    assert told(
        (first, 1),
        (second, 3),
        (events.Paused("t1", "winner"), 5),
        (events.Resumed("t1"), 5 + LONG),
        (events.WorkStarted("t1", "s", False, 1), 6 + LONG),
        (solving()[-1], 9 + LONG),
        (events.WorkStarted("t1", "s", False, 2), 9 + 2 * LONG),
        (events.Paused("t1", "work"), 10 + 2 * LONG),
    ) == [1, 3, 5, 5, 6, 9, 9, 10]


def test_what_is_asked_for_at_a_border_is_work() -> None:
    assert told(
        (events.Paused("t1", "winner"), 5),
        (events.BidStarted("t1", "s", False), LONG),
        (events.Led("t1", "s", False), LONG + 2),
        (events.Refused("t1", "exclude", "the last"), 2 * LONG),
        (events.Resumed("t1"), 3 * LONG),
        (events.Led("t1", "s", False), 3 * LONG + 1),
        (events.TestsBefore("t1", begun()[1].tests), 3 * LONG + 2),  # type: ignore[attr-defined]
    ) == [5, 5, 7, 7, 7, 8, 9]


def test_a_recording_leaves_the_users_time_out(tmp_path: Path) -> None:
    seen = [*begun()[:2], events.Paused("t1", "winner"), events.Resumed("t1"), *begun()[2:], *solving()]
    run = scene.record(seen, tmp_path, gap=1.0)
    journal = run.folder / JOURNAL
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    for line in lines[3:]:
        line["_at"] += LONG
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    shown = Replay(run, AT_ONCE)
    list(shown.due())
    assert shown.seconds == pytest.approx(len(seen) - 2)


def test_a_live_run_counts_no_thinking(tmp_path: Path) -> None:
    run = scene.wiring(tmp_path / "shop").starts("Add", "typed")
    try:
        run.start()
        until(lambda: run.board.paused_at == "winner", run)  # type: ignore[arg-type]
        stands = run.seconds
        time.sleep(0.2)
        assert run.seconds == stands
        run.decisions.resume()
        until(lambda: run.ended, run)  # type: ignore[arg-type]
        assert run.seconds > stands
        assert run.seconds == run.at
    finally:
        run.close()
