"""The screens of one recorded run as plain text, wide and narrow, compared with those in `snapshots/`.

Times, colours and paths do not stand in them. `SALE_SNAPSHOTS=write pytest tests/tui/test_snapshots.py` takes
them anew; look at `git diff` before you keep them.
"""

from __future__ import annotations

import difflib
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from salecli.core import events
from salecli.core.values import Change
from salecli.tui.app import SaleApp
from salecli.tui.replay import AT_ONCE, Replay
from salecli.tui.screens.memory import MemoryScreen
from salecli.tui.screens.pairs import PairsScreen
from salecli.tui.screens.past import PastScreen
from tests.adapters.auctions import auction, rich_auction
from tests.core.world import TASK, play
from tests.tui import scene
from tests.tui.auctions import market_house
from tests.tui.memories import remember
from tests.tui.test_app import shown, until

KEPT = Path(__file__).parent / "snapshots"
SIZES = {"wide": (120, 36), "narrow": (80, 24)}
DIFF = """\
diff --git a/add.py b/add.py
--- a/add.py
+++ b/add.py
@@ -1,2 +1,4 @@
 def add(a, b):
-    raise NotImplementedError
+    if a is None:
+        return b
+    return a + b
"""


def told() -> list[events.Event]:
    """A scripted run in which xs refined its bid, with a patch that can be read."""

    def with_patch(event: Any) -> Any:
        patch = getattr(event, "patch", None)
        if patch is None:
            return event
        changes = (Change("add.py", "modified", 3, 1),)
        return replace(event, patch=replace(patch, diff=DIFF, changes=changes))

    return [with_patch(event) for event in play(market_house().run(TASK, "7f3a00"))[0]]


async def auction_screen(app: SaleApp, pilot: Pilot[None], folder: Path) -> None:
    await pilot.press("f3")


async def work_screen(app: SaleApp, pilot: Pilot[None], folder: Path) -> None:
    await pilot.press("f4")


async def review_screen(app: SaleApp, pilot: Pilot[None], folder: Path) -> None:
    await pilot.press("f5")
    await until(pilot, lambda: "return a + b" in scene.drawn(app))


async def memory_screen(app: SaleApp, pilot: Pilot[None], folder: Path) -> None:
    await app.push_screen(MemoryScreen(lambda: memory(folder)))
    await until(pilot, lambda: "3 auctions" in str(app.screen.query_one("#sums", Static).visual))
    await app.workers.wait_for_complete()


async def past_screen(app: SaleApp, pilot: Pilot[None], folder: Path) -> None:
    await app.push_screen(PastScreen(memory(folder), 3))
    await until(pilot, lambda: len(app.screen.query(Static)) > 5)


async def pairs_screen(app: SaleApp, pilot: Pilot[None], folder: Path) -> None:
    await pilot.press("f3")
    await pilot.pause()
    await pilot.press("left", "left", "left", "p")
    await until(pilot, lambda: isinstance(app.screen, PairsScreen))


def memory(folder: Path) -> Path:
    path = folder / "memory.sqlite3"
    remember(path, [auction("a"), auction("b", "sort a file"), rich_auction()])
    return path


SCREENS = {
    "auction": auction_screen,
    "work": work_screen,
    "review": review_screen,
    "memory": memory_screen,
    "past": past_screen,
    "pairs": pairs_screen,
}


@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_looks_as_it_did(tmp_path: Path, name: str, width: str) -> None:
    async def go() -> None:
        first = partial(Replay, scene.record(told()), AT_ONCE)
        async with shown(tmp_path / "shop", size=SIZES[width], first=first) as (app, pilot):
            await until(pilot, lambda: app.current_mode == "review")
            await SCREENS[name](app, pilot, tmp_path)
            app.clear_notifications()
            await settled(app, pilot)
            compare(KEPT / f"{name}-{width}.txt", scene.drawn(app))

    scene.run_async(go())


async def settled(app: SaleApp, pilot: Pilot[None]) -> None:
    """Until nothing moves any more: a change in a cell is marked for a second, in colour alone."""
    before = ""
    while before != (before := scene.drawn(app)) or not app.screen.query("KeyLine FooterKey"):
        await pilot.pause(0.3)


def compare(kept: Path, drawn: str) -> None:
    text = "".join(f"{line.rstrip()}\n" for line in drawn.splitlines())
    if os.environ.get("SALE_SNAPSHOTS") == "write":
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(text, encoding="utf-8")
    before = kept.read_text(encoding="utf-8") if kept.exists() else ""
    changes = difflib.unified_diff(
        before.splitlines(), text.splitlines(), f"{kept.name}, kept", f"{kept.name}, now", lineterm=""
    )
    assert text == before, "\n".join(["the screen has changed; SALE_SNAPSHOTS=write keeps it so:", *changes])
