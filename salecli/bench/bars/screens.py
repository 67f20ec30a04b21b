"""What the screens cost: CPU to the first frame, at rest and while four agents write; memory; large patches.

Everything is measured from outside, in a terminal of its own, so that drawing and writing count; CPU where it
can be CPU, for a machine may be busy with something else.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salecli.bench.bars.recordings import AGENTS, bids, hour, patch, patched, record
from salecli.bench.bars.terminal import Terminal

Row = dict[str, Any]

STARTS = 7
REST = 5.0
"""Seconds of idleness that are measured, on each screen."""
STREAMED = 60.0
HOURS = 1.0
LINES = 68_000
"""Changed lines of a patch of a good 5 MB."""
PAGES = 60
_SALE = (sys.executable, "-m", "salecli")
_WIDE = (160, 45)
_F = {2: b"\x1bOQ", 3: b"\x1bOR", 4: b"\x1bOS", 5: b"\x1b[15~", 6: b"\x1b[17~", 7: b"\x1b[18~"}
_RIGHT, _LEFT, _PAGE_DOWN = b"\x1b[C", b"\x1b[D", b"\x1b[6~"
_BARE = """
from textual.app import App
from textual.widgets import Footer, Static

class Bare(App):
    BINDINGS = [("p", "quit", "Help")]

    def compose(self):
        yield Static("hello")
        yield Footer(show_command_palette=False)

