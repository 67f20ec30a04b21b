"""What a user may decide while an auction goes on: go, pause, step, choose, exclude, stop."""

from __future__ import annotations

from typing import ClassVar, Literal

from textual import events
from textual.binding import Binding, BindingType
from textual.timer import Timer

from salecli.core.text import clean
from salecli.tui.control import Control
from salecli.tui.screens.watching import ENDED, Watching

BEGUN = "The work has begun: nothing of the auction can be changed."
CHANGES = ("override", "again", "exclude", "weights")
"""Actions that change the auction: none of them works once the winner works."""
_CHOOSE = Binding.Group("Choose", compact=True)


class Deciding(Watching):
    """The deciding half of the auction screen; what it decides goes into `control.decisions` alone."""

    DECIDES = frozenset(("go", "pause", "step", *CHANGES))
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "go", "Go", id="auction.go", tooltip="Let the winner work, or go on after a pause"),
        *(
            Binding(
                str(place),
                f"override({place - 1})",
                f"Let agent {place} win",
                id=f"auction.override{place}",
                tooltip=f"Let agent {place} win, with a reason; again, or on the leader, take it back",
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
        super().__init__(control)
        self.selected = ""
        """The agent whose column is chosen."""
        self.left: int | None = None
        """Seconds until the auction goes on by itself."""
        self._countdown: Timer | None = None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys for what can be done now; "go" is dimmed where nothing waits."""
        board = self.control.board
        if action in CHANGES and board.winner is not None:
            return False
        if action == "override" and parameters[0] not in range(len(board.agents)):
            return False
        if action == "go" and self.going and not board.paused_at:
            return None
        return super().check_action(action, parameters)

    def why_not(self, action: str) -> str:
        """Why a key does nothing now."""
        board = self.control.board
        if not self.going:
            return super().why_not(action)
        if action in CHANGES and board.winner is not None:
            return BEGUN
        return {"go": "Nothing waits for you yet.", "override": f"There are {len(board.agents)} agents."}.get(
            action, ""
        )

    @property
    def trying(self) -> bool:
        """Whether weights are being tried that were not kept: then nothing goes on."""
        return False

    def say(self, text: str, severity: Literal["information", "warning", "error"] = "information") -> None:
        """A word on what was done or cannot be done."""
        self.notify(clean(text), severity=severity, markup=False)

    def may(self) -> bool:
        """Whether the auction can still be decided; says why not."""
        why = ENDED if not self.going else BEGUN if self.control.board.winner is not None else ""
        if why:
            self.say(why)
        return not why

    def action_go(self) -> None:
        """Go on from where the run stands."""
        self.control.decisions.resume()

    def action_pause(self) -> None:
        """Stop at the next border, or go on."""
        decisions = self.control.decisions
        if self._unsettled():
            return
        if decisions.paused:
            decisions.resume()
        else:
            decisions.pause()
        self.draw()

    def action_step(self) -> None:
        """Go on to the next border only."""
        if not self._unsettled():
            self.control.decisions.step()
            self.draw()

    def _unsettled(self) -> bool:
        """Whether the winner would go to work by other weights than those on the screen; says so."""
        unsettled = self.trying and self.control.board.paused_at == "winner"
        if unsettled:
            self.say("First the weights: enter or k keeps them, esc takes them back.", "warning")
        return unsettled

    def action_override(self, place: int) -> None:
        """Let an agent win whatever the scores say; on the one chosen, or the leader, take that back."""
        if not self.may():
            return
        board, decisions = self.control.board, self.control.decisions
        agent = board.agents[place]
        now = decisions.overridden()
        # Before the auction waits for the user, another may still come to lead.
        leads = board.paused_at == "winner" and board.leader is not None and board.leader[0] == agent
        if now is not None and (leads or now.agent == agent):
            decisions.withdraw_override()
            self.say("Taken back: the scores decide.")
            self.draw()
        elif leads:
            self.say(f"{agent} leads by the scores already.")
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

    # Going on without the user.

    def begin_countdown(self) -> None:
        """Count down, in sight of the user, where the auction waits and is to go on by itself."""
        control = self.control
        waits = control.board.paused_at == "winner" and self.going and not self.trying
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
