"""Long texts that others wrote: a line widget, wrapped, that holds 100,000 lines as easily as ten."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from salecli.core.text import clean
from salecli.tui.widgets.attempts import Block
from salecli.tui.widgets.wrap import Wrapped

HEAD, TAIL = 20, 40
"""Lines shown of a long text unless the whole is asked for."""


def folded(text: str, head: int = HEAD, tail: int = TAIL) -> str:
    """Head and tail of a text, with what was left out said between them."""
    lines = text.splitlines()
    left = len(lines) - head - tail
    if left <= 1:
        return text
    return "\n".join([*lines[:head], f"[{left:,} lines left out: enter shows all]", *lines[-tail:]])


def shown(text: str) -> str:
    """Foreign text made safe; line ends of other systems are line ends too."""
    return clean(text.replace("\r\n", "\n"))


class Output(ScrollView, can_focus=True):
    """Blocks of text, each below its heading. A text that grows is followed until the reader scrolls up.

    End takes hold of the end again.
    """

    HELP: ClassVar = """\
# Output

The chosen step: the agent's reply, what it saw of it, what the tests printed. Long texts show their head and
tail; **enter** shows all, **y** copies all. A reply that is being written is followed until you scroll up;
**end** follows it again.
"""
    DEFAULT_CSS = Path(__file__).with_suffix(".tcss").read_text("utf-8")
    COMPONENT_CLASSES: ClassVar[set[str]] = {"output--heading"}

    def __init__(self, id: str | None = None) -> None:  # noqa: A002  Textual's own word
        super().__init__(id=id)
        self._source: list[Block] = []
        """Cleaned."""
        self._blocks: list[tuple[bool, Wrapped]] = []
        """(whether it is a heading, lines) in order."""
        self._starts: list[int] = []
        """The first line of each block."""
        self._width = 0
        self.anchored = False
        """Whether the end is followed."""

    @property
    def text(self) -> str:
        """All that is shown."""
        return "\n".join(part for block in self._source for part in block if part)

    def show(self, blocks: Sequence[Block], end: bool = False) -> None:
        """Show other blocks, from the top or from the end."""
        self._source = [(shown(head), shown(text)) for head, text in blocks]
        self._rewrap()
        self.scroll_to(0, 0, animate=False, immediate=True)
        self.anchored = False
        if end:
            self.follow()

    def append(self, text: str) -> None:
        """Add to the last block; the view stays where the reader is."""
        if not self._source:
            self._source.append(("", ""))
            self._rewrap()
        text = shown(text)
        head, before = self._source[-1]
        self._source[-1] = (head, before + text)
        if self._width <= 0:
            return
        if not before:
            self._rewrap()  # the block had no lines until now
        else:
            self._blocks[-1][1].append(text)
            self._measure()
        if self.anchored:
            self.follow()
        self.refresh()

    def follow(self) -> None:
        """To the end, and stay there while the text grows."""
        self.anchored = True
        # Forced: before the next layout there may be no scrollbar yet.
        self.scroll_end(animate=False, immediate=True, force=True, x_axis=False)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Up lets go of the end; the end, reached again, holds."""
        super().watch_scroll_y(old_value, new_value)
        if new_value >= self.max_scroll_y:
            self.anchored = True
        elif new_value < old_value:
            self.anchored = False

    def _rewrap(self) -> None:
        width = self.scrollable_content_region.width
        self._width = width
        if width <= 0:
            return
        self._blocks = []
        for head, text in self._source:
            if head:
                self._blocks.append((True, Wrapped(width, head)))
            if text:
                self._blocks.append((False, Wrapped(width, text)))
        self._measure()
        self.refresh()

    def _measure(self) -> None:
        self._starts, total = [], 0
        for _, wrapped in self._blocks:
            self._starts.append(total)
            total += len(wrapped.lines)
        self.virtual_size = Size(self._width, total)

    def render_line(self, y: int) -> Strip:
        """One visible line."""
        at, plain = y + self.scroll_offset.y, self.rich_style
        place = bisect_right(self._starts, at) - 1
        if place < 0 or at - self._starts[place] >= len(self._blocks[place][1].lines):
            return Strip.blank(self.size.width, plain)
        heading, wrapped = self._blocks[place]
        style = self.get_component_rich_style("output--heading") if heading else plain
        line = wrapped.lines[at - self._starts[place]]
        return Strip([Segment(line, style)]).adjust_cell_length(self.size.width, style)

    def on_resize(self, event: events.Resize) -> None:
        """Lines follow the width; who was at the end stays there."""
        if self.scrollable_content_region.width != self._width:
            self._rewrap()
        if self.anchored:
            self.follow()
