"""The memory screen on a real memory file: found, opened, drawn, deleted, exported."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input

from salecli.adapters.embedder import MiniLM
from salecli.adapters.recall import keep_vector
from salecli.adapters.sqlite import SqliteMemory
from salecli.adapters.sqlitefile import reading, writing
from salecli.errors import ConfigError
from salecli.tui.screens.dialogs import Ask, Confirm, Dialog, Pick
from salecli.tui.screens.memory import PAGE, MemoryScreen
from salecli.tui.screens.past import PastScreen
from salecli.tui.widgets.calibration import CalibrationTable
from salecli.tui.widgets.plot import Curves
from salecli.tui.widgets.trends import TrendPanel
from tests.adapters.auctions import WordCounter, auction
from tests.tui.memories import Rooms, drive, remember, shelved, until
from tests.tui.scene import drawn, run_async

SIZES = [(160, 45), (100, 30), (80, 24), (60, 20), (20, 5)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "memory.sqlite3"


@pytest.fixture
def shelf(path: Path) -> Path:
    return shelved(path)


def test_sums_and_lines_stand_there(shelf: Path) -> None:
    async def script(app: Rooms, pilot: Pilot[None]) -> None:
        assert app.said("sums").startswith("3 auctions   solved 100 %   0.000060 USD   the largest alone")
        assert app.runs() == ["c", "b", "a"]
        first, second = ([str(cell) for cell in app.table.get_row_at(row)] for row in (0, 1))
        assert first == ["just now", "parser", "round the price", "small r o", "yes", "-", "0.000020"]
        assert second[-4:-2] == ["large", "yes by small"]

    drive(shelf, script)


def test_the_screen_stands_before_anything_is_read(shelf: Path) -> None:
    async def go() -> None:
        known = threading.Event()

        def finds() -> Path:
            known.wait(20)
            return shelf

        app: App[None] = App()
        async with app.run_test(size=(100, 30)) as pilot:
            app.push_screen(MemoryScreen(finds))
            await pilot.pause()
            assert "reading the memory" in drawn(app)
            known.set()
            await until(pilot, lambda: "3 auctions" in drawn(app))

    run_async(go())


def test_a_broken_configuration_is_said_on_the_screen() -> None:
    async def go() -> None:
        def finds() -> Path:
            raise ConfigError("sale.toml, line 1: unknown key 'x'", "take it out")

        app: App[None] = App()
        async with app.run_test(size=(100, 30)) as pilot:
            app.push_screen(MemoryScreen(finds))
            await until(pilot, lambda: "unknown key 'x'" in drawn(app))
            assert "take it out" in drawn(app)

    run_async(go())


def test_an_empty_memory_is_friendly(path: Path) -> None:
    async def script(app: Rooms, pilot: Pilot[None]) -> None:
        assert app.said("sums") == "nothing is remembered yet"
        await pilot.press("enter", "d", "t", "x", "f", "escape")
        assert app.screen is app.memory
        assert not path.exists(), "looking must not make the file"

    drive(path, script)


def test_a_damaged_memory_says_what_to_type(path: Path) -> None:
    path.write_text("no memory at all")

    async def script(app: Rooms, pilot: Pilot[None]) -> None:
        assert app.said("sums") == "the memory cannot be read"
        assert "type: sale memory restore --memory" in app.said("said")
        await pilot.press("slash", "x", "enter", "escape", "f", "d")
        await app.workers.wait_for_complete()
        assert app.said("sums") == "the memory cannot be read"

    drive(path, script)


def test_search_as_you_type(shelf: Path) -> None:
    async def script(app: Rooms, pilot: Pilot[None]) -> None:
        await pilot.press("slash", *"sort")
        await until(pilot, lambda: app.runs() == ["b"])
        assert app.said("said") == 'with "sort": 1   Esc shows all again'
        await pilot.press("escape")
        assert app.focused is app.table
        assert app.runs() == ["b"], "the first Esc only leaves the line"
        await pilot.press("escape")
        await until(pilot, lambda: len(app.runs()) == 3)
        assert app.memory.query_one(Input).value == ""

    drive(shelf, script)


def test_enter_searches_at_once(shelf: Path) -> None:
    async def script(app: Rooms, pilot: Pilot[None]) -> None:
        await pilot.press("slash", *"rewritten", "enter")
        await until(pilot, lambda: app.runs() == ["c"])
        assert app.focused is app.table

    drive(shelf, script)


def test_filters_add_up_until_all_are_shown_again(shelf: Path) -> None:
    async def script(app: Rooms, pilot: Pilot[None]) -> None:
        for label, runs in (
            ("won by large", ["b", "a"]),
            ("not solved", []),
            ("all auctions", ["c", "b", "a"]),
        ):
            await pilot.press("f")
            await until(pilot, lambda: isinstance(app.screen, Pick))
            assert isinstance(app.screen, Pick)
            labels = [text for _, text in app.screen._options]
            await pilot.press(*["down"] * labels.index(label), "enter")
            await until(pilot, lambda runs=runs: app.runs() == runs)  # type: ignore[misc]
            if label == "not solved":
                assert app.said("said") == "none: won by large, not solved   Esc shows all again"

    drive(shelf, script)


def test_likeness_uses_the_embedder(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Likeness by real vectors of another embedder: the model itself has tests of its own."""
    words = WordCounter(name=MiniLM.name)
    monkeypatch.setattr(MiniLM, "embed", lambda self, text: words.embed(text))
    with writing(shelf) as db:
        for number, text in db.execute("SELECT id, text FROM texts").fetchall():
            keep_vector(db, number, words.name, _unit(words.embed(text)))

    async def script(app: Rooms, pilot: Pilot[None]) -> None:
        await pilot.press("l")
        assert app.said("kind").strip() == "like"
        await pilot.press(*"price", "enter")
        await until(pilot, lambda: app.runs()[0] == "c" and app.table.found[0].likeness is not None)
        assert str(app.table.get_row_at(0)[0]) == "1.00"
        await pilot.press("l")
        await until(pilot, lambda: app.runs() == ["c"] and app.table.found[0].likeness is None)

    drive(shelf, script)


