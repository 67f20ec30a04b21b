"""How far the judges' marks came true: a table of what they gave, and of what the tests said afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.table import Table
from rich.text import Text
from textual.widgets import Static

from salecli.core.text import clean
from salecli.core.words import plural, shortened

if TYPE_CHECKING:
    from salecli.adapters.trends import Calibration

_BANDS = 54
"""Columns from which the marks are broken down."""


class CalibrationTable(Static):
    """One judge a line, the one that tells solved plans from others best first."""

    DEFAULT_CSS = """
    CalibrationTable {
        width: 1fr; height: auto; border: round $border-blurred; padding: 0 1;
        border-title-color: $text; border-subtitle-color: $text-muted;
    }
    """
    HELP: ClassVar = """\
# Judges against the tests

What each judge thought of the plans that were carried out, and what the tests said of them.

*mean* is its mean mark, 0 to 5. *AUC* is how often, of a solved and an unsolved plan, the solved one had its
higher mark: 1 is a perfect judge, 0.5 a coin. The columns *0-1* to *4-5* show which share of the plans with
such a mark was solved: for a good judge they rise.
"""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  Textual's own name
        super().__init__("", id=id, markup=False)
        self.border_title = "judges against the tests"
        self._judges: Sequence[Calibration] = ()

    def show(self, judges: Sequence[Calibration]) -> None:
        self._judges = judges
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        if not self._judges:
            self.border_subtitle = ""
            self.update("no plan that was marked has been carried out yet")
            return
        most = max(one.plans for one in self._judges)
        solved = next(one.solved for one in self._judges if one.plans == most)
        self.border_subtitle = f"{plural(most, 'plan')} carried out, {100 * solved:.0f} % solved"
        bands = self.content_size.width >= _BANDS
        table = Table(box=None, pad_edge=False, header_style="bold", expand=False)
        table.add_column("judge", no_wrap=True)
        for name in ("plans", "mean", "AUC"):
            table.add_column(name, justify="right", no_wrap=True)
        if bands:
            for low in range(len(self._judges[0].bands)):
                table.add_column(f"{low}-{low + 1}", justify="right", no_wrap=True)
        for one in self._judges:
            cells = [
                shortened(clean(one.judge, newlines=False), 12),
                f"{one.plans:,}",
                f"{one.mark:.2f}",
                "-" if one.auc is None else f"{one.auc:.2f}",
            ]
            if bands:
                cells += [f"{100 * good / of:.0f}%" if of else "-" for of, good in one.bands]
            table.add_row(*map(Text, cells))
        self.update(table)
