"""The app: from screen to screen, along with a run, through questions, to an orderly end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from salecli.core import events
from salecli.resources import data_folder
from salecli.tui import messages
from salecli.tui.app import SaleApp
from salecli.tui.live import LiveRun
from salecli.tui.look import Look
from salecli.tui.replay import AT_ONCE, Replay
from salecli.tui.widgets.headline import Headline
from salecli.tui.wiring import wiring
from tests.tui import scene

WIDE = (120, 36)
PATIENCE = 15.0


async def until(pilot: Pilot[Any], met: Callable[[], bool]) -> None:
    for _ in range(int(PATIENCE / 0.05)):
        await pilot.pause(0.05)
        if met():
            await pilot.pause()
            return
    raise AssertionError(f"stands on {pilot.app.screen}")


@asynccontextmanager
async def shown(
    folder: Path, size: tuple[int, int] = WIDE, look: Look | None = None, first: Any = None, **options: Any
) -> AsyncIterator[tuple[SaleApp, Pilot[None]]]:
    """The app on a scripted house in a real repository; closed at the end, as the command line does."""
    app = SaleApp(folder, scene.wiring(folder, **options), look=look, first=first)
    try:
        async with app.run_test(size=size) as pilot:
            yield app, pilot
    finally:
        await asyncio.to_thread(app.close)


def asked(app: SaleApp) -> bool:
    """Whether a dialog is open."""
    return isinstance(app.screen, ModalScreen)


def live(app: SaleApp) -> LiveRun:
    assert isinstance(app.control, LiveRun)
    return app.control


async def begin(app: SaleApp, pilot: Pilot[None]) -> None:
    """Sell a task, and wait until the run waits for "go"."""
    app.screen.post_message(messages.StartRun("# Add\nWrite add in add.py", "issue.md"))
    await until(pilot, lambda: app.control is not None and bool(app.control.board.paused_at))


def test_a_run_takes_the_user_along(tmp_path: Path) -> None:
    async def go() -> None:
        async with shown(tmp_path / "shop") as (app, pilot):
            assert app.current_mode == "start"
            await begin(app, pilot)
            assert app.current_mode == "auction"
            assert app.headline.title == "issue.md"
            assert app.headline.state == "paused"
            live(app).decisions.resume()
            await until(pilot, lambda: app.current_mode == "review")
            assert live(app).solved

    scene.run_async(go())


def test_who_looks_at_something_else_stays_there(tmp_path: Path) -> None:
    async def go() -> None:
        async with shown(tmp_path / "shop") as (app, pilot):
            await begin(app, pilot)
            await pilot.press("f6")
            live(app).decisions.resume()
            await until(pilot, lambda: bool(app.control and app.control.ended))
            assert app.current_mode == "memory"
            for key, where in (("f3", "auction"), ("f4", "work"), ("f5", "review"), ("f2", "start")):
                await pilot.press(key)
                await pilot.pause()
                assert app.current_mode == where

    scene.run_async(go())


def test_a_dialog_is_never_left_for_the_run(tmp_path: Path) -> None:
    async def go() -> None:
        async with shown(tmp_path / "shop") as (app, pilot):
            await begin(app, pilot)
            await pilot.press("question_mark")
            assert asked(app)
            live(app).decisions.resume()
            await until(pilot, lambda: bool(app.control and app.control.ended))
            assert app.current_mode == "auction"
            await pilot.press("escape")
            await pilot.pause()
            assert not asked(app)

    scene.run_async(go())


def test_run_screens_are_empty_without_a_run(tmp_path: Path) -> None:
    async def go() -> None:
        async with shown(tmp_path / "shop") as (app, pilot):
            for key in ("f3", "f4", "f5"):
                await pilot.press(key)
                assert app.current_mode == "start"
            await pilot.press("f7")
            await pilot.pause()
            assert app.current_mode == "models"
            await pilot.press("f6")
            await pilot.pause()
            assert app.current_mode == "memory"

    scene.run_async(go())


def test_quitting_while_a_run_goes_on_is_asked_about(tmp_path: Path) -> None:
    async def go() -> None:
        made: list[scene.Opened] = []
        async with shown(tmp_path / "shop", made=made) as (app, pilot):
            await begin(app, pilot)
            await pilot.press("ctrl+q")
            await pilot.pause()
            assert asked(app)
            await pilot.press("n")
            await pilot.pause()
            assert not asked(app)
            assert app.is_running
            await pilot.press("ctrl+c")
            await pilot.pause()
            assert asked(app)
            await pilot.press("y")
            await pilot.pause()
            assert app._exit
        assert live(app).stopped
        assert not made[0].open

    scene.run_async(go())


def test_ctrl_c_twice_asks_nothing(tmp_path: Path) -> None:
    async def go() -> None:
        async with shown(tmp_path / "shop") as (app, pilot):
            await begin(app, pilot)
            await pilot.press("ctrl+c", "ctrl+c")
            await pilot.pause()
            assert app._exit

    scene.run_async(go())


def test_quitting_without_a_run_is_not_asked_about(tmp_path: Path) -> None:
    async def go() -> None:
        async with shown(tmp_path / "shop") as (app, pilot):
            await pilot.press("ctrl+q")
            await pilot.pause()
            assert app._exit

    scene.run_async(go())


def test_a_second_run_replaces_the_first(tmp_path: Path) -> None:
    async def go() -> None:
        made: list[scene.Opened] = []
        async with shown(tmp_path / "shop", made=made) as (app, pilot):
            await begin(app, pilot)
            first = live(app)
            app.screen.post_message(messages.RunAgain())
            await until(pilot, lambda: asked(app))
            await pilot.press("y")
            await until(pilot, lambda: app.control is not first)
            await until(pilot, lambda: bool(app.control and app.control.board.paused_at))
            assert first.stopped
            assert [one.open for one in made] == [False, True]
            assert app.current_mode == "auction"

    scene.run_async(go())


def test_an_earlier_run_is_shown_to_its_end(tmp_path: Path, seen: list[events.Event]) -> None:
    async def go() -> None:
        run = scene.record(seen)
        async with shown(tmp_path / "shop") as (app, pilot):
            app.screen.post_message(messages.OpenRun(run.id[:5]))
            await until(pilot, lambda: app.current_mode == "review")
            assert isinstance(app.control, Replay)
            assert app.control.ended
            assert app.headline.state == "recording"
            app.screen.post_message(messages.OpenRun("nosuchrun"))
            await until(pilot, lambda: any("'nosuchrun'" in one.message for one in app._notifications))
            assert app.current_mode == "review"

    scene.run_async(go())


def test_keys_of_a_recording(tmp_path: Path, seen: list[events.Event]) -> None:
    async def go() -> None:
        run = scene.record(seen, gap=5.0)
        async with shown(tmp_path / "shop", first=lambda: Replay(run)) as (app, pilot):
            await until(pilot, lambda: app.current_mode == "auction")
            replay = app.control
            assert isinstance(replay, Replay)
            await pilot.press("plus")
            assert replay.speed == 4.0
            await pilot.press("minus")
            assert replay.speed == 1.0
            await pilot.press("space")
            assert replay.asleep
            await pilot.press("space")
            assert (replay.asleep, replay.paused) == (False, False)
            await pilot.press("plus", "plus", "plus")
            await until(pilot, lambda: replay.ended)
            assert replay.speed == AT_ONCE

    scene.run_async(go())


def test_a_broken_setup_is_said_and_the_app_stays(tmp_path: Path) -> None:
    async def go() -> None:
        (tmp_path / "other").mkdir()
        app = SaleApp(tmp_path / "other", wiring(tmp_path / "other", {}))
        async with app.run_test(size=WIDE) as pilot:
            app.screen.post_message(messages.StartRun("Add", "typed"))
            await until(pilot, lambda: bool(app.control and app.control.ended))
            assert app.control is not None
            failed = app.control.history[-1]
            assert isinstance(failed, events.RunFailed)
            assert "git" in failed.reason
            await until(pilot, lambda: app.current_mode == "auction")
            said = [str(app.screen.query_one(where, Static).content) for where in ("#reason", "#wait")]
            assert said == [f"The run has failed: {failed.reason}", failed.hint]
            await pilot.press("f2")
            await pilot.pause()
            assert app.current_mode == "start"
        await asyncio.to_thread(app.close)

    scene.run_async(go())


def test_the_users_keys_and_theme(tmp_path: Path) -> None:
    async def go() -> None:
        look = Look("sale-light", 0.0, {"app.models": "f12"})
        async with shown(tmp_path / "shop", look=look) as (app, pilot):
            assert app.theme == "sale-light"
            await pilot.press("f7")
            await pilot.pause()
            assert app.current_mode == "start"
            await pilot.press("f12")
            await pilot.pause()
            assert app.current_mode == "models"
            await pilot.press("ctrl+t")
            assert app.theme == "ansi"

    scene.run_async(go())


def test_no_color_means_the_terminals_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def go() -> None:
        async with shown(tmp_path / "shop") as (app, _):
            assert app.theme == "ansi"
            assert app.native_ansi_color

    monkeypatch.setenv("NO_COLOR", "1")
    scene.run_async(go())


def test_a_screenshot_goes_to_sales_own_folder(tmp_path: Path) -> None:
    async def go() -> None:
        async with shown(tmp_path / "shop") as (_, pilot):
            await pilot.press("f8")
            await pilot.pause()

    scene.run_async(go())
    found = list((data_folder() / "screenshots").iterdir())
    assert [path.suffix for path in found] == [".svg"]
    assert "<svg" in found[0].read_text()
    assert sorted(path.name for path in (tmp_path / "shop").iterdir()) == [".git", "add.py"]


def test_nothing_ticks_while_nothing_runs(tmp_path: Path) -> None:
    async def go() -> None:
        async with shown(tmp_path / "shop") as (app, pilot):
            assert not ticking(app)
            await begin(app, pilot)
            await until(pilot, lambda: not ticking(app))
            live(app).decisions.resume()
            await until(pilot, lambda: app.current_mode == "review")
            await until(pilot, lambda: not ticking(app))

    def ticking(app: SaleApp) -> bool:
        return app._ticking is not None and app._ticking._active.is_set()

    scene.run_async(go())


@pytest.mark.parametrize("size", [(160, 45), (100, 30), (80, 24), (60, 20), (20, 5), (1, 1)])
def test_every_size_on_every_screen(tmp_path: Path, seen: list[events.Event], size: tuple[int, int]) -> None:
    async def go() -> None:
        run = scene.record(seen)
        first = partial(Replay, run, AT_ONCE)
        async with shown(tmp_path / "shop", first=first) as (app, pilot):
            await until(pilot, lambda: app.current_mode == "review")
            for key in ("f2", "f3", "f4", "f5", "f6", "f7"):
                await pilot.press(key)
                await pilot.resize_terminal(*size)
                await pilot.pause()
                line = app.screen.query_one(Headline)
                assert line.render().cell_length <= max(size[0], 1)
                await pilot.resize_terminal(*WIDE)

    scene.run_async(go())


def test_letters_go_into_an_input_and_q_quits_elsewhere(tmp_path: Path) -> None:
    async def go() -> None:
        async with shown(tmp_path / "shop") as (app, pilot):
            await pilot.press("f6")
            await until(pilot, lambda: app.current_mode == "memory")
            found = app.screen.query(Input)
            if found:
                found.first().focus()
                await pilot.press("q")
                assert found.first().value == "q"
            app.screen.set_focus(None)
            await pilot.press("q")
            await pilot.pause()
            assert app._exit

    scene.run_async(go())
