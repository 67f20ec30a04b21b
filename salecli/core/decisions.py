"""What the user decides while a run goes on, handed to the House as one small object."""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from salecli.core.values import Override, Weights

Target = Literal["worktree", "branch"]
"""Where a patch goes: the user's files, or a new branch."""
Accept = Literal["none", "worktree", "branch"]
Border = Literal["bids", "marks", "winner", "work"]
"""Where a run may stand still: after all bids, all marks, the search for a winner; before a step of work."""


@dataclass(frozen=True, slots=True)
class BidAgain:
    """Let an agent write its bid anew."""

    agent: str


@dataclass(frozen=True, slots=True)
class Exclude:
    """Take an agent's bids out of the auction; on the jury it stays."""

    agent: str


@dataclass(frozen=True, slots=True)
class Weigh:
    """Score all bids by other weights."""

    weights: Weights


Request = BidAgain | Exclude | Weigh


class Decisions:
    """Pause, step, override, requests, hand over: set from any thread, read by the run at its phase borders.

    A script that decides nothing hands over a fresh one: both ways share the path.
    """

    def __init__(
        self,
        override: Override | None = None,
        accept: Accept = "none",
        stops: Collection[Border] = frozenset(),
    ) -> None:
        """`stops` are the borders at which the run pauses by itself."""
        self.stops = frozenset(stops)
        self._changed = threading.Condition()
        self._going = True
        self._step = False
        self._override = override
        self._accept: Accept = accept
        self._hand_over = False
        self._hints: list[str] = []
        self._requests: list[Request] = []

    def pause(self) -> None:
        """Stop at the next border until `resume` or `step`."""
        with self._changed:
            self._going = False

    def resume(self) -> None:
        """Go on."""
        with self._changed:
            self._going, self._step = True, False
            self._changed.notify_all()

    def step(self) -> None:
        """Go on to the next border only, whether the run stands at one or is under way.

        Within the work that is one step.
        """
        with self._changed:
            self._step = not self._going
            self._going = not self._going
            self._changed.notify_all()

    @property
    def paused(self) -> bool:
        with self._changed:
            return not self._going

    def arrive(self, at: Border) -> bool:
        """Called by the run at a border: whether it may pass it without standing still."""
        with self._changed:
            if at in self.stops:
                self._going = self._step = False
            return self._pass()

    def wait(self, timeout: float | None = None) -> bool:
        """Called by the run where it stands at a border: blocks until it may go on or something is asked for.

        False where it may not go on: there are requests, or `timeout` seconds have passed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._going or bool(self._requests), timeout)
            return self._pass()

    def _pass(self) -> bool:
        going = self._going
        if going and self._step:
            self._step = self._going = False
        return going

    def bid_again(self, agent: str) -> None:
        """Let an agent bid anew at the next border up to "winner"; its old bid stands until that is done."""
        self._ask(BidAgain(agent))

    def exclude(self, agent: str) -> None:
        """Take an agent out at the next border up to "winner"; bidding again lets it in again."""
        self._ask(Exclude(agent))

    def weigh(self, weights: Weights) -> None:
        """Score all bids by other weights, from the next border up to "winner" on."""
        self._ask(Weigh(weights))

    def _ask(self, request: Request) -> None:
        with self._changed:
            self._requests.append(request)
            self._changed.notify_all()

    def requests(self) -> list[Request]:
        """The requests that wait, in order; asking takes them."""
        with self._changed:
            waiting, self._requests = self._requests, []
            return waiting

    def override(self, agent: str, reason: str = "") -> None:
        """Let `agent` win, whatever the scores say; the reason is remembered."""
        with self._changed:
            self._override = Override(agent, reason)

    def withdraw_override(self) -> None:
        """Let the scores decide after all."""
        with self._changed:
            self._override = None

    def overridden(self) -> Override | None:
        """The user's choice of winner, if any."""
        with self._changed:
            return self._override

    def accept(self, to: Accept) -> None:
        """Where a solved task's patch is to be applied; "none" leaves it in the run's folder."""
        with self._changed:
            self._accept = to

    def accepted(self) -> Accept:
        """Where the user wants a solved task's patch."""
        with self._changed:
            return self._accept

    def hand_over(self) -> None:
        """End the present work before its next step; the next bidder goes on in a fresh sandbox.

        A run that is paused stands still again before the next bidder's first step.
        """
        with self._changed:
            self._hand_over = True
            if not self._going:
                self._going = self._step = True
                self._changed.notify_all()

    def handed_over(self) -> bool:
        """Whether a hand-over was asked for; asking clears it."""
        with self._changed:
            asked, self._hand_over = self._hand_over, False
            return asked

    def hint(self, text: str) -> None:
        """Say something to the agent that writes the next reply; it stands below what it reads last."""
        with self._changed:
            self._hints.append(text)

    def hints(self) -> list[str]:
        """The hints that wait; asking takes them."""
        with self._changed:
            waiting, self._hints = self._hints, []
            return waiting
