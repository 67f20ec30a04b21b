"""Below the table: all plans side by side under their columns, or the chosen one beside what it replaced."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Horizontal

from salecli.tui.widgets.cells import shown
from salecli.tui.widgets.columns import Column, Columns
from salecli.tui.widgets.plantext import PlanText

BESIDE = 100
"""Columns from which a refined plan stands beside the one it replaced."""


class Plans(Horizontal):
    """The plans as they are written and, once complete, as Markdown."""

    DEFAULT_CSS = Path(__file__).with_suffix(".tcss").read_text("utf-8")

    def __init__(self) -> None:
        super().__init__(id="plans")
        self.shows_before: bool | None = None
        """Whether the replaced plan is shown, beside the new one or in its place; None: where it has room."""
        self._each: dict[str, PlanText] = {}

    def compose(self) -> ComposeResult:
        yield PlanText(id="plan")
        yield PlanText(id="before")
        yield Horizontal(id="all")

    def show(self, columns: Columns, selected: str, every: Sequence[tuple[str, int]]) -> None:
        """Show the plan of `selected`, or those of `every` (agent, width) side by side."""
        together = self.query_one("#all", Horizontal)
        plan, before = self.query_one("#plan", PlanText), self.query_one("#before", PlanText)
        focused = isinstance(self.screen.focused, PlanText)
        changed = together.display != bool(every)
        together.display, plan.display = bool(every), not every
        if every:
            before.display = False
            self._side_by_side(together, columns, every)
        else:
            self._one(plan, before, columns.get(selected))
        if changed and focused:
            self.call_after_refresh(self.take_focus, selected)

    def take_focus(self, selected: str) -> None:
        """Let keys scroll the plan of `selected`, wherever it stands."""
        every = self.query_one("#all", Horizontal).display
        (self._each[selected] if every and selected in self._each else self.query_one("#plan")).focus()

    def _side_by_side(self, together: Horizontal, columns: Columns, every: Sequence[tuple[str, int]]) -> None:
        if list(self._each) != [agent for agent, _ in every]:
            # The pool is known once, when the run starts: from then on the number of widgets is constant.
            together.remove_children()
            self._each = {agent: PlanText() for agent, _ in every}
            together.mount(*self._each.values())
        for agent, width in every:
            column, widget = columns[agent], self._each[agent]
            refined, text, old = texts(column)
            widget.styles.width = width
            widget.entitle(shown(agent, 12) + (", refined" if refined else ", again" if old else ""))
            widget.show(text, column.writing is not None)

    def _one(self, plan: PlanText, before: PlanText, column: Column | None) -> None:
        if column is None:
            before.display = False
            plan.entitle("plan")
            plan.show("", False)
            return
        name, wide = shown(column.agent, 20), self.app.size.width >= BESIDE
        refined, text, old = texts(column)
        asked = wide if self.shows_before is None else self.shows_before
        before.display = bool(old) and asked and wide
        if old and asked and not wide:
            plan.entitle(f"before: the plan of {name} that was replaced (b: the new one)")
            plan.show(old, False)
            return
        what = f"plan of {name}" + (", refined" if refined else ", bid again" if old else "")
        plan.entitle(what + (" (b: before)" if old and not before.display else ""))
        plan.show(text, column.writing is not None)
        if before.display:
            before.entitle("before")
            before.show(old, False)


def texts(column: Column) -> tuple[bool, str, str]:
    """(whether it is a refined one, the plan to show, the one it replaced or nothing)."""
    if column.out and (column.excluded or not column.texts.get(False)):
        gone = "excluded" if column.excluded else "out"
        return False, f"{column.agent} is {gone}: {column.out}", ""
    if column.texts.get(True) or column.writing is True:
        return True, column.texts.get(True, ""), column.texts.get(False, "")
    return False, column.texts.get(False, ""), column.before
