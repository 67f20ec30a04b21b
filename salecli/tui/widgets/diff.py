"""A patch to read: one line widget for any number of files and lines, with a current hunk.

Syntax colours come later, from a thread, for what is looked at. Line numbers are a gutter that no copy holds.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.cache import LRUCache
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from salecli.core.text import clean
from salecli.tui.widgets.diffchoice import Choice
from salecli.tui.widgets.diffcolours import Coloured, both
from salecli.tui.widgets.difflines import Kind, Lines, Row, gutter, laid_out, splittable, text_width
from salecli.tui.widgets.diffpaint import MARK, PARTS, Marks, Paint, Side, side

if TYPE_CHECKING:
    from textual.selection import Selection

_CHUNK = 200
"""Lines that are coloured at once."""
_AHEAD = 6
"""Chunks that may wait for their colours."""
_CALM = 0.03
"""Seconds before each of them: who scrolls on need not wait for colours of what is past."""


class DiffView(ScrollView, can_focus=True):
    """Files, hunks and lines; the screen that shows it says what is taken and binds the keys."""

    DEFAULT_CSS = Path(__file__).with_suffix(".tcss").read_text("utf-8")
    COMPONENT_CLASSES: ClassVar[set[str]] = set(PARTS)

    class Moved(Message):
        """Another hunk is the current one."""

    class Turned(Message):
        """The box of a hunk, or of a file (hunk -1), was clicked."""

        def __init__(self, file: int, hunk: int) -> None:
            super().__init__()
            self.file, self.hunk = file, hunk

    def __init__(self, id: str | None = None) -> None:  # noqa: A002  Textual's own word
        super().__init__(id=id)
        self.lines = Lines(())
        self.choice = Choice(())
        self.flags: dict[str, tuple[str, ...]] = {}
        self.current = (0, 0)
        """(file, hunk)."""
        self.split = False
        self.wrap = False
        self.hits: list[tuple[int, int, int]] = []
        self.hit = -1
        self.page = laid_out(self.lines, 0, False, False)
        self._paint: Paint | None = None
        self._strips: LRUCache[tuple[object, ...], tuple[Strip, Strip, Style]] = LRUCache(1000)
        self._colours: LRUCache[tuple[int, int, int], list[Coloured]] = LRUCache(200)
        """By (file, hunk, chunk)."""
        self._wanted: dict[tuple[int, int, int], None] = {}
        self._colouring = False
        self._hit_lines: dict[int, list[int]] = {}

    # What is shown

    def show(self, lines: Lines, choice: Choice, flags: dict[str, tuple[str, ...]]) -> None:
        """Show other files, from the first hunk on."""
        self.lines, self.choice, self.flags = lines, choice, flags
        self.current, self.hits, self.hit = (0, 0), [], -1
        self._hit_lines = {}
        self._colours.clear()
        self._wanted.clear()
        self._lay_out()
        self.scroll_to(0, 0, animate=False, immediate=True)

    def _lay_out(self) -> None:
        self._strips.clear()
        width, lines = self.scrollable_content_region.width, self.lines
        split = splittable(lines, width, self.wrap) if self.split else frozenset()
        if self.wrap or self.page.wrap or self.page.lines is not lines or self.page.split != split:
            self.page = laid_out(lines, width, self.split, self.wrap)
        self.page.width = width  # without wrap, rows depend on it in no other way
        whole = [wide for file, wide in enumerate(lines.widest) if file not in self.page.split]
        widest = 0 if self.wrap else max(whole, default=0) + gutter(lines, width) + 1
        self.virtual_size = Size(max(width, widest), self.page.height)
        self.refresh()

    def rearrange(self, split: bool, wrap: bool) -> None:
        """Show the same split or unified, wrapped or not, with the same row at the top."""
        row, _ = self.page.at(self.scroll_offset.y)
        kept = self.page.rows[row] if row < len(self.page.rows) else None
        self.split, self.wrap = split, wrap
        self._lay_out()
        if kept is not None:
            kind, file, hunk, left, right = kept
            line = left if kind is Kind.LINE and left >= 0 else right
            row = self.page.row_of(line) if line >= 0 else self.page.hunk_rows.get((file, hunk), row)
            row = self.page.file_rows[file] if kind is Kind.FILE else row
            self.scroll_to(0, self.page.top(row), animate=False, immediate=True)

    @property
    def unsplit(self) -> int:
        """How many files that have two sides stand unified because a line is too long."""
        files = enumerate(self.lines.files)
        two = [place for place, file in files if file.status == "modified" and file.hunks]
        return sum(place not in self.page.split for place in two)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._paint = None
        self._strips.clear()

    def on_resize(self, event: events.Resize) -> None:
        if self.scrollable_content_region.width != self.page.width:
            self.rearrange(self.split, self.wrap)
            self._keep_current()

    # Where one is

    @property
    def file(self) -> int:
        return self.current[0]

    def go(self, file: int, hunk: int) -> None:
        """Make a hunk the current one, and show it."""
        if not self.lines.files:
            return
        self._make_current(file, hunk)
        rows, height = self.page.rows_of(file, hunk), self.size.height
        top, end = self.page.top(rows.start), self.page.top(rows.stop - 1)
        if top < self.scroll_offset.y or end >= self.scroll_offset.y + height:
            self.scroll_to(0, top, animate=False, immediate=True)

    def step_hunk(self, step: int) -> None:
        """To the next hunk, or the one before."""
        if self.lines.files:
            self.go(*self.page.next_hunk(*self.current, step))

    def step_file(self, step: int) -> None:
        """To the next file, or to the one before."""
        if self.lines.files:
            self.go(min(max(self.file + step, 0), len(self.lines.files) - 1), 0)

    def _make_current(self, file: int, hunk: int) -> None:
        if self.current != (file, hunk):
            self.current = (file, hunk)
            self.refresh()
            self.post_message(self.Moved())

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._wanted.clear()  # what is still in sight is asked for again
        self._keep_current()

    def _keep_current(self) -> None:
        """The current hunk is never out of sight: what a key takes or leaves can be seen."""
        if not self.page.hunk_rows or not self.size.height:
            return
        rows, top = self.page.rows_of(*self.current), self.scroll_offset.y
        if self.page.top(rows.stop) > top and self.page.top(rows.start) < top + self.size.height:
            return
        row, _ = self.page.at(min(top, self.page.height - 1))
        _, file, hunk, _, _ = self.page.rows[row]
        self._make_current(file, hunk if hunk >= 0 else 0)

    def on_click(self, event: events.Click) -> None:
        """A click makes a hunk current; on a box it takes or leaves."""
        offset = event.get_content_offset(self)
        row, _ = self.page.at(offset.y + self.scroll_offset.y) if offset else (-1, 0)
        if offset is None or not 0 <= row < len(self.page.rows):
            return
        kind, file, hunk, _, _ = self.page.rows[row]
        self._make_current(file, max(hunk, 0))
        if kind in (Kind.FILE, Kind.HUNK) and 1 <= offset.x <= 3:
            self.post_message(self.Turned(file, hunk))

    # What is searched for, and what is copied

    def search(self, wanted: str) -> int:
        """Mark every place, go to the first from here on; returns how many there are."""
        self.hits = self.lines.find(clean(wanted, newlines=False))
        self._hit_lines = {}
        for place, (line, _, _) in enumerate(self.hits):
            self._hit_lines.setdefault(line, []).append(place)
        self._strips.clear()
        self.refresh()
        self.hit = -1
        if self.hits:
            here = self.scroll_offset.y
            from_here = (
                place
                for place, (line, _, _) in enumerate(self.hits)
                if self.page.top(self.page.row_of(line)) >= here
            )
            self._show_hit(next(from_here, 0))
        return len(self.hits)

    def step_hit(self, step: int) -> None:
        """To the next place of what was searched for; after the last comes the first."""
        if self.hits:
            self._show_hit((self.hit + step) % len(self.hits))

    def _show_hit(self, place: int) -> None:
        self.hit = place
        line, start, end = self.hits[place]
        row = self.page.row_of(line)
        _, file, hunk, _, _ = self.page.rows[row]
        self._strips.clear()
        left, width = self.scroll_offset.x, text_width(self.lines, self.page.width, False)
        x = left if self.wrap or left <= start < end <= left + width else max(0, end + 8 - width)
        self.scroll_to(x, max(0, self.page.top(row) - self.size.height // 2), animate=False, immediate=True)
        self._make_current(file, hunk)
        self.refresh()

    def hunk_text(self) -> str:
        """The current hunk as text: signs and lines, without the gutter."""
        file, hunk = self.current
        found = self.lines.files[file].hunks[hunk : hunk + 1] if self.lines.files else ()
        return "".join(clean(line.removesuffix("\r")) + "\n" for one in found for line in one.lines)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """What the mouse has marked, without the gutter."""
        last = self.page.height - 1
        first = min(selection.start.y, last) if selection.start else 0
        final = min(selection.end.y, last) if selection.end else last
        found = []
        for y in range(first, final + 1):
            text = self._strip(y)[1].text.rstrip()
            start, end = selection.get_span(y) or (0, -1)
            found.append(text[start:] if end == -1 else text[start:end])
        return "\n".join(found), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        self._strips.clear()
        self.refresh()

    # Drawing

    def _painted(self) -> Paint:
        if self._paint is None:
            styles = {part.removeprefix("diff--"): self.get_component_rich_style(part) for part in PARTS}
            self._paint = Paint(styles, self.app.native_ansi_color)
        return self._paint

    def render_line(self, y: int) -> Strip:
        left, top = self.scroll_offset
        width, at = self.size.width, top + y
        paint = self._painted()
        if at >= self.page.height:
            return Strip.blank(width, paint.styles["context"])
        gutter_strip, text, ground = self._strip(at)
        room = max(0, width - gutter_strip.cell_length)
        left = left if gutter_strip.cell_length > 1 else 0  # heads and halves stay where they are
        return Strip.join([gutter_strip, text.crop_extend(left, left + room, ground)])

    def _strip(self, at: int) -> tuple[Strip, Strip, Style]:
        """(gutter, text, ground) at a height of the whole; the gutter stays where the text scrolls."""
        number, part = self.page.at(at)
        row = self.page.rows[number]
        kind, file, hunk, _, _ = row
        path = self.lines.files[file].path
        now = self.current == (file, hunk) or (kind is Kind.FILE and self.current[0] == file)
        sign = self.choice.sign(path, hunk if hunk >= 0 else None)
        chunk = self._chunk(row)
        if kind is Kind.LINE and chunk not in self._colours:
            self._want(chunk)
        key = (number, part, now, sign, chunk in self._colours)
        if key not in self._strips:
            paint = self._painted()
            if kind is Kind.LINE:
                drawn = self._line(paint, row, part, now, sign != "[ ]", chunk)
            else:
                drawn = self._head(paint, row, now, sign)
            gutter_strip, text, ground = drawn
            self._strips[key] = (gutter_strip, self._marked(text, at).apply_offsets(0, at), ground)
        return self._strips[key]

    def _marked(self, strip: Strip, at: int) -> Strip:
        """The strip with what the mouse has marked."""
        span = self.text_selection.get_span(at) if self.text_selection else None
        if span is None:
            return strip
        start, end = span
        style = self.screen.get_component_rich_style("screen--selection")
        length = strip.cell_length
        cuts = [start, length if end == -1 else min(end, length), length]
        before, inside, after = (Strip.join([one]) for one in strip.divide(cuts))
        return Strip.join([before, inside.apply_style(style), after])

    def _head(self, paint: Paint, row: Row, now: bool, sign: str) -> tuple[Strip, Strip, Style]:
        """A row that is no line of a file: it does not scroll sideways."""
        kind, file, hunk, note, _ = row
        one, mark = self.lines.files[file], MARK if now else " "
        plain = paint.styles["context"]
        if kind is Kind.GAP:
            return Strip([]), Strip([]), plain
        if kind is Kind.NOTE:
            style = paint.styles["note"]
            return Strip([]), Strip([Segment(f"     {self.lines.notes[file][note]}", style)]), style
        if kind is Kind.FILE:
            style, (added, removed) = paint.styles["file"], self.lines.counts[file]
            said = f"{sign} {clean(one.path, newlines=False)}   +{added:,} -{removed:,}"
            flags = "   " + ", ".join(self.flags.get(one.path, ()))
            segments = [Segment(f" {said}", style), Segment(flags, paint.styles["flag"])]
            return Strip([]), Strip(segments), style
        style = paint.styles["hunk-now" if now else "hunk"]
        said = f"{sign} {hunk + 1}/{len(one.choices)}"
        if one.hunks:
            there = one.hunks[hunk]
            said += f"  @@ -{there.old_start},{there.old_count} +{there.new_start},{there.new_count} @@"
            said += f"  {clean(there.section, newlines=False)}"
        else:
            said += "  the whole file"
        if sign == "[ ]":
            said += "  (left out)"
        return Strip([]), Strip([Segment(mark, paint.styles["mark"]), Segment(said, style)]), style

    def _line(
        self, paint: Paint, row: Row, part: int, now: bool, taken: bool, chunk: tuple[int, int, int]
    ) -> tuple[Strip, Strip, Style]:
        _, file, _, left, right = row
        mark = Segment(MARK if now else " ", paint.styles["mark"])
        dim = paint.styles["gutter"]

        def half(line: int, which: str) -> Side:
            return side(paint, self.page, line, part, which, taken, self._marks(row, line, chunk))

        if file not in self.page.split:
            one = half(left, "")
            return Strip([mark, Segment(one.numbers, dim)]), Strip(one.body), one.ground
        width = (self.page.width - 3) // 2
        old, new = half(left, "old"), half(right, "new")
        first = Strip([Segment(old.numbers, dim), *old.body]).adjust_cell_length(width, old.ground)
        second = Strip([Segment(new.numbers, dim), *new.body]).adjust_cell_length(width, new.ground)
        return Strip([mark]), Strip.join([first, Strip([Segment("│ ", dim)]), second]), new.ground

    def _marks(self, row: Row, line: int, chunk: tuple[int, int, int]) -> Marks:
        if line < 0:
            return (), (), ()
        _, file, hunk, _, _ = row
        span = self.lines.hunks[file][hunk]
        words = self.lines.words(span, line) if self.lines.signs[line] in "+-" else ()
        hits = [
            (*self.hits[place][1:], "hit-now" if place == self.hit else "hit")
            for place in self._hit_lines.get(line, ())
        ]
        colours: Coloured = ()
        if chunk in self._colours:
            place = line - span.start - chunk[2] * _CHUNK
            known = self._colours[chunk]
            colours = known[place] if 0 <= place < len(known) else ()
        return colours, words, hits

    # Colours of code, from a thread

    def _chunk(self, row: Row) -> tuple[int, int, int]:
        kind, file, hunk, left, right = row
        if kind is not Kind.LINE:
            return -1, -1, -1
        line = left if left >= 0 else right
        return file, hunk, (line - self.lines.hunks[file][hunk].start) // _CHUNK

    def _want(self, chunk: tuple[int, int, int]) -> None:
        self._wanted.pop(chunk, None)
        self._wanted[chunk] = None
        while len(self._wanted) > _AHEAD:
            del self._wanted[next(iter(self._wanted))]
        if not self._colouring:
            self._colouring = True
            self.call_later(self.run_worker, self._colour(), group="colours")

    async def _colour(self) -> None:
        """Colour what is looked at, the latest first, until nothing waits."""
        try:
            while self._wanted:
                await asyncio.sleep(_CALM)
                if not self._wanted:
                    break
                chunk, _ = self._wanted.popitem()
                lines, (file, hunk, place) = self.lines, chunk
                span = lines.hunks[file][hunk][place * _CHUNK : (place + 1) * _CHUNK]
                signs, texts = lines.signs[span.start : span.stop], lines.texts[span.start : span.stop]
                found = await asyncio.to_thread(both, lines.files[file].path, signs, texts)
                if lines is self.lines:
                    self._colours[chunk] = found
                    self.refresh()
        finally:
            self._colouring = False
