"""Lines of a diff as segments: which style each part of a line has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from rich.segment import Segment
from rich.style import Style

from salecli.core.diff import Spans
from salecli.tui.widgets.diffcolours import NAMES, Coloured
from salecli.tui.widgets.difflines import Layout, cuts, text_width

KINDS = {" ": "context", "+": "added", "-": "removed", "\\": "note"}
_OTHERS = ("added-word", "removed-word", "added-sign", "removed-sign", "gutter", "mark", "file", "flag")
PARTS = frozenset(
    f"diff--{name}" for name in (*KINDS.values(), *_OTHERS, "hunk", "hunk-now", "hit", "hit-now", *NAMES)
)
"""The component classes that a view of diffs has."""
MARK = "▌"
"""Left of the current hunk."""
Marks = tuple[Coloured, Spans, Sequence[tuple[int, int, str]]]
"""What is marked in a line: colours of code, changed words, what was searched for as (from, to, style)."""


@dataclass(slots=True)
class Paint:
    """The styles of one theme, and how a line is put together from them."""

    styles: dict[str, Style]
    """By the names of PARTS, without "diff--"."""
    ansi: bool
    """Whether only the terminal's own colours may be used: a changed line then has its one colour."""
    _made: dict[tuple[str, bool, str, bool, str], Style] = field(default_factory=dict)

    def style(
        self, kind: str, taken: bool = True, colour: str = "", word: bool = False, hit: str = ""
    ) -> Style:
        """The style of a part of a line of this kind; what is not taken has no ground of its own."""
        key = (kind, taken, colour, word, hit)
        if key not in self._made:
            self._made[key] = self._mix(*key)
        return self._made[key]

    def _mix(self, kind: str, taken: bool, colour: str, word: bool, hit: str) -> Style:
        if hit:
            return self.styles[hit]
        style = self.styles[kind]
        if colour and not (self.ansi and kind != "context"):
            given = self.styles[colour]
            style += Style(color=given.color, italic=given.italic)
        if word and kind in ("added", "removed"):
            given = self.styles[f"{kind}-word"]
            style += Style(bgcolor=given.bgcolor, bold=given.bold, underline=given.underline or not taken)
        return style if taken else style + Style(bgcolor=self.styles["context"].bgcolor)

    def text(self, text: str, kind: str, taken: bool, cut: tuple[int, int], marks: Marks) -> list[Segment]:
        """The part of a line within `cut`."""
        start, end = cut
        layers = (marks[0], [(a, b, "word") for a, b in marks[1]], marks[2])
        edges = {start, end}
        for layer in layers:
            for a, b, _ in layer:
                edges.update((min(max(a, start), end), min(max(b, start), end)))
        points = sorted(edges)
        found, places = [], [0, 0, 0]
        for a, b in pairwise(points):
            over = []
            for number, layer in enumerate(layers):
                # Within a layer nothing overlaps, and all is in order.
                while places[number] < len(layer) and layer[places[number]][1] <= a:
                    places[number] += 1
                there = layer[places[number]] if places[number] < len(layer) else None
                over.append(there[2] if there is not None and there[0] <= a else "")
            found.append(Segment(text[a:b], self.style(kind, taken, over[0], bool(over[1]), over[2])))
        return found


@dataclass(frozen=True, slots=True)
class Side:
    """One line, or the old or new half of a row."""

    numbers: str
    body: list[Segment]
    """Sign and text."""
    ground: Style


def side(paint: Paint, layout: Layout, line: int, part: int, half: str, taken: bool, marks: Marks) -> Side:
    """The `part`-th piece of a line; half is "old" or "new" in a split row, empty in a unified one."""
    lines, digits = layout.lines, layout.lines.digits
    both = not half and layout.width >= 60
    nothing = Side(_numbers(0, 0, digits, both), [], paint.style("context"))
    if line < 0:
        return nothing
    sign, text = lines.signs[line], lines.texts[line]
    pieces = cuts(text, text_width(lines, layout.width, bool(half))) if layout.wrap else ((0, len(text)),)
    if part >= len(pieces):
        return nothing
    old = 0 if half == "new" else lines.old[line]
    new = 0 if half == "old" else lines.new[line]
    kind = KINDS.get(sign, "context")
    ground = paint.style(kind, taken)
    signed = ground
    if sign in "+-":
        signed += Style(color=paint.styles[f"{kind}-sign"].color, bold=True)
    first = Segment(" " if part else sign, signed)
    numbers = _numbers(0, 0, digits, both) if part else _numbers(old, new, digits, both)
    return Side(numbers, [first, *paint.text(text, kind, taken, pieces[part], marks)], ground)


def _numbers(old: int, new: int, digits: int, both: bool) -> str:
    """The gutter's numbers: in both files, or in the one that the line is in."""
    if both:
        return f"{old or '':>{digits}} {new or '':>{digits}} "
    return f"{new or old or '':>{digits}} "
