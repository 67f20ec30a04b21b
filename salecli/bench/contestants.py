"""Who is put before a suite's tasks: an agent with its own bid, or the proof of the harness itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, TypeVar

from salecli.bench.cells import Attempt, Cell, Opinion, Outcome, Worked, hashed
from salecli.bench.passing import Passing
from salecli.bench.stage import Stage
from salecli.bench.suites import SuiteTask
from salecli.core import events
from salecli.core.agent import Agent, seed_for
from salecli.core.calls import Choice, Limits, Loaded, Token, Turn, Usage
from salecli.core.decisions import Decisions
from salecli.core.judge import mark
from salecli.core.limits import WorkLimits
from salecli.core.ports import Model, Sandbox
from salecli.core.values import Bid, Patch, Tests, Work, WorkEnd
from salecli.core.verdict import judged, reached
from salecli.core.work import work
from salecli.errors import EnvironmentFault, ModelError

Result = TypeVar("Result")
Proof = Literal["gold", "null"]
GONE: tuple[WorkEnd, ...] = ("model died", "sandbox died")
"""Endings that say nothing of the agent."""


class Contestant(Protocol):
    """Somebody who tries every task once."""

    @property
    def name(self) -> str:
        """As it stands in the matrix."""

    @property
    def identity(self) -> str:
        """Hash of all about it that decides what comes out."""

    def attempt(self, stage: Stage, key: str) -> Cell:
        """Its cell for a task.

        Raises:
            SaleError: something outside kept it from being judged.
        """


@dataclass(frozen=True, slots=True)
class Reference:
    """Puts the reference solution, or nothing, where an agent's work would come."""

    name: Proof
    image: str = ""
    """The sandbox's: what it lacks, the proof is about."""

    @property
    def identity(self) -> str:
        """There is but one of each, in one image."""
        return hashed(self.name, self.image)

    def attempt(self, stage: Stage, key: str) -> Cell:
        """The verdict of a fresh sandbox over what came out of the sandbox that was worked in."""
        before, began = stage.before(), time.monotonic()
        with stage.workspace.open() as sandbox:
            for path, text in stage.posed.solution.items() if self.name == "gold" else ():
                sandbox.write(path, text)
            patch = sandbox.collect()
        if self.name == "null":
            # An agent's empty patch is not tested. Here it is, or nothing would be proved.
            given = reached(before, stage.workspace.verify(patch))
            done = Work(self.name, False, "done", patch=patch, verdict=given, note=given.reason)
        else:
            made = Work(self.name, False, "done", patch=patch)
            done = result(judged(stage.task, before, stage.workspace, made))
        return _cell(key, stage, done, seconds=time.monotonic() - began)


