"""A recording plays while somebody goes from screen to screen, presses everything and shakes the window."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from salecli.tui.app import SaleApp
from salecli.tui.replay import AT_ONCE, Replay
from tests.core.world import TASK, play
from tests.tui import scene
from tests.tui.auctions import market_house

ROOMS = ("f2", "f3", "f4", "f5", "f6", "f7")
KEYS: tuple[str, ...] = (
    *ROOMS,
    *ROOMS,
    "space",
    "plus",
    "minus",
    "left",
    "right",
    "down",
    "up",
    "enter",
    "escape",
    "escape",
)
KEYS += ("tab", "a", "b", "j", "p", "w", "1", "x", "y", "v", "end", "question_mark", "f1", "ctrl+t")
SIZES = ((160, 45), (20, 5), (100, 30), (60, 20), (1, 1), (80, 24))


@pytest.mark.slow
@pytest.mark.parametrize("speed", [4.0, AT_ONCE])
def test_nothing_that_comes_late_or_early_ends_the_app(speed: float, tmp_path: Path) -> None:
    chance = random.Random(f"stress {speed}")
    run = scene.record(play(market_house().run(TASK, "7f3a00"))[0], tmp_path / "runs", gap=0.02)

    async def go() -> None:
        app = SaleApp(tmp_path, scene.wiring(tmp_path / "shop"), first=lambda: Replay(run, speed))
        async with app.run_test(size=(100, 30), notifications=True) as pilot:
            for turn in range(20):
                key = chance.choice(KEYS)
                await pilot.press(key)
                if turn % 10 == 5:
                    size = chance.choice(SIZES)
                    await pilot.resize_terminal(*size)
                if chance.random() < 0.2:
                    await pilot.pause(0.02)
            await pilot.resize_terminal(100, 30)
            while len(app.screen_stack) > 1:
                await pilot.press("escape")
                await pilot.pause()
            for _ in range(200):
                if app.control is not None and app.control.ended:
                    break
                # It may stand still since a space.
                if isinstance(app.control, Replay) and app.control.paused:
                    app.control.toggle()
                await pilot.press("plus")
                await pilot.pause(0.02)
            assert app.control is not None
            assert app.control.ended
            await pilot.press("f3")
            await pilot.pause()
            assert "s wins" in scene.drawn(app)
            for _ in range(3):
                # Another one takes its place while this one still has something to say.
                app.show(lambda: Replay(run, speed))
                await pilot.press("f4", "f3")
            await pilot.pause()
        await asyncio.to_thread(app.close)

    scene.run_async(go())