def _unit(values: Sequence[float]) -> Any:
    from salecli.adapters.recall import unit

    return unit(values)


def test_waiting_for_the_embedder_can_be_taken_back(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedder's real process, which is ended while it loads."""

    async def script(app: Rooms, pilot: Pilot[None]) -> None:
        await pilot.press("l", *"price", "enter")
        await until(pilot, lambda: "the embedder is loading" in app.said("said"))
        await pilot.press("escape")
        await until(pilot, lambda: app.runs() == ["c"] and "loading" not in app.said("said"))
        assert app.said("kind") == "search"

    drive(shelf, script)


def test_more_come_as_one_goes_down(path: Path) -> None:
    remember(path, [auction(f"r{number}", f"task {number}") for number in range(PAGE + 30)])

    async def script(app: Rooms, pilot: Pilot[None]) -> None:
        assert len(app.runs()) == app.table.row_count == PAGE
        assert app.said("said") == f"all: the newest {PAGE}, more as you go down"
        await pilot.press("end")
        await until(pilot, lambda: app.table.row_count == PAGE + 30)
        assert app.runs()[-1] == "r0"
        assert app.table.cursor_row == PAGE - 1, "the reader stays where they are"

    drive(path, script)


def test_curves_and_judges(shelf: Path) -> None:
    async def script(app: Rooms, pilot: Pilot[None]) -> None:
        assert "wins, by 1 auction" in app.said("shares")
        await pilot.press("t")
        await pilot.pause()
        assert app.memory.query_one(TrendPanel).display
        assert app.table.size.height == 0
        drawn = "\n".join(
            line.text
            for line in app.memory.query_one("#wins", Curves).render_lines(
                app.memory.query_one("#wins", Curves).size.region
            )
        )
        assert "l" in drawn
        assert "100 %" in drawn
        assert app.memory.query_one(CalibrationTable).border_subtitle == "4 plans carried out, 75 % solved"
        await pilot.press("d")
        assert app.screen is app.memory, "what is out of sight is not deleted"
        await pilot.press("escape")
        await pilot.pause()
        assert app.table.size.height > 0
        assert app.focused is app.table

    drive(shelf, script)


def test_a_large_screen_has_both(shelf: Path) -> None:
    async def script(app: Rooms, pilot: Pilot[None]) -> None:
        assert app.memory.query_one(TrendPanel).display
        assert app.table.display
        await pilot.press("t")
        await pilot.pause()
        assert not app.memory.query_one(TrendPanel).display

    drive(shelf, script, size=(160, 45))


def test_nothing_is_deleted_without_a_yes(shelf: Path) -> None:
    async def script(app: Rooms, pilot: Pilot[None]) -> None:
        await pilot.press("down", "d")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("enter")  # on "keep"
        await pilot.pause()
        assert app.runs() == ["c", "b", "a"]
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("y")
        await until(pilot, lambda: app.runs() == ["c", "a"])
        assert app.table.cursor_row == 1, "on what stood below"
        assert app.said("sums").startswith("2 auctions")

    drive(shelf, script)
    assert SqliteMemory(shelf, WordCounter(), "pool", "prompts").size() == 2


def test_the_last_one_deleted_leaves_a_friendly_line(path: Path) -> None:
    remember(path, [auction("a")])

    async def script(app: Rooms, pilot: Pilot[None]) -> None:
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("y")
        await until(pilot, lambda: app.said("sums") == "nothing is remembered yet")

    drive(path, script)


def test_export_asks_before_it_replaces(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shelf.parent)
    target = shelf.parent / "memory.jsonl"
    target.write_text("mine")

    async def script(app: Rooms, pilot: Pilot[None]) -> None:
        for answer in ("n", "y"):
            await pilot.press("x")
            await until(pilot, lambda: isinstance(app.screen, Ask))
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(app.screen, Confirm))
            assert target.read_text() == "mine"
            await pilot.press(answer)
            await until(pilot, lambda: not isinstance(app.screen, Dialog))
        await app.workers.wait_for_complete()

    drive(shelf, script)
    assert len(target.read_text().splitlines()) == 3


