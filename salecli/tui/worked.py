"""The clock of a run: how long it has worked, without the time for which it waited for the user."""

from __future__ import annotations

from salecli.core import events


class Worked:
    """Seconds of work, told by the events; times come from one clock, be it now or a recording's stamps."""

    def __init__(self, began: float) -> None:
        self._state: tuple[float, float | None] = (0.0, began)
        """(seconds until the clock was started last, when that was); without the latter where it stands."""
        self._waits = False
        """Whether the run stands still until the user says what comes next."""

    def seconds(self, now: float) -> float:
        """How long the run has worked until `now`. May be asked from any thread."""
        before, since = self._state
        return before if since is None else before + max(now - since, 0.0)

    def take(self, event: events.Event, now: float) -> float:
        """Take one event in, and say at which second of work it came."""
        match event:
            case events.Paused() | events.RunEnded() | events.RunFailed():
                self._waits = True
                self._stand(now)
            case events.Resumed() | events.WorkStarted():
                self._waits = False
                self._go(now)
            case events.ModelLoading() | events.BidStarted():
                self._go(now)  # what the user asks for at a border is work, too
            case events.Led() | events.AgentOut() | events.Refused() if self._waits:
                self._stand(now)
            case _:
                pass
        return self.seconds(now)

    def _go(self, now: float) -> None:
        before, since = self._state
        self._state = (before, now if since is None else since)

    def _stand(self, now: float) -> None:
        self._state = (self.seconds(now), None)
