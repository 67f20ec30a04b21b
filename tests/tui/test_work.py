"""The work screen: what it shows of a run at any point, and what its keys decide."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Static

from salecli.core import events
from salecli.core.calls import Usage
from salecli.core.values import Tests
from salecli.tui.bridge import Bridge
from salecli.tui.control import Control
from salecli.tui.live import LiveRun
from salecli.tui.screens.watching import ARMED
from salecli.tui.screens.work import Whole, WorkScreen
from salecli.tui.widgets.attempts import Attempts
from salecli.tui.widgets.output import HEAD, TAIL, Output
from salecli.tui.widgets.steps import Steps
from salecli.tui.widgets.strip import TestStrip
from tests.tui import scene, works
from tests.tui.scene import run_async
from tests.tui.works import begun, failing, ran, solving, step, stepped, written


class Shown(App[None]):
    """The work screen alone."""

    def __init__(self, control: Control) -> None:
        super().__init__()
        self.work = WorkScreen(control)

    def on_mount(self) -> None:
        self.push_screen(self.work)


Check = Callable[[Shown, Pilot[None]], Awaitable[None]]


def look(control: Control, check: Check, size: tuple[int, int] = (100, 30)) -> None:
    """Show a control on the work screen and check it."""

    async def go() -> None:
        app = Shown(control)
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await check(app, pilot)

    run_async(go())


def told(seen: Sequence[events.Event], folder: Path) -> Control:
    """A control that has seen this much of a run, and no more."""
    control = scene.control(seen, folder)
    if control.history and isinstance(control.history[-1], events.RunFailed):
        control.history.pop()  # a recording says at its end that it was cut short
    return control


def top(app: Shown) -> object:
    """The screen that has the keys."""
    return app.screen


def state(app: Shown) -> str:
    return str(app.work.query_one("#state", Static).render())


def note(app: Shown) -> str:
    found = app.work.query_one("#note", Static)
    return str(found.render()) if found.display else ""


def listed(app: Shown) -> list[str]:
    return [f"{row.left.strip()} {row.right}".strip() for row in app.work.query_one(Steps).rows]


def output(app: Shown) -> str:
    return app.work.query_one(Output).text


def test_a_finished_run_of_two_attempts(tmp_path: Path) -> None:
    async def check(app: Shown, pilot: Pilot[None]) -> None:
        assert state(app) == "solved by m, 1 step, 120 tokens, attempt 2"
        assert listed(app) == [
            "attempt 1: xs, refined plan",
            "1 write cart.py 10/12",
            "2 run   pytest -x",
            "3 write cart.py 11/12",
            "not solved: 11 of 12 pass 11/12",
            "attempt 2: m",
            "1 write cart.py 12/12",
            "solved: 12 of 12 pass 12/12",
        ]
        assert "look twice\ntest_cart.py (test)" in output(app)
        assert note(app) == "F5 shows the patch."
        await pilot.press("up")
        assert "total = 1" in output(app)
        await pilot.press("up", "up")
        assert app.work.query_one(Steps).cursor == 3
        assert "test_10: expected 10, got None" in output(app)
        await pilot.press("home")
        assert app.work.query_one(Steps).cursor == 1
        await pilot.press("end")
        assert app.work.query_one(Steps).cursor == 7

    look(told(works.whole(), tmp_path), check)


@pytest.mark.parametrize("upto", range(0, len(works.whole()) + 1, 3))
def test_every_prefix_of_a_run_can_be_shown_and_go_on(upto: int, tmp_path: Path) -> None:
    seen = works.whole()

    async def check(app: Shown, pilot: Pilot[None]) -> None:
        widgets = len(app.work.query("*"))
        Bridge(app.work.control).feed((app.work,), seen[upto:])  # type: ignore[arg-type]
        await pilot.pause()
        assert state(app) == "solved by m, 1 step, 120 tokens, attempt 2" or "0:" in state(app)
        assert len(listed(app)) == 8
        assert len(app.work.query("*")) == widgets

    look(told(seen[:upto], tmp_path), check)


def test_before_the_work(tmp_path: Path) -> None:
    async def check(app: Shown, pilot: Pilot[None]) -> None:
        assert state(app) == "no work yet: nobody has won"
        Bridge(app.work.control).feed((app.work,), begun()[2:])  # type: ignore[arg-type]
        await pilot.pause()
        assert state(app) == "xs won and goes to work"
        await pilot.press("up", "down", "enter", "y")
        assert top(app) is app.work

    look(told(begun()[:2], tmp_path), check)


def test_the_reply_that_is_written_now_and_the_end_that_is_let_go_of(tmp_path: Path) -> None:
    lines = "".join(f"line {at}\n" for at in range(60))

    async def check(app: Shown, pilot: Pilot[None]) -> None:
        bridge = Bridge(app.work.control)  # type: ignore[arg-type]
        bridge.feed((app.work,), written("xs", lines))
        await pilot.pause()
        shown = app.work.query_one(Output)
        assert "line 59" in output(app)
        assert listed(app)[-1] == "1 xs writes ..."
        assert shown.scroll_offset.y == shown.max_scroll_y > 0
        shown.focus()
        await pilot.press("up", "up", "up")
        at = shown.scroll_offset.y
        assert 0 < at < shown.max_scroll_y
        bridge.feed((app.work,), written("xs", "more\nand more"))
        await pilot.pause()
        assert shown.scroll_offset.y == at
        assert output(app).endswith("more\nand more")
        bridge.feed((app.work,), [events.StepTaken("t1", "xs", step(1, ran("F.")))])
        await pilot.pause()
        assert shown.scroll_offset.y == at
        await pilot.press("end", "end")
        assert shown.scroll_offset.y == shown.max_scroll_y
        assert output(app).startswith("step 1: write cart.py\n")

    look(told([*begun(), events.WorkStarted("t1", "xs", False, 1)], tmp_path), check)


def test_a_revision_goes_on_below(tmp_path: Path) -> None:
    async def check(app: Shown, pilot: Pilot[None]) -> None:
        again = [events.WorkStarted("t1", "m", False, 3), *stepped("m", step(2, ran("............")))]
        Bridge(app.work.control).feed((app.work,), again)  # type: ignore[arg-type]
        await pilot.pause()
        assert listed(app)[-3:] == ["attempt 3: m", "2 write cart.py 12/12", "3 m reads ..."]
        assert state(app).startswith("m works, step 3, attempt 3, 0:")

    look(told(works.whole(), tmp_path), check)


def first(attempts: int) -> list[events.Event]:
    """An attempt that solved nothing, the first of so many."""
    begins, *more = failing()
    assert isinstance(begins, events.WorkStarted)
    return [replace(begins, attempts=attempts), *more]


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (
            [*failing()[:-1]],
            "xs is done (step limit); the tests run in a fresh sandbox, attempt 1, 360 tokens",
        ),
        ([*failing()], "xs did not solve it, attempt 1, 360 tokens"),
        ([*first(2)], "xs did not solve it; the next bidder follows"),
        ([*first(2), events.Paused("t1", "work")], "xs did not solve it; paused before the next attempt"),
        ([*first(1)], "xs did not solve it, attempt 1 of 1, 360 tokens"),
        ([events.RunFailed("t1", "disk\nfull \x1b[2J", "make room")], "failed: disk\\nfull \\x1b[2J"),
        ([events.RunEnded("t1", False, "", None, 0, 0, 0, 0)], "nobody worked"),
        (
            [
                events.WorkStarted("t1", "xs", False, 1),
                events.WorkEnded("t1", "xs", "sandbox died", "gone", Usage()),
            ],
            "xs did not solve it, attempt 1",
        ),
    ],
)
def test_the_line_at_the_top(seen: list[events.Event], said: str, tmp_path: Path) -> None:
    async def check(app: Shown, pilot: Pilot[None]) -> None:
        assert state(app) == said

    control = scene.control(begun(), tmp_path)
    control.history.pop()
    Bridge(control).feed((), seen)
    look(control, check)


@pytest.mark.parametrize("size", [(160, 45), (100, 30), (80, 24), (60, 20), (20, 5)])
def test_every_layout_shows_the_newest_row(size: tuple[int, int], tmp_path: Path) -> None:
    async def check(app: Shown, pilot: Pilot[None]) -> None:
        steps = app.work.query_one(Steps)
        at = steps.cursor - steps.scroll_offset.y
        assert 0 <= at < steps.scrollable_content_region.height
        assert steps.render_line(at).text.startswith(">")
        assert steps.region.right <= size[0]
        for width, height in ((20, 5), (160, 45), (3, 1), size):
            await pilot.resize_terminal(width, height)
            await pilot.pause()
        assert steps.render_line(steps.cursor - steps.scroll_offset.y).text.startswith(">")

    look(told(works.whole(), tmp_path), check, size)


def test_100000_lines_of_test_output(tmp_path: Path) -> None:
    huge = "".join(f"line {at} \x1b[31m[@click=app.quit]x[/]\r\n" for at in range(100_000))
    run = Tests(1, ran("F.").cases, huge)
    seen = [*begun(), events.WorkStarted("t1", "xs", False, 1), *stepped("xs", step(1, run))]

    async def check(app: Shown, pilot: Pilot[None]) -> None:
        await pilot.press("up")
        assert output(app).count("\n") < HEAD + TAIL + 50
        assert "lines left out: enter shows all]" in output(app)
        await pilot.press("enter")
        assert isinstance(app.screen, Whole)
        whole = app.screen.query_one(Output)
        assert whole.virtual_size.height > 100_000
        await pilot.press("end")
        assert whole.scroll_offset.y == whole.max_scroll_y
        last = [whole.render_line(y).text.strip() for y in range(whole.size.height)]
        assert "line 99999 \\x1b[31m[@click=app.quit]x[/]" in last
        await pilot.press("escape")
        assert top(app) is app.work

    look(told(seen, tmp_path), check)


def test_the_strip_names_the_newest_in_numbers(tmp_path: Path) -> None:
    async def check(app: Shown, pilot: Pilot[None]) -> None:
        assert str(app.work.query_one(TestStrip).render()).endswith("............  12/12")

    look(told(works.whole(), tmp_path), check)


def test_copying_says_where_it_went(
    tmp_path: Path, private_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "TMUX", "WSL_DISTRO_NAME"):
        monkeypatch.delenv(name, raising=False)

    async def check(app: Shown, pilot: Pilot[None]) -> None:
        await pilot.press("up", "y")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert any("written to" in one.message for one in app._notifications)

    look(told(works.whole(), tmp_path), check)
    copied = private_home / ".local/share/sale/copied.txt"
    assert "total = 1" in copied.read_text()


@pytest.mark.parametrize("key", ["h", "n", "space", "s"])
def test_a_recording_decides_nothing_and_offers_no_key_for_it(key: str, tmp_path: Path) -> None:
    async def check(app: Shown, pilot: Pilot[None]) -> None:
        assert not {one.binding.action for one in app.screen.active_bindings.values()} & WorkScreen.DECIDES
        await pilot.press(key)
        assert top(app) is app.work
        await pilot.press("escape", "escape")
        assert note(app) == "F5 shows the patch."

    look(told(works.whole(), tmp_path), check)


def working(tmp_path: Path, check: Callable[[Shown, Pilot[None], LiveRun], Awaitable[None]]) -> None:
    """A live run whose agent has taken a step and hangs in its second reply."""
    run = LiveRun(
        "Write add", "issue.md", scene.opens(tmp_path / "shop", replies=("```run\nls\n```", "HANG"))
    )

    async def until(app: Shown, bridge: Bridge, done: Callable[[], bool]) -> None:
        for _ in range(600):
            bridge.drain((app.work,), None)
            if done():
                return
            await asyncio.sleep(0.02)
        raise AssertionError(state(app))

    async def go() -> None:
        app, bridge = Shown(run), Bridge(run)
        run.start()
        async with app.run_test(size=(100, 30), notifications=True) as pilot:
            await pilot.pause()
            await until(app, bridge, lambda: run.board.paused_at == "winner")
            run.decisions.resume()
            await until(app, bridge, lambda: "2 s reads ..." in listed(app))
            await check(app, pilot, run)
            run.stop()
            await until(app, bridge, lambda: run.ended)
            await pilot.press("h")
            assert top(app) is app.work, "there is nobody to give a hint to"
            assert state(app) == "failed: you stopped the run"

    try:
        run_async(go())
    finally:
        run.close()


def test_pause_and_step(tmp_path: Path) -> None:
    async def check(app: Shown, pilot: Pilot[None], run: LiveRun) -> None:
        await pilot.press("space")
        await pilot.pause()
        assert [run.decisions.paused] == [True]
        assert "stands still before its next step" in note(app)
        await pilot.press("space")
        await pilot.pause()
        assert [run.decisions.paused, note(app)] == [False, ""]
        await pilot.press("s")
        await pilot.pause()
        assert run.decisions.paused
        assert "stands still before its next step" in note(app)

    working(tmp_path, check)


def test_escape_twice_stops_the_run_and_once_says_so(tmp_path: Path) -> None:
    async def check(app: Shown, pilot: Pilot[None], run: LiveRun) -> None:
        app.notify("A notice that somebody takes away.")
        await pilot.pause()
        await pilot.press("escape")
        await pilot.pause()
        assert not app._notifications
        assert note(app) == "", "an Esc that closed something was not meant for the run"
        await pilot.press("escape")
        await pilot.pause()
        assert note(app) == ARMED
        app.work.disarm()  # as after two seconds
        await pilot.pause()
        assert note(app) == ""
        await pilot.press("escape")
        assert not run.stopped
        await pilot.press("escape")
        assert run.stopped

    working(tmp_path, check)


def test_time_is_told_where_the_start_was_seen() -> None:
    attempts = Attempts()
    for event in [*begun(), *failing()[:1]]:
        attempts.apply(event, 10.0)
    assert attempts.state(51.5) == "xs works, step 1, attempt 1, 0:41"
    for event in [*failing()[1:], *solving()]:
        attempts.apply(event, 60.0)
    assert "0:" not in attempts.state(61.0)
