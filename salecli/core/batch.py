"""Many tasks, one after another or several at a time: what came of each, and when no more are begun."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from salecli.core import events
from salecli.core.merge import merge
from salecli.errors import BrokenTests, EnvironmentFault, MemoryFault, SaleError

Outcome = Literal["passed", "failed", "error", "skipped"]
MOST_DETAILS = 8
"""Failing tests that a result names."""
PATIENCE = 15.0
"""Seconds that the engine may be away, for a restart, before the batch stops."""
IN_A_ROW = 3
"""Tasks in a row that the surroundings kept from being judged, after which the batch stops."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one task of a batch.

    "failed" is what the tests said; "error" means that they could not be asked: it is no agent's fault.
    """

    task: str
    """Its name in the batch."""
    outcome: Outcome
    agent: str = ""
    """Who solved it, or who worked last."""
    usd: float = 0.0
    tokens: int = 0
    seconds: float = 0.0
    """By the clock, waiting for a model in use included."""
    run: str = ""
    """The run's id, empty where none began."""
    reason: str = ""
    hint: str = ""
    details: tuple[str, ...] = ()
    """The failing tests, a line each."""
    bug: bool = False
    """Whether an error that nobody foresaw is the reason."""


@dataclass(frozen=True, slots=True)
class Began:
    """A task is next."""

    task: str


@dataclass(frozen=True, slots=True)
class Happened:
    """An event of a task's run."""

    task: str
    event: events.Event


@dataclass(frozen=True, slots=True)
class Away:
    """What every run needs does not answer; it is waited for."""

    task: str
    reason: str


@dataclass(frozen=True, slots=True)
class Again:
    """The surroundings failed once, and are there again: the task is run a second time."""

    task: str
    reason: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A task is over."""

    result: Result


Item = Began | Happened | Away | Again | Ended


@dataclass(frozen=True, slots=True)
class Terms:
    """How many tasks go on at a time, and when no more are begun."""

    jobs: int = 1
    fail_fast: bool = False
    usd: float | None = None
    """What all tasks of the batch may cost; one that has begun is finished."""
    seconds: float | None = None
    """How long new ones are begun."""


@dataclass(slots=True)
class Batch:
    """Plays tasks by name.

    With one job they come in the given order, and each finds in memory what those before it left there. With
    more, a free job takes the next one: which auctions a task finds in memory depends on the clock.
    """

    tasks: Iterable[str]
    play: Callable[[str], events.Stream]
    """The events of one task's run; SaleError where it cannot begin."""
    check: Callable[[str], None] = lambda _: None
    """SaleError where what every run needs has gone, and not this task's own setup is at fault."""
    cancel: Callable[[str], None] = lambda _: None
    """Ends what a task's run waits for."""
    skips: Mapping[str, str] = field(default_factory=dict)
    """Why a task is left out, by task."""
    terms: Terms = field(default_factory=Terms)
    spent: float = 0.0
    """USD that the batch's earlier tasks have cost."""
    clock: Callable[[], float] = time.monotonic
    stopped: str = ""
    """Why tasks are left that were not begun."""
    left: list[str] = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _closing: threading.Event = field(default_factory=threading.Event, init=False)
    _begun_at: float = field(default=0.0, init=False)
    _unsolved: bool = field(default=False, init=False)
    _unjudged: int = field(default=0, init=False)
    """Tasks in a row that ended for want of something outside."""

    def __post_init__(self) -> None:
        self.left = list(self.tasks)

    def run(self) -> Generator[Item, None, None]:
        """Play the tasks; closing the generator cancels those that go on.

        Raises:
            SaleError: what every run needs has gone, and did not come back; tasks under way have no result.
        """
        self._begun_at = self.clock()
        jobs = min(self.terms.jobs, len(self.left)) or 1
        at_work: dict[int, str] = {}
        streams = {number: self._work(number, at_work) for number in range(jobs)}
        cancels = {number: partial(self._cancel, number, at_work) for number in range(jobs)}
        yield from merge(streams, jobs, cancels)

    def _work(self, number: int, at_work: dict[int, str]) -> Generator[Item, None, None]:
        """One job: the next task, as long as there is one."""
        while (task := self._next()) is not None:
            if task in self.skips:
                yield Ended(Result(task, "skipped", reason=self.skips[task]))
                continue
            at_work[number] = task
            yield Began(task)
            result = yield from self._tried(task)
            self._note(result)
            yield Ended(result)

    def _cancel(self, number: int, at_work: dict[int, str]) -> None:
        self._closing.set()
        task = at_work.get(number)
        if task is not None:
            self.cancel(task)

    def _next(self) -> str | None:
        with self._lock:
            self.stopped = self.stopped or self._reason_to_stop()
            return self.left.pop(0) if self.left and not self.stopped else None

    def _reason_to_stop(self) -> str:
        terms = self.terms
        if not self.left:
            return ""
        if terms.fail_fast and self._unsolved:
            return "fail-fast"
        if terms.usd is not None and self.spent >= terms.usd:
            return "budget spent"
        if terms.seconds is not None and self.clock() - self._begun_at >= terms.seconds:
            return "time is up"
        return ""

    def _note(self, result: Result) -> None:
        with self._lock:
            self.spent += result.usd
            self._unsolved = self._unsolved or result.outcome in ("failed", "error")

    def _tried(self, task: str) -> Generator[Item, None, Result]:
        """Play a task, once more where the surroundings failed it and are there again."""
        result, outside = yield from self._once(task)
        if outside:
            yield from self._await(task)
            yield Again(task, result.reason)
            first = result
            result, outside = yield from self._once(task)
            result = replace(
                result,
                usd=first.usd + result.usd,
                tokens=first.tokens + result.tokens,
                seconds=first.seconds + result.seconds,
            )
        if outside:
            yield from self._await(task)
        with self._lock:
            self._unjudged = self._unjudged + 1 if outside else 0
            if self._unjudged >= IN_A_ROW:
                raise EnvironmentFault(
                    f"{IN_A_ROW} tasks in a row could not be judged, the last one because: {result.reason}",
                    result.hint,
                )
        return result

    def _await(self, task: str) -> Generator[Item, None, None]:
        """Return when what every run needs answers; SaleError where it does not come back."""
        until = self.clock() + PATIENCE
        said = False
        while True:
            try:
                self.check(task)
                return
            except SaleError as error:
                if self._closing.is_set() or self.clock() >= until:
                    raise
                if not said:
                    said = True
                    yield Away(task, error.message)
            self._closing.wait(1.0)

    def _once(self, task: str) -> Generator[Item, None, tuple[Result, bool]]:
        """Play a task: what came of it, and whether something outside of it kept it from being judged."""
        account, began = _Account(task), self.clock()
        try:
            with closing(self.play(task)) as stream:
                for event in stream:
                    account.take(event)
                    yield Happened(task, event)
        except SaleError as error:
            outside = isinstance(error, EnvironmentFault | MemoryFault) and not isinstance(error, BrokenTests)
            account.fault = (error.message, error.hint)
        except Exception as error:
            # A bug: the other tasks are not to blame for it.
            outside = False
            account.bug(error)
        else:
            outside = account.fault is not None
        result = account.result(self.clock() - began)
        return result, outside and result.outcome == "error"


