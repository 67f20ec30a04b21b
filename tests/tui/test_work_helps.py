"""Hints and hand-overs on the work screen: what their keys ask, decide and say."""

from __future__ import annotations

from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import Input, Static

from salecli.core import events
from salecli.tui.live import LiveRun
from salecli.tui.screens.dialogs import Ask, Confirm
from tests.tui.test_work import Shown, look, note, output, told, working
from tests.tui.works import begun, ran, step


def test_a_hint(tmp_path: Path) -> None:
    async def check(app: Shown, pilot: Pilot[None], run: LiveRun) -> None:
        await pilot.press("h")
        assert isinstance(app.screen, Ask)
        assert isinstance(app.focused, Input)
        await pilot.press(*"hi", "enter")
        await pilot.pause()
        assert run.decisions.hints() == ["hi"]
        assert note(app) == "your hint goes with what s reads next"
        await pilot.press("h", "x", "escape")
        assert run.decisions.hints() == []

    working(tmp_path, check)


def test_a_hint_is_shown_where_it_was_read(tmp_path: Path) -> None:
    seen = [
        *begun(),
        events.WorkStarted("t1", "xs", False, 1),
        events.Hinted("t1", "xs", "look \x1b[2J[b]twice"),
    ]
    seen += [events.StepTaken("t1", "xs", step(1, ran("F."))), events.Hinted("t1", "xs", "at the sign")]

    async def check(app: Shown, pilot: Pilot[None]) -> None:
        await pilot.press("up")
        assert output(app).startswith("hint\nlook \\x1b[2J[b]twice\nreply")
        assert output(app).endswith("\nhint: at the sign")

    look(told(seen, tmp_path), check)


def test_the_next_bidder(tmp_path: Path) -> None:
    async def check(app: Shown, pilot: Pilot[None], run: LiveRun) -> None:
        await pilot.press("n")
        assert isinstance(app.screen, Confirm)
        await pilot.press("n")
        assert not run.decisions.handed_over()
        await pilot.press("n", "y")
        await pilot.pause()
        assert run.decisions.handed_over()
        assert note(app) == "s hands over before its next step"

    working(tmp_path, check)


def asked(app: Shown) -> str:
    return "\n".join(str(one.visual) for one in app.screen.query(Static))


def test_the_last_attempt_has_no_next_bidder(tmp_path: Path) -> None:
    async def check(app: Shown, pilot: Pilot[None], run: LiveRun) -> None:
        last = app.work.attempts.last
        assert last is not None
        last.attempts = last.number + 1
        await pilot.press("n")
        assert "The next bidder starts afresh" in asked(app)
        await pilot.press("n")
        last.attempts = last.number
        await pilot.press("n")
        assert "End the work?" in asked(app)
        assert "It is the last attempt: nobody follows." in asked(app)
        await pilot.press("y")
        await pilot.pause()
        assert run.decisions.handed_over()
        assert note(app) == "s ends before its next step"

    working(tmp_path, check)
