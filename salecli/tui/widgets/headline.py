"""The one row at the top of every screen: which repository, which task, which pool, how long."""

from __future__ import annotations

from dataclasses import dataclass

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from salecli.core.text import clean
from salecli.core.words import shortened

_GAP = "   "
_LEAST = 8
"""Columns of the title that are worth more than anything to its right."""


@dataclass(frozen=True, slots=True)
class Heading:
    """What the headline says; what is empty or None is left out."""

    repository: str = ""
    title: str = ""
    state: str = ""
    """"replay 4x", "paused" and the like."""
    pool: str = ""
    thrift: float | None = None
    remembered: int | None = None
    seconds: float | None = None

    def left(self) -> str:
        """Where we are."""
        return _joined("sale", self.repository)

    def facts(self) -> list[str]:
        """What stands at the right, the most dispensable first."""
        return [
            clean(fact, newlines=False)
            for fact in (
                "" if self.remembered is None else f"memory {self.remembered:,}",
                "" if self.thrift is None else f"thrift {self.thrift:.2f}",
                self.pool,
                self.state,
                "" if self.seconds is None else _clock(self.seconds),
            )
            if fact
        ]


class Headline(Widget):
    """One row, fed by the app's `headline`; it drops what does not fit."""

    DEFAULT_CSS = """
    Headline {
        dock: top; height: 1; width: 1fr; padding: 0 1;
        background: $panel; color: $text; text-wrap: nowrap; text-overflow: clip;
    }
    """

    heading: reactive[Heading] = reactive(Heading(), layout=False)

    def on_mount(self) -> None:
        # An app without a headline (a screen tried alone) shows the bare name.
        if hasattr(type(self.app), "headline"):
            self.watch(self.app, "headline", self._tell)

    def _tell(self, heading: Heading) -> None:
        self.heading = heading

    def render(self) -> Content:
        return line(self.heading, self.content_size.width)


def line(heading: Heading, width: int) -> Content:
    """The row of exactly `width` cells: the title is shortened, then facts are left out."""
    left, facts = heading.left(), heading.facts()
    title = clean(heading.title, newlines=False)
    while True:
        right = _GAP.join(facts)
        room = width - len(left) - len(right) - 2 * bool(title) - len(_GAP) * bool(right)
        if room >= min(len(title), _LEAST) or not facts:
            break
        facts.pop(0)
    shown = shortened(title, room) if room > 1 and title else ""
    text = _joined(left, shown)[: max(width, 0)]
    gap = " " * max(0, width - len(text) - len(right))
    return Content.assemble((text[:4], "bold"), text[4:], gap, (right, "$text-muted"))


def _joined(*parts: str) -> str:
    return "  ".join(clean(part, newlines=False) for part in parts if part)


def _clock(seconds: float) -> str:
    """Whole seconds under a minute, then m:ss, then h:mm:ss."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
