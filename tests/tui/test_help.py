"""Help: keys, the focused widget, and the palette."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import pytest
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.command import CommandPalette, DiscoveryHit, Hit
from textual.containers import Vertical
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Button, Input, Markdown, OptionList, TextArea

from salecli.tui.commands import MOST_OFFERED, SaleCommands
from salecli.tui.screens.help import KeyHelp, WidgetHelp, help_text, key_rows, matching
from tests.tui.scene import drawn, run_async

HOSTILE = "[@click=app.quit]x[/] \x1b[31mred"
SIZES = [(160, 45), (80, 24), (60, 20), (20, 5)]


class Explained(Vertical):
    """A container with help of its own."""

    HELP: ClassVar = "# Box\n\nA box."


class Room(Screen[None]):
    """A screen with keys, help and commands."""

    HELP: ClassVar = "# Room\n\nThe whole room."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("g", "ring", "Ring", id="room.ring", tooltip="Ring the bell"),
        Binding("u", "nothing", "Never", id="room.never", tooltip="Cannot be done now"),
        Binding("escape", "escaped", "Escaped", id="room.escaped"),
    ]
    rung = 0
    escapes = 0

    def compose(self) -> ComposeResult:
        yield Button("plain", id="plain")
        with Explained():
            yield TextArea(id="text")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "nothing"

    def action_ring(self) -> None:
        self.rung += 1

    def action_escaped(self) -> None:
        self.escapes += 1

    def commands(self) -> Iterable[tuple[str, str, Callable[[], object]]]:
        yield f"Open {HOSTILE}", HOSTILE, self.action_ring
        for number in range(40):
            yield f"Many {number}", "one of many", self.action_ring


class House(App[None]):
    """An app over one room."""

    COMMANDS: ClassVar = {SaleCommands}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f1", "help", "Help", id="app.help"),
        Binding("question_mark", "keys", "Keys", id="app.keys", tooltip="Every key that works here"),
        Binding("ctrl+c,ctrl+q", "quit", "Quit", id="app.quit", priority=True),
        Binding("f3", "go('auction')", "Auction", id="app.auction", tooltip="The auction"),
    ]

    def __init__(self, keys: dict[str, str] | None = None) -> None:
        super().__init__()
        self.room = Room()
        self.went: list[str] = []
        self.set_keymap(keys or {})

    def on_mount(self) -> None:
        self.push_screen(self.room)

    def action_help(self) -> None:
        self.push_screen(WidgetHelp(self.screen))

    def action_keys(self) -> None:
        self.push_screen(KeyHelp(self.screen))

    def action_go(self, where: str) -> None:
        self.went.append(where)

    @property
    def text(self) -> str:
        return drawn(self)


def play(steps: Any, keys: dict[str, str] | None = None, size: tuple[int, int] = (100, 40)) -> None:
    async def go() -> None:
        app = House(keys)
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await steps(app, pilot)

    run_async(go())


def test_all_keys_as_they_are_remapped() -> None:
    async def steps(app: House, pilot: Pilot[None]) -> None:
        rows = {row.id: row for row in key_rows(app.room)}
        assert (rows["room.ring"].keys, rows["room.ring"].does) == ("b d", "Ring the bell")
        assert rows["room.ring"].place == "screen"
        assert rows["app.keys"].place == "everywhere"
        assert "room.never" not in rows
        await pilot.press("question_mark")
        await pilot.pause()
        assert "b d" in app.text
        assert "room.ring" in app.text
        assert "Every key that works here" in app.text

    play(steps, {"room.ring": "b,d"})


def test_searching_keys_by_typing() -> None:
    async def steps(app: House, pilot: Pilot[None]) -> None:
        await pilot.press("question_mark", *"bell")
        await pilot.pause()
        assert "Ring the bell" in app.text
        assert "Every key that works here" not in app.text
        await pilot.press(*"qqq")
        await pilot.pause()
        assert "no key does that" in app.text

    play(steps)


def test_a_search_needs_every_word_in_any_place() -> None:
    async def steps(app: House, pilot: Pilot[None]) -> None:
        rows = key_rows(app.room)
        assert [row.id for row in matching(rows, "RING room")] == ["room.ring"]
        assert matching(rows, "") == rows

    play(steps)


def test_keys_of_the_focused_widget_are_listed_too() -> None:
    async def steps(app: House, pilot: Pilot[None]) -> None:
        app.room.query_one("#text").focus()
        await pilot.pause()
        rows = key_rows(app.room)
        assert {row.place for row in rows if "elect" in row.does} == {"built in"}
        # It is typed there.
        assert "room.ring" not in {row.id for row in rows}

    play(steps)


@pytest.mark.parametrize("opened", ["f1", "question_mark"])
def test_escape_closes_the_help_alone(opened: str) -> None:
    async def steps(app: House, pilot: Pilot[None]) -> None:
        await pilot.press(opened)
        await pilot.pause()
        assert app.screen is not app.room
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen is app.room
        assert app.room.escapes == 0

    play(steps)


def test_the_keys_scroll_while_one_types() -> None:
    async def steps(app: House, pilot: Pilot[None]) -> None:
        app.room.query_one("#text").focus()
        await pilot.pause()
        app.action_keys()
        await pilot.pause()
        box = app.screen.query_one("VerticalScroll")
        for key, moved in (("down", True), ("up", False), ("pagedown", True), ("pageup", False)):
            await pilot.press(key)
            await pilot.pause()
            assert (box.scroll_offset.y > 0) is moved, key
        assert isinstance(app.focused, Input)

    play(steps, size=(80, 24))


def test_help_of_the_focused_widget_and_of_the_screen() -> None:
    async def steps(app: House, pilot: Pilot[None]) -> None:
        assert help_text(app.room) == Room.HELP
        app.room.query_one("#text").focus()
        await pilot.pause()
        assert help_text(app.room) == Explained.HELP
        await pilot.press("f1")
        await pilot.pause()
        assert app.screen.query_one(Markdown).source == Explained.HELP
        assert "A box." in app.text
        await pilot.press("f1")
        await pilot.pause()
        assert app.screen is app.room

    play(steps)


def test_from_help_to_the_keys_and_back() -> None:
    async def steps(app: House, pilot: Pilot[None]) -> None:
        await pilot.press("f1", "question_mark")
        await pilot.pause()
        assert isinstance(app.screen, KeyHelp)
        assert "Ring the bell" in app.text
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen_stack[1:] == [app.room]

    play(steps)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("opened", ["f1", "question_mark"])
def test_sizes(opened: str, size: tuple[int, int]) -> None:
    async def steps(app: House, pilot: Pilot[None]) -> None:
        await pilot.press(opened)
        await pilot.pause()
        assert ("Room" if opened == "f1" else "to search" if size[1] < 10 else "On this screen") in app.text
        await pilot.resize_terminal(100, 30)
        await pilot.pause()
        assert "Esc closes" in app.text

    play(steps, size=size)


async def found(app: House, query: str = "") -> dict[str, DiscoveryHit | Hit]:
    """What the palette offers, by its words."""
    provider = SaleCommands(app.room)
    hits = provider.search(query) if query else provider.discover()
    return {str(hit.text): hit async for hit in hits}


def test_the_palette_has_actions_screens_and_themes() -> None:
    async def steps(app: House, pilot: Pilot[None]) -> None:
        hits = await found(app)
        assert str(hits["Ring (g)"].help) == "Ring the bell"
        actions = [name for name in hits if name.endswith(")")]
        assert actions[0] == "Ring (g)"
        # Nobody quits by pressing Enter in a palette just opened.
        assert actions[-1] == "Quit (^c ^q)"
        assert "Go to auction (f3)" in hits
        assert "Theme nord" in hits
        assert not [name for name in hits if name.startswith("Never")]
        # No more of the many than one can look over; a search finds all.
        assert sum(name.startswith(("Many", "Open")) for name in hits) == MOST_OFFERED
        assert "Many 39" in await found(app, "many 39")
        hits["Theme nord"].command()
        assert app.theme == "nord"

    play(steps)


def test_foreign_words_in_the_palette_are_text() -> None:
    async def steps(app: House, pilot: Pilot[None]) -> None:
        shown = "Open [@click=app.quit]x[/] \\x1b[31mred"
        for query in ("", "click"):
            hits = await found(app, query)
            assert str(hits[shown].prompt) == shown
            assert "\x1b" not in str(hits[shown].help)

    play(steps)


def test_a_command_is_run_from_the_palette() -> None:
    async def steps(app: House, pilot: Pilot[None]) -> None:
        for typed in ("ring", "auction"):
            await pilot.press("ctrl+p", *typed)
            palette: Screen[Any] = app.screen
            assert isinstance(palette, CommandPalette)
            for _ in range(50):
                await pilot.pause(0.05)
                if palette.query_one(OptionList).option_count:
                    break
            await pilot.press("enter")
            await pilot.pause()
            if app.screen is palette:
                await pilot.press("enter")
                await pilot.pause()
            assert app.screen is app.room
        await pilot.pause()
        assert app.room.rung == 1
        assert app.went == ["auction"]

    play(steps)


def test_hostile_help_in_the_palette_is_painted_as_text() -> None:
    async def steps(app: House, pilot: Pilot[None]) -> None:
        await pilot.press("ctrl+p", *"open")
        palette = app.screen
        for _ in range(50):
            await pilot.pause(0.05)
            if palette.query_one(OptionList).option_count:
                break
        assert app.text.count("[@click=app.quit]x[/] \\x1b[31mred") >= 2

    play(steps)
