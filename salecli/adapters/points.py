"""Named crash points: places at which a test ends the tool, to see that nothing is harmed and nothing lost.

SALE_CRASH="verify=kill" ends it when `verify` is reached for the first time, SALE_CRASH="apply:7=kill" when
`apply` is reached for the seventh. Without the variable nothing ever happens here.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import TYPE_CHECKING

from salecli.errors import ConfigError

if TYPE_CHECKING:
    from salecli.core.events import Event

VARIABLE = "SALE_CRASH"
POINTS = (
    "load",
    "bid",
    "mark",
    "refine",
    "create",
    "copy-in",
    "run",
    "copy-out",
    "diff",
    "verify",
    "record",
    "show",
    "apply",
)
"""Every phase border; `apply` is reached before each single change to the user's repository."""
WAYS = ("interrupt", "kill", "exception")
_BORDERS = {
    "ModelLoading": "load",
    "BidStarted": "bid",
    "Marked": "mark",
    "Led": "refine",
    "Remembered": "record",
    "RunEnded": "show",
}
"""Phases that begin or end with an event; the others name their point where they are carried out."""
_seen: Counter[str] = Counter()


class Crash(Exception):
    """The exception that nobody foresaw."""


def check() -> None:
    """Refuse a variable that names no point, or no way.

    Raises:
        ConfigError: with the names that there are.
    """
    if os.environ.get(VARIABLE):
        _asked(os.environ[VARIABLE])


def reached(point: str) -> None:
    """A phase border: the end of the tool, if the variable says so."""
    said = os.environ.get(VARIABLE)
    if not said:
        return
    where, number, way = _asked(said)
    if where != point:
        return
    _seen[point] += 1
    if _seen[point] != number:
        return
    if way == "exception":
        raise Crash(f"crash point {point}")
    os.kill(os.getpid(), signal.SIGKILL if way == "kill" else signal.SIGINT)


def passed(event: Event) -> None:
    """The phase border that an event marks, if it marks one."""
    point = _BORDERS.get(type(event).__name__)
    if point:
        reached(point)


def _asked(said: str) -> tuple[str, int, str]:
    """Point, how many times it is reached, and way."""
    place, _, way = said.partition("=")
    point, _, number = place.partition(":")
    if point not in POINTS or way not in WAYS or not (number or "1").isdigit():
        raise ConfigError(
            f"{VARIABLE}={said!r} names no crash point",
            f"POINT=WAY or POINT:NUMBER=WAY; points: {', '.join(POINTS)}; ways: {', '.join(WAYS)}",
        )
    return point, int(number or 1), way
