"""The plots of a run, each as SVG and PNG: the same results give the same bytes.

matplotlib is an extra, and slow to import: only what draws a plot loads it.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from salecli.bench.results import MARKET, WITH, WITHOUT, Estimate, Fifth, Results, Row, known
from salecli.core.text import clean
from salecli.errors import EnvironmentFault

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PARETO, LEVELS, WINS, CALIBRATION = "pareto", "levels", "wins", "calibration"
INSTALL = "pip install 'sale[bench]'"
_DPI = 160
_WIDTH = 8.0
"""Inches: at this width the text is as large as that of a page that shows the plot in full width."""
_INK, _FAINT = "#333333", "#999999"
# Okabe and Ito's colours, which people with any kind of colour blindness tell apart; shapes differ as well.
_VERMILLION, _BLUE, _GREEN, _ORANGE, _PURPLE, _SKY, _YELLOW = (
    *("#D55E00", "#0072B2", "#009E73", "#E69F00"),
    *("#CC79A7", "#56B4E9", "#F0E442"),
)
_LOOKS = {
    "agent": ("s", _INK),
    "market": ("o", _VERMILLION),
    "router": ("^", _BLUE),
    "bound": ("*", _GREEN),
}
"""Marker and colour of a kind of row."""
_LINES = (_SKY, _ORANGE, _GREEN, _PURPLE, _BLUE, _VERMILLION, _INK)
_MARKERS = "os^Dv<>"
_SETTINGS = {
    "svg.hashsalt": "sale",
    "svg.fonttype": "none",  # text stays text: it can be searched, and the file is small
    "text.parse_math": False,  # names are names, whatever signs they have
    "font.size": 9.0,
    "axes.edgecolor": _FAINT,
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.0,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "text.color": _INK,
    "legend.frameon": False,
}


def installed() -> bool:
    """Whether plots can be drawn."""
    return importlib.util.find_spec("matplotlib") is not None


def draw(
    folder: Path,
    results: Results,
    names: Sequence[str] = (PARETO, LEVELS, WINS, CALIBRATION),
    endings: Sequence[str] = ("svg", "png"),
) -> list[Path]:
    """Draw the plots that a run has numbers for, each with every ending; returns their files.

    Raises:
        EnvironmentFault: matplotlib is not installed, or a file cannot be written.
    """
    if not installed():
        raise EnvironmentFault("plots need matplotlib, which is not installed", INSTALL)
    drawn = []
    for name in names:
        with _figure(name, results) as figure:
            if figure is None:
                continue
            for ending in endings:
                file = folder / f"{name}.{ending}"
                _save(figure, file, results)
                drawn.append(file)
    return drawn


def identity(results: Results) -> str:
    """Hash of what is drawn, kept in each SVG."""
    return hashlib.sha256(results.model_dump_json(by_alias=True).encode()).hexdigest()[:24]


def _save(figure: Figure, file: Path, results: Results) -> None:
    if file.suffix == ".svg":
        metadata = {"Date": None, "Creator": "sale", "Description": identity(results)}
    else:
        metadata = {"Software": None}
    try:
        figure.savefig(file, dpi=_DPI, metadata=metadata)
    except OSError as error:
        raise EnvironmentFault(
            f"{file} cannot be written: {error.strerror}", "make room, or name another"
        ) from error


@contextmanager
def _figure(name: str, results: Results) -> Iterator[Figure | None]:
    """A finished figure under our settings; None where there is nothing to draw."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    plots: dict[str, Callable[[Figure, Results], bool]] = {
        PARETO: _pareto,
        LEVELS: _levels,
        WINS: _wins,
        CALIBRATION: _calibration,
    }
    with mpl.rc_context():
        mpl.rcdefaults()  # whatever a user's matplotlibrc says
        mpl.rcParams.update(_SETTINGS)
        figure = Figure(figsize=(_WIDTH, 4.5), layout="constrained")
        yield figure if plots[name](figure, results) else None


def _pareto(figure: Figure, results: Results) -> bool:
    """pass@1 against cost: every row with its intervals, other settings of a router as a line."""
    axes = figure.subplots()
    rows = results.compared
    for row in rows:
        marker, colour = _LOOKS[row.kind]
        if row.curve:
            curve = [(1000 * usd, 100 * share) for usd, share in sorted(row.curve)]
            axes.plot(*zip(*curve, strict=True), color=colour, alpha=0.35, linewidth=0.8, zorder=1)
        x, y = _place(row)
        axes.errorbar(
            x,
            y,
            xerr=_arms(row.usd, 1000),
            yerr=_arms(row.solved, 100),
            fmt=marker,
            color=colour,
            ecolor=(colour, 0.35),
            elinewidth=0.9,
            markersize=8 if row.name == MARKET or row.kind == "bound" else 6,
            zorder=3,
        )
    front = [_place(row) for row in _front([row for row in rows if row.kind != "bound"])]
    axes.step(*zip(*front, strict=True), where="post", color=_FAINT, linewidth=0.9, zorder=2)
    axes.set_xlim(left=0)
    axes.margins(y=0.1)
    axes.set_xlabel("USD per 1,000 tasks")
    axes.set_ylabel("pass@1, %")
    axes.grid(axis="y", color=_FAINT, alpha=0.25, linewidth=0.6)
    _label(figure, axes, rows, front)
    return True


