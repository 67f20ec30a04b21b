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
from salecli.cli.phases import Phase
from salecli.cli.questions import NoMoreInput, Questions
from salecli.cli.reviewing import Review, reviewed
from salecli.cli.story import Story
from salecli.cli.where import recovered, repository_root
from salecli.core import events
from salecli.core.values import Verdict
from salecli.core.words import plural, shortened
from salecli.errors import RepositoryError, SaleError

if TYPE_CHECKING:
    from salecli.tui.live import LiveRun
    from salecli.tui.replay import Replay
    from salecli.tui.wiring import Wiring

_LISTED = 20
"""Files, or earlier runs, that are offered by number."""
_NAMED = "Path of a file or a folder, or a part of a file's name; Enter goes back:"
_BEGINNING = 400
"""Characters in which a file's first words are looked for."""
_PATIENCE = 0.2
"""Seconds after which it is looked anew whether Ctrl-C was pressed; events wake it at once."""


def run_plain(folder: Path, issue: Path | None, overrides: Mapping[str, object]) -> Exit:
    """Sell a task, or look at an earlier run, asking at every step what the screens would ask.

    Raises:
        SaleError: no repository, a bad issue, a broken configuration.
    """
    root = repository_root(folder)
    if root is None:
        raise RepositoryError.none(folder.resolve())
    from salecli.tui.wiring import wiring

    wired = wiring(folder, overrides)
    wired.settings()  # a broken configuration is said before anything is asked
    # The story and the questions are one conversation here, so both go to stdout.
    ask = Questions(Output(plain=True, stderr=sys.stdout))
    for line in recovered(root):
        ask.say(line)
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
                text = ask.text("The task:")
                if text:
                    return started(decoded(text.encode("utf-8", "replace"), "the task"), "typed")
            elif chosen == 1:
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
    """The file that is chosen by number, or by its name; None to go back."""
    from salecli.adapters.issues import files_named, issues_in

    found, title = issues_in(root, _LISTED), "Which file?"
    while True:
        options = [
            *(f"{one.shown}  {_beginning(one.path)}".rstrip() for one in found),
            "another file",
            "back",
        ]
        place = ask.choice(title, options) if found else 0
        if place < len(found):
            return found[place].path
        typed = ask.line(_NAMED) if place == len(found) else ""
        if not typed:
            return None
        path = Path(typed).expanduser()
        path = path if path.exists() else root / path
        if path.is_file():
            return path
        found = files_named(path) if path.is_dir() else files_named(root, typed)
        where = f"in {path}" if path.is_dir() else f"whose name holds {typed!r}"
        title = f"{plural(len(found), 'file')} {where}" + (
            f", the first {_LISTED}:" if len(found) > _LISTED else ":"
        )
        del found[_LISTED:]
        if not found:
            ask.say(f"There is no issue file {path}, and no file {where}.")


def _beginning(path: Path) -> str:
    """The first words of a file, which say more than its name."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            text = file.read(_BEGINNING)
    except OSError:
        return ""
    return shortened(text.strip().split("\n", 1)[0].lstrip("# "), 60)


def _earlier(ask: Questions, root: Path) -> str:
    """The id of an earlier run of this repository; empty to go back."""
    from salecli.adapters.past import past_runs

    found = past_runs(root, _LISTED)
    if not found:
        ask.say("There is no earlier run of this repository.")
        return ""
    options = [f"{one.id}  {one.title}, {one.outcome}" for one in found]
    place = ask.choice("Which run? The newest is first.", [*options, "back"])
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
        self._phase = Phase()

    def hold(self) -> Exit:
        """Tell and ask until there is nothing more; nothing is left running."""
        control = self._control
        control.woken = self._woken.set
        cut = False
        try:
            with self._interrupts(), Story(self._ask.output, spoken=control.live) as story:
                if control.live:
                    self._ask.say(
                        f"run {control.id} is being prepared: the tests run once; Ctrl-C asks what to do"
                    )
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
                if control.ended and (control.live or control.asleep):  # a recording may hold revisions
                    return
                if control.live:
                    self._decide(event)
            if self._pressed:
                self._pressed = False
                self._choose()
            self._woken.wait(_PATIENCE)

    def _note(self, event: events.Event) -> None:
        self._phase.apply(event)
        match event:
            case events.WorkStarted():
                self._failed = False
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
            self._stands()

    def _winner(self) -> None:
        if ask_winner(self._ask, self._control.board, self._control.decisions) == "stop":
            self._stop()

    def _stop(self) -> None:
        self._ask.say("stopping ...")
        self._control.stop()

    def _stands(self) -> None:
        """The run stands still at a border: what now? Asked until it does no more."""
        decisions, agent = self._control.decisions, self._phase.agent
        one = f"let {agent} take one step" if agent else "go on to the next pause"
        while True:
            options = ["go on", one, *self._helps(), "stop the run"]
            match self._ask.choice(self._phase.stands, options):
                case 0:
                    decisions.resume()
                case 1:
                    decisions.step()
                case 2 if agent:
                    self._hint()
                    continue
                case 3 if agent:
                    decisions.hand_over()
                case _:
                    self._stop()
            return

    def _choose(self) -> None:
        """Ctrl-C while the run goes on: what now?"""
        decisions, agent = self._control.decisions, self._phase.agent
        if not self._control.live:
            raise KeyboardInterrupt
        pause = "pause before the next step" if agent else "pause as soon as it can"
        options = ["go on", *self._helps(), pause, "stop the run"]
        chosen = self._ask.choice(f"{self._phase.said} It goes on meanwhile.", options)
        if agent and chosen == 1:
            self._hint()
        elif agent and chosen == 2:
            decisions.hand_over()
            self._ask.say(f"{agent} {'hands over' if self._phase.follows else 'ends'} before its next step")
        elif chosen == len(options) - 2:
            decisions.pause()
        elif chosen == len(options) - 1:
            self._stop()

    def _helps(self) -> list[str]:
        """What can be done for an agent at work."""
        agent = self._phase.agent
        if not agent:
            return []
        ends = f"let {agent} hand over to the next bidder" if self._phase.follows else f"end {agent}'s work"
        return [f"give {agent} a hint", ends]

    def _hint(self) -> None:
        hint = self._ask.line("Your hint, Enter for none:")
        if hint:
            self._control.decisions.hint(hint)
            self._ask.say(f"your hint goes with what {self._phase.agent} reads next")

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
        if self._ask.choice("There is no patch.", options, default=-1) == 0:
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
