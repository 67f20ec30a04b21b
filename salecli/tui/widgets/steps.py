"""The list of what was done: attempts with their steps and ends, and a cursor that follows the newest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from salecli.core.text import clean
from salecli.tui.widgets.attempts import Row


class Steps(ScrollView, can_focus=True, inherit_bindings=False):
    """Actions with what the tests said after them: passed of all. Up and down choose one.

    The newest is followed until another is chosen; End follows it again.
    """

    HELP: ClassVar = """\
# Steps

Every attempt with its steps: what the agent did, and how many tests passed after it. **Up** and **down**
choose a step, whose reply and output stand beside it; **enter** shows all of them. **End** follows the newest
again.
"""
    DEFAULT_CSS = Path(__file__).with_suffix(".tcss").read_text("utf-8")
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"steps--{name}" for name in ("attempt", "good", "bad", "now", "cursor")
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "up", show=False, id="steps.up", tooltip="The step before"),
        Binding("down,j", "move(1)", "down", show=False, id="steps.down", tooltip="The next step"),
        Binding("home", "first", "first", show=False, id="steps.first", tooltip="The first step"),
    ]

    class Chosen(Message):
        """The user put the cursor on a row."""

        def __init__(self, row: Row) -> None:
            super().__init__()
            self.row = row

    def __init__(self, id: str | None = None) -> None:  # noqa: A002  Textual's own word
        super().__init__(id=id)
        self.rows: list[Row] = []
        self.cursor = 0
        self.following = True

    @property
    def row(self) -> Row | None:
        """The row under the cursor."""
        return self.rows[self.cursor] if self.cursor < len(self.rows) else None

    def show(self, rows: Sequence[Row]) -> None:
        """The rows as they are now; the cursor stays where the reader put it."""
        self.rows = list(rows)
        self.virtual_size = Size(self.size.width, len(self.rows))
        if self.following or self.cursor >= len(self.rows):
            self.cursor = max(len(self.rows) - 1, 0)
        self._into_view()
        self.refresh()

    def latest(self) -> None:
        """To the newest row, and stay there."""
        self.following = True
        self._put(len(self.rows) - 1)

    def action_first(self) -> None:
        self._put(next((at for at, row in enumerate(self.rows) if row.part != "attempt"), 0))

    def action_move(self, by: int) -> None:
        at = self.cursor + by
        while 0 <= at < len(self.rows) and self.rows[at].part == "attempt":
            at += by
        if 0 <= at < len(self.rows):
            self._put(at)

    def on_click(self, event: events.Click) -> None:
        at = event.y + self.scroll_offset.y
        if at < len(self.rows) and self.rows[at].part != "attempt":
            self._put(at)

    def _put(self, at: int) -> None:
        self.cursor = max(at, 0)
        self.following = self.cursor >= len(self.rows) - 1
        self._into_view()
        self.refresh()
        if self.row is not None:
            self.post_message(self.Chosen(self.row))

    def _into_view(self) -> None:
        # An attempt's heading above its first step comes into view with it, where there is room.
        above = min(self.cursor, int(self.scrollable_content_region.height > 1))
        region = Region(0, self.cursor - above, 1, 1 + above)
        self.scroll_to_region(region, animate=False, immediate=True, force=True)

    def render_line(self, y: int) -> Strip:
        """One row: sign of the cursor, what was done, what the tests said."""
        at, plain = y + self.scroll_offset.y, self.rich_style
        width = self.scrollable_content_region.width
        if at >= len(self.rows):
            return Strip.blank(width, plain)
        row = self.rows[at]
        style = plain
        if row.part in ("attempt", "now"):
            style = self.get_component_rich_style(f"steps--{row.part}")
        said = style
        if row.good is not None:
            said = self.get_component_rich_style("steps--good" if row.good else "steps--bad")
        if at == self.cursor and row.part != "attempt":
            style = said = self.get_component_rich_style("steps--cursor")
        return Strip(_line(row, width, at == self.cursor, style, said)).adjust_cell_length(width, style)

    def on_resize(self, event: events.Resize) -> None:
        self.virtual_size = Size(self.size.width, len(self.rows))
        self.call_after_refresh(self._into_view)


def _line(row: Row, width: int, here: bool, style: Style, said: Style) -> list[Segment]:
    """The row's text, cut so that what the tests said stands at the right edge."""
    sign = "" if row.part == "attempt" else ">" if here else " "
    right = f" {row.right} " if row.right else ""
    room = max(width - cell_len(sign) - cell_len(right), 0)
    left = clean(row.left, newlines=False)
    if cell_len(left) > room:
        left = set_cell_size(left, max(room - 1, 0)) + "…" * (room > 0)
    return [Segment(sign + set_cell_size(left, room), style), Segment(right, said)]