def account_of(task: str, run: Iterable[events.Event], seconds: float) -> Result | None:
    """What came of a task by its run's events, None where they do not reach the run's end."""
    account = _Account(task)
    for event in run:
        account.take(event)
    return None if account.ended is None else account.result(seconds)


@dataclass(slots=True)
class _Account:
    """What the events of one task have come to."""

    task: str
    run: str = ""
    ended: events.RunEnded | None = None
    reason: str = ""
    details: tuple[str, ...] = ()
    fault: tuple[str, str] | None = None
    """(reason, hint) of what kept the task from being judged."""
    trace: tuple[str, ...] = ()

    def bug(self, error: Exception) -> None:
        """An error that nobody foresaw ended the task."""
        self.fault = (f"an error in sale itself: {type(error).__name__}: {error}", "please report it")
        self.trace = tuple("".join(traceback.format_exception(error)).splitlines())

    def take(self, event: events.Event) -> None:
        match event:
            case events.RunStarted(run=run):
                self.run = run
            case events.WorkEnded(end=end, reason=reason):
                self.reason, self.details = f"{end}: {reason}" if reason else end, ()
            case events.VerdictReached(verdict=verdict):
                bad = [case for case in verdict.after.cases if case.outcome in ("failed", "error")]
                self.reason = verdict.reason
                self.details = tuple(
                    f"{case.name}: {case.message}" if case.message else case.name
                    for case in bad[:MOST_DETAILS]
                )
                if len(bad) > MOST_DETAILS:
                    self.details += (f"and {len(bad) - MOST_DETAILS} more",)
            case events.RunFailed(reason=reason, hint=hint):
                self.fault = (reason, hint)
            case events.RunEnded():
                self.ended = event
            case _:
                pass

    def result(self, seconds: float) -> Result:
        """The task's result after `seconds`."""
        ended, said, hint, details = self.ended, self.reason, "", self.details
        outcome: Outcome = "failed"
        if ended is not None and ended.solved:
            outcome, details = "passed", ()
        elif self.fault is not None or ended is None:
            outcome, details = "error", self.trace
            said, hint = self.fault or ("the run has no end", "")
        return Result(
            task=self.task,
            outcome=outcome,
            agent=ended.agent if ended else "",
            usd=ended.usd if ended else 0.0,
            tokens=ended.tokens if ended else 0,
            seconds=seconds,
            run=self.run,
            reason=said,
            hint=hint,
            details=details,
            bug=bool(self.trace),
        )
