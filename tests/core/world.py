"""A world in memory for the core: a scripted model, a tree of texts, a list of auctions."""

from __future__ import annotations

import math
import threading
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from salecli.core.agent import Agent, Pool, Profile
from salecli.core.calls import Choice, Limits, Loaded, Token, Turn, Usage
from salecli.core.prompts import Templates
from salecli.core.values import Auction, Case, Change, Completed, Pair, Patch, Task, Tests, Weights
from salecli.errors import ModelError, ModelTimeout, SandboxError

TEMPLATES = Templates(
    {
        "bid": "--- user\nbid {{ task.text }}\n{{ files }} {{ limit }}",
        "refine": "--- user\nrefine {% for pair in pairs %}{{ pair.won.text }}{% endfor %} {{ plan }}",
        "judge": "--- system\njudge {{ task.text }}\n--- user\n{{ plan }}\n--- assistant\nScore: ",
        "work": "--- user\nwork {{ task.text }}\n{{ plan }}",
        "observe": "--- user\n{{ observation }}",
    }
)
TASK = Task("t1", "Add", "Write add in add.py", "shop", "base", "python3 -m pytest -q", ("add.py",))
GOOD = "```write add.py\ngood\n```"
BAD = "```write add.py\nbad\n```"


@dataclass
class ScriptedModel:
    """Replies in order, one character a token; marks by the plan that it reads.

    The reply, or the mark, "DIE" ends the model, "HANG" lets it wait for its deadline.
    """

    replies: list[str]
    marks: Mapping[str, Sequence[float]] = field(default_factory=dict)
    entropy: float = 0.5
    mass: float = 1.0
    vocabulary: int = 100
    size: int = 0
    asked: list[tuple[Turn, ...]] = field(default_factory=list)
    chosen: int = 0
    closed: int = 0

    cancelled: threading.Event = field(default_factory=threading.Event)
    hangs: threading.Event = field(default_factory=threading.Event)

    loaded: bool = False
    ahead: bool = False
    """Whether it was loaded before anybody asked for it."""

    def load(self) -> Loaded | None:
        if self.loaded and not self.ahead:
            return None
        self.loaded, self.ahead = True, False
        return Loaded("script", 1, 1000, self.vocabulary, 0.0)

    def preload(self) -> None:
        self.ahead = not self.loaded
        self.loaded = True

    def stream(self, turns: Sequence[Turn], limits: Limits) -> Generator[Token, None, Usage]:
        self.asked.append(tuple(turns))
        if not self.replies:
            raise ModelError("the script has ended")
        reply = self.replies.pop(0)
        if reply == "DIE":
            raise ModelError("killed by signal 9")
        if reply == "HANG":
            self._hang(limits.deadline)
        try:
            for at, letter in enumerate(reply[: limits.max_tokens]):
                yield Token(at, letter, self.entropy, -self.entropy)
        except GeneratorExit:
            self.closed += 1
            raise
        cut = len(reply) > limits.max_tokens
        return Usage(10, 10, min(len(reply), limits.max_tokens), 0.0, "length" if cut else "stop")

    def choose(
        self,
        prefix: Sequence[Turn],
        endings: Sequence[Sequence[Turn]],
        options: Sequence[str],
        deadline: float | None = None,
    ) -> list[Choice]:
        self.chosen += 1
        if self.marks.get("DIE"):
            raise ModelError("killed by signal 9")
        if self.marks.get("HANG"):
            self._hang(deadline)
        choices = []
        for ending in endings:
            plan = ending[0].text
            shares = self.marks.get(plan, (0, 0, 0, 1, 0, 0))
            choices.append(Choice(tuple(float(share) for share in shares), self.mass, Usage(5, 5, 0)))
        return choices

    def cancel(self) -> None:
        self.cancelled.set()

    def _hang(self, deadline: float | None) -> None:
        """What a model does that no longer answers: nothing, until it is cancelled or the time is up."""
        self.hangs.set()
        wait = 60.0 if deadline is None else deadline
        error = ModelError("cancelled") if self.cancelled.wait(wait) else ModelTimeout("did not finish")
        error.usage = Usage(7, 7, 0, wait, "cancelled")
        raise error


