"""The comparison table of an auction: agents as columns in pool order, drawn by line, changed in place."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.timer import Timer

from salecli.tui.terms import TERMS
from salecli.tui.widgets.blocks import block
from salecli.tui.widgets.cells import Cell, View, rows

LABEL = 13
"""Cells of the labels at the left."""
NARROW = 76
"""Width of the table below which agents stand one below the other."""
WIDE = 96
"""Width from which the marks are unfolded unless the user folds them."""
_LEAST = 13
_FRESH = 1.0
"""Seconds for which a change is marked."""

_STYLES = (
    *("label", "head", "leader", "muted", "rule", "under", "good", "bad", "warn", "busy", "spark"),
    *("net", "edge", "cost", "lack", "selected", "fresh"),
)
Line = tuple[tuple[str, str, Cell], ...]
"""(agent, label or "", cell) from left to right."""


class Market(ScrollView, can_focus=True, inherit_bindings=False):
    """The bids side by side. Left and right choose the agent whose plan is shown, a click does too.

    Marks stand as judge by bid, a judge's mark of its own bid in brackets, one that replaces a failed judge's
    after a tilde. The bar's solid part is value minus cost: the longest one leads.
    """

    HELP: ClassVar = f"""\
# The bids side by side

Each agent is a column, always in the pool's order. Left and right, or a click, choose the column whose plan
is shown. What does not count is dimmed.

