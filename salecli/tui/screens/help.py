"""Help: every key that works at the moment, and what the focused widget is for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import Input, Static

from salecli.core.text import clean

_TITLES = {"screen": "On this screen", "everywhere": "Everywhere", "built in": "Moving and editing"}
"""What is written above the keys of each place, in the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One action that a key reaches."""

    place: str
    """Where the key works: on this "screen", "everywhere", or as "built in" to the focused widget."""
    keys: str
    """As the user has them, with all that lead to the same."""
    does: str
    id: str
    """Its name in the `[keys]` table of the configuration, empty where it cannot be remapped."""


def key_rows(screen: Screen[Any]) -> list[KeyRow]:
    """The keys that work on `screen` with its present focus, its own before the app's."""
    rows: dict[tuple[str, str, str], list[ActiveBinding]] = {}
    for active in screen.active_bindings.values():
        if active.binding.description:
            place = _place(active, screen)
            rows.setdefault((place, active.binding.id or "", active.binding.action), []).append(active)
    found = []
    for (place, name, _), bindings in rows.items():
        first = bindings[0].binding
        keys = " ".join(screen.app.get_key_display(one.binding) for one in bindings)
        found.append(
            KeyRow(place, clean(keys, False), clean(first.tooltip or first.description, False), name)
        )
    return sorted(found, key=lambda row: list(_TITLES).index(row.place))


def _place(active: ActiveBinding, screen: Screen[Any]) -> str:
    if not active.binding.id:
        return "built in"
    return "everywhere" if active.node is screen.app else "screen"


def matching(rows: Iterable[KeyRow], query: str) -> list[KeyRow]:
    """The rows that hold every word of `query`."""
    words = query.lower().split()
    return [row for row in rows if all(word in f"{row.keys} {row.does} {row.id}".lower() for word in words)]


class Overlay(ModalScreen[None]):
    """A window over a screen that Esc closes."""

    CSS_PATH: ClassVar = "help.tcss"
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (10, "-high")]  # noqa: RUF012 - Textual does not say ClassVar
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Close", id="help.close", tooltip="Close this window"),
    ]

    def name_window(self, title: str, foot: str) -> None:
        """Say in its border what the window is, and how one leaves it."""
        window = self.query_one(".overlay")
        window.border_title, window.border_subtitle = title, foot

    def action_close(self) -> None:
        """Close, once: a second Esc that was already on its way must not close what lies below."""
        if self.app.screen is self:
            self.dismiss()


class KeyHelp(Overlay):
    """All keys of a screen as a table, searchable by typing."""

    HELP: ClassVar = """\
# Keys

Every key that works on the screen below. Type to search by key, by what it does or by its id. A key with an
id can be changed: `[keys]` in the configuration, `id = "key"`. **Up** and **Down** scroll, **Esc** closes.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "scroll(-1)", "Up", id="help.up", show=False, tooltip="Scroll up"),
        Binding("down", "scroll(1)", "Down", id="help.down", show=False, tooltip="Scroll down"),
        Binding("pageup", "scroll(-10)", "Page up", id="help.pageup", show=False, tooltip="Scroll far up"),
        Binding(
            "pagedown", "scroll(10)", "Page down", id="help.pagedown", show=False, tooltip="Scroll far down"
        ),
    ]

    def __init__(self, screen: Screen[Any]) -> None:
        """`screen` is the one whose keys are shown, with its present focus."""
        super().__init__()
        self._rows = key_rows(screen)

    def compose(self) -> ComposeResult:
        with Vertical(classes="overlay", id="table"):
            yield Input(placeholder="type to search", id="query")
            with VerticalScroll(can_focus=False):
                yield Static(self._table(self._rows), id="keys")

    def on_mount(self) -> None:
        self.name_window("Keys", "Esc closes   ids are for the configuration")

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.query_one("#keys", Static).update(self._table(matching(self._rows, event.value)))
        self.query_one(VerticalScroll).scroll_home(animate=False)

    def action_scroll(self, rows: int) -> None:
        """Scroll the table while the focus stays where one types."""
        self.query_one(VerticalScroll).scroll_relative(y=rows, animate=False)

    def on_resize(self) -> None:
        self.query_one("#keys", Static).update(self._table(matching(self._rows, self.query_one(Input).value)))

    def _table(self, rows: Sequence[KeyRow]) -> Table | Text:
        if not rows:
            return Text("no key does that")
        wide = self.app.size.width >= 72
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, expand=True, show_header=False)
        table.add_column(max_width=18 if wide else 12)
        table.add_column(ratio=1)
        if wide:
            table.add_column(no_wrap=True, style="dim")
        place = ""
        for row in rows:
            if row.place != place:
                place = row.place
                table.add_row(Text(""), Text(_TITLES[place], style="bold underline"), *[Text("")] * wide)
            table.add_row(Text(row.keys, style="bold"), Text(row.does), *[Text(row.id)] * wide)
        return table


class WidgetHelp(Overlay):
    """What the focused widget is for, else what the screen is for."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f1", "close", "Close", id="help.shut", show=False, tooltip="Close this window"),
        Binding("question_mark", "keys", "Keys", id="help.keys", tooltip="Every key of the screen below"),
    ]

    def __init__(self, screen: Screen[Any]) -> None:
        super().__init__()
        self._below = screen
        self._text = help_text(screen)

    def compose(self) -> ComposeResult:
        from textual.widgets import Markdown  # its parser is not for the first frame

        with Vertical(classes="overlay"), VerticalScroll(id="text"):
            yield Markdown(self._text, open_links=False)

    def on_mount(self) -> None:
        self.name_window("Help", "Esc closes   ? all keys")

    async def action_keys(self) -> None:
        """Show the keys instead."""
        if self.app.screen is self:
            await self.dismiss()
            await self.app.push_screen(KeyHelp(self._below))


def help_text(screen: Screen[Any]) -> str:
    """The help of the focused widget, of the nearest around it that has one, else of the screen."""
    nodes = screen.focused.ancestors_with_self if screen.focused is not None else [screen]
    for node in nodes:
        if node.HELP:
            return node.HELP
    return "# Help\n\nThere is nothing to say about this. **?** shows all keys."
