"""A run that goes on now: a thread of its own plays the house, and keeps it open for what the review asks."""

from __future__ import annotations

import shutil
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, closing, suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Protocol

from salecli.adapters.journal import new_run, recorded
from salecli.core import events
from salecli.core.board import Board
from salecli.core.decisions import Decisions, Target
from salecli.core.values import Patch, Verdict
from salecli.errors import SaleError, UsageError
from salecli.tui.control import Fed, Selection
from salecli.tui.worked import Worked

if TYPE_CHECKING:
    from salecli.adapters.apply import Applied
    from salecli.adapters.git import Repository
    from salecli.adapters.journal import Run
    from salecli.core.house import House
    from salecli.core.values import Task

BUG = "bug.txt"
"""The traceback of an error that nobody foresaw, in the run's folder."""
_AGAIN = 0.1
"""Seconds after which a run that was stopped and still goes on is cancelled again."""


class Opened(Protocol):
    """A house on one snapshot of a repository, as `build.house` gives it."""

    @property
    def house(self) -> House: ...

    @property
    def repository(self) -> Repository: ...

    def task(self, text: str, name: str) -> Task: ...

    def part(self, patch: Patch, diff: str) -> Patch: ...

    def verify(self, patch: Patch) -> Verdict: ...

    def cancel(self) -> None: ...


Opens = Callable[["Run", Decisions], AbstractContextManager[Opened]]
"""Opens the house of one run, and notes in the run's folder what it is about."""


