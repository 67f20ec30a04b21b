"""Counts, sums and results in words: the same in the story, on the screens and in plain lines."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from salecli.core.limits import WorkLimits
    from salecli.core.values import Auction, Mark, Tests


def counted(tests: Tests) -> str:
    """A test run in a few words."""
    if tests.timed_out:
        return "timed out"
    if not tests.ran:
        return "could not start"
    return f"{tests.passed} passed, {tests.failed} failed"


def marked(mark: Mark, brief: bool = False) -> str:
    """A mark, and what it counts as where it was put right; `brief`: what it counts as alone."""
    counts = f"{mark.counted:.1f}"
    return counts if brief or mark.corrected is None else f"{mark.value:.1f}->{counts}"


def money(usd: float) -> str:
    """USD with two digits that count, never as a power of ten."""
    places = 2 if usd >= 0.1 or usd <= 0 else 1 - math.floor(math.log10(usd))
    return f"{usd:.{places}f} USD"


def rate(usd: float) -> str:
    """USD per million tokens: cents, or two digits that count where those are too coarse."""
    cents = f"{usd:.2f}"
    if usd <= 0 or abs(float(cents) - usd) <= usd / 50:
        return cents
    return f"{usd:.{max(2, 1 - math.floor(math.log10(usd)))}f}"


def milliseconds(seconds: float, digits: int = 3) -> str:
    """A time of more than 0 in milliseconds, with so many digits that count, never as a power of ten."""
    span = 1000 * seconds
    return f"{span:.{max(digits - 1 - math.floor(math.log10(span)), 0)}f}"


def decided(auction: Auction) -> str:
    """Who led, and who won or was chosen by the user, with the reason."""
    led = f"{auction.provisional} led"
    if any(bid.refined for bid in auction.bids):
        led += " before refinement"
    winner = f"{auction.winner}{' (refined)' if auction.winner_refined else ''}"
    if auction.override is None:
        return f"{led}; {winner} won"
    return f"{led}; you chose {winner}: {auction.override.reason or 'no reason given'}"


def plural(count: int, noun: str) -> str:
    """A count with its noun."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def lasting(seconds: float) -> str:
    """A span of time for people: "45 s", "10 min", "1 min 30 s"."""
    minutes, rest = divmod(round(seconds), 60)
    said = [f"{minutes:,} min"] if minutes else []
    return " ".join([*said, f"{rest} s"] if rest or not said else said)


def bounded(limits: WorkLimits) -> str:
    """What a work may take at most."""
    return f"{plural(limits.steps, 'step')}, {plural(limits.tokens, 'token')}, {lasting(limits.seconds)}"


def shortened(text: str, width: int) -> str:
    """`text` cut to `width` characters, with a sign where it was cut."""
    text = text.replace("\n", " ")
    return text if len(text) <= width else text[: width - 1] + "…"


def amount(count: int | None) -> str:
    """Bytes for people: "4.1 MB"."""
    if count is None:
        return "-"
    number, units = float(count), ["B", "kB", "MB", "GB"]
    while number >= 1000 and len(units) > 1:
        number /= 1000
        units.pop(0)
    return f"{number:.1f} {units[0]}" if units[0] != "B" else f"{count} B"
