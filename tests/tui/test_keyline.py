"""The last row of every screen: whole words at every width, always help and quit; one rule for quitting."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from salecli.core import events
from salecli.tui.app import SaleApp
from salecli.tui.commands import SaleCommands
from salecli.tui.replay import AT_ONCE, Replay
from salecli.tui.screens.dialogs import Confirm
from salecli.tui.screens.help import key_rows
from salecli.tui.screens.pairs import PairsScreen
from salecli.tui.screens.past import PastScreen
from salecli.tui.widgets.keyline import KeyLine
from tests.adapters.auctions import rich_auction
from tests.tui import scene
from tests.tui.auctions import PAIRS
from tests.tui.memories import remember
from tests.tui.test_app import begin, shown, until

PLACES = ("f2", "f3", "f4", "f5", "f6", "f7", "past", "pairs")
"""Every screen, by the key that leads there."""
PLACE_NAMES = ("start", "auction", "work", "review", "memory", "models")


async def go_to(app: SaleApp, pilot: Pilot[None], place: str, folder: Path) -> None:
    if place == "past":
        remember(folder / "m.sqlite3", [rich_auction()])
        await app.push_screen(PastScreen(folder / "m.sqlite3", 1))
    elif place == "pairs":
        await app.push_screen(PairsScreen("xs", PAIRS))
    else:
        await pilot.press(place)
    await pilot.pause()
    await until(pilot, lambda: bool(app.screen.query("KeyLine FooterKey")))


def row(app: SaleApp) -> str:
    """What the last row says; empty where a key of it is not there whole."""
    line = app.screen.query_one(KeyLine)
    keys = [(key.region, len(str(key.render()))) for key in line.query("FooterKey")]
    whole = all(region.width == width and line.region.contains_region(region) for region, width in keys)
    return scene.drawn(app).splitlines()[-1] if keys and whole else ""


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every word that is said, beside showing it."""
    words: list[str] = []
    notify = SaleApp.notify

    def heard(app: SaleApp, message: str, **options: Any) -> None:
        words.append(message)
        notify(app, message, **options)

    monkeypatch.setattr(SaleApp, "notify", heard)
    return words


def test_help_and_quit_stand_on_every_screen_at_every_width(tmp_path: Path, seen: list[events.Event]) -> None:
    async def go() -> None:
        first = partial(Replay, scene.record(seen), AT_ONCE)
        async with shown(tmp_path / "shop", first=first) as (app, pilot):
            await until(pilot, lambda: app.current_mode == "review")
            for place in PLACES:
                await go_to(app, pilot, place, tmp_path)
                typing = isinstance(app.focused, Input | TextArea)
                keys = {key for key, one in app.screen.active_bindings.items() if one.enabled}
                assert keys & {"q", "ctrl+q"} == ({"ctrl+q"} if typing else {"q", "ctrl+q"})
                for size in ((160, 45), (80, 24), (60, 20), (40, 12)):
                    await pilot.resize_terminal(*size)
                    ends = (
                        ["f1", "Help", "^q", "Quit"] if typing else ["?", "Keys", "f1", "Help", "q", "Quit"]
                    )
                    await until(pilot, lambda ends=ends: row(app).split()[-len(ends) :] == ends)  # type: ignore[misc]

    scene.run_async(go())


def test_a_narrow_row_drops_whole_keys_from_the_end(tmp_path: Path, seen: list[events.Event]) -> None:
    async def go() -> None:
        first = partial(Replay, scene.record(seen), AT_ONCE)
        async with shown(tmp_path / "shop", size=(160, 45), first=first) as (app, pilot):
            await until(pilot, lambda: app.current_mode == "review")
            await pilot.press("f6")
            await until(pilot, lambda: "Export" in row(app))
            await pilot.resize_terminal(60, 20)
            await until(pilot, lambda: "Export" not in row(app))
            assert row(app).startswith(" ⏎ Open / Search l Like")

    scene.run_async(go())


@pytest.mark.parametrize(("place", "key"), [("f2", "ctrl+q"), ("past", "ctrl+q"), ("f5", "q"), ("past", "q")])
def test_what_the_row_says_of_quitting_is_true(
    tmp_path: Path, seen: list[events.Event], place: str, key: str
) -> None:
    async def go() -> None:
        first = partial(Replay, scene.record(seen), AT_ONCE)
        async with shown(tmp_path / "shop", first=first) as (app, pilot):
            await until(pilot, lambda: app.current_mode == "review")
            await go_to(app, pilot, place, tmp_path)
            await pilot.press(key)
            await pilot.pause()
            assert app._exit

    scene.run_async(go())


