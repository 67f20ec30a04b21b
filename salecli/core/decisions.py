"""What the user decides while a run goes on, handed to the House as one small object."""

from __future__ import annotations

import threading
from typing import Literal

from salecli.core.values import Override

Target = Literal["worktree", "branch"]
"""Where a patch goes: the user's files, or a new branch."""
Accept = Literal["none", "worktree", "branch"]


class Decisions:
    """Pause, step, override, hand over, stop: set from any thread, read by the run at its phase borders.

    A script that decides nothing hands over a fresh one: both ways share the path.
    """

    def __init__(self, override: Override | None = None, accept: Accept = "none") -> None:
        self._lock = threading.Lock()
        self._go = threading.Event()
        self._go.set()
        self._step = False
        self._override = override
        self._accept: Accept = accept
        self._hand_over = False
        self._hints: list[str] = []

    def pause(self) -> None:
        """Stop at the next border until `resume` or `step`."""
        self._go.clear()

    def resume(self) -> None:
        """Go on."""
        with self._lock:
            self._step = False
        self._go.set()

    def step(self) -> None:
        """Go on to the next border only, whether the run stands at one or is under way."""
        with self._lock:
            if self._go.is_set():
                self._go.clear()
            else:
                self._step = True
                self._go.set()

    @property
    def paused(self) -> bool:
        return not self._go.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Called by the run at a border: blocks while paused; False where `timeout` seconds passed first."""
        going = self._go.wait(timeout)
        with self._lock:
            if going and self._step:
                self._step = False
                self._go.clear()
        return going

    def override(self, agent: str, reason: str = "") -> None:
        """Let `agent` win, whatever the scores say; the reason is remembered."""
        with self._lock:
            self._override = Override(agent, reason)

    def overridden(self) -> Override | None:
        """The user's choice of winner, if any."""
        with self._lock:
            return self._override

    def accept(self, to: Accept) -> None:
        """Where a solved task's patch is to be applied; "none" leaves it in the run's folder."""
        with self._lock:
            self._accept = to

    def accepted(self) -> Accept:
        """Where the user wants a solved task's patch."""
        with self._lock:
            return self._accept

    def hand_over(self) -> None:
        """End the present work after its step; the next bidder goes on in a fresh sandbox."""
        with self._lock:
            self._hand_over = True

    def handed_over(self) -> bool:
        """Whether a hand-over was asked for; asking clears it."""
        with self._lock:
            asked, self._hand_over = self._hand_over, False
            return asked

    def hint(self, text: str) -> None:
        """Say something to the working agent with its next observation."""
        with self._lock:
            self._hints.append(text)

    def hints(self) -> list[str]:
        """The hints that wait; asking takes them."""
        with self._lock:
            waiting, self._hints = self._hints, []
            return waiting
