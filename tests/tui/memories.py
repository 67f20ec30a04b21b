"""A memory file, and an app with nothing but its screen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Static

from salecli.adapters import records
from salecli.adapters.sqlitefile import prepare, writing
from salecli.core.values import Auction, Override
from salecli.tui.messages import OpenRun
from salecli.tui.screens.memory import MemoryScreen
from salecli.tui.widgets.auctions import AuctionTable
from tests.adapters.auctions import auction, work
from tests.tui.scene import run_async

Script = Callable[["Rooms", Pilot[None]], Awaitable[None]]


class Rooms(App[None]):
    """An app with nothing but the memory screen; it keeps what it was asked for."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.opened: list[str] = []

    def on_mount(self) -> None:
        self.push_screen(MemoryScreen(lambda: self.path))

    def on_open_run(self, message: OpenRun) -> None:
        self.opened.append(message.run_id)

    @property
    def table(self) -> AuctionTable:
        return self.memory.query_one(AuctionTable)

    @property
    def memory(self) -> MemoryScreen:
        (screen,) = (one for one in self.screen_stack if isinstance(one, MemoryScreen))
        return screen

    def runs(self) -> list[str]:
        return [one.run for one in self.table.found]

    def said(self, name: str) -> str:
        return str(self.screen.query_one(f"#{name}", Static).visual)


def drive(path: Path, script: Script, size: tuple[int, int] = (100, 30)) -> None:
    async def go() -> None:
        app = Rooms(path)
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda: "reading" not in app.said("sums"))
            await app.workers.wait_for_complete()
            await pilot.pause()
            await script(app, pilot)

    run_async(go())


async def until(pilot: Pilot[None], true: Callable[[], bool]) -> None:
    """Wait for something that a thread brings about."""
    for _ in range(500):
        if true():
            return
        await pilot.pause(0.02)
    raise AssertionError("it never came true")


def remember(path: Path, auctions: Sequence[Auction]) -> None:
    prepare(path)
    with writing(path) as db:
        for one in auctions:
            records.insert(db, one)


def shelved(path: Path) -> Path:
    """Three auctions, the newest one called c."""
    parser = auction("c", "round the price", winner=("small", False))
    refined = [("small", True, "plan rewritten", 0.05), ("large", False, "plan large", 0.1)]
    remember(
        path,
        [
            auction("a", "sum a list"),
            auction("b", "sort a file", works=[work("large", False), work("small", True)]),
            replace(
                parser,
                task=replace(parser.task, repository="parser"),
                bids=auction("x", bids=refined).bids,
                winner_refined=True,
                override=Override("small", "I like [@click=app.quit]it[/]"),
            ),
        ],
    )
    return path
