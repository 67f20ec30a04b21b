"""`sale --plain`: the flow of the screens as plain lines and numbered choices, on stdout and stdin."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from salecli.cli.exits import Exit
from salecli.cli.market import ask_winner
from salecli.cli.output import Output
from salecli.cli.questions import NoMoreInput, Questions
from salecli.cli.reviewing import Review, reviewed
from salecli.cli.story import Story
from salecli.cli.where import repository_root
from salecli.core import events
from salecli.core.values import Verdict
from salecli.core.words import plural
from salecli.errors import RepositoryError, SaleError

if TYPE_CHECKING:
    from salecli.tui.live import LiveRun
    from salecli.tui.replay import Replay
    from salecli.tui.wiring import Wiring

_LISTED = 20
"""Files, or earlier runs, that are offered by number."""
_PATIENCE = 0.2
"""Seconds after which it is looked anew whether Ctrl-C was pressed; events wake it at once."""


def run_plain(folder: Path, issue: Path | None, overrides: Mapping[str, object]) -> Exit:
    """Sell a task, or look at an earlier run, asking at every step what the screens would ask.

    Raises:
        SaleError: no repository, a bad issue, a broken configuration.
    """
    root = repository_root(folder)
    if root is None:
        raise RepositoryError(
            f"{folder.resolve()} is not in a git repository", "go into one, or name one with --repo DIR"
        )
    from salecli.tui.wiring import wiring

    wired = wiring(folder, overrides)
    wired.settings()  # a broken configuration is said before anything is asked
    # The story and the questions are one conversation here, so both go to stdout.
    ask = Questions(Output(plain=True, stderr=sys.stdout))
    try:
        control = _task(ask, wired, root, issue)
    except NoMoreInput:
        ask.say("The input has ended: nothing was started.")
        return Exit.SOLVED
    return Conversation(ask, control).hold() if control is not None else Exit.SOLVED


def _task(ask: Questions, wired: Wiring, root: Path, issue: Path | None) -> LiveRun | Replay | None:
    """A run of the task that the user names, not begun yet, or an earlier one; None to leave."""
    # All of it costs more than the first question may wait.
    from salecli.adapters.issues import decoded, read_issue
    from salecli.tui.live import LiveRun
    from salecli.tui.replay import Replay

    def started(text: str, name: str) -> LiveRun:
        run = wired.starts(text, name)
        assert isinstance(run, LiveRun)
        return run

    if issue is not None:
        return started(*read_issue(issue))
    while True:
        options = ["type or paste the task", "read it from a file", "look at an earlier run", "leave"]
        chosen = ask.choice("What is to be done?", options)
        try:
            if chosen == 0:
                return started(decoded(ask.text("The task:").encode("utf-8", "replace"), "the task"), "typed")
            if chosen == 1:
                path = _file(ask, root)
                if path is not None:
                    return started(*read_issue(path))
            elif chosen == 2:
                run = _earlier(ask, root)
                if run:
                    found = wired.finds(run)
                    assert isinstance(found, Replay)
                    return found
            else:
                return None
        except SaleError as error:
            ask.say(f"sale: {error.message}")
            ask.say(f"      {error.hint}")


def _file(ask: Questions, root: Path) -> Path | None:
    from salecli.adapters.issues import issues_in

    found = issues_in(root, _LISTED)
    options = [*(one.shown for one in found), "another file", "back"]
    place = ask.choice("Which file?", options) if found else 0
    if place < len(found):
        return found[place].path
    if place == len(found):
        typed = ask.line("Path of the file, empty to go back:")
        return Path(typed).expanduser() if typed else None
    return None


def _earlier(ask: Questions, root: Path) -> str:
    """The id of an earlier run of this repository; empty to go back."""
    from salecli.adapters.past import past_runs

    found = past_runs(root, _LISTED)
    if not found:
        ask.say("There is no earlier run of this repository.")
        return ""
    options = [f"{one.id}  {one.title}, {one.outcome}" for one in found]
    place = ask.choice("Which run?", [*options, "back"])
    return found[place].id if place < len(found) else ""


class Conversation:
    """One run from its first event to the decision about its patch."""

    def __init__(self, ask: Questions, control: LiveRun | Replay) -> None:
        self._ask = ask
        self._control = control
        self._woken = threading.Event()
        self._pressed = False
        """Whether Ctrl-C came while nothing was asked."""
        self._ended: events.RunEnded | None = None
        self._verdict: Verdict | None = None
        self._failed = False
        self._working = ""
        """The agent at work."""

    def hold(self) -> Exit:
        """Tell and ask until there is nothing more; nothing is left running."""
        control = self._control
        control.woken = self._woken.set
        cut = False
        try:
            with self._interrupts(), Story(self._ask.output) as story:
                if control.live:
                    self._ask.say(f"run {control.id} is being prepared; Ctrl-C asks what to do")
                control.start()
                self._play(story)
                while not self._stopped and (comment := self._review()):
                    control.revise(comment)
                    self._play(story)
            cut = self._stopped
        except NoMoreInput:
            cut = not control.ended
            self._ask.say("The input has ended." + (" The run is stopped." if cut else ""))
        except KeyboardInterrupt:
            cut = True
        finally:
            control.close()
        return self._exit(cut)

    @property
    def _stopped(self) -> bool:
        return bool(getattr(self._control, "stopped", False))

    def _exit(self, cut: bool) -> Exit:
        """Say where it all can be found, and how it ended."""
        control = self._control
        if control.run.begun:
            self._ask.say(f"again: sale show {control.id}    all past auctions: sale memory list")
        if getattr(control, "bug", False):
            return Exit.BUG
        if cut:
            return Exit.INTERRUPTED
        if self._failed:
            return Exit.ENVIRONMENT
        return Exit.SOLVED if self._ended is not None and self._ended.solved else Exit.NOT_SOLVED

    def _play(self, story: Story) -> None:
        """Tell the events until the run, or its revision, has ended."""
        control = self._control
        while True:
            self._woken.clear()
            for event in control.due():
                control.board.apply(event)
                story.tell(event)
                self._note(event)
                if control.ended:
                    return
                if control.live:
                    self._decide(event)
            if self._pressed:
                self._pressed = False
                self._choose()
            self._woken.wait(_PATIENCE)

    def _note(self, event: events.Event) -> None:
        match event:
            case events.WorkStarted(agent=agent):
                self._working, self._failed = agent, False
            case events.WorkEnded():
                self._working = ""
            case events.VerdictReached(verdict=verdict):
                self._verdict = verdict
            case events.RunEnded():
                self._ended = event
            case events.RunFailed():
                self._failed = True
            case _:
                pass

    def _decide(self, event: events.Event) -> None:
        """Ask where the run waits for the user."""
        board = self._control.board
        if board.paused_at == "winner":
            match event:
                # What was asked for has been carried out, or cannot be.
                case events.Paused() | events.Led() | events.Refused() | events.AgentOut(phase="again"):
                    self._winner()
                case events.AgentOut(phase="excluded") if board.leader is not None:
                    self._winner()
                case _:
                    pass
        elif isinstance(event, events.Paused):
            if self._ask.choice("The run stands still.", ["go on", "stop the run"]) == 0:
                self._control.decisions.resume()
            else:
                self._stop()

    def _winner(self) -> None:
        if ask_winner(self._ask, self._control.board, self._control.decisions) == "stop":
            self._stop()

    def _stop(self) -> None:
        self._ask.say("stopping ...")
        self._control.stop()

    def _choose(self) -> None:
        """Ctrl-C while the run goes on: what now?"""
        agent, decisions = self._working, self._control.decisions
        if not agent:
            options = ["go on", "stop the run"]
            if self._ask.choice("The run goes on meanwhile.", options) == 1:
                self._stop()
            return
        options = ["go on", f"give {agent} a hint", "hand over to the next bidder", "stop the run"]
        match self._ask.choice(f"{agent} works on meanwhile.", options):
            case 1:
                hint = self._ask.line("Your hint:")
                if hint:
                    decisions.hint(hint)
                    self._ask.say("your hint goes with the next observation")
            case 2:
                decisions.hand_over()
                self._ask.say(f"{agent} hands over after this step")
            case 3:
                self._stop()
            case _:
                pass

    def _review(self) -> str:
        """A comment for a new attempt, empty where the user is done."""
        patch = reviewed(self._ended)
        if self._failed and not (patch and not self._control.live):
            return ""
        if patch is not None:
            added, removed = (
                sum(getattr(one, side) for one in patch.changes) for side in ("added", "removed")
            )
            self._ask.say(f"The patch changes {plural(len(patch.changes), 'file')}, +{added} -{removed}:")
            return Review(self._ask, self._control, patch, self._verdict).talk()
        if not self._control.live:
            return ""
        options = ["send it back with a comment", "leave"]
        if self._ask.choice("There is no patch.", options) == 0:
            return self._ask.text("What shall be different?")
        return ""

    @contextmanager
    def _interrupts(self) -> Iterator[None]:
        """Ctrl-C asks once what to do; at a question, or a second time, it ends the run."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def pressed(number: int, frame: FrameType | None) -> None:
            if self._ask.waiting or self._pressed:
                raise KeyboardInterrupt
            # Not to be set here: the main thread may hold the lock that waits on `_woken`.
            self._pressed = True

        before = signal.getsignal(signal.SIGINT)
        if before == signal.SIG_IGN:  # what the parent told us to ignore stays ignored
            yield
            return
        signal.signal(signal.SIGINT, pressed)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
