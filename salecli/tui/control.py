"""What a screen may know of and ask of the run that it shows, be it alive or a recording."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from salecli.core.board import Board
from salecli.core.decisions import Decisions, Target
from salecli.core.events import Event
from salecli.core.values import Patch, Verdict

if TYPE_CHECKING:
    from salecli.adapters.apply import Applied

Selection = Mapping[str, Collection[int]]
"""Numbers of the chosen hunks by path, from 0 on; a file without hunks (binary, mode alone) has hunk 0."""


@dataclass(frozen=True, slots=True)
class Streamed:
    """Consecutive tokens of one agent, joined by the bridge: a screen is fed at most 20 times a second."""

    what: Literal["plan", "work"]
    agent: str
    refined: bool
    text: str
    entropies: tuple[float, ...] = ()
    """One a token, in nats; empty for work."""


Fed = Event | Streamed
"""What a screen's `apply` takes: every event of core but PlanToken and WorkToken, which come joined."""


class Control(Protocol):
    """The run on the screens. `history`, `board`, `at` and `ended` belong to the screen's thread."""

    id: str
    live: bool
    """False for a recording: it can be looked at, and nothing can be decided."""
    decisions: Decisions
    board: Board
    """Fed before any screen."""
    history: list[Fed]
    """Everything so far: a screen that opens late applies it first."""
    at: float
    """Seconds that the run had worked when the last event came, by the clock or by the recording's stamps."""
    auto: float
    """Seconds after which a waiting auction goes on by itself; 0 waits for the user."""
    ended: bool
    """Whether no more events come by themselves."""

    def stop(self) -> None:
        """Cancel the run; returns at once, and the events end soon after. Safe to call twice."""

    def part(self, patch: Patch, chosen: Selection) -> Patch:
        """The chosen hunks alone as a patch of their own. Blocks for some tenths of a second.

        Raises:
            SaleError: they do not apply without the others, or the run's snapshot is gone.
        """

    def verify(self, patch: Patch) -> Verdict:
        """What the original tests say of a patch, in a fresh sandbox. Blocks for seconds; SaleError."""

    def apply(self, patch: Patch, to: Target, flagged: bool = False) -> Applied:
        """Apply a patch to the user's repository. Blocks.

        Raises:
            PatchRefused: a change would run on the host and `flagged` is False, or files changed meanwhile.
        """

    def revise(self, comment: str) -> None:
        """Let the agent that worked last go on with a comment; returns at once, events follow."""

    def reject(self, reason: str) -> str:
        """Note in memory why the user does not want the patch that the run ended with. Blocks for tenths.

        Returns why that could not be done, empty where it was; no events follow. SaleError.
        """
