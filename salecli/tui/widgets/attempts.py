"""What the works have come to, as the events tell it: attempts, their steps, test runs and ends, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from rich.cells import cell_len

from salecli.core import events
from salecli.core.calls import Usage
from salecli.core.limits import WorkLimits
from salecli.core.observe import hinted
from salecli.core.text import clean
from salecli.core.values import Step, Tests, Verdict
from salecli.core.words import counted, plural
from salecli.tui.control import Fed, Streamed
from salecli.tui.widgets.columns import sized

Part = Literal["attempt", "step", "now", "end"]
"""What a row of the list stands for: a heading, a step, what goes on now, how an attempt ended."""
Block = tuple[str, str]
"""A heading, or "", and the text below it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list."""

    part: Part
    attempt: int
    """Its place in the list of attempts."""
    step: int
    """The step's place in its attempt; -1 where there is none."""
    left: str
    right: str = ""
    good: bool | None = None
    """What the tests said, None where they said nothing."""


@dataclass(slots=True)
class Attempt:
    """One agent at work."""

    agent: str
    refined: bool
    number: int
    began: float | None
    """Seconds of the run at its start, None where nobody looked."""
    attempts: int = 0
    """How many there are at most; 0 where that is not known."""
    limits: WorkLimits | None = None
    hints: list[str] = field(default_factory=list)
    """What the user said before its first step."""
    first: int = 1
    """Number of its first step: a revision counts on."""
    steps: list[Step] = field(default_factory=list)
    reply: list[str] = field(default_factory=list)
    """The pieces of the reply that is being written."""
    loading: bool = False
    size: int = 0
    """Bytes of the model that it loads."""
    end: events.WorkEnded | None = None
    verdict: Verdict | None = None
    flagged: list[str] = field(default_factory=list)
    """Changed files that a person should look at twice."""

    @property
    def usage(self) -> Usage:
        return self.end.usage if self.end is not None else sum((step.usage for step in self.steps), Usage())

    @property
    def next(self) -> int:
        """Number of the step that comes next."""
        return self.steps[-1].number + 1 if self.steps else self.first

    @property
    def over(self) -> bool:
        """Whether nothing more comes of it."""
        return self.verdict is not None or (self.end is not None and self.end.end == "sandbox died")

    @property
    def final(self) -> bool:
        """Whether nobody follows it: the last one that there may be, or a revision."""
        return self.number >= self.attempts

    def now(self) -> str:
        """What goes on in it."""
        if self.end is not None:
            return "the tests run in a fresh sandbox"
        if self.loading:
            return f"{self.agent} loads{sized(self.size)}"
        return f"{self.agent} writes" if self.reply else f"{self.agent} reads"


