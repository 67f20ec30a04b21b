"""A finished auction's bids as a table: what each cost, what the judges gave, how it scored."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text
from textual.widgets import Static

from salecli.core.text import clean
from salecli.core.values import Auction, Mark
from salecli.core.words import marked, rate, shortened

_CELL, _PAIR = 7, 12
"""Columns that a number takes, and a mark that was put right beside what was given, with their gaps."""


class BidTable(Static):
    """One bid a line, the lowest score with a `*`; narrow screens show the marks' mean, or none."""

    DEFAULT_CSS = """
    BidTable { height: auto; padding: 0 0 0 2; }
    """

    def __init__(self, auction: Auction) -> None:
        super().__init__("", markup=False)
        self._auction = auction

    def on_resize(self) -> None:
        self.update(self._table(self.content_size.width))

    def _table(self, width: int) -> Table:
        auction = self._auction
        judged = {mark.judge for mark in auction.marks}
        judges = [*(name for name in auction.prices if name in judged), *sorted(judged - set(auction.prices))]
        marks = {(mark.judge, mark.agent, mark.refined): mark for mark in auction.marks}
        scores = {(score.agent, score.refined): score for score in auction.scores}
        lowest = min((score.total for score in auction.scores), default=0.0)
        grid = width >= 18 + _CELL * (6 + len(judges))
        brief = width < 18 + _CELL * 6 + _PAIR * len(judges)
        full = width >= 18 + _CELL * 7
        some = width >= 18 + _CELL * 3
        heads = ["bid", "tokens", "marks", "score"] if some else ["bid", "tokens", "score"]
        if full:
            given = [f"by {shortened(clean(one, False), 4)}" for one in judges] if grid else ["marks"]
            heads = ["bid", "USD/Mt", "tokens", "entropy", *given, "cost", "value", "score"]
        table = Table(box=None, pad_edge=False, header_style="bold", expand=False, collapse_padding=True)
        for head in heads:
            table.add_column(Text(head), justify="left" if head == "bid" else "right", no_wrap=True)
        for bid in auction.bids:
            key = (bid.agent, bid.refined)
            score, price = scores.get(key), auction.prices.get(bid.agent)
            own = [(judge, marks.get((judge, *key))) for judge in judges]
            known = [mark.counted for _, mark in own if mark is not None]
            won = key == (auction.winner, auction.winner_refined)
            name = shortened(clean(bid.agent, False), 12) + " refined" * bid.refined
            if grid and full:
                judged_by = [_mark(mark, judge == bid.agent, brief) for judge, mark in own]
            else:
                judged_by = [f"{sum(known) / len(known):.1f}" if known else "-"]
            total = f"{score.total:+.3f}{'*' if score.total == lowest else ' '}" if score else "- "
            cells = [name + " won" * won, f"{bid.tokens:,}", *(judged_by if some else ()), total]
            if full:
                cells = [
                    cells[0],
                    "-" if price is None else rate(price),
                    f"{bid.tokens:,}",
                    f"{bid.entropy:.2f}",
                    *judged_by,
                    f"{score.cost:.3f}" if score else "-",
                    f"{score.value:.3f}" if score else "-",
                    total,
                ]
            table.add_row(*(Text(cell, style="bold" if won else "") for cell in cells))
        return table


def _mark(mark: Mark | None, own: bool, brief: bool) -> str:
    """A mark; an agent's own stands in brackets, and `brief` leaves out what was given if another counts."""
    if mark is None:
        return "-"
    said = marked(mark, brief)
    return f"({said})" if own else said
