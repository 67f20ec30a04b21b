"""The pairs of memory that an agent read before it rewrote its bid: lost and won plans of past auctions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.screen import Screen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from salecli.core.text import clean
from salecli.core.values import Pair
from salecli.core.words import plural, shortened
from salecli.tui.widgets.cells import shown
from salecli.tui.widgets.headline import Headline
from salecli.tui.widgets.keyline import KeyLine
from salecli.tui.widgets.plantext import PlanText


class PairsScreen(Screen[None]):
    """Up and down choose a past task; below it the plan that lost beside the one that won."""

    HELP: ClassVar = """\
# What memory taught

Each line is a past task like this one, with its likeness from 0 to 1. Below it stand a plan that lost,
with what its tests said where they failed, and the plan that won and whose work passed them.
"""
    CSS_PATH = "pairs.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (80, "-wide")]  # noqa: RUF012  as Textual declares it
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Back", id="pairs.close", tooltip="Back to the auction"),
        Binding("p", "close", "Back", show=False, id="pairs.back", tooltip="Back to the auction"),
        Binding("y", "copy", "Copy the won plan", id="pairs.copy", tooltip="Copy the plan that won"),
    ]

    def __init__(self, agent: str, pairs: Sequence[Pair]) -> None:
        super().__init__()
        self.agent = agent
        self.pairs = pairs

    def compose(self) -> ComposeResult:
        yield Headline()
        tasks = len({pair.auction for pair in self.pairs})
        read = f"{plural(len(self.pairs), 'pair')} from {plural(tasks, 'past auction')}"
        yield Static(f"{shown(self.agent, 20)} read {read}", id="title", markup=False)
        yield OptionList(
            *(Option(Content(self._line(pair))) for pair in self.pairs),
            id="pairs",
            markup=False,
            compact=True,
        )
        yield PlanText(id="task")
        with Horizontal(id="both"):
            yield PlanText(id="lost")
            yield PlanText(id="won")
        yield KeyLine()

    def on_mount(self) -> None:
        self.query_one(OptionList).highlighted = 0

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Another pair is looked at."""
        event.stop()
        pair = self.pairs[event.option_index]
        task, lost, won = (self.query_one(f"#{name}", PlanText) for name in ("task", "lost", "won"))
        task.entitle(f"task of auction {pair.auction}, likeness {pair.similarity:.2f}")
        task.show(clean(pair.task), writing=False)
        lost.entitle(f"lost: {shown(pair.lost.agent, 16)}")
        note = f"Its work failed: {clean(pair.lost.note)}\n\n" if pair.lost.note else ""
        lost.show(note + clean(pair.lost.text), writing=False)
        won.entitle(f"won, and its tests passed: {shown(pair.won.agent, 16)}")
        note = f"All the same {clean(pair.won.note)}\n\n" if pair.won.note else ""
        won.show(note + clean(pair.won.text), writing=False)

    def _line(self, pair: Pair) -> str:
        first = clean(pair.task.strip().split("\n", 1)[0], newlines=False)
        why = "failed its tests" if pair.lost.note else "lost the auction"
        names = f"{shown(pair.lost.agent, 8)} {why}, {shown(pair.won.agent, 8)} won"
        return f"{pair.similarity:.2f}  {shortened(first, 60)}  ({names})"

    def action_close(self) -> None:
        """Back to where we came from."""
        if self.app.screen is self:
            self.dismiss()

    def action_copy(self) -> None:
        """Copy the plan that won."""
        from salecli.tui.clip import copy_aloud

        at = self.query_one(OptionList).highlighted or 0
        copy_aloud(self, clean(self.pairs[at].won.text))
