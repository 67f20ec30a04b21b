"""The weights as dials: how much cost, entropy and each judge count, tried before they are kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from salecli.core.scoring import in_proportion
from salecli.core.values import Weights
from salecli.tui.widgets.cells import shown

COST, ENTROPY = "thrift", "entropy"
FINE, COARSE = 0.01, 0.1
_TAIL = 8


def turned(weights: Weights, dial: str, by: float) -> Weights:
    """`weights` with one dial turned; |entropy| and the judges still sum to one."""
    if dial == COST:
        return replace(weights, cost=min(max(round(weights.cost + by, 6), 0.0), 2.0))
    if dial == ENTROPY:
        entropy = min(max(round(weights.entropy + by, 6), -1.0), 1.0)
        return replace(weights, entropy=entropy, judges=in_proportion(weights.judges, 1 - abs(entropy)))
    room = 1 - abs(weights.entropy)
    mine = min(max(round(weights.judges[dial] + by, 6), 0.0), room)
    others = {judge: share for judge, share in weights.judges.items() if judge != dial}
    if not others:
        return weights  # a jury of one has all the room that entropy leaves
    scaled = in_proportion(others, room - mine)
    return replace(weights, judges={judge: scaled.get(judge, mine) for judge in weights.judges})


class Dials(Widget, can_focus=True):
    """Up and down choose a dial, left and right turn it (with shift: ten times as far).

    Thrift is how much cost counts. Entropy may count for a plan or against it; with it the judges share one.
    """

    HELP: ClassVar = """\
# The weights

Up and down choose a dial, left and right turn it; with shift ten times as far. The table follows at once.

- **thrift**: how much cost counts against value
- **entropy**: how much a plan's entropy counts for it, or below zero against it
- **judges**: how much each one's marks count; with entropy they share one, so turning one scales the
  others

What the table shows is tried until **enter** or `k` keeps it for this run; `u` or Esc takes everything back.
"""
    DEFAULT_CSS = Path(__file__).with_suffix(".tcss").read_text("utf-8")
    COMPONENT_CLASSES: ClassVar[set[str]] = {"dials--on", "dials--off", "dials--label", "dials--chosen"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "choose(-1)", "Up", show=False, id="dials.up", tooltip="The dial above"),
        Binding("down", "choose(1)", "Down", show=False, id="dials.down", tooltip="The dial below"),
        Binding("left", f"turn(-{FINE})", "Less", id="dials.less", tooltip="Turn it down a little"),
        Binding("right", f"turn({FINE})", "More", id="dials.more", tooltip="Turn it up a little"),
        Binding(
            "shift+left", f"turn(-{COARSE})", "Less", False, id="dials.far_less", tooltip="Turn it far down"
        ),
        Binding(
            "shift+right", f"turn({COARSE})", "More", False, id="dials.far_more", tooltip="Turn it far up"
        ),
        Binding("enter,k", "keep", "Keep", id="dials.keep", tooltip="Score the auction by these weights"),
        Binding("u", "drop", "Undo", id="dials.drop", tooltip="Take the weights back to what they were"),
    ]

    class Turned(Message):
        """Weights to be tried."""

        def __init__(self, weights: Weights) -> None:
            super().__init__()
            self.weights = weights

    class Kept(Turned):
        """Weights to be kept."""

    class Dropped(Message):
        """Nothing is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = Weights(0.0, 0.0)
        self.before = self.weights
        self.chosen = COST

    @property
    def names(self) -> list[str]:
        """Every dial from top to bottom."""
        return [COST, ENTROPY, *self.weights.judges]

    def open(self, weights: Weights) -> None:
        """Begin with these weights."""
        self.weights = self.before = weights
        self.chosen = self.chosen if self.chosen in self.names else COST
        self.styles.height = len(self.names) + 2
        self.border_subtitle = Content("enter keep  esc take back")
        self._tell()

    @property
    def turned(self) -> bool:
        """Whether anything was turned that is not kept."""
        return self.weights != self.before

    def _tell(self) -> None:
        self.border_title = Content("weights: tried, not kept" if self.turned else "weights")
        self.refresh()

    def action_choose(self, by: int) -> None:
        """Go to another dial."""
        names = self.names
        self.chosen = names[(names.index(self.chosen) + by) % len(names)]
        self.refresh()

    def action_turn(self, by: float) -> None:
        """Turn the chosen dial, and say so."""
        self.weights = turned(self.weights, self.chosen, by)
        self._tell()
        self.post_message(self.Turned(self.weights))

    def action_keep(self) -> None:
        """Ask for these weights to count; where nothing was turned there is nothing to keep."""
        self.post_message(self.Kept(self.weights) if self.turned else self.Dropped())

    def action_drop(self) -> None:
        """Take everything back."""
        self.weights = self.before
        self._tell()
        self.post_message(self.Dropped())

    def render_line(self, y: int) -> Strip:
        """One dial a line."""
        width, plain = self.size.width, self.rich_style
        names = self.names
        if y < len(names):
            return Strip(self._dial(names[y], width, plain)).adjust_cell_length(width, plain)
        return Strip.blank(width, plain)

    def _value(self, weights: Weights, name: str) -> float:
        if name == COST:
            return weights.cost
        return weights.entropy if name == ENTROPY else weights.judges.get(name, 0.0)

    def _dial(self, name: str, width: int, plain: Style) -> list[Segment]:
        def style(part: str) -> Style:
            return self.get_component_rich_style(f"dials--{part}")

        value, before = self._value(self.weights, name), self._value(self.before, name)
        low, high = (0.0, 2.0) if name == COST else (-1.0, 1.0) if name == ENTROPY else (0.0, 1.0)
        room = max(width - 12 - _TAIL - 8, 4)
        at = min(int((value - low) / (high - low) * room), room - 1)
        was = f"({before:.3f})" if abs(value - before) > 5e-7 else ""
        here = name == self.chosen
        label = name if name in (COST, ENTROPY) else f"judge {shown(name, 4)}"
        return [
            Segment(f"{'>' if here else ' '}{label:<11}", style("chosen" if here else "label")),
            Segment("━" * at, style("on")),
            Segment("█", style("chosen" if here else "on")),
            Segment("─" * (room - at - 1), style("off")),
            Segment(f"{value:>{_TAIL}.3f}", style("chosen") if here else plain),
            Segment(f"{was:>8}", style("label")),
        ]

    def notify_style_update(self) -> None:
        """Another theme."""
        super().notify_style_update()
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """A click chooses a dial."""
        line = event.y - self.gutter.top
        if 0 <= line < len(self.names):
            self.chosen = self.names[line]
            self.refresh()