def _place(row: Row) -> tuple[float, float]:
    return 1000 * row.usd.value, 100 * row.solved.value


def _arms(one: Estimate, scale: float) -> list[list[float]]:
    """How far the interval reaches below and above; a mean may lie outside of it by a hair."""
    return [[scale * max(0.0, one.value - one.low)], [scale * max(0.0, one.high - one.value)]]


def _front(rows: Sequence[Row]) -> list[Row]:
    """The rows that no other one beats in both, the cheapest first."""
    front: list[Row] = []
    for row in sorted(rows, key=lambda one: (one.usd.value, -one.solved.value)):
        if not front or row.solved.value > front[-1].solved.value:
            front.append(row)
    return front


def _label(figure: Figure, axes: Axes, rows: Sequence[Row], front: Sequence[tuple[float, float]]) -> None:
    """Write each row's name beside its point, where it covers no other name, point or line."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.transforms import Bbox

    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()  # the layout settles where the points are

    def box(left: float, bottom: float, right: float, top: float, reach: float) -> Bbox:
        x, y = axes.transData.transform((left, bottom))
        u, v = axes.transData.transform((right, top))
        return Bbox.from_extents(x - reach, y - reach, u + reach, v + reach)

    taken = [box(*_place(row), *_place(row), reach=0.06 * figure.dpi) for row in rows]
    for row in rows:
        x, y = _place(row)
        taken.append(box(1000 * row.usd.low, y, 1000 * row.usd.high, y, reach=1))
        taken.append(box(x, 100 * row.solved.low, x, 100 * row.solved.high, reach=1))
    for (left, low), (right, high) in pairwise(front):
        taken += [box(left, low, right, low, reach=1), box(right, low, right, high, reach=1)]
    for row in sorted(rows, key=lambda one: (one.name != MARKET, -one.solved.value, one.name)):
        text = axes.annotate(
            _shown(row.name),
            _place(row),
            xytext=(0, 0),
            textcoords="offset points",
            color=_LOOKS[row.kind][1],
            fontweight="bold" if row.name == MARKET else "normal",
            bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.5},
            zorder=4,
        )
        text.set_in_layout(False)
        best = None
        for offset, across, along in _OFFSETS:
            text.set(position=offset, horizontalalignment=across, verticalalignment=along)
            covering = text.get_window_extent(renderer)
            inside = Bbox.intersection(covering, axes.bbox)
            hidden = covering.width * covering.height - (inside.width * inside.height if inside else 0.0)
            covered = sum(
                both.width * both.height for other in taken if (both := Bbox.intersection(covering, other))
            )
            cost = covered + hidden + _FAR * max(map(abs, offset))
            if best is None or cost < best[0] - 1e-6:
                best = (cost, offset, across, along, covering)
        assert best is not None
        text.set(position=best[1], horizontalalignment=best[2], verticalalignment=best[3])
        taken.append(best[4])
        if max(map(abs, best[1])) > _NEAR:
            axes.annotate(
                "",
                _place(row),
                xytext=best[1],
                textcoords="offset points",
                arrowprops={"arrowstyle": "-", "color": _LOOKS[row.kind][1], "linewidth": 0.6, "shrinkB": 0},
            ).set_in_layout(False)


_NEAR = 6
"""Points from the middle of a marker; a name that stands farther off is led there by a line."""
_FAR = 8.0
"""Square pixels that a name rather covers than stand a point farther off."""
_OFFSETS = [
    (
        (across * far, along * far),
        {1: "left", 0: "center", -1: "right"}[across],
        {1: "bottom", 0: "center", -1: "top"}[along],
    )
    for far in (_NEAR, 12, 20, 30)
    for across, along in ((1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1), (0, 1), (0, -1))
]
"""Where a name may stand, in points from its row's marker, and how it is aligned there: the nearest first."""


