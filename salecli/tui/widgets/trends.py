"""Wins, cost and judges over the whole memory, side by side where there is room."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.containers import VerticalScroll

from salecli.core.text import clean
from salecli.core.words import money, plural
from salecli.tui.widgets.calibration import CalibrationTable
from salecli.tui.widgets.sparks import sparkline

if TYPE_CHECKING:
    from salecli.adapters.trends import Calibration, Totals, Trend


class TrendPanel(VerticalScroll):
    """Two curves per agent and the judges' calibration; empty until it is fed."""

    HELP: ClassVar = """\
# Over time

*share of wins*: of each period's auctions, how many each agent won; with a growing memory the cheap ones
should win more. *USD when it wins*: what an auction cost in the mean when this agent won it, with all bids
and marks. Every point carries its agent's letter. Below or beside: how far the judges' marks came true.
"""

    async def show(self, trend: Trend, judges: Sequence[Calibration], auctions: int) -> None:
        """Draw the figures; the widgets are made when they are first needed."""
        from salecli.tui.widgets.plot import Curves, scale

        past = f"{plural(auctions, 'auction')} ago"
        if not self.children:
            await self.mount(
                Curves("share of wins", id="wins"),
                Curves("USD when it wins", id="usd"),
                CalibrationTable(id="judges"),
            )
        self.query_one("#wins", Curves).show(trend.wins, [(0.0, "0 %"), (0.5, "50 %"), (1.0, "100 %")], past)
        marks = scale([one for line in trend.usd.values() for one in line if one])
        # Prices differ by their ratio: on a straight scale the cheap ones would all lie at the bottom.
        usd = {agent: [math.log10(one) if one else None for one in line] for agent, line in trend.usd.items()}
        self.query_one("#usd", Curves).show(usd, [(math.log10(at), label) for at, label in marks], past)
        self.query_one(CalibrationTable).show(judges)


def in_a_line(trend: Trend) -> str:
    """The share of wins of each agent over time, for a screen without room for curves."""
    top = max((one for wins in trend.wins.values() for one in wins), default=1.0)
    each = "   ".join(
        f"{clean(agent, newlines=False)} {sparkline(wins, top)}" for agent, wins in trend.wins.items()
    )
    return f"wins, by {plural(trend.period, 'auction')}   {each}"


def sums(totals: Totals) -> str:
    """What memory holds, and what it cost, in a line; there must be an auction."""
    share = f" ({100 * totals.usd / totals.usd_largest:.0f}%)" if totals.usd_largest else ""
    solved = f"solved {100 * totals.solved / totals.auctions:.0f} %"
    alone = f"the largest alone {money(totals.usd_largest)}{share}"
    return f"{plural(totals.auctions, 'auction')}   {solved}   {money(totals.usd)}   {alone}"
