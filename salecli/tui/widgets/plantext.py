"""A plan as it is written, in plain lines; once it is complete, as Markdown in the same widget."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from salecli.tui.terms import TERMS
from salecli.tui.widgets.markdown import STYLES, markdown
from salecli.tui.widgets.wrap import Wrapped

_LONGEST = 20_000
"""Characters above which a text stays plain: no plan is that long, and Markdown would block the screen."""


class PlanText(ScrollView, can_focus=True, inherit_bindings=False):
    """The plan of the chosen agent. While it is written the view stays at its end.

    Scrolling up lets go of the end, End takes hold of it again.
    """

    HELP: ClassVar = f"""\
# A plan

What an agent would do, in its own words: its bid. It is shown as it is written, and as Markdown once it is
complete. Links are words: nothing in a plan can be clicked.

While a plan is written the view stays at its end. Scrolling up lets go of it, End takes hold again. `b`
shows the plan that a refined one replaced, `a` all plans side by side, `y` copies the chosen one.

# The table above it

{TERMS}"""
    DEFAULT_CSS = Path(__file__).with_suffix(".tcss").read_text("utf-8")
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"plan--{name}" for name in (*STYLES, "cursor")}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "scroll(-1)", "Up", show=False, id="plan.up", tooltip="Scroll the plan up"),
        Binding("down", "scroll(1)", "Down", show=False, id="plan.down", tooltip="Scroll the plan down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="plan.page_up", tooltip="A page up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="plan.page_down", tooltip="A page down"),
        Binding("home", "top", "Top", show=False, id="plan.top", tooltip="To the plan's beginning"),
        Binding("end", "anchor", "End", show=False, id="plan.end", tooltip="To the end, and stay there"),
    ]

    def __init__(self, id: str | None = None) -> None:  # noqa: A002  Textual's own word
        super().__init__(id=id)
        self.text = ""
        """What is shown, cleaned already."""
        self.anchored = True
        self.writing = False
        self._wrapped = Wrapped(1)
        self._width = 0
        """What the text was wrapped for; 0 where it changed while it was hidden."""
        self._drawn: list[Strip] | None = None
        """The finished Markdown, None while the text is plain."""
        self._strips: dict[int, Strip] = {}
        self._style: Style | None = None

    @property
    def rendered(self) -> bool:
        """Whether the text is shown as Markdown."""
        return self._drawn is not None

    def entitle(self, title: str) -> None:
        """Name what is shown, in the rule above it; the title is never read as markup."""
        content = Content(title)
        if self.border_title != content.markup:
            self.border_title = content

    def show(self, text: str, writing: bool) -> None:
        """Show `text`; where it only grew, only its end is drawn anew."""
        if text == self.text and writing == self.writing:
            return
        grown = writing and self.writing and self._width > 0 and text.startswith(self.text)
        before, self.text, self.writing = self.text, text, writing
        if not grown:
            if writing or not before:
                self.anchored = writing
            self._rewrap()
            if not writing and not self.anchored:
                self.scroll_to(0, 0, animate=False)
            return
        last = self._count()
        changed = self._wrapped.append(text[len(before) :])
        for y in [y for y in self._strips if y >= changed]:
            del self._strips[y]
        self._fit()
        if self.anchored:
            self.scroll_end(animate=False, immediate=True, x_axis=False, force=True)
        self.refresh_lines(changed, max(self._count(), last) - changed)

    def _rewrap(self) -> None:
        self._width = width = self.scrollable_content_region.width
        if width <= 0:
            return
        self._strips.clear()
        self._drawn = None
        self._wrapped = Wrapped(width, self.text)
        if self.text and not self.writing and len(self.text) <= _LONGEST:
            if "markdown_it" in sys.modules:
                self._render_markdown()
            else:
                self.call_after_refresh(self._render_markdown)  # it takes a tenth of a second to load
        self._fit()
        if self.anchored and self.writing:
            self.scroll_end(animate=False, immediate=True, x_axis=False, force=True)
        self.refresh()

    def _render_markdown(self) -> None:
        # Called after a frame: another run may have taken this one's screens away meanwhile.
        if self.writing or self._drawn is not None or not self.text or not self.is_attached:
            return
        styles = {name: self.get_component_rich_style(f"plan--{name}") for name in STYLES}
        self._drawn = markdown(self.text, self._wrapped.width, self.rich_style, styles)
        self._strips.clear()
        self._fit()
        self.refresh()

    def _fit(self) -> None:
        size = Size(self._wrapped.width, self._count())
        if self.writing:
            # While it is written the text moves up by a third of the view: moving it line by line is hard to
            # read, and draws every line again for each.
            step = max(self.size.height // 3, 1)
            size = Size(size.width, -(-size.height // step) * step)
        if size == self.virtual_size:
            return
        if self.writing and self.show_vertical_scrollbar == (size.height > self.size.height):
            # A line more moves nothing but the scroll bar: a layout of the whole screen would be wasted.
            self.set_reactive(PlanText.virtual_size, size)
            self.vertical_scrollbar.window_virtual_size = size.height
        else:
            self.virtual_size = size

    def _count(self) -> int:
        return len(self._drawn) if self._drawn is not None else len(self._wrapped.lines)

    def render_line(self, y: int) -> Strip:
        """One line from the cache, or drawn anew."""
        at, width = y + self.scroll_offset.y, self.scrollable_content_region.width
        plain = self._plain()
        if at >= self._count():
            return Strip.blank(width, plain)
        if self._drawn is not None:
            return self._drawn[at]
        strip = self._strips.get(at)
        if strip is None:
            strip = self._strips[at] = self._line(at, plain).adjust_cell_length(width, plain)
        return strip

    def _plain(self) -> Style:
        # Asked for with every line, and worked out anew each time.
        if self._style is None:
            self._style = self.rich_style
        return self._style

    def _line(self, y: int, plain: Style) -> Strip:
        line = self._wrapped.lines[y]
        spans = [Segment(line, plain)]
        if self.writing and y == len(self._wrapped.lines) - 1 and cell_len(line) < self._wrapped.width:
            spans.append(Segment("▁", self.get_component_rich_style("plan--cursor")))
        return Strip(spans)

    def on_resize(self, event: events.Resize) -> None:
        """Lines follow the width."""
        if self.scrollable_content_region.width != self._width:
            self._rewrap()

    def notify_style_update(self) -> None:
        """Another theme: everything is drawn anew."""
        super().notify_style_update()
        self._strips.clear()
        self._style = None
        if self._drawn is not None:
            self._drawn = None
            self.call_after_refresh(self._render_markdown)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Up lets go of the end; the end, reached again, holds."""
        super().watch_scroll_y(old_value, new_value)
        if self.writing and round(new_value) < round(old_value):
            self.anchored = False
        elif self.writing and self.is_vertical_scroll_end:
            self.anchored = True

    def action_scroll(self, lines: int) -> None:
        """Scroll by lines."""
        self.scroll_to(y=self.scroll_y + lines, animate=False)

    def action_page(self, pages: int) -> None:
        """Scroll by pages, with one line of the page before."""
        self.scroll_to(y=self.scroll_y + pages * max(self.size.height - 1, 1), animate=False)

    def action_top(self) -> None:
        """Scroll to the beginning, and let go of the end."""
        self.anchored = False
        self.scroll_home(animate=False)

    def action_anchor(self) -> None:
        """Scroll to the end, and stay there while the plan grows."""
        self.anchored = True
        self.scroll_end(animate=False, x_axis=False)