class TreeSandbox:
    """Files as a dict; the tests pass when add.py says "good"."""

    def __init__(self, files: dict[str, str], dies_at: str = "") -> None:
        self.files = dict(files)
        self.start = dict(files)
        self.dies_at = dies_at
        self.closed = False

    def _alive(self, what: str) -> None:
        if self.dies_at == what:
            raise SandboxError("the container is gone")

    def write(self, path: str, content: str) -> None:
        self._alive("write")
        self.files[path] = content

    def read(self, path: str) -> str | None:
        return self.files.get(path)

    def run(self, command: str) -> Completed:
        return Completed(0, f"ran {command}")

    def test(self) -> Tests:
        self._alive("test")
        return suite(self.files.get("add.py", ""))

    def collect(self) -> Patch:
        changed = tuple(
            Change(path, "modified", 1, 1)
            for path, text in self.files.items()
            if self.start.get(path) != text
        )
        return Patch("base", "tree", self.files.get("add.py", "") if changed else "", changed)

    def close(self) -> None:
        self.closed = True


def suite(text: str) -> Tests:
    """What the world's only suite says of add.py."""
    good = "good" in text
    return Tests(
        0 if good else 1,
        (
            Case("test_old", "passed"),
            Case("test_add", "passed" if good else "failed", "" if good else "assert 1 == 2"),
        ),
        "" if good else "1 failed",
    )


@dataclass
class TreeWorkspace:
    """Opens sandboxes on a dict of files."""

    files: dict[str, str] = field(default_factory=lambda: {"add.py": "stub"})
    opened: list[TreeSandbox] = field(default_factory=list)
    dies_at: str = ""
    dies_in: int = 2
    """Which sandbox dies, counted from 1; the first one runs the tests before."""

    def open(self) -> TreeSandbox:
        dies = self.dies_at if len(self.opened) + 1 == self.dies_in else ""
        self.opened.append(TreeSandbox(self.files, dies))
        return self.opened[-1]

    def verify(self, patch: Patch) -> Tests:
        return suite(patch.diff)


@dataclass
class ListMemory:
    """Auctions in a list; teaches the pairs it was given."""

    taught: Mapping[str, Sequence[Pair]] = field(default_factory=dict)
    auctions: list[Auction] = field(default_factory=list)

    def size(self) -> int:
        return len(self.auctions)

    def pairs(self, task: Task, agent: str, k: int) -> Sequence[Pair]:
        return list(self.taught.get(agent, ()))[:k]

    def record(self, auction: Auction) -> int:
        self.auctions.append(auction)
        return len(self.auctions)

    def amend(self, number: int, auction: Auction) -> None:
        self.auctions[number - 1] = auction

    def told(self) -> list[str]:
        return []


def pool(
    models: Mapping[str, ScriptedModel], prices: Mapping[str, float] | None = None, **options: object
) -> Pool:
    """A pool of scripted agents; entropy counts nothing, judges count equally."""
    prices = prices or {name: 0.1 * (place + 1) for place, name in enumerate(models)}
    agents = tuple(
        Agent(name, prices[name], model, Profile(TEMPLATES), plan_tokens=100, reply_tokens=200)
        for name, model in models.items()
    )
    share = 1 / len(agents)
    weights = Weights(cost=0.5, entropy=0.0, judges={agent.name: share for agent in agents})
    return Pool("scripted", agents, weights, plan_tokens=100, **options)  # type: ignore[arg-type]


def digit(value: int) -> tuple[float, ...]:
    """A judge that is sure of one digit."""
    return tuple(1.0 if at == value else 0.0 for at in range(6))


def play(stream: Generator[Any, None, Any]) -> tuple[list[Any], Any]:
    """All events of a run, and its result."""
    seen: list[Any] = []
    while True:
        try:
            seen.append(next(stream))
        except StopIteration as stop:
            return seen, stop.value


def only(seen: Sequence[object], kind: type) -> list[Any]:
    """The events of one kind."""
    return [event for event in seen if isinstance(event, kind)]


LN100 = math.log(100)
