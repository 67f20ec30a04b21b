"""What the remembered auctions say over time: who wins, what it costs, whose marks come true."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from salecli.adapters.recall import as_text

if TYPE_CHECKING:
    from sqlite_utils import Database

PERIODS = 12
"""Points of a trend at most."""
LATEST = 10_000
"""Plans that judges are measured on: the newest that were carried out, so that the question stays cheap."""
BANDS = 5
"""Marks are counted from 0 to 1, 1 to 2, and so on up to 4 to 5."""


@dataclass(frozen=True, slots=True)
class Totals:
    """The whole memory in one line."""

    auctions: int
    solved: int
    usd: float
    usd_largest: float
    """What the dearest agent alone would have cost."""


def totals(db: Database) -> Totals:
    """Counts and money of all remembered auctions."""
    row = db.execute(
        "SELECT count(*), coalesce(sum(solved), 0), coalesce(sum(usd), 0.0), coalesce(sum(usd_largest), 0.0)"
        " FROM auctions"
    ).fetchone()
    return Totals(*row)


@dataclass(frozen=True, slots=True)
class Trend:
    """Who won, period by period, the oldest first."""

    period: int
    """Auctions a period; the oldest period may hold fewer."""
    wins: Mapping[str, tuple[float, ...]]
    """By agent, in the newest pool's order: its share of the auctions that were won in each period."""
    usd: Mapping[str, tuple[float | None, ...]]
    """By agent: mean cost of the auctions that it won in each period, None where it won none."""

    @property
    def agents(self) -> tuple[str, ...]:
        return tuple(self.wins)

    @property
    def periods(self) -> int:
        return max(map(len, self.wins.values()), default=0)


def trend(db: Database, periods: int = PERIODS) -> Trend:
    """Win share and cost per agent over all remembered auctions, in at most `periods` periods."""
    count = int(db.execute("SELECT count(*) FROM auctions").fetchone()[0])
    period = round_up(count / periods)
    points = math.ceil(count / period)
    # Counted from the newest, so that the last point of a curve is never made of two or three auctions.
    rows = db.execute(
        "SELECT place / ?, winner, count(*), sum(usd) FROM"
        " (SELECT winner, usd, row_number() OVER (ORDER BY id DESC) - 1 AS place FROM auctions)"
        " GROUP BY 1, 2",
        [period],
    ).fetchall()
    sizes = [0] * points
    won: dict[str, dict[int, tuple[int, float]]] = defaultdict(dict)
    for age, winner, wins, usd in rows:
        at = points - 1 - age
        sizes[at] += wins
        won[as_text(winner)][at] = (wins, usd)
    agents = [*_newest_pool(db), *sorted(won)]
    shares: dict[str, tuple[float, ...]] = {}
    costs: dict[str, tuple[float | None, ...]] = {}
    for agent in dict.fromkeys(agents):
        wins_at = [won[agent].get(at, (0, 0.0)) for at in range(points)]
        shares[agent] = tuple(wins / size for (wins, _), size in zip(wins_at, sizes, strict=True))
        costs[agent] = tuple(usd / wins if wins else None for wins, usd in wins_at)
    return Trend(period, shares, costs)


def round_up(least: float) -> int:
    """The smallest of 1, 2, 5, 10, 20, 50, ... that is at least `least`."""
    power = 1
    while True:
        for step in (1, 2, 5):
            if step * power >= least:
                return step * power
        power *= 10


def _newest_pool(db: Database) -> list[str]:
    row = db.execute("SELECT prices FROM auctions ORDER BY id DESC LIMIT 1").fetchone()
    prices = json.loads(as_text(row[0])) if row else {}
    return list(prices)


@dataclass(frozen=True, slots=True)
class Calibration:
    """One judge's marks against what the tests said of the plans that were carried out."""

    judge: str
    plans: int
    mark: float
    """Its mean mark, 0 to 5."""
    solved: float
    """Share of these plans whose work was solved."""
    bands: tuple[tuple[int, int], ...]
    """(plans, solved) of the marks from 0 to 1, 1 to 2, ... 4 to 5."""
    auc: float | None
    """How often a solved plan got the higher mark of a solved and an unsolved one; 0.5 is chance."""


def calibration(db: Database, latest: int = LATEST) -> list[Calibration]:
    """How far each judge's marks came true, the best judge first; marks that were made up are left out."""
    rows = db.execute(
        "SELECT m.judge, CAST(m.value * 100 + 0.5 AS INTEGER), done.solved, count(*), sum(m.value) FROM"
        " (SELECT w.auction, w.agent, w.refined, v.solved FROM works AS w"
        " JOIN verdicts AS v ON v.work = w.id ORDER BY w.id DESC LIMIT ?) AS done"
        " JOIN marks AS m ON m.auction = done.auction AND m.agent = done.agent AND m.refined = done.refined"
        " WHERE m.source != 'mean' GROUP BY 1, 2, 3",
        [latest],
    )
    seen: dict[str, list[tuple[int, bool, int, float]]] = defaultdict(list)
    for judge, hundredths, solved, count, total in rows:
        seen[as_text(judge)].append((hundredths, bool(solved), count, total))
    judges = [_calibrated(judge, marks) for judge, marks in seen.items()]
    return sorted(judges, key=lambda one: (-(one.auc or 0.0), one.judge))


def _calibrated(judge: str, marks: list[tuple[int, bool, int, float]]) -> Calibration:
    plans = sum(count for _, _, count, _ in marks)
    bands = [[0, 0] for _ in range(BANDS)]
    for hundredths, solved, count, _ in marks:
        band = bands[min(max(hundredths // 100, 0), BANDS - 1)]
        band[0] += count
        band[1] += count * solved
    return Calibration(
        judge=judge,
        plans=plans,
        mark=sum(total for *_, total in marks) / plans,
        solved=sum(count for _, solved, count, _ in marks if solved) / plans,
        bands=tuple((counted, solved) for counted, solved in bands),
        auc=auc((at, solved, count) for at, solved, count, _ in marks),
    )


def auc(counts: Iterable[tuple[int, bool, int]]) -> float | None:
    """Area under the ROC curve of (mark, solved, how many), equal marks counted half.

    None where all plans were solved, or none.
    """
    at: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for mark, solved, count in counts:
        at[mark][solved] += count
    below, won = 0, 0.0
    for mark in sorted(at):
        failed, solved_here = at[mark]
        won += solved_here * (below + failed / 2)
        below += failed
    solved_all = sum(solved for _, solved in at.values())
    return won / (below * solved_all) if below and solved_all else None
