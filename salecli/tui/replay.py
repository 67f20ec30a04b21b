"""A recorded run on the screens: its journal played at a chosen speed, without models."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from salecli.core import events
from salecli.core.board import Board
from salecli.core.decisions import Decisions, Target
from salecli.core.values import Patch, Verdict
from salecli.errors import SaleError, UsageError
from salecli.tui.control import Fed, Selection
from salecli.tui.worked import Worked

if TYPE_CHECKING:
    from salecli.adapters.apply import Applied
    from salecli.adapters.journal import Run

AT_ONCE = math.inf
SPEEDS = (1.0, 4.0, 16.0, AT_ONCE)
LONGEST_GAP = 2.0
"""Seconds of a recording in which nothing happens; longer ones are shortened to this."""


class Replay:
    """A Control over a journal: it can be looked at and its patch applied, and nothing can be decided."""

    live = False
    auto = 0.0

    def __init__(self, run: Run, speed: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self.run = run
        self.id = run.id
        self.decisions = Decisions()
        self.board = Board()
        self.history: list[Fed] = []
        self.at = 0.0
        self.ended = False
        self.paused = False
        self.speed = speed
        self.woken: Callable[[], None] = lambda: None
        """Called when there may be more to take again."""
        self._clock = clock
        self._looked: float | None = None
        self._played = 0.0
        """Seconds of the shortened recording that have been played."""
        self._source = self._read()
        self._next = next(self._source, None)

    @property
    def seconds(self) -> float:
        """How long the run had worked when the last event came."""
        return self.at

    @property
    def state(self) -> str:
        """A word for the headline: how fast it plays."""
        if self.ended and self._next is None:
            return "recording"
        if self.paused:
            speed = "at once" if self.speed == AT_ONCE else f"{self.speed:g}x"
            return f"replay {speed}, stands still"
        return "replay" if self.speed == AT_ONCE else f"replay {self.speed:g}x"

    @property
    def asleep(self) -> bool:
        """Whether nothing will come until something is pressed."""
        return self.paused or self._next is None

    def start(self) -> None:
        """Begin; the clock starts with the first look."""

    def due(self) -> Iterator[events.Event]:
        """The events whose time has come, each taken as it is asked for."""
        now = self._clock()
        if self._looked is not None and not self.paused and self.speed != AT_ONCE:
            self._played += (now - self._looked) * self.speed
        self._looked = now
        while self._next is not None and not self.paused:
            place, at, event, last = self._next
            if self.speed == AT_ONCE:
                self._played = max(self._played, place)
            elif place > self._played:
                return
            self._next, self.at = next(self._source, None), at
            self.ended = last or self._next is None
            yield event

    def change(self, faster: bool) -> None:
        """The next speed of SPEEDS, up or down."""
        beyond = [one for one in SPEEDS if (one > self.speed if faster else one < self.speed)]
        if beyond:
            self.speed = beyond[0] if faster else beyond[-1]
        self.woken()

    def toggle(self) -> None:
        """Stand still, or go on."""
        self.paused = not self.paused
        self.woken()

    def _read(self) -> Iterator[tuple[float, float, events.Event, bool]]:
        """(seconds to play until it, seconds of work, event, whether the run ends with it)."""
        place, before, at = 0.0, 0.0, 0.0
        worked: Worked | None = None
        ended, task = False, ""
        try:
            for stamp, event in self.run.stamped():
                if worked is None:
                    worked, before = Worked(stamp), stamp
                place += min(max(stamp - before, 0.0), LONGEST_GAP)
                before = max(before, stamp)
                ended, task, at = isinstance(event, events.RunEnded), event.task, worked.take(event, before)
                yield place, at, event, ended
        except SaleError as error:
            yield place, at, events.RunFailed(task, error.message, error.hint), True
            return
        if not ended:
            cut = events.RunFailed(task, "the recording ends here: this run was cut short", "")
            yield place, at, cut, True

    def stop(self) -> None:
        """Play nothing further."""
        self._next = None

    def close(self) -> None:
        """Let go of the journal."""
        self.stop()
        self._source = iter(())

    def part(self, patch: Patch, chosen: Selection) -> Patch:
        raise self._recorded(
            "a part of its patch cannot be verified", f"sale apply {self.id} applies all of it"
        )

    def verify(self, patch: Patch) -> Verdict:
        raise self._recorded(
            "its patch cannot be verified again", f"sale show {self.id} says what the tests said"
        )

    def revise(self, comment: str) -> None:
        raise self._recorded("no agent is there to go on", "press r, or type `sale`, to sell its task again")

    def reject(self, reason: str) -> str:
        raise self._recorded("why its patch is rejected is not kept", "memory keeps it while the run is open")

    def _recorded(self, what: str, hint: str) -> UsageError:
        return UsageError(f"run {self.id} is a recording: {what}", hint)

    def apply(self, patch: Patch, to: Target, flagged: bool = False) -> Applied:
        """Apply the recorded patch, under the same conditions as `sale apply`."""
        # git takes a tenth of a second, and only those who apply need it.
        from salecli.adapters.accept import accept
        from salecli.adapters.git import Repository

        repository = Repository(Path(str(self.run.about.get("repository", ""))))
        return accept(self.run, repository, patch, to, flagged=flagged)
