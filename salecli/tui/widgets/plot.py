"""A curve per agent over time. Imported after the first frame: plotext is not free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from rich.text import Text
from textual.content import Content
from textual_plotext import PlotextPlot

from salecli.core.text import clean
from salecli.core.words import money, shortened

_COLOURS = 6


class Curves(PlotextPlot):
    """Lines through points that carry a letter for their agent: it can be read without colour."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"curves--{place}" for place in range(_COLOURS)}
    DEFAULT_CSS = """
    Curves {
        width: 1fr; height: 1fr; border: round $border-blurred; padding: 0 1; border-title-color: $text;
    }
    Curves > .curves--0 { color: $primary; }
    Curves > .curves--1 { color: $success; }
    Curves > .curves--2 { color: $warning; }
    Curves > .curves--3 { color: $secondary; }
    Curves > .curves--4 { color: $error; }
    Curves > .curves--5 { color: $foreground; }
    """

    def __init__(self, title: str, *, id: str | None = None) -> None:  # noqa: A002  Textual's own name
        super().__init__(id=id)
        self.set_reactive(Curves.theme, "clear")  # no colours but ours, and no background
        self._title = title
        self._past = ""
        self._last = 0
        self._lines: list[tuple[str, list[int], list[float]]] = []
        self._marks: list[tuple[float, str]] = []

    def show(
        self, lines: Mapping[str, Sequence[float | None]], marks: Sequence[tuple[float, str]], past: str
    ) -> None:
        """Draw a line per agent through what is not None, on a scale that has `marks`: (value, its label).

        `past` is what the oldest point is called; the newest is "now".
        """
        self._past = past
        known = letters(tuple(lines))
        self._lines = []
        for agent, values in lines.items():
            at = [(place, value) for place, value in enumerate(values) if value is not None]
            if at:
                self._lines.append((known[agent], [x for x, _ in at], [y for _, y in at]))
        self._last = max((len(values) for values in lines.values()), default=1) - 1
        self._marks = list(marks)
        names = [
            _marked(agent, known[agent], f"bold {self._colour(place)}") for place, agent in enumerate(lines)
        ]
        self.border_title = Content("  ").join([Content(self._title), *names])
        self.refresh()

    def _colour(self, place: int) -> str:
        return ("$primary", "$success", "$warning", "$secondary", "$error", "$foreground")[place % _COLOURS]

    def render(self) -> Text:
        plot, (width, height) = self.plt, self.content_size
        if width < 12 or height < 4 or not self._lines:
            return Text("nothing yet" if not self._lines else "no room")
        plot.clear_figure()
        plot.theme("clear")
        for place, (_, x, y) in enumerate(self._lines):
            plot.plot(x, y, marker=".", color=1 + place % _COLOURS)
        for place, (letter, x, y) in enumerate(self._lines):
            plot.scatter(x, y, marker=letter, color=1 + place % _COLOURS)
        plot.xlim(0, max(self._last, 1))
        plot.ylim(self._marks[0][0], self._marks[-1][0])
        plot.yticks([value for value, _ in self._marks], [label for _, label in self._marks])
        plot.xticks([0, max(self._last, 1)], [self._past, "now"])
        plot.xaxes(True, False)
        plot.yaxes(True, False)
        plot.plotsize(width, height)
        plot._set_size(width, height)  # see PlotextPlot.render
        drawn = Text.from_ansi(plot.build())
        styles = [self.get_component_rich_style(f"curves--{place}") for place in range(_COLOURS)]
        drawn.spans = [
            span._replace(style=styles[style.color.number - 1])
            for span in drawn.spans
            if not isinstance(style := span.style, str) and style.color and style.color.number
        ]
        return drawn


def _marked(name: str, letter: str, style: str) -> Content:
    """A name with the letter in it that its points carry."""
    name = shortened(clean(name, newlines=False), 12)
    at = name.find(letter)
    if at < 0:
        return Content.assemble((letter, style), f"={name}")
    return Content.assemble(name[:at], (letter, style), name[at + 1 :])


def letters(names: Sequence[str]) -> dict[str, str]:
    """A letter or digit for each name, none twice: its own first one that is free."""
    found: dict[str, str] = {}
    for name in names:
        own = [sign for sign in name if sign.isascii() and sign.isalnum()]
        free = (
            sign for sign in (*own, *"abcdefghijklmnopqrstuvwxyz0123456789") if sign not in found.values()
        )
        found[name] = next(free, "?")
    return found


def scale(values: Sequence[float]) -> list[tuple[float, str]]:
    """Marks of a logarithmic scale around positive amounts of USD, from 1, 2 or 5 of a power of ten."""
    if not values:
        return [(1.0, "1"), (10.0, "10")]
    steps = [step * 10.0**power for power in range(-12, 7) for step in (1, 2, 5)]
    low = max((step for step in steps if step <= min(values)), default=steps[0])
    high = min((step for step in steps if step >= max(values) and step > low), default=steps[-1])
    between = [step for step in steps if low < step < high]
    marks = [low, *between[len(between) // 2 : len(between) // 2 + 1], high]
    return [(mark, money(mark).removesuffix(" USD")) for mark in marks]
