"""What screens of a run have in common: what comes is drawn once a frame, Esc twice stops the run."""

from __future__ import annotations

from typing import ClassVar

from textual.screen import Screen
from textual.timer import Timer

from salecli.core import events
from salecli.tui.control import Control, Fed

TWICE = 2.0
"""Seconds within which a second Esc stops the run."""
ARMED = "Esc again stops the run."
ENDED = "The run has ended."
STOPPING = "The run is being stopped."
_TURNS = (
    events.RunStarted,
    events.Paused,
    events.Resumed,
    events.WinnerChosen,
    events.WorkStarted,
    events.WorkEnded,
    events.VerdictReached,
    events.RunEnded,
    events.RunFailed,
)
"""After these other keys may work."""


class Watching(Screen[None]):
    """A screen of a run, alive or recorded."""

    DECIDES: ClassVar[frozenset[str]] = frozenset()
    """Actions that decide something: they work while a live run goes on."""

    def __init__(self, control: Control) -> None:
        super().__init__()
        self.control = control
        self.stopping = False
        """Whether the user has stopped the run, and it has not ended yet."""
        self._drawing = False
        self._arming: Timer | None = None

    def take(self, fed: Fed) -> None:
        """Remember what one event, or some tokens, changed; nothing is drawn."""
        raise NotImplementedError

    def paint(self) -> None:
        """Show everything as it is."""
        raise NotImplementedError

    def on_mount(self) -> None:
        for fed in self.control.history:
            self.take(fed)
        self.draw()

    def on_screen_resume(self) -> None:
        """What came meanwhile is drawn now."""
        self.draw()

    def apply(self, fed: Fed) -> None:
        """One more event or some tokens; what they change is drawn once before the next frame."""
        self.take(fed)
        if isinstance(fed, _TURNS):
            self.stopping = self.stopping and not self.control.ended
            self.refresh_bindings()
        self.draw()

    def draw(self) -> None:
        """Show what has changed, before the next frame."""
        if not self._drawing:
            self._drawing = True
            self.call_later(self._draw)

    def _draw(self) -> None:
        self._drawing = False
        if self.there and self in self.app.screen_stack:
            self.paint()

    @property
    def there(self) -> bool:
        """Whether its widgets are there.

        Textual takes a screen's widgets away before the screen itself, whose queue may still hold events,
        sizes and calls: when the app ends, and when another run takes this one's place.
        """
        return self.display and self.is_attached and bool(self.children)

    @property
    def going(self) -> bool:
        """Whether something can still be decided: never in a recording."""
        return self.control.live and not self.control.ended

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """No keys for what cannot be decided any more, and none without widgets."""
        return self.there and (self.going or action not in {*self.DECIDES, "cancel"})

    def why_not(self, action: str) -> str:
        """Why a key does nothing now, where there is more to say than that."""
        return ENDED if self.control.live and self.control.ended and action in self.DECIDES else ""

    # Esc.

    @property
    def armed(self) -> bool:
        """Whether one more Esc stops the run."""
        return self._arming is not None

    def action_cancel(self) -> None:
        """An Esc that takes notices away does nothing else; of two others the second stops the run."""
        if self.armed:
            self.disarm()
            self.stopping = True
            self.control.stop()
        elif self.query("Toast"):
            self.app.clear_notifications()
        elif self.going:
            self._arming = self.set_timer(TWICE, self.disarm)
        self.draw()

    def disarm(self) -> None:
        """The next Esc is a first one again."""
        if self._arming is not None:
            self._arming.stop()
            self._arming = None
            self.draw()

    def on_screen_suspend(self) -> None:
        """An Esc for what stands before this screen is none for the run."""
        self.disarm()

    @property
    def stop_said(self) -> str:
        """What is to be said of stopping, if anything."""
        return ARMED if self.armed else STOPPING if self.stopping else ""
