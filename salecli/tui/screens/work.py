"""The winner's work as it happens: steps, test runs, the reply that is being written, how it ends."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from salecli.core import events
from salecli.core.text import clean
from salecli.tui.clip import copy_aloud
from salecli.tui.control import Control, Fed, Streamed
from salecli.tui.messages import Go
from salecli.tui.screens.dialogs import Ask, Confirm
from salecli.tui.screens.watching import Watching
from salecli.tui.widgets.attempts import Attempts, Block, Row, did, end_blocks, step_blocks
from salecli.tui.widgets.headline import Headline
from salecli.tui.widgets.keyline import KeyLine
from salecli.tui.widgets.output import Output, folded
from salecli.tui.widgets.steps import Steps
from salecli.tui.widgets.strip import TestStrip

_BORDER = {True: "step", False: "border"}
"""Before what a run stands still that is to pause, by whether an agent is at work."""


class WorkScreen(Watching):
    """What the winner does, step by step, and what the tests say after each."""

    HELP: ClassVar = """\
# Work

What the winner does, step by step. The first line says how far it is; below it stands one strip of signs a
test run, the newest last: `.` passed, `F` failed, `E` error, `s` skipped. Where there are many tests, a sign
stands for several and shows the worst of them.

A **hint** goes below what the agent reads next. **Next** lets the next bidder take over, in a fresh
sandbox. **Pause** holds the run before its next step; **Step** takes one and holds it again. **Esc** twice
stops the run; what was done until then stays in its folder.
"""
    CSS_PATH = "work.tcss"
    DECIDES = frozenset(("hint", "hand_over", "pause", "step"))
    AUTO_FOCUS: ClassVar[str | None] = "Steps"
    # fmt: off
    HORIZONTAL_BREAKPOINTS = [(0, "-stacked"), (76, "-beside")]  # noqa: RUF012 - Textual does not say ClassVar
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (10, "-low"), (18, "-high")]  # noqa: RUF012
    # fmt: on
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("h", "hint", "Hint", id="work.hint", tooltip="Say something to the agent at work"),
        Binding("n", "hand_over", "Next", id="work.next", tooltip="Let the next bidder take over"),
        Binding("space", "pause", "Pause", id="work.pause", tooltip="Stop before the next step, or go on"),
        Binding("s", "step", "Step", id="work.step", tooltip="Take one step only"),
        Binding("enter,o", "whole", "Output", id="work.output", tooltip="The whole reply and output"),
        Binding("y", "copy", "Copy", id="work.copy", tooltip="Copy the chosen step's reply and output"),
        Binding("end", "latest", "Newest", id="work.latest", show=False, priority=True, tooltip="Newest"),
        Binding("escape", "cancel", "Stop", id="work.stop", tooltip="Pressed twice, stop the run"),
    ]

    def __init__(self, control: Control) -> None:
        super().__init__(control)
        self.attempts = Attempts()
        self._shown: tuple[str, int, int] | None = None
        """What the output is of."""
        self._asked: list[str] = []
        """What was decided and has not taken effect yet, in words."""

    def compose(self) -> ComposeResult:
        yield Headline()
        yield Static("", id="state", markup=False)
        yield TestStrip()
        with Container(id="panes"):
            yield Steps()
            yield Output()
        yield Static("", id="note", markup=False)
        yield KeyLine()

    def take(self, fed: Fed) -> None:
        """Remember steps, tests and ends, and forget what was asked for once it has taken effect."""
        before = self.attempts.last
        # The history, taken at first, does not say when things happened.
        self.attempts.apply(fed, self.control.at if self.is_mounted else None)
        if isinstance(fed, events.Hinted):
            self._asked = [one for one in self._asked if "hint" not in one]
            if self._shown is not None and self._shown[0] != "now":
                self._shown = None  # what is shown may have grown by it
        elif (
            isinstance(fed, events.WorkEnded)
            or self.attempts.working is None
            or self.attempts.last is not before
        ):
            self._asked.clear()

    def apply(self, fed: Fed) -> None:
        """Take one event in; a reply that grows is not drawn anew."""
        if not isinstance(fed, Streamed):
            super().apply(fed)
        elif fed.what == "work":
            self.take(fed)
            self._written(fed.text)

    def _written(self, text: str) -> None:
        """More of the reply that is being written."""
        attempt = self.attempts.working
        if attempt is None or not self.there:
            return
        now = ("now", len(self.attempts.all) - 1, len(attempt.steps))
        if len(attempt.reply) == 1:
            self.draw()
        elif self._shown == now:
            self.query_one(Output).append(text)
        self._tell()

    def paint(self) -> None:
        """Everything but the reply's growth."""
        steps, output = self.query_one(Steps), self.query_one(Output)
        self.query_one(TestStrip).runs = tuple(tests for _, tests in self.attempts.runs)
        # Who scrolled back in what is being written reads on undisturbed.
        held = self._shown is not None and self._shown[0] == "now" and not output.anchored
        steps.following = steps.following and not held
        steps.show(list(self.attempts.rows()))
        if steps.row is not None and not held:
            self._output(steps.row)
        self._tell()

    def on_steps_chosen(self, event: Steps.Chosen) -> None:
        event.stop()
        self._shown = None
        # By the time it arrives the row may have become another.
        row = self.query_one(Steps).row
        if row is not None:
            self._output(row)

    def _output(self, row: Row) -> None:
        """Show what a row stands for, unless it is there already."""
        attempt = self.attempts.all[row.attempt]
        key = (row.part, row.attempt, len(attempt.steps) if row.part == "now" else row.step)
        blocks = self._blocks(row)
        if row.part in ("step", "attempt") and key == self._shown:
            return
        self._shown = key
        self.query_one(Output).show([(head, folded(text)) for head, text in blocks], end=row.part == "now")

    def _blocks(self, row: Row) -> list[Block]:
        """The texts behind a row, whole."""
        attempt = self.attempts.all[row.attempt]
        # Those of before the first step stand with it, and with its reply while that is written.
        hints = [("hint", one) for one in attempt.hints] if row.step == 0 or not attempt.steps else []
        if row.part == "step":
            return [*hints, *step_blocks(attempt.steps[row.step])]
        if row.part == "end":
            return end_blocks(attempt)
        if row.part == "attempt":
            return []
        blocks: list[Block] = hints
        if attempt.steps:
            last = attempt.steps[-1]
            blocks.append((f"step {last.number}: {did(last)}", last.observation))
        return [*blocks, (f"{attempt.now()} ...", "".join(attempt.reply))]

    def _tell(self) -> None:
        """The line at the top, and the one at the bottom."""
        attempts = self.attempts
        state = self.query_one("#state", Static)
        said = clean(attempts.state(self.control.at, state.content_size.width), newlines=False)
        state.update(Content(said), layout=False)
        note = self.query_one("#note", Static)
        text = self._noted()
        note.update(Content(clean(text, newlines=False)))
        note.set_class(bool(text), "said")

    def _noted(self) -> str:
        """What the user should know besides: what was asked for, what is waited for, what came of it."""
        attempts = self.attempts
        if self.stop_said:
            return self.stop_said
        if attempts.failed is not None:
            return attempts.failed.hint
        if attempts.ended is not None and attempts.ended.patch is not None:
            return "F5 shows the patch." if not attempts.ended.patch.empty else "Nothing was changed."
        asked = list(self._asked)
        if self.going and self.control.board.paused_at == "work":
            asked.append("paused: space goes on, s takes one step")
        elif self.going and self.control.board.paused_at:
            asked.append("the auction waits for you: F3")
        elif self.going and self.control.decisions.paused:
            asked.append(
                f"the run stands still before its next {_BORDER[self.working]}; space takes that back"
            )
        return "; ".join(asked)

    @property
    def working(self) -> bool:
        """Whether an agent is at work, with steps to come."""
        attempt = self.attempts.working
        return self.going and attempt is not None and attempt.end is None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hints and hand-overs need somebody at work."""
        if action in ("hint", "hand_over") and self.going and not self.working:
            return None
        return super().check_action(action, parameters)

    def why_not(self, action: str) -> str:
        """Why a key does nothing now."""
        nobody = self.going and action in ("hint", "hand_over")
        return "Nobody works now." if nobody else super().why_not(action)

    def action_hint(self) -> None:
        attempt = self.attempts.working
        if attempt is None:
            return

        def given(text: str | None) -> None:
            # The dialog may have stood there while the work ended.
            if text and self.working:
                self.control.decisions.hint(text)
                self._asked.append(f"your hint goes with what {attempt.agent} reads next")
                self.draw()

        self.app.push_screen(Ask(f"Hint for {attempt.agent}", "It goes with what it reads next."), given)

    def action_hand_over(self) -> None:
        attempt = self.attempts.working
        if attempt is None:
            return

        def answered(yes: bool | None) -> None:
            # The dialog may have stood there while this attempt ended: the next one was not meant.
            if yes and self.attempts.working is attempt and self.working:
                self.control.decisions.hand_over()
                self._asked.append(
                    f"{attempt.agent} {'ends' if attempt.final else 'hands over'} before its next step"
                )
                self.draw()

        title, yes = "Hand over to the next bidder?", "Hand over"
        then = "The next bidder starts afresh in a new sandbox."
        if attempt.final:
            title, yes, then = "End the work?", "End", "It is the last attempt: nobody follows."
        text = f"{attempt.agent} ends before its next step, unsolved. {then}"
        self.app.push_screen(Confirm(title, text, yes, "Let it work"), answered)

    def action_pause(self) -> None:
        decisions = self.control.decisions
        if self.control.board.paused_at not in ("", "work"):
            self.post_message(Go("auction"))  # what it waits for there is not seen here
        elif decisions.paused:
            decisions.resume()
        else:
            decisions.pause()
        self.draw()

    def action_step(self) -> None:
        if self.control.board.paused_at not in ("", "work"):
            self.post_message(Go("auction"))
        else:
            self.control.decisions.step()
        self.draw()

    def action_whole(self) -> None:
        row = self.query_one(Steps).row
        if row is not None:
            self.app.push_screen(Whole(row.left.strip(), self._blocks(row)))

    def action_copy(self) -> None:
        row = self.query_one(Steps).row
        if row is not None:
            copy_aloud(self, text_of(self._blocks(row)))

    def action_latest(self) -> None:
        steps, output = self.query_one(Steps), self.query_one(Output)
        if self.focused is output and not output.anchored:
            output.follow()
            return
        steps.latest()


class Whole(ModalScreen[None]):
    """One step's reply and output from first to last line."""

    CSS_PATH = "work.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,o,enter", "close", "Close", id="whole.close", tooltip="Back to the steps"),
        Binding("y", "copy", "Copy", id="whole.copy", tooltip="Copy all of it"),
    ]

    def __init__(self, title: str, blocks: list[Block]) -> None:
        super().__init__()
        self._title = title
        self._blocks = blocks

    def compose(self) -> ComposeResult:
        yield Static(clean(self._title, newlines=False), markup=False, id="state")
        yield Output()
        yield KeyLine()

    def on_mount(self) -> None:
        output = self.query_one(Output)
        output.show(self._blocks)
        output.focus()

    def action_close(self) -> None:
        if self.app.screen is self:
            self.dismiss()

    def action_copy(self) -> None:
        copy_aloud(self, text_of(self._blocks))


def text_of(blocks: list[Block]) -> str:
    """Blocks as one text, made safe to paste: no control character of theirs is left."""
    return "\n".join(f"{head}\n{clean(text)}\n" if head else clean(text) for head, text in blocks)