def test_q_is_no_way_out_of_a_run_that_goes_on(tmp_path: Path) -> None:
    async def go() -> None:
        async with shown(tmp_path / "shop", size=(80, 24)) as (app, pilot):
            await begin(app, pilot)
            for place in ("f3", "f4", "f5", "f6", "f7"):
                await go_to(app, pilot, place, tmp_path)
                await until(pilot, lambda: row(app).rstrip().endswith("^q Quit"))
                await pilot.press("q")
                await pilot.pause()
                assert not app._exit
                assert len(app.screen_stack) == 1
            await pilot.press("f3", "ctrl+q", "ctrl+q")
            await pilot.pause()
            assert app._exit

    scene.run_async(go())


def test_a_key_that_does_nothing_says_why(tmp_path: Path, said: list[str]) -> None:
    async def go() -> None:
        async with shown(tmp_path / "shop", size=(80, 24)) as (app, pilot):
            await begin(app, pilot)
            said.clear()
            await pilot.press("h")
            await until(pilot, lambda: said == ["Hint is a key of the work (F4)."])
            await pilot.press("f5", "a")
            await until(pilot, lambda: said[1:] == ["The run goes on: there is nothing to decide yet."])
            await pilot.press("q")
            await until(pilot, lambda: said[2:] == ["A run goes on: ctrl+q ends it, after a question."])
            await pilot.press("z", "f6", "a")
            await pilot.pause()
            assert len(said) == 3

    scene.run_async(go())


def test_a_recording_says_what_can_still_be_done(
    tmp_path: Path, seen: list[events.Event], said: list[str]
) -> None:
    async def go() -> None:
        first = partial(Replay, scene.record(seen), AT_ONCE)
        async with shown(tmp_path / "shop", size=(80, 24), first=first) as (app, pilot):
            await until(pilot, lambda: app.current_mode == "review" and bool(row(app)))
            assert "Comment" not in row(app)
            await pilot.press("c")
            await until(pilot, lambda: "can be applied all the same" in "".join(said))
            await pilot.press("f3")
            await until(pilot, lambda: "Before" in row(app))
            for word in ("Go", "Choose", "Exclude"):
                assert word not in row(app)
            await pilot.press("x")
            await until(
                pilot,
                lambda: said[1:] == ["Exclude: this is a recording. Its patch can still be applied: F5."],
            )

    scene.run_async(go())


def test_only_agents_that_are_there_can_be_chosen(tmp_path: Path) -> None:
    async def go() -> None:
        async with shown(tmp_path / "shop", size=(100, 30)) as (app, pilot):
            await begin(app, pilot)
            await until(pilot, lambda: "1234 Choose" in row(app))
            does = [one.does for one in key_rows(app.screen) if one.does.startswith("Let agent")]
            assert [one[:11] for one in does] == [f"Let agent {place}" for place in range(1, 5)]
            offered = [one.name for one in SaleCommands(app.screen).commands()]
            assert [name for name in offered if name.startswith("Let agent")] == [
                f"Let agent {place} win ({place})" for place in range(1, 5)
            ]
            assert [name for name in offered if name.startswith("Go")] == [
                "Go (⏎)",
                *(f"Go to {name} (f{place})" for place, name in enumerate(PLACE_NAMES, 2)),
            ]

    scene.run_async(go())


def test_a_word_is_one_line_above_the_last_row_and_covers_no_answer(tmp_path: Path) -> None:
    async def go() -> None:
        app = SaleApp(tmp_path / "shop", scene.wiring(tmp_path / "shop"))
        async with app.run_test(size=(80, 24), notifications=True) as pilot:
            for place, question in ((23, None), (1, Confirm("Sure?", "word " * 400))):
                if question is not None:
                    await app.push_screen(question)
                app.notify("done")
                await until(pilot, lambda: any(toast.size for toast in app.screen.query("Toast")))
                toast = app.screen.query("Toast").last()
                assert (toast.region.height, toast.region.bottom) == (1, place)
                app.clear_notifications()
                await pilot.pause()
            assert app.screen.query_one("#yes").region.bottom > 12

    scene.run_async(go())
