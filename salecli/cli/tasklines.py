"""The lines of a batch, in the form of pre-commit's: name, dots, Passed or Failed in colour, details below.

What goes on now stands on a moving line of stderr, with the time that is left, on a terminal only.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from salecli.cli.output import Output, Place
from salecli.core import events
from salecli.core.batch import Outcome, Result
from salecli.core.text import clean
from salecli.core.words import money, plural, shortened

if TYPE_CHECKING:
    from rich.status import Status

NARROWEST = 80
"""Columns of a line, as pre-commit has them: the status ends one column before."""
_WIDEST = "(large, 0.000042 USD, 1,234.5 s)"
_DETAIL = 400
"""Characters of a detail's line."""
# pre-commit's own: a green, red, yellow and turquoise ground. It has no fourth ending.
_SHOWN: dict[Outcome, tuple[str, str]] = {
    "passed": ("Passed", "on green"),
    "failed": ("Failed", "on red"),
    "skipped": ("Skipped", "black on yellow"),
    "error": ("Error", "black on magenta"),
}
_UNBEGUN = "black on cyan"


class TaskLines:
    """Tells a batch; with `json` each result is a JSON line on stdout, and the lines go to stderr."""

    def __init__(self, output: Output, names: Sequence[str], json: bool = False) -> None:
        from rich.cells import cell_len

        self._width = cell_len
        self._output = output
        self._place: Place = "story" if json else "result"
        self._json = json
        longest = max(map(self._cells, names), default=0)
        self.columns = max(NARROWEST, longest + 3 + len(_WIDEST) + 1 + len("Skipped"))
        self._total = len(names)
        self._earlier = 0
        self._ended = 0
        self._began = time.monotonic()
        self._now: dict[str, str] = {}
        """What each task under way is at."""
        # pre-commit gives its hooks a terminal, and prints what it kept of it afterwards.
        self._moves = output.live and "PRE_COMMIT" not in os.environ
        self._status: Status | None = None

    def __enter__(self) -> TaskLines:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def begin(self, batch: str, earlier: Mapping[str, Result]) -> None:
        """Say what is finished already; it is not told again, but counted."""
        self._earlier = len(earlier)
        if self._json:
            self._output.record(
                {"kind": "batch", "batch": batch, "tasks": self._total, "earlier": len(earlier)}
            )
            for result in earlier.values():
                self._output.record({"kind": "task", "earlier": True, **asdict(result)})
        if earlier:
            self._output.story(
                f"going on with batch {batch}: {len(earlier)} of {plural(self._total, 'task')} finished "
                f"already ({_counted(earlier.values())}); --no-resume begins anew"
            )

    def began(self, task: str) -> None:
        """A task is next."""
        self._at(task, "prepares")

    def happened(self, task: str, event: events.Event) -> None:
        """What a task under way is at."""
        if isinstance(event, events.NotRemembered):
            with self._still():
                self._output.story(
                    clean(f"{task} is not remembered: {event.reason}", newlines=False), "yellow"
                )
        if isinstance(event, events.MemoryWarned):
            with self._still():
                self._output.story(clean(f"memory: {event.reason}", newlines=False), "yellow")
        said = _doing(event)
        if said and self._moves:
            self._at(task, said)

    def away(self, task: str, reason: str) -> None:
        """What every task needs does not answer."""
        self._at(task, "waits")
        with self._still():
            self._output.story(clean(f"waiting: {reason}", newlines=False), "yellow")

    def again(self, task: str, reason: str) -> None:
        """A task is run a second time, for no fault of its own."""
        with self._still():
            self._output.story(clean(f"{task} is run again: {reason}", newlines=False), "yellow")

    def ended(self, result: Result) -> None:
        """One more line, with what went wrong below it."""
        self._now.pop(result.task, None)
        self._ended += 1
        with self._still():
            if self._json:
                self._output.record({"kind": "task", "earlier": False, **asdict(result)})
            word, style = _SHOWN[result.outcome]
            self._line(result.task, _spent(result), word, style)
            if result.outcome != "passed":
                self._details(result)

    def unbegun(self, task: str, reason: str) -> None:
        """A task that there was no money or time for."""
        with self._still():
            self._line(task, f"({reason})", "Skipped", _UNBEGUN)

    def sum_up(self, results: Collection[Result], left: Sequence[str], stopped: str) -> None:
        """The last line."""
        self._now.clear()
        self._stop()
        usd = sum(one.usd for one in results)
        seconds = time.monotonic() - self._began
        if self._json:
            counts = {str(word): sum(one.outcome == word for one in results) for word in _SHOWN}
            self._output.record(
                {
                    "kind": "end",
                    **counts,
                    "left": len(left),
                    "stopped": stopped,
                    "usd": usd,
                    "seconds": seconds,
                }
            )
        said = f"{plural(self._total, 'task')}: {_counted(results)}"
        if left:
            said += f", {len(left)} not run" + (f" ({stopped})" if stopped else "")
        self._output.line([(f"{said}; {money(usd)}, {_clock(seconds)}", "bold")], self._place)

    def _line(self, name: str, postfix: str, word: str, style: str) -> None:
        room = self.columns - 1 - self._cells(name) - len(postfix) - len(word)
        self._output.line([(name + "." * max(room, 3) + postfix, ""), (word, style)], self._place)

    def _details(self, result: Result) -> None:
        if result.run:
            self._dim(f"- run: {result.run}")
        if result.reason:
            self._dim(f"- {'tests' if result.outcome == 'failed' else 'why'}: {result.reason}")
        said = len(result.details) == 1 and result.details[0].partition(": ")[2] in result.reason
        for line in () if said else result.details:
            self._output.line([("    " + shortened(line, _DETAIL), "")], self._place)
        if result.hint:
            self._dim(f"- type: {result.hint}")

    def _dim(self, text: str) -> None:
        self._output.line([(shortened(text, _DETAIL), "dim")], self._place)

    def _cells(self, name: str) -> int:
        return self._width(clean(name, newlines=False))

    def _at(self, task: str, what: str) -> None:
        self._now[task] = what
        self._draw()

    @contextmanager
    def _still(self) -> Iterator[None]:
        """Nothing moves while a line is written."""
        self._stop()
        yield
        self._draw()

    def _stop(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _draw(self) -> None:
        if not self._moves or not self._now:
            return
        now = ", ".join(f"{clean(task, newlines=False)}: {what}" for task, what in self._now.items())
        done = self._earlier + self._ended
        from rich.text import Text

        said = Text(f"{done}/{self._total}  {shortened(now, 90)}{self._left()}")
        if self._status is None:
            self._status = self._output.console().status(said)
            self._status.start()
        else:
            self._status.update(said)

    def _left(self) -> str:
        if not self._ended:
            return ""
        pace = (time.monotonic() - self._began) / self._ended
        return f"  about {_clock(pace * (self._total - self._earlier - self._ended))} left"


def _doing(event: events.Event) -> str:
    match event:
        case events.ModelLoading(agent=agent):
            return f"{agent} loads"
        case events.BidStarted(agent=agent, refined=refined):
            return f"{agent} rewrites its bid" if refined else f"{agent} bids"
        case events.Marked(mark=mark):
            return f"{mark.judge} marks"
        case events.WorkStarted(agent=agent):
            return f"{agent} works"
        case events.StepTaken(agent=agent, step=step):
            return f"{agent} works, step {step.number}"
        case events.WorkEnded():
            return "verdict"
        case _:
            return ""


def _spent(result: Result) -> str:
    """Agent, money and time in brackets, where a task was run."""
    if result.outcome == "skipped":
        return ""
    parts = [result.agent] if result.agent else []
    parts += [money(result.usd)] if result.usd else []
    return f"({', '.join([*parts, f'{result.seconds:,.1f} s'])})"


def _counted(results: Collection[Result]) -> str:
    """ "3 passed, 1 failed"."""
    parts = []
    for outcome, (word, _) in _SHOWN.items():
        count = sum(one.outcome == outcome for one in results)
        if count:
            parts.append(plural(count, "error") if outcome == "error" else f"{count:,} {word.lower()}")
    return ", ".join(parts) or "none finished"


def _clock(seconds: float) -> str:
    """A duration for people."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"