Bare().run()
"""
_SCREENS = {"start": 2, "auction": 3, "work": 4, "review": 5, "memory": 6, "models": 7}


@dataclass(frozen=True)
class Place:
    """A practice repository, and a home for runs and memory."""

    shop: Path
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """The bench's own, but for what the user has configured and recorded."""
        own = {"XDG_DATA_HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home / "config")}
        return {**os.environ, **own, "LANG": "C.UTF-8"}

    def record(self, told: Any) -> str:
        """The id of a recording, kept where `sale replay` finds it."""
        return record(told, self.home / "sale" / "runs", self.shop)

    def sale(self, *arguments: str, size: tuple[int, int] = (120, 34)) -> Terminal:
        """`sale` in a terminal of its own."""
        return Terminal([*_SALE, *arguments], self.shop, self.environment, size)

    def watched(self, run: str, speed: float, out: Path) -> Terminal:
        """A replay that writes down how late its loop was."""
        command = [sys.executable, "-m", "salecli.bench.bars.watched", str(out), run, str(speed)]
        return Terminal(command, self.shop, self.environment, _WIDE)


def rows() -> list[Row]:
    """All rows of this module."""
    with tempfile.TemporaryDirectory(prefix="sale-bench-") as folder:
        place = Place(Path(folder) / "shop", Path(folder) / "home")
        new = [*_SALE, "practice", "new", str(place.shop), "--level", "2", "--seed", "11"]
        subprocess.run(new, env=place.environment, check=True, stderr=subprocess.DEVNULL)
        parts: Sequence[Callable[[Place], Iterator[Row]]] = (
            first_frame,
            at_rest,
            streaming,
            after_an_hour,
            large,
        )
        return [row for part in parts for row in part(place)] + [imported()]


def _row(name: str, value: float, unit: str, bar: float | None, least: bool = False) -> Row:
    ok = None if bar is None else value >= bar if least else value <= bar
    return {"name": f"screens: {name}", "value": round(value, 4), "unit": unit, "bar": bar, "ok": ok}


def first_frame(place: Place, starts: int = STARTS) -> Iterator[Row]:
    """CPU of a fresh process until its first whole frame; medians, in turns with a bare Textual app's."""
    ours, bare = [], []
    for number in range(starts + 1):
        command = [sys.executable, "-c", _BARE]
        with place.sale() as one:
            one.until(drawn)
            used = one.cpu
        with Terminal(command, place.shop, place.environment) as other:
            other.until(drawn)
            if number:  # the first round warms the page cache
                ours.append(used)
                bare.append(other.cpu)
    ours_ms, bare_ms = 1e3 * statistics.median(ours), 1e3 * statistics.median(bare)
    yield _row("CPU to the first frame", ours_ms, "ms", 350.0)
    yield _row("CPU to the first frame over a bare Textual app's", ours_ms / bare_ms, "ratio", None)


def drawn(seen: bytes) -> bool:
    """Whether a frame stands, its last line included."""
    at = seen.find(b"Help")
    return at >= 0 and b"\x1b[?2026l" in seen[at:]


def at_rest(place: Place, seconds: float = REST) -> Iterator[Row]:
    """What each screen costs while nobody does anything; the run's screens show one that has ended."""
    run = place.record(hour(0.1))
    with place.sale("replay", run, "--speed", "0") as terminal:
        terminal.until(lambda seen: b"recording" in seen)
        for name, key in _SCREENS.items():
            terminal.press(_F[key])
            terminal.rest(1.0)
            terminal.settle(2.0)
            terminal.forget()
            cpu, began = terminal.cpu, time.perf_counter()
            terminal.rest(seconds)
            wall = time.perf_counter() - began
            yield _row(f"{name} at rest", 100 * (terminal.cpu - cpu) / wall, "% of a core", 1.0)
            yield _row(f"{name} at rest writes", len(terminal.seen) / wall / 1e3, "kB/s", 1.0)


def streaming(place: Place, seconds: float = STREAMED) -> Iterator[Row]:
    """Four bids at 30 tokens a second: side by side at first, then one at a time while keys are pressed."""
    run, out = place.record(bids(seconds)), place.home / "looks.txt"
    with place.watched(run, 1.0, out) as terminal:
        terminal.until(lambda seen: b"bidding" in seen)
        cpu, began = terminal.cpu, time.perf_counter()
        terminal.rest(seconds / 2)
        answers: list[float] = []
        at = 0
        while time.perf_counter() - began < seconds - 2:
            way = -1 if at == len(AGENTS) - 1 else 1 if at == 0 or len(answers) % 6 < 3 else -1
            at += way
            answers.append(_answer(terminal, _RIGHT if way > 0 else _LEFT, AGENTS[at]))
            terminal.rest(0.35)
        wall = time.perf_counter() - began
        cpu = terminal.cpu - cpu
    looks = [line.split() for line in out.read_text("utf-8").splitlines()[100:]]
    late = [float(one) for one, _ in looks]
    widgets = [int(one) for _, one in looks]
    half = len(widgets) // 2
    grown = statistics.mode(widgets[half:]) - statistics.mode(widgets[:half])
    yield _row("four bids at 30 tokens/s", 100 * cpu / wall, "% of a core", 35.0)
    yield _row("four bids: lag of the loop, p95", 1e3 * _p95(late), "ms", 100.0)
    yield _row("four bids: widgets more at the end than at first", grown, "widgets", 0)
    yield _row("four bids: a key is answered, p95", 1e3 * _p95(answers), "ms", 100.0)


def _answer(terminal: Terminal, key: bytes, agent: str) -> float:
    """Seconds from a key to the frame that shows its plan."""
    terminal.forget()
    wanted = f"plan of {agent}".encode()
    terminal.press(key)
    return terminal.until(lambda seen: wanted in seen)


def _p95(values: Sequence[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(0.95 * len(values)))]


def after_an_hour(place: Place, hours: float = HOURS) -> Iterator[Row]:
    """Memory after a recording of an hour was played and looked at."""
    run = place.record(hour(hours))
    with place.sale("replay", run, "--speed", "0", size=_WIDE) as terminal:
        terminal.until(lambda seen: b"recording" in seen)
        for key in (3, 4, 5):
            terminal.press(_F[key])
            terminal.rest(1.0)
            terminal.settle()
        yield _row("memory after an hour", terminal.resident(), "MB", 150.0)


def large(place: Place, lines: int = LINES, pages: int = PAGES) -> Iterator[Row]:
    """A patch of 5 MB: CPU until it can be read, and the frames that one second of it draws."""
    size = len(patch(lines).diff) / 1e6
    run = place.record(patched(lines))
    with place.sale("replay", run, "--speed", "0", size=_WIDE) as terminal:
        terminal.until(lambda seen: b"recording" in seen)
        terminal.settle()
        terminal.forget()
        cpu = terminal.cpu
        wall = terminal.until_pressed(_F[5], lambda seen: b"total_0_0" in seen)
        yield _row(f"a patch of {size:.1f} MB opens", terminal.cpu - cpu, "s of CPU", 1.0)
        yield _row(f"a patch of {size:.1f} MB opens, by the clock", wall, "s", None)
        terminal.settle()
        terminal.forget()
        cpu = terminal.cpu
        for _ in range(pages):
            terminal.press(_PAGE_DOWN)
            terminal.rest(1 / 20)
        frames, cpu = terminal.frames, terminal.cpu - cpu
        yield _row("a patch scrolls", frames / cpu, "frames/s of CPU", 20.0, least=True)


def imported() -> Row:
    """Modules of Textual that the command line imports."""
    program = "import sys, salecli.cli; print(sum(name.split('.')[0] == 'textual' for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True)
    return _row("modules of Textual that importing salecli.cli loads", int(done.stdout), "modules", 0)
