"""From core's events to the screens: the only place that turns the one into calls of the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from salecli.core import events
from salecli.tui.control import Control, Fed, Streamed
from salecli.tui.messages import Where
from salecli.tui.widgets.headline import Heading

LIMIT = 0.010
"""Seconds of one drain; what is left waits for the next one, so that keys come through."""


class Played(Control, Protocol):
    """A Control as the bridge sees it: it gives events, from its thread or from a recording."""

    woken: Callable[[], None]
    """To be called, from any thread, when events come again after a sleep."""

    @property
    def seconds(self) -> float:
        """How long the run has worked: the time for which it waited for the user is left out."""

    @property
    def state(self) -> str:
        """A word for the headline; empty where all is as usual."""

    def start(self) -> None:
        """Begin to give events."""

    @property
    def asleep(self) -> bool:
        """Whether nothing is to be expected until `woken` is called."""

    def due(self) -> Iterator[events.Event]:
        """The events that wait, each taken as it is asked for; `at` and `ended` follow them."""

    def close(self) -> None:
        """End it; returns when no thread, process or container of it is left. Blocks."""


class Taking(Protocol):
    """A screen that shows a run."""

    def apply(self, fed: Fed) -> None:
        """Take one event in."""


class Bridge:
    """Feeds the board, the history and the mounted run screens, in this order."""

    def __init__(self, control: Played) -> None:
        self.control = control
        self.behind = False
        """Whether the last drain left something for the next one."""
        self._screens: Sequence[Taking] = ()
        self._tokens: list[events.PlanToken | events.WorkToken] = []
        self._started: events.RunStarted | None = None
        self._recorded: set[int] = set()
        """What memory has taken of this run."""
        for fed in control.history:
            self._note(fed)

    def drain(self, screens: Sequence[Taking], where: Where | None, limit: float = LIMIT) -> Where | None:
        """Pass on what waits, for at most `limit` seconds, and say where the user goes along with the run.

        `where` is the screen that the user stands on, None where a dialog is open.
        """
        until = time.perf_counter() + limit
        self._screens, self.behind = screens, False
        for event in self.control.due():
            self.take(event)
            where = follow(where, event)
            if time.perf_counter() > until:
                self.behind = True
                break
        self.flush()
        return where

    def take(self, event: events.Event) -> None:
        """Pass one event on; tokens wait for the next event of another kind or agent, or for `flush`."""
        if isinstance(event, events.PlanToken | events.WorkToken):
            if self._tokens and _of(self._tokens[0]) != _of(event):
                self.flush()
            self.control.board.apply(event)
            self._tokens.append(event)
            return
        self.flush()
        self.control.board.apply(event)
        self._pass(event)

    def flush(self) -> None:
        """Pass the waiting tokens on, joined."""
        if not self._tokens:
            return
        first, text = self._tokens[0], "".join(token.text for token in self._tokens)
        if isinstance(first, events.PlanToken):
            entropies = tuple(one.entropy for one in self._tokens if isinstance(one, events.PlanToken))
            streamed = Streamed("plan", first.agent, first.refined, text, entropies)
        else:
            streamed = Streamed("work", first.agent, False, text)
        self._tokens.clear()
        self._pass(streamed)

    def feed(self, screens: Sequence[Taking], seen: Iterable[events.Event]) -> None:
        """Pass these events on, whatever their time."""
        self._screens = screens
        for event in seen:
            self.take(event)
        self.flush()

    def heading(self, repository: str) -> Heading:
        """The headline of the run; `repository` is its name until the run says it."""
        control, board, started = self.control, self.control.board, self._started
        return Heading(
            repository=board.task.repository if board.task is not None else repository,
            title=board.task.title if board.task is not None else "",
            state=control.state,
            pool=started.pool if started is not None else "",
            thrift=board.weights.cost if started is not None else None,
            remembered=started.remembered + len(self._recorded) if started is not None else None,
            seconds=int(control.seconds),  # a row that changes, and is drawn, once a second
        )

    def _note(self, fed: Fed) -> None:
        """What the headline tells of."""
        if isinstance(fed, events.RunStarted):
            self._started = fed
        elif isinstance(fed, events.Remembered):
            self._recorded.add(fed.auction)

    def _pass(self, fed: Fed) -> None:
        self._note(fed)
        _remember(self.control.history, fed)
        for screen in self._screens:
            screen.apply(fed)


def follow(where: Where | None, event: events.Event) -> Where | None:
    """Where a user goes who stands at `where` and does nothing: along with the run, and from nowhere else."""
    match event:
        case events.RunStarted() if where == "start":
            return "auction"
        case events.WorkStarted() if where in ("auction", "review"):
            return "work"
        case events.VerdictReached(verdict=verdict) if where == "work" and verdict.solved:
            return "review"
        case events.RunEnded() if where == "work":
            return "review"
        case _:
            return where


def _of(token: events.PlanToken | events.WorkToken) -> tuple[type, str, bool]:
    """Whose stream a token belongs to."""
    return type(token), token.agent, isinstance(token, events.PlanToken) and token.refined


def _remember(history: list[Fed], fed: Fed) -> None:
    """Append to the history; what streams on joins what streamed before."""
    last = history[-1] if history else None
    if (
        isinstance(fed, Streamed)
        and isinstance(last, Streamed)
        and (last.what, last.agent, last.refined) == (fed.what, fed.agent, fed.refined)
    ):
        history[-1] = Streamed(
            fed.what, fed.agent, fed.refined, last.text + fed.text, last.entropies + fed.entropies
        )
    else:
        history.append(fed)
