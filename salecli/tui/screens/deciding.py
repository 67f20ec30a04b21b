"""What a user may decide while an auction goes on: go, pause, step, choose, exclude, stop."""

from __future__ import annotations

from time import monotonic
from typing import ClassVar, Literal

from textual import events
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.timer import Timer

from salecli.core.text import clean
from salecli.tui.control import Control

TWICE = 1.0
"""Seconds within which a second Esc stops the run."""
BEGUN = "The work has begun: nothing of the auction can be changed."
RECORDING = "This is a recording: it can be looked at, nothing can be decided."
ENDED = "The run has ended."
_CHOOSE = Binding.Group("Choose", compact=True)


class Deciding(Screen[None]):
    """The deciding half of the auction screen; what it decides goes into `control.decisions` alone."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "go", "Go", id="auction.go", tooltip="Let the winner work, or go on after a pause"),
        *(
            Binding(
                str(place),
                f"override({place - 1})",
                "Choose",
                show=place <= 4,
                id=f"auction.override{place}",
                tooltip=f"Let agent {place} win, with a reason; once more takes it back",
                group=_CHOOSE,
            )
            for place in range(1, 9)
        ),
        Binding("space", "pause", "Pause", id="auction.pause", tooltip="Stop at the next border, or go on"),
        Binding("s", "step", "Step", id="auction.step", tooltip="Go on to the next border only"),
        Binding("r", "again", "Rebid", id="auction.again", tooltip="Let the chosen agent bid again"),
        Binding("x", "exclude", "Exclude", id="auction.exclude", tooltip="Take the chosen agent out"),
        Binding("escape", "cancel", "Stop", show=False, id="auction.cancel", tooltip="Twice: stop the run"),
    ]

    def __init__(self, control: Control) -> None:
        super().__init__()
        self.control = control
        self.selected = ""
        """The agent whose column is chosen."""
        self.left: int | None = None
        """Seconds until the auction goes on by itself."""
        self._countdown: Timer | None = None
        self._escaped = -TWICE

    def draw(self) -> None:
        """Show what has changed, before the next frame."""
        raise NotImplementedError

    def say(self, text: str, severity: Literal["information", "warning", "error"] = "information") -> None:
        """A word on what was done or cannot be done."""
        self.notify(clean(text), severity=severity, markup=False)

    def may(self) -> bool:
        """Whether the auction can still be decided; says why not."""
        why = self._cannot() or (BEGUN if self.control.board.winner is not None else "")
        if why:
            self.say(why)
        return not why

    def _cannot(self) -> str:
        """Why nothing at all can be decided any more."""
        return RECORDING if not self.control.live else ENDED if self.control.ended else ""

    def action_go(self) -> None:
        """Go on from where the run stands."""
        if why := self._cannot():
            self.say(why)
        elif self.control.decisions.paused:
            self.control.decisions.resume()
        else:
            self.say(BEGUN if self.control.board.winner is not None else "Nothing waits for you yet.")

    def action_pause(self) -> None:
        """Stop at the next border, or go on."""
        decisions = self.control.decisions
        if why := self._cannot():
            self.say(why)
        elif decisions.paused:
            decisions.resume()
        else:
            decisions.pause()
            self.say("It pauses at the next border.")
        self.draw()

    def action_step(self) -> None:
        """Go on to the next border only."""
        if why := self._cannot():
            self.say(why)
        else:
            self.control.decisions.step()
            self.say("It goes on to the next border.")

    def action_override(self, place: int) -> None:
        """Let an agent win whatever the scores say; on the one that was chosen, take it back."""
        if not self.may():
            return
        board, decisions = self.control.board, self.control.decisions
        if place >= len(board.agents):
            self.say(f"There are {len(board.agents)} agents.")
            return
        agent = board.agents[place]
        now = decisions.overridden()
        if now is not None and now.agent == agent:
            decisions.withdraw_override()
            self.say("Taken back: the scores decide.")
            self.draw()
        elif agent in board.out:
            self.say(f"{agent} is out: {board.out[agent]}", "warning")
        else:
            self._ask_why(agent)

    def _ask_why(self, agent: str) -> None:
        from salecli.tui.screens.dialogs import Ask

        def choose(why: str | None) -> None:
            if why is not None and self.may():
                self.control.decisions.override(agent, why)
                self.draw()

        self.app.push_screen(Ask(f"Let {agent} win", "Why? Memory keeps the reason."), choose)

    def action_again(self) -> None:
        """Let the chosen agent bid again."""
        if self.may() and self._chosen():
            self.control.decisions.bid_again(self.selected)
            when = "" if self.control.board.paused_at else " at the next border"
            self.say(f"{self.selected} bids again{when}.")

    def action_exclude(self) -> None:
        """Take the chosen agent out, after a question."""
        from salecli.tui.screens.dialogs import Confirm

        if not self.may() or not self._chosen():
            return
        agent = self.selected
        if agent in self.control.board.out:
            self.say(f"{agent} is out already.")
            return

        def leave(yes: bool | None) -> None:
            if yes and self.may():
                self.control.decisions.exclude(agent)
                if not self.control.board.paused_at:
                    self.say(f"{agent} leaves at the next border.")

        text = "Its bids leave the auction; as a judge it stays. Bidding again lets it in again."
        self.app.push_screen(Confirm(f"Exclude {agent}?", text, yes="Exclude", no="Keep"), leave)

    def _chosen(self) -> bool:
        """Whether a column is chosen; says where none is."""
        if not self.selected:
            self.say("No agent is there yet.")
        return bool(self.selected)

    def action_cancel(self) -> None:
        """The second Esc within a second stops the run."""
        if not self.control.live or self.control.ended:
            self.say("Nothing runs.")
        elif monotonic() - self._escaped <= TWICE:
            self._escaped = -TWICE
            self.control.stop()
            self.say("The run is being stopped.")
        else:
            self._escaped = monotonic()
            self.say("Esc again stops the run.")

    # Going on without the user.

    def begin_countdown(self) -> None:
        """Count down, in sight of the user, where the auction waits and is to go on by itself."""
        control = self.control
        waits = control.board.paused_at == "winner" and control.live and not control.ended
        if waits and control.auto > 0 and self._countdown is None and self.is_current:
            self.left = max(round(control.auto), 1)
            self._countdown = self.set_interval(1.0, self._tick)
            self.draw()

    def _tick(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left <= 0:
                self.hold()
                self.control.decisions.resume()
        self.draw()

    def hold(self) -> bool:
        """Stop the countdown; whether there was one."""
        self.left = None
        if self._countdown is None:
            return False
        self._countdown.stop()
        self._countdown = None
        self.draw()
        return True

    def on_key(self, event: events.Key) -> None:
        """Any key stops the countdown; Esc does nothing more than that."""
        if self.hold() and event.key == "escape":
            event.stop()
            event.prevent_default()

    def on_click(self) -> None:
        """A click is a user, too."""
        self.hold()

    def on_screen_suspend(self) -> None:
        """Nothing goes on by itself behind the user's back."""
        self.hold()
