"""One call to a model under way, as the parent sees it: when it has to end, what it has consumed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from salecli.adapters.wire import Message
from salecli.core.calls import Choice, Usage
from salecli.errors import ModelError

_USAGE = ("prompt", "evaluated", "generated", "seconds", "end", "thoughts", "thought_nats")
TICK = 0.05
"""Seconds after which a wait looks whether its call was cancelled."""


@dataclass(eq=False)
class Call:
    """A call; another thread may set `cancelled`, which the call's own thread sees at its next look."""

    label: str
    until: float | None
    cancelled: bool = False
    began: float = field(default_factory=time.monotonic)
    counts: Message = field(default_factory=dict)

    @property
    def left(self) -> float | None:
        """Seconds until the deadline, None where there is none."""
        return None if self.until is None else max(0.0, self.until - time.monotonic())

    @property
    def tick(self) -> float:
        """Seconds to wait before it looks again whether to go on."""
        left = self.left
        return TICK if left is None else min(TICK, left)

    def check(self) -> None:
        """Raises ModelError where another thread has cancelled the call."""
        if self.cancelled:
            raise ModelError(f"{self.label} was cancelled while it was working", "start it again")

    def begin(self) -> None:
        """Count anew: a job of this call begins."""
        self.began = time.monotonic()
        self.counts.clear()

    def note(self, message: Message) -> None:
        """Keep what a reply says of the tokens so far."""
        self.counts |= {name: message[name] for name in _USAGE if name in message}

    @property
    def usage(self) -> Usage:
        """What was consumed; of a job without an end, what its last reply knew and the time so far."""
        known = {"seconds": time.monotonic() - self.began, "end": "cancelled", **self.counts}
        return Usage(**known)


def choice_of(choice: Message) -> Choice:
    """A choice as a model's process reported it."""
    shares = choice["shares"]
    mass = sum(shares)
    # Shares of exactly nothing say nothing: all options are alike then.
    within = [share / mass for share in shares] if mass > 0 else [1 / len(shares)] * len(shares)
    return Choice(tuple(within), mass, Usage(choice["prompt"], choice["evaluated"], 0, choice["seconds"]))
