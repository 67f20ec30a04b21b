"""How far a long run is: a moving bar in a terminal, plain lines now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from salecli.cli.output import Output
from salecli.core.words import lasting

_LINE = 10.0
"""Seconds between two plain lines."""


class Told:
    """Counts what is done: plain lines, for what is no terminal."""

    def __init__(self, output: Output, total: int, known: int, what: str) -> None:
        self._output, self._total, self._what = output, total, what
        self._first = self._done = known
        self._passed = 0
        self._began = self._said = time.monotonic()

    def add(self, passed: bool) -> None:
        """One more."""
        self._done += 1
        self._passed += passed
        self.show()

    def show(self) -> None:
        """A line, where the last one is some time ago."""
        now = time.monotonic()
        if now - self._said < _LINE:
            return
        self._said = now
        left = (now - self._began) / (self._done - self._first) * (self._total - self._done)
        self._output.story(f"{self.summary}, about {lasting(left)} left")

    @property
    def summary(self) -> str:
        """How many are done, and how many of those that came now passed."""
        count = f"{self._done} of {self._total}, {self._passed} of {self._done - self._first} passed"
        return f"{self._what}: {count}" if self._what else count


class _Bar(Told):
    """A moving bar with the time that is left."""

    def begin(self) -> None:
        """Draw it."""
        from rich import progress

        self._shown = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(bar_width=30),
            progress.TaskProgressColumn(),
            progress.TimeElapsedColumn(),
            progress.TimeRemainingColumn(),
            console=self._output.console(),
            speed_estimate_period=300,
        )
        self._task = self._shown.add_task(self.summary, total=self._total, completed=self._done)
        self._shown.start()

    def show(self) -> None:
        """Move it."""
        self._shown.update(self._task, completed=self._done, description=self.summary)

    def end(self) -> None:
        """Let it stand."""
        self._shown.stop()


@contextmanager
def progress(output: Output, total: int, known: int = 0, what: str = "") -> Iterator[Told]:
    """Of `total` things `known` are done already; `what` they are stands before the counts."""
    if not output.live:
        yield Told(output, total, known, what)
        return
    bar = _Bar(output, total, known, what)
    bar.begin()
    try:
        yield bar
    finally:
        bar.end()