class LiveRun:
    """A Control over a run in its own thread; `start` begins it, `close` leaves nothing of it behind."""

    live = True

    def __init__(self, text: str, name: str, opens: Opens, auto: float = 0.0) -> None:
        """Make the run's folder.

        Raises:
            EnvironmentFault: it cannot be made.
        """
        self.run = new_run()
        self.id = self.run.id
        self.text, self.name = text, name
        self.decisions = Decisions(stops={"winner"})
        self.board = Board()
        self.history: list[Fed] = []
        self.at = 0.0
        self.auto = auto
        self.ended = False
        self.solved: bool | None = None
        """What the last RunEnded said; None before it."""
        self.failed = False
        """Whether the setup failed: a model, Docker, a disk."""
        self.bug = False
        """Whether an error that nobody foresaw ended the run."""
        self.stopped = False
        """Whether the user cut the run short."""
        self.undo = ""
        """The command that takes back what was applied last; empty where nothing was."""
        self._stopping: threading.Thread | None = None
        self.woken: Callable[[], None] = lambda: None
        self._opens = opens
        self._worked = Worked(time.monotonic())
        self._waiting: deque[tuple[float, events.Event, bool]] = deque()
        self._comments: SimpleQueue[str | None] = SimpleQueue()
        self._opened: Opened | None = None
        self._counting = threading.Lock()
        self._to_play = 1
        """Streams that go on or wait for their turn: the run, and each revision."""
        self._task = ""
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._main, name=f"run-{self.id}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def seconds(self) -> float:
        """How long the run has worked, by the clock, without the time for which it waited for the user."""
        return self.at if self.ended else self._worked.seconds(time.monotonic())

    @property
    def state(self) -> str:
        """A word for the headline."""
        if not self.history:
            return "preparing"
        if self.ended:
            return "stopped" if self.stopped else ""
        return "paused" if self.board.paused_at else ""

    @property
    def asleep(self) -> bool:
        """Whether nothing is to be expected until `woken` is called."""
        return not self._waiting and (self.ended or bool(self.board.paused_at))

    def due(self) -> Iterator[events.Event]:
        """The events that wait, each taken as it is asked for."""
        while self._waiting:
            self.at, event, self.ended = self._waiting.popleft()
            if isinstance(event, events.RunEnded):
                self.solved = event.solved
            self.failed = self.failed or isinstance(event, events.RunFailed)
            yield event

    def stop(self) -> None:
        """Cancel what goes on; returns at once. A run that has ended stays as it is."""
        if self.stopped or not self._to_play:
            return
        self.stopped = True
        self.decisions.resume()
        self._stopping = threading.Thread(target=self._cancel, name=f"stop-{self.id}", daemon=True)
        self._stopping.start()

    def close(self) -> None:
        """End the run and its house; returns when its thread, processes and containers are gone."""
        self.stop()
        self._comments.put(None)
        if self._thread.ident is not None:
            self._thread.join()
            if self._stopping is not None:
                # It may still be removing a container that the run's own thread then found gone.
                self._stopping.join()

    def part(self, patch: Patch, chosen: Selection) -> Patch:
        from salecli.core import diff

        return self._open().part(patch, diff.select(diff.parse(patch.diff), chosen))

    def verify(self, patch: Patch) -> Verdict:
        return self._open().verify(patch)

    def apply(self, patch: Patch, to: Target, flagged: bool = False) -> Applied:
        from salecli.adapters.accept import accept

        done = accept(self.run, self._open().repository, patch, to, flagged=flagged)
        self.undo = done.undo
        return done

    def revise(self, comment: str) -> None:
        self._open()
        with self._counting:
            self._to_play += 1
        self._comments.put(comment)

    def reject(self, reason: str) -> str:
        failed = ""
        with closing(recorded(self.run, self._open().house.reject(self.id, reason))) as told:
            for event in told:
                if isinstance(event, events.NotRemembered):
                    failed = event.reason
        return failed

    def _open(self) -> Opened:
        if self._opened is None:
            raise UsageError(f"run {self.id} is over", f"sale apply {self.id} applies its patch")
        return self._opened

    def _main(self) -> None:
        """The thread: the run, then its revisions, then the end of the house."""
        try:
            with self._opens(self.run, self.decisions) as opened:
                self._opened = opened
                task = opened.task(self.text, self.name)
                self._task = task.id
                self.run.note(
                    repository=str(opened.repository.top),
                    issue=self.name,
                    title=task.title,
                    pool=opened.house.pool.name,
                )
                self._play(opened.house.run(task, self.id))
                while not self.stopped and (comment := self._comments.get()) is not None:
                    self._play(opened.house.revise(task, self.id, comment))
        except SaleError as error:
            self._fail(error.message, error.hint)
        except Exception as error:
            self._write_down(error)
        finally:
            self._opened = None
            self._to_play = 0
            self._done.set()
            if not self.run.begun and not self.bug:
                shutil.rmtree(self.run.folder, ignore_errors=True)

    def _play(self, stream: Generator[events.Event, None, object]) -> None:
        """Play one stream to its end: into the journal first, then to the screens."""
        over = False
        try:
            with closing(recorded(self.run, self._unstopped(stream))) as told:
                for event in told:
                    if isinstance(event, events.RunEnded) and not over:
                        # Before it is told: whoever answers it by closing has not cut the run short.
                        over = True
                        self._played()
                    self._tell(event, isinstance(event, events.RunEnded))
        except SaleError as error:
            self._fail(error.message, error.hint)
        else:
            if self.stopped:
                self._fail("", "")
        finally:
            if not over:
                self._played()

    def _unstopped(self, stream: Generator[events.Event, None, object]) -> events.Stream:
        """The same events; what cancelling brings forth is no part of the story."""
        with closing(stream):
            for event in stream:
                if self.stopped:
                    return
                yield event

    def _played(self) -> None:
        with self._counting:
            self._to_play = max(0, self._to_play - 1)

    def _tell(self, event: events.Event, last: bool) -> None:
        was_empty = not self._waiting
        self._waiting.append((self._worked.take(event, time.monotonic()), event, last))
        if was_empty:
            self.woken()

    def _fail(self, reason: str, hint: str) -> None:
        """Say on the screens why no more events come."""
        if self.stopped:
            reason = "you stopped the run"
            hint = f"what was done until then: sale show {self.id}" if self.run.begun else ""
        self._tell(events.RunFailed(self._task, reason, hint), True)

    def _write_down(self, error: Exception) -> None:
        """A bug: its traceback into the run's folder, one line on the screens."""
        self.bug = True
        with suppress(OSError):
            (self.run.folder / BUG).write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        self._fail(
            f"an error in sale itself: {type(error).__name__}: {error}",
            f"please report it with {self.run.folder / BUG}",
        )

    def _cancel(self) -> None:
        """End what the run's thread waits for: again and again, for it may stand between two waits."""
        while not self._done.wait(_AGAIN):
            opened = self._opened
            if opened is not None:
                opened.cancel()
