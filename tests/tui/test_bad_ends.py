"""What dies under a run is said on its screens, and they stay usable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from salecli.tui import messages
from salecli.tui.app import SaleApp
from tests.tui import scene
from tests.tui.test_app import begin, live, shown, until


async def sees(pilot: Pilot[Any], app: SaleApp, text: str) -> None:
    await until(pilot, lambda: text in scene.drawn(app))


def test_a_model_that_dies_is_out_and_the_auction_goes_on(tmp_path: Path) -> None:
    async def go() -> None:
        async with shown(tmp_path / "shop", plans={"m": "DIE"}) as (app, pilot):
            await begin(app, pilot)
            await sees(pilot, app, "out")
            assert app.control is not None
            assert app.control.board.out == {"m": "killed by signal 9"}
            await pilot.press("enter")
            await sees(pilot, app, "solved by s")

    scene.run_async(go())


def test_models_that_all_die_end_the_run_with_words(tmp_path: Path) -> None:
    async def go() -> None:
        dead = dict.fromkeys(("xs", "s", "m", "l"), "DIE")
        async with shown(tmp_path / "shop", plans=dead) as (app, pilot):
            app.screen.post_message(messages.StartRun("# Add\nWrite add in add.py", "issue.md"))
            await until(pilot, lambda: app.control is not None and app.control.ended)
            await sees(pilot, app, "nobody bid")
            await pilot.press("f2")
            await until(pilot, lambda: app.current_mode == "start")

    scene.run_async(go())


def test_a_sandbox_that_goes_away_ends_the_run_with_words(tmp_path: Path) -> None:
    made: list[scene.Opened] = []

    async def go() -> None:
        async with shown(tmp_path / "shop", made=made) as (app, pilot):
            await begin(app, pilot)
            made[0].house.workspace.dies_at = "write"  # type: ignore[attr-defined]
            live(app).decisions.resume()
            await until(pilot, lambda: live(app).ended)
            await sees(pilot, app, "the container is gone")
            # Usable: another run can be started at once.
            await pilot.press("f2")
            await until(pilot, lambda: app.current_mode == "start")
            await begin(app, pilot)
            assert app.current_mode == "auction"

    scene.run_async(go())