def _levels(figure: Figure, results: Results) -> bool:
    """pass@1 by level of the agents alone, SALE and the oracle."""
    levels = list(results.levels)
    rows = [
        row for row in results.compared if row.kind in ("agent", "bound") or row.name == MARKET if row.levels
    ]
    if len(levels) < 2 or not rows:
        return False
    axes = figure.subplots()
    for place, row in enumerate(rows):
        marker, colour = _style(place) if row.kind == "agent" else (_LOOKS[row.kind][0], _INK)
        if row.name == MARKET:
            colour = _LOOKS[row.kind][1]
        shift = 0.06 * (place - (len(rows) - 1) / 2)  # intervals of two rows do not hide one another
        there = [
            (at + shift, row.levels[level].solved) for at, level in enumerate(levels) if level in row.levels
        ]
        arms = [_arms(one, 100) for _, one in there]
        axes.errorbar(
            [x for x, _ in there],
            [100 * one.value for _, one in there],
            yerr=[[arm[side][0] for arm in arms] for side in (0, 1)],
            fmt=marker,
            linestyle="--" if row.kind == "bound" else "-",
            linewidth=2.2 if row.name == MARKET else 1.2,
            markersize=5,
            color=colour,
            ecolor=(colour, 0.4),
            elinewidth=0.9,
            label=_shown(row.name),
            zorder=4 if row.name == MARKET else 3,
        )
    axes.set_xticks(range(len(levels)), list(map(_shown, levels)))
    axes.set_xlabel("level")
    axes.set_ylabel("pass@1, %")
    axes.set_ylim(-2, 102)
    axes.grid(axis="y", color=_FAINT, alpha=0.25, linewidth=0.6)
    figure.legend(loc="outside right center")
    return True


def _wins(figure: Figure, results: Results) -> bool:
    """Each agent's share of wins in each fifth of an order, with memory and without."""
    if results.win_share is None:
        return False
    sides: list[tuple[str, Sequence[Fifth]]] = [
        (WITH, results.win_share.remembering),
        (WITHOUT, results.win_share.forgetful),
    ]
    sides = [(title, fifths) for title, fifths in sides if fifths]
    if not sides:
        return False
    every = figure.subplots(1, len(sides), sharey=True, squeeze=False)[0]
    for axes, (title, fifths) in zip(every, sides, strict=True):
        for place, agent in enumerate(results.agents):
            marker, colour = _style(place)
            axes.plot(
                [one.fifth for one in fifths],
                [100 * one.shares.get(agent, 0.0) for one in fifths],
                marker=marker,
                markersize=5,
                color=colour,
                label=_shown(agent),
            )
        axes.set_title(title)
        axes.set_xticks([one.fifth for one in fifths])
        axes.set_xlabel("fifth of the tasks, in the order of play")
        axes.set_ylim(bottom=-1)
        axes.grid(axis="y", color=_FAINT, alpha=0.25, linewidth=0.6)
    every[0].set_ylabel("share of wins, %")
    figure.legend(*every[0].get_legend_handles_labels(), loc="outside right center")
    return True


def _calibration(figure: Figure, results: Results) -> bool:
    """Share solved against mean opinion: on the diagonal opinions are what they say."""
    from matplotlib.lines import Line2D

    groups = {
        name: {one: found.curve for one, found in group.items() if found.curve}
        for name, group in results.calibration.items()
    }
    groups = {name: curves for name, curves in groups.items() if curves}
    if not groups:
        return False
    every = figure.subplots(1, len(groups), sharey=True, squeeze=False)[0]
    labels: dict[str, Artist] = {}
    known_names = list(dict.fromkeys([*results.agents, *(one for group in groups.values() for one in group)]))
    for axes, (title, curves) in zip(every, groups.items(), strict=True):
        axes.plot([0, 1], [0, 100], color=_FAINT, linewidth=0.9, linestyle=":")
        for name, curve in curves.items():
            marker, colour = _style(known_names.index(name))
            bins = sorted(point for point in curve if known(point[0]) and known(point[1]))
            x, y = [x for x, _, _ in bins], [100 * y for _, y, _ in bins]
            axes.plot(x, y, linewidth=1.2, alpha=0.5, color=colour)
            most = max((count for _, _, count in bins), default=1)
            sizes = [6 + 44 * count / most for _, _, count in bins]  # few opinions, small marker
            axes.scatter(x, y, s=sizes, marker=marker, color=colour, zorder=3)
            labels.setdefault(_shown(name), Line2D([], [], marker=marker, markersize=5, color=colour))
        axes.set_title(_shown(title))
        axes.set_xlabel("mean opinion, 0 to 1")
        axes.set_ylim(-2, 102)
        axes.grid(color=_FAINT, alpha=0.25, linewidth=0.6)
    every[0].set_ylabel("solved, %")
    figure.legend(list(labels.values()), list(labels), loc="outside right center")
    return True


def _style(place: int) -> tuple[str, str]:
    """Marker and colour of the agent at a place of the pool, the same in all plots."""
    return _MARKERS[place % len(_MARKERS)], _LINES[place % len(_LINES)]


def _shown(name: str) -> str:
    return clean(name, newlines=False)