{TERMS}
The small curve shows the entropy along the plan. The bar is what the value leaves after the cost (solid), and
the cost (dotted); all bars are on one scale.
"""
    DEFAULT_CSS = Path(__file__).with_suffix(".tcss").read_text("utf-8")
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"market--{name}" for name in _STYLES}

    class Selected(Message):
        """The user chose a column with the mouse."""

        def __init__(self, agent: str) -> None:
            super().__init__()
            self.agent = agent

    def __init__(self, view: View) -> None:
        super().__init__()
        self.view = view
        self.selected = ""
        self.folded: bool | None = None
        """Whether the user folded the marks; None leaves it to the width."""
        self.short = False
        self.room = 0
        """Lines that the screen has for it; 0 where that is not known."""
        self._lines: list[Line] = []
        self._names: list[str] = []
        self._visible: list[str] = []
        self._each = 1
        self._strips: dict[int, Strip] = {}
        self._fresh: dict[tuple[str, str], float] = {}
        self._timer: Timer | None = None
        self._styles: dict[tuple[str, bool, bool], Style] = {}

    @property
    def unfolded(self) -> bool:
        """Whether the marks are shown by judge."""
        if self.folded is not None:
            return not self.folded
        if self.size.width < WIDE or self.short:
            return False
        return not self.room or len(rows(self.view.board, unfolded=True)) <= self.room

    @property
    def narrow(self) -> bool:
        return self.size.width < NARROW

    @property
    def visible_columns(self) -> list[tuple[str, int]]:
        """(agent, width) of the columns from left to right; nothing where agents stand in blocks."""
        return [] if self.narrow else [(agent, self._each) for agent in self._visible]

    def show(self, mark: bool = True) -> None:
        """Draw what changed since the last time; `mark` points it out for a second."""
        if not self.size.width or not self.view.board.prices:
            return
        lines = self._blocks() if self.narrow else self._table()
        if len(lines) != len(self._lines):
            self._strips.clear()
            self._lines = lines
            self.virtual_size = Size(self.size.width, len(lines))
            self.styles.height = len(lines)
            self.refresh()
            return
        if mark:
            self._note(lines)
        for y, line in enumerate(lines):
            if line != self._lines[y]:
                self._strips.pop(y, None)
                self.refresh_line(y)
        self._lines = lines

    def _table(self) -> list[Line]:
        view, width = self.view, self.size.width
        view.unfolded = self.unfolded
        agents = view.board.agents
        room = max((width - LABEL) // _LEAST, 1)
        first = 0
        if len(agents) > room and self.selected in agents:
            first = min(max(agents.index(self.selected) - room // 2, 0), len(agents) - room)
        visible = agents[first : first + room]
        each = min((width - LABEL) // len(visible), 44)
        drawn: list[Line] = []
        self._names = []
        self._each, self._visible = each, visible
        for row in rows(view.board, view.unfolded, self.short):
            label = row.label
            if row.name == "head" and len(visible) < len(agents):
                label = f"{first + 1}-{first + len(visible)} of {len(agents)}"
            self._names.append("" if row.live else row.name)
            cells = [(agent, "", row.cell(view, agent, each)) for agent in visible]
            drawn.append((("", label, ()), *cells))
        return drawn

    def _blocks(self) -> list[Line]:
        drawn: list[Line] = []
        self._names, self._each, self._visible = [], self.size.width, []
        for agent in self.view.board.agents:
            sign = ">" if agent == self.selected else " "
            for cell in block(self.view, agent, self.size.width - 1, self.unfolded, sign):
                drawn.append(((agent, "", cell),))
                self._names.append("")
        return drawn

    def _note(self, lines: list[Line]) -> None:
        """Remember which cells changed, and let one timer take the marks away."""
        now = monotonic()
        for name, before, after in zip(self._names, self._lines, lines, strict=False):
            if not name or len(before) != len(after):
                continue
            for old, new in zip(before, after, strict=True):
                if new[2] and old[0] == new[0] and old[2] != new[2]:
                    self._fresh[name, new[0]] = now
        if self._fresh and self._timer is None:
            self._timer = self.set_timer(_FRESH, self._settle)

    def _settle(self) -> None:
        self._timer = None
        old = [key for key, since in self._fresh.items() if monotonic() - since >= _FRESH * 0.9]
        for key in old:
            del self._fresh[key]
            if key[0] in self._names:
                y = self._names.index(key[0])
                self._strips.pop(y, None)
                self.refresh_line(y)
        if self._fresh:
            self._timer = self.set_timer(_FRESH / 2, self._settle)

    def select(self, agent: str) -> None:
        """Show this agent as the chosen one."""
        if agent != self.selected:
            self.selected = agent
            self._strips.clear()
            self.show(mark=False)
            self.refresh()
            if self.narrow:
                self._into_view(agent)

    def _into_view(self, agent: str) -> None:
        mine = [y for y, line in enumerate(self._lines) if line[0][0] == agent]
        if mine:
            self.scroll_to_region(
                Region(0, mine[0], 1, len(mine)), animate=False, immediate=True, x_axis=False
            )

    def render_line(self, y: int) -> Strip:
        """One line from the cache, or drawn anew."""
        at = y + self.scroll_offset.y
        width = self.size.width
        if at >= len(self._lines):
            return Strip.blank(width, self._style(""))
        strip = self._strips.get(at)
        if strip is None or strip.cell_length != width:
            strip = self._strips[at] = self._draw(at).adjust_cell_length(width, self._style(""))
        return strip

    def _draw(self, y: int) -> Strip:
        name = self._names[y]
        strips: list[Strip] = []
        for agent, label, cell in self._lines[y]:
            if label or not agent:
                strips.append(
                    Strip([Segment(f" {label}", self._style("label"))]).adjust_cell_length(
                        LABEL, self._style("")
                    )
                )
                continue
            chosen, fresh = agent == self.selected, (name, agent) in self._fresh
            if chosen and name == "" and cell and cell[0][1] == "rule":
                cell = ((cell[0][0].replace("─", "━"), "under"),)
            spans = [Segment(text, self._style(style, chosen, fresh)) for text, style in cell if text]
            plain = self._style("", chosen)
            strips.append(Strip(spans).adjust_cell_length(self._each - 1, plain))
            strips.append(Strip([Segment(" ", self._style(""))]))
        return Strip.join(strips)

    def _style(self, name: str, chosen: bool = False, fresh: bool = False) -> Style:
        key = (name, chosen, fresh)
        if key not in self._styles:
            # Whole styles, not partial ones: only those have their transparent colours blended.
            style = self.get_component_rich_style(f"market--{name}") if name else self.rich_style
            over = "fresh" if fresh else "selected" if chosen else ""
            if over and name != "edge":
                style += Style(
                    bgcolor=self.get_component_rich_style(f"market--{over}").bgcolor, bold=fresh or None
                )
            self._styles[key] = style
        return self._styles[key]

    def notify_style_update(self) -> None:
        """Another theme: everything is drawn anew."""
        super().notify_style_update()
        self._styles.clear()
        self._strips.clear()

    def on_resize(self, event: events.Resize) -> None:
        """Columns follow the width."""
        self._lines, self._strips = [], {}
        self.show(mark=False)

    def on_click(self, event: events.Click) -> None:
        """A click chooses the column below it."""
        y = event.y + self.scroll_offset.y
        if self.narrow and y < len(self._lines):
            self.post_message(self.Selected(self._lines[y][0][0]))
        elif event.x >= LABEL and self._visible:
            place = (event.x - LABEL) // self._each
            if place < len(self._visible):
                self.post_message(self.Selected(self._visible[place]))