def test_a_new_auction_is_there_when_one_comes_back(shelf: Path) -> None:
    async def script(app: Rooms, pilot: Pilot[None]) -> None:
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, PastScreen))
        await asyncio.to_thread(remember, shelf, [auction("d", "a new one")])
        await pilot.press("escape")
        await until(pilot, lambda: app.runs() == ["d", "c", "b", "a"])

    drive(shelf, script)


@pytest.mark.parametrize("size", SIZES)
def test_every_size_shows_the_newest_auction(shelf: Path, size: tuple[int, int]) -> None:
    async def script(app: Rooms, pilot: Pilot[None]) -> None:
        for width, height in (size, (37, 11), size):
            await pilot.resize_terminal(width, height)
            await pilot.pause()
        assert app.table.region.height > 0
        assert app.table.virtual_size.width <= max(app.table.size.width, 20)
        await pilot.press("t", "t", "enter")
        await until(pilot, lambda: isinstance(app.screen, PastScreen))

    drive(shelf, script, size)


def test_reading_closes_what_it_opens(shelf: Path) -> None:
    """A connection per question: none holds the file when the screen is gone."""
    drive(shelf, _nothing)
    with reading(shelf) as db:
        assert db.execute("SELECT count(*) FROM auctions").fetchone()[0] == 3


async def _nothing(app: Rooms, pilot: Pilot[None]) -> None:
    await pilot.pause()
