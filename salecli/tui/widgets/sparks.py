"""Bars out of block elements: an entropy line along a plan, and a score with its parts."""

from __future__ import annotations

from collections.abc import Sequence

_HEIGHTS = "▁▂▃▄▅▆▇█"
_WIDTHS = " ▏▎▍▌▋▊▉"


def grouped(values: Sequence[float], width: int) -> list[float]:
    """Means of equal groups of `values`, at most `width` of them.

    Groups hold 1, 2, 4, 8 ... values, so that a line that grows changes its scale seldom.
    """
    size = 1
    while -(-len(values) // size) > width:
        size *= 2
    return [sum(values[at : at + size]) / len(values[at : at + size]) for at in range(0, len(values), size)]


def sparkline(means: Sequence[float], top: float) -> str:
    """One character a mean, its height a share of `top`."""
    if top <= 0:
        return _HEIGHTS[0] * len(means)
    return "".join(_HEIGHTS[min(max(int(mean / top * 8), 0), 7)] for mean in means)


def score_bar(cost: float, value: float, low: float, high: float, width: int) -> list[tuple[str, str]]:
    """Spans of (text, part) on the scale from `low` to `high`: what is left of the value, then the cost.

    The solid part ends where value minus cost does, so the longest one has the lowest score. Below zero it
    grows to the left.
    """
    if width < 1 or high <= low:
        return []

    def at(point: float) -> float:
        return min(max((point - low) / (high - low), 0.0), 1.0) * width

    zero, net, top = at(0.0), at(value - cost), at(value)
    if net < zero:
        start, end = round(net), max(round(top), round(net) + 1)
        gap = max(round(zero) - end, 0)
        return [(" " * start, ""), ("▒" * (end - start), "cost"), ("░" * gap, "lack"), (_origin(low), "")]
    first = round(zero)
    eighths = round((net - first) * 8) if net > first else 0
    solid, part = "█" * (eighths // 8), _WIDTHS[eighths % 8].strip()
    shaded = max(round(top) - first - len(solid) - len(part), 1 if cost > 0 else 0)
    # The cell in which the solid part ends shows the cost behind it, so that no gap parts the two.
    edge = [(part, "edge" if shaded else "net")]
    return [(" " * first, ""), (_origin(low), ""), (solid, "net"), *edge, ("▒" * shaded, "cost")]


def _origin(low: float) -> str:
    return "|" if low < 0 else ""