@dataclass(slots=True)
class Attempts:
    """All attempts of a run; feed it every event in order."""

    all: list[Attempt] = field(default_factory=list)
    runs: list[tuple[str, Tests]] = field(default_factory=list)
    """(label, tests) of every test run, the first of them before any work."""
    before: Tests | None = None
    winner: str = ""
    paused: bool = False
    ended: events.RunEnded | None = None
    failed: events.RunFailed | None = None

    @property
    def last(self) -> Attempt | None:
        return self.all[-1] if self.all else None

    @property
    def working(self) -> Attempt | None:
        """The attempt that goes on."""
        last = self.last
        over = last is None or last.over or self.ended is not None or self.failed is not None
        return None if over else last

    def apply(self, fed: Fed, at: float | None = None) -> None:
        """Take one event in; `at` says when it came, None where that is not known."""
        match fed:
            case events.TestsBefore(tests=tests):
                self.before = tests
                self.runs.append(("before", tests))
            case events.WinnerChosen(agent=agent):
                self.winner = agent
            case events.WorkStarted(agent=agent, refined=refined, attempt=number, limits=limits):
                # After the end it is a revision: its agent goes on, and the end is not the end any more.
                revised = self.last if self.ended is not None else None
                self.ended = self.failed = None
                first = revised.next if revised else 1
                self.all.append(Attempt(agent, refined, number, at, fed.attempts, limits, first=first))
            case events.Paused():
                self.paused = True
            case events.Resumed():
                self.paused = False
            case events.RunEnded():
                self.ended, self.paused = fed, False
            case events.RunFailed():
                self.failed, self.paused = fed, False
            case _:
                if self.last is not None:
                    self._work(self.last, fed)

    def _work(self, attempt: Attempt, fed: Fed) -> None:
        match fed:
            case events.ModelLoading(bytes=size):
                attempt.loading, attempt.size = True, size
            case events.ModelLoaded():
                attempt.loading = False
            case Streamed(what="work", text=text):
                attempt.loading = False
                attempt.reply.append(text)
            case events.Hinted(text=text):
                if attempt.steps:
                    attempt.steps[-1] = hinted(attempt.steps[-1], text)
                else:
                    attempt.hints.append(text)
            case events.StepTaken(step=step):
                attempt.steps.append(step)
                attempt.reply.clear()
                if step.tests is not None:
                    self.runs.append((f"step {step.number}", step.tests))
            case events.PatchMade(patch=patch):
                attempt.flagged = [
                    f"{change.path} ({', '.join(change.flags)})" for change in patch.changes if change.flags
                ]
            case events.WorkEnded():
                attempt.end = fed
                attempt.reply.clear()
            case events.VerdictReached(verdict=verdict):
                attempt.verdict = verdict
                self.runs.append(("verdict", verdict.after))
            case _:
                pass

    def rows(self) -> Iterator[Row]:
        """The list's lines from top to bottom; earlier ones never change."""
        for place, attempt in enumerate(self.all):
            refined = ", refined plan" if attempt.refined else ""
            yield Row("attempt", place, -1, f"attempt {attempt.number}: {attempt.agent}{refined}")
            for at, step in enumerate(attempt.steps):
                yield Row("step", place, at, f"{step.number:>2} {did(step)}", *_seen(step.tests))
            if attempt is self.working and attempt.end is None:
                now = f"{attempt.agent} stands still" if self.paused else f"{attempt.now()} ..."
                yield Row("now", place, -1, f"{attempt.next:>2} {now}")
            else:
                yield self._end(place, attempt)

    def _end(self, place: int, attempt: Attempt) -> Row:
        verdict = attempt.verdict
        if verdict is not None:
            said = "solved" if verdict.solved else "not solved"
            right, _ = _seen(verdict.after)
            return Row("end", place, -1, f"   {said}: {verdict.reason}", right, verdict.solved)
        if attempt is self.working:
            return Row("end", place, -1, f"   {attempt.now()} ...")
        return Row("end", place, -1, f"   {ending(attempt)}")

    def state(self, at: float, width: int = 1000) -> str:
        """The one line above everything; what has no room is left out, from the end."""
        first, *more = self._told(at)
        while more and cell_len(", ".join([first, *more])) > width:
            more.pop()
        return ", ".join([first, *more])

    def _told(self, at: float) -> list[str]:
        """What there is to say, the most needed first."""
        if self.failed is not None:
            return [f"failed: {self.failed.reason}"]
        attempt = self.last
        if attempt is None:
            won = f"{self.winner} won and goes to work" if self.winner else "no work yet: nobody has won"
            return ["nobody worked" if self.ended is not None else won]
        which = f"attempt {_of(attempt.number, attempt.attempts)}"
        tokens = _tokens(attempt.usage.generated, None)
        if self.ended is not None:
            said = "solved" if self.ended.solved else "not solved"
            return [f"{said} by {attempt.agent}", plural(len(attempt.steps), "step"), *tokens, which]
        if attempt.over:
            if attempt.final:
                return [f"{attempt.agent} did not solve it", which, *tokens]
            state = "paused before the next attempt" if self.paused else "the next bidder follows"
            return [f"{attempt.agent} did not solve it; {state}"]
        if attempt.end is not None:
            return [f"{attempt.agent} is done ({attempt.end.end}); {attempt.now()}", which, *tokens]
        limits = attempt.limits
        # A revision's steps are numbered on from those before it, which do not count.
        step = f"step {_of(attempt.next, attempt.first - 1 + limits.steps if limits else 0)}"
        does = "stands still before" if self.paused else "works,"
        spent = "" if attempt.began is None else clocked(at - attempt.began)
        if spent and limits is not None:
            spent = f"{spent} of {clocked(limits.seconds)}"
        return [
            f"{attempt.agent} {does} {step}",
            which,
            *[spent] * bool(spent),
            *_tokens(attempt.usage.generated, limits),
        ]


def _of(number: int, most: int) -> str:
    return f"{number} of {most}" if number <= most else str(number)


def _tokens(count: int, limits: WorkLimits | None) -> list[str]:
    """Those of the finished steps; nothing before the first."""
    if not count:
        return []
    return [f"{count:,} of {limits.tokens:,} tokens" if limits is not None else plural(count, "token")]


def did(step: Step) -> str:
    """What a step did, on one line."""
    if step.action == "none":
        return "no valid action"
    return clean(f"{step.action:<5} {step.target}".rstrip(), newlines=False)


def _seen(tests: Tests | None) -> tuple[str, bool | None]:
    if tests is None:
        return "", None
    if tests.timed_out or not tests.ran:
        return counted(tests), False
    return f"{tests.passed}/{len(tests.cases) - tests.count('skipped')}", tests.green


def ending(attempt: Attempt) -> str:
    """How an attempt's work ended."""
    if attempt.end is None:
        return "cut short"
    return attempt.end.end + (f": {attempt.end.reason}" if attempt.end.reason else "")


def clocked(seconds: float) -> str:
    """Minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def step_blocks(step: Step) -> list[Block]:
    """Everything that one step was: reply, what came of it, the tests' own output."""
    blocks = [("reply", step.reply.strip("\n")), ("observation", step.observation)]
    if step.tests is not None:
        failing, output = tests_blocks(step.tests)
        # The observation names the first that failed; it is not said twice.
        named = all(line.partition(" ")[2] in step.observation for line in failing[1].splitlines())
        blocks += [output] if named else [failing, output]
    return [(head, text) for head, text in blocks if text]


def tests_blocks(tests: Tests) -> tuple[Block, Block]:
    """Which tests failed, and what the run printed."""
    failing = [case for case in tests.cases if case.outcome in ("failed", "error")]
    lines = [
        f"{case.outcome} {case.name}" + (f": {case.message}" if case.message else "") for case in failing
    ]
    return (f"tests: {counted(tests)}", "\n".join(lines)), ("output of the tests", tests.output)


def end_blocks(attempt: Attempt) -> list[Block]:
    """How an attempt ended, and what the fresh sandbox said."""
    blocks = [(f"{attempt.agent} ended", ending(attempt))]
    if attempt.flagged:
        blocks.append(("look twice", "\n".join(attempt.flagged)))
    verdict = attempt.verdict
    if verdict is not None:
        said = "solved" if verdict.solved else "not solved"
        blocks.append((f"verdict: {said}", f"{verdict.reason} (before: {counted(verdict.before)})"))
        blocks += tests_blocks(verdict.after)
    return [(head, text) for head, text in blocks if text]