@dataclass(slots=True)
class Bidder:
    """An agent of a pool: it bids, and carries out its own plan whatever the others' came to.

    A bid and its work are one turn of its model: another task in between would push them out of the prefix
    cache, and would make the tokens that were evaluated depend on the clock.
    """

    agent: Agent
    identity: str
    limits: WorkLimits
    seed: int
    turn: AbstractContextManager[object] = field(init=False)

    def __post_init__(self) -> None:
        self.turn = nullcontext() if self.agent.remote else threading.Lock()

    @property
    def name(self) -> str:
        """The agent's."""
        return self.agent.name

    def attempt(self, stage: Stage, key: str) -> Cell:
        """What `sale solve --agent NAME --attempts 1` would come to."""
        before, began = stage.before(), time.monotonic()
        task, agent = stage.task, self.agent
        out: list[events.AgentOut] = []
        with stage.workspace.open() as sandbox:
            asked = time.monotonic()
            with self.turn:
                began += time.monotonic() - asked  # the wait for its turn is nobody's
                bid = result(agent.bid(task, seed_for(self.seed, "bid", agent.name)), out)
                if bid is None:
                    return self._out(key, stage, out[-1], time.monotonic() - began)
                made = self._work(stage, bid, sandbox, before)
        done = result(judged(task, before, stage.workspace, made))
        return _cell(key, stage, done, bid, time.monotonic() - began)

    def carry_out(self, stage: Stage, bid: Bid, key: str) -> Attempt:
        """Its work on a plan that it wrote in an auction: it marks that plan first, as it did there.

        Raises:
            SaleError: something outside kept it from being judged.
        """
        before, began = stage.before(), time.monotonic()
        with stage.workspace.open() as sandbox:
            asked = time.monotonic()
            with self.turn:
                began += time.monotonic() - asked
                result(mark(self.agent, stage.task, [bid]))  # what its prefix cache holds counts
                made = self._work(stage, bid, sandbox, before)
        done = result(judged(stage.task, before, stage.workspace, made))
        if done.end in GONE:
            raise EnvironmentFault(
                f"task {stage.posed.name}, {self.name}: {done.end}: {done.note}",
                "`sale doctor` looks at what every run needs; then the same command goes on",
            )
        outcome: Outcome = "passed" if done.solved else "failed"
        return Attempt(key, stage.posed.name, self.name, outcome, _worked(done), time.monotonic() - began)

    def attempt_key(self, posed: SuiteTask, plan: str) -> str:
        """Identity of the work on a plan."""
        return hashed("attempt", self.identity, posed.hash, self.seed, plan)

    def _work(self, stage: Stage, bid: Bid, sandbox: Sandbox, before: Tests) -> Work:
        seed = seed_for(self.seed, "attempt", 1)
        return result(work(self.agent, stage.task, bid, sandbox, before, self.limits, Decisions(), seed))

    def _out(self, key: str, stage: Stage, why: events.AgentOut, seconds: float) -> Cell:
        # A model whose process has ended may have been ended by anybody.
        outcome: Outcome = "failed" if self.agent.model.loaded else "error"
        reason = f"no bid: {why.reason}"
        return Cell(key, stage.posed.name, self.name, outcome, reason, lost=why.usage, seconds=seconds)

    def opinion(self, stage: Stage, bids: Sequence[Bid], key: str) -> Opinion:
        """Its marks of all bids on a task, asked after its own bid: what its prefix cache holds counts."""
        with self.turn:
            if not self.agent.remote:
                self._read(self.agent.render("bid", stage.task))
            marks, missing = result(mark(self.agent, stage.task, bids))
        why = {agent: failure.reason for (agent, _), failure in missing.items()}
        return Opinion(key, stage.posed.name, self.name, tuple(marks), why)

    def _read(self, turns: Sequence[Turn]) -> None:
        """Put a prompt into the model's prefix cache; where that fails, the call that follows says why."""
        with suppress(ModelError), closing(self.agent.model.stream(turns, Limits(max_tokens=1))) as stream:
            for _ in stream:
                pass

    def opinion_key(self, posed: SuiteTask, bids: Sequence[Bid]) -> str:
        """Identity of an opinion: the judge, the task, the plans."""
        return hashed("opinion", self.identity, posed.hash, [[bid.agent, bid.plan] for bid in bids])


def _cell(key: str, stage: Stage, done: Work, bid: Bid | None = None, seconds: float = 0.0) -> Cell:
    outcome: Outcome = "passed" if done.solved else "failed"
    if done.end in GONE:
        outcome = "error"
    worked = _worked(done)
    reason = worked.verdict or done.note
    return Cell(key, stage.posed.name, done.agent, outcome, reason, bid, worked, seconds=seconds)


def _worked(done: Work) -> Worked:
    return Worked(
        end=done.end,
        note=done.note,
        verdict=done.verdict.reason if done.verdict is not None else "",
        steps=tuple(f"{step.action} {step.target}".strip() for step in done.steps),
        usage=done.usage,
        diff=done.patch.diff if isinstance(done.patch, Patch) else "",
    )


def result(stream: Generator[events.Event, None, Result], out: list[events.AgentOut] | None = None) -> Result:
    """What a generator of events returns; who is out is noted in `out`."""
    try:
        while True:
            event = next(stream)
            if out is not None and isinstance(event, events.AgentOut):
                out.append(event)
    except StopIteration as stop:
        value: Result = stop.value
        return value
    finally:
        stream.close()


class Gated(Passing):
    """A model that works only while there is room beside others. Fits core's Model."""

    def __init__(self, model: Model, gate: threading.Semaphore) -> None:
        """`gate` counts the models that may run at the same time."""
        super().__init__(model)
        self._gate = gate

    def load(self) -> Loaded | None:
        """Make the model resident."""
        with self._gate:
            return self._model.load()

    def stream(self, turns: Sequence[Turn], limits: Limits) -> Generator[Token, None, Usage]:
        """Continue a chat token by token."""
        with self._gate:
            return (yield from self._model.stream(turns, limits))

    def choose(
        self,
        prefix: Sequence[Turn],
        endings: Sequence[Sequence[Turn]],
        options: Sequence[str],
        deadline: float | None = None,
    ) -> list[Choice]:
        """The next-token distribution over `options` after each ending."""
        with self._gate:
            return self._model.choose(prefix, endings, options, deadline)


def gated(agent: Agent, gate: threading.Semaphore) -> Agent:
    """The agent, whose model waits for its turn where it runs on this machine."""
    return agent if agent.remote else replace(agent, model=Gated(agent.model, gate))
