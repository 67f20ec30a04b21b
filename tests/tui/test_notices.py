"""Notices: none for what a recording tells, none twice, none that outlasts its use; what Esc does to them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Static
from textual.widgets._toast import Toast

from salecli.core import events
from salecli.tui.app import SaleApp
from salecli.tui.bridge import Bridge
from salecli.tui.replay import AT_ONCE, Replay
from tests.tui import scene
from tests.tui.auctions import Hall
from tests.tui.test_app import shown, until
from tests.tui.test_keyline import row


def words(app: SaleApp) -> list[str]:
    return [one.message for one in app._notifications]


async def opened(app: SaleApp, pilot: Pilot[Any], where: str) -> None:
    """A recording that was read to its end, and the screen behind a key."""
    await until(pilot, lambda: app.current_mode == "review")
    await pilot.press(where)
    await until(pilot, lambda: bool(app.screen.query("KeyLine FooterKey")))


def test_what_a_recording_tells_is_no_news(tmp_path: Path, seen: list[events.Event]) -> None:
    assert any(isinstance(event, events.SatOut) for event in seen)

    async def go() -> None:
        # The auction's screen is open while the events come.
        first = partial(Replay, scene.record(seen, gap=0.02), 1.0)
        async with shown(tmp_path / "shop", first=first) as (app, pilot):
            await until(pilot, lambda: app.current_mode == "auction")
            await until(pilot, lambda: app.control is not None and app.control.ended)
            assert words(app) == []

    scene.run_async(go())


def test_the_same_words_never_stand_twice(tmp_path: Path) -> None:
    async def go() -> None:
        app = SaleApp(tmp_path / "shop", scene.wiring(tmp_path / "shop"))
        async with app.run_test(size=(80, 24), notifications=True) as pilot:
            await pilot.press("f10", "f10")
            await until(pilot, lambda: bool(app.screen.query(Toast)))
            assert scene.drawn(app).count("the task is empty") == 1
            app.notify("x" * 20)
            await pilot.press("f1")
            await until(pilot, lambda: scene.drawn(app).count("x" * 20) >= 1)
            await until(pilot, lambda: bool(app.screen.query(Toast)) and app.screen.is_modal)
            assert scene.drawn(app).count("x" * 20) == 1

    scene.run_async(go())


@pytest.mark.parametrize(
    ("options", "seconds"), [({}, 3), ({"severity": "warning"}, 3), ({"severity": "error"}, 8)]
)
def test_a_notice_is_short_and_an_error_longer(
    tmp_path: Path, options: dict[str, Any], seconds: float
) -> None:
    async def go() -> None:
        async with shown(tmp_path / "shop") as (app, pilot):
            app.notify("done", **options)
            await pilot.pause()
            assert [one.timeout for one in app._notifications] == [seconds]

    scene.run_async(go())


@pytest.mark.parametrize("where", ["f3", "f4", "f5"])
def test_esc_takes_notices_away_and_says_nothing(
    tmp_path: Path, seen: list[events.Event], where: str
) -> None:
    async def go() -> None:
        first = partial(Replay, scene.record(seen), AT_ONCE)
        async with shown(tmp_path / "shop", first=first) as (app, pilot):
            await opened(app, pilot, where)
            app.notify("done")
            await until(pilot, lambda: words(app) == ["done"])
            app.screen.refresh_bindings()
            await pilot.pause()
            assert "Stop" not in row(app)
            await pilot.press("escape")
            await pilot.pause()
            assert words(app) == []
            await pilot.press("escape")
            await pilot.pause()
            assert words(app) == []

    scene.run_async(go())


def test_who_sits_out_is_said_in_the_line_that_waits(tmp_path: Path, seen: list[events.Event]) -> None:
    at = max(place for place, event in enumerate(seen) if isinstance(event, events.SatOut))
    replay = Replay(scene.record(seen, tmp_path))
    Bridge(replay).feed((), seen[: at + 1])

    async def go() -> None:
        app = Hall(replay)
        async with app.run_test(size=(120, 36)) as pilot:
            await pilot.pause()
            said = str(app.auction.query_one("#wait", Static).content)
            assert said.endswith(": xs sits out: no similar past task with a lost and a won plan.")

    scene.run_async(go())
