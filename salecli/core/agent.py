"""A bidder: name, price, model, prompts. Writes plans and rewrites them after reading memory's pairs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from salecli.core import events
from salecli.core.calibration import Correction
from salecli.core.calls import Limits, Token, Turn, Usage
from salecli.core.limits import Phase
from salecli.core.ports import Model
from salecli.core.prompts import Templates, listing
from salecli.core.values import Bid, Pair, Task, Weights
from salecli.errors import ContextFull, ModelError


@dataclass(frozen=True, slots=True)
class Profile:
    """How much an agent is shown, in characters; small contexts are shown less."""

    prompts: Templates
    files: int = 4_000
    """Budget for the file listing."""
    named: int = 12_000
    """Budget for each file that the task names."""
    observation: int = 10_000
    output: bool = True
    """Whether a test run's observation carries the tests' own output."""
    pairs: int = 8
    """Most (lost, won) pairs that a refinement is shown."""


@dataclass(frozen=True, slots=True)
class Agent:
    """One bidder of a pool; it also sits on the jury and works when it wins."""

    name: str
    price: float
    """USD per million tokens."""
    model: Model
    profile: Profile
    sampling: Limits = field(default_factory=Limits)
    """How its model generates, where no phase says otherwise."""
    phases: Mapping[Phase, Limits] = field(default_factory=dict)
    seconds: float = 0.0
    """Per written token on this machine; 0 where that was not measured."""
    plan_tokens: int = 512
    """Most tokens of a plan."""
    reply_tokens: int = 4_096
    """Most tokens of one reply while working."""
    remote: bool = False
    """Whether its model runs elsewhere, and so beside all others."""
    told: Callable[[], Sequence[str]] = tuple
    """What its model has to tell the user since the last call."""

    def render(self, name: str, task: Task, **values: object) -> tuple[Turn, ...]:
        """The turns of a prompt about `task`, within this agent's budgets."""
        shown = replace(task, named=tuple((path, text[: self.profile.named]) for path, text in task.named))
        return self.profile.prompts.render(
            name,
            task=shown,
            files=listing(task.files, self.profile.files),
            limit=self.plan_tokens,
            **values,
        )

    def limits(self, phase: Phase) -> Limits:
        """How its model generates in a phase."""
        return self.phases.get(phase, self.sampling)

    def load(self, task: Task) -> events.Stream:
        """Make the model resident, and say so where that takes work, or took it ahead of time."""
        if not self.model.loaded:
            yield events.ModelLoading(task.id, self.name, self.model.size)
        loaded = self.model.load()
        if loaded is not None:
            yield events.ModelLoaded(task.id, self.name, loaded)
        yield from self.warn(task)

    def warn(self, task: Task) -> events.Stream:
        """Pass on what its model has to tell."""
        for reason in self.told():
            yield events.ModelWarned(task.id, self.name, reason)

    def bid(self, task: Task, seed: int, again: bool = False) -> Generator[events.Event, None, Bid | None]:
        """Write a plan; None where that failed, which an AgentOut event explains."""
        phase = "again" if again else "bid"
        try:
            yield from self.load(task)
            return (yield from self._write(task, self.render("bid", task), seed, phase))
        except ModelError as error:
            yield self._out(task, phase, error)
            return None

    def refine(
        self, task: Task, bid: Bid, pairs: Sequence[Pair], seed: int
    ) -> Generator[events.Event, None, Bid | None]:
        """Rewrite `bid` after reading `pairs`; None where the agent sits out, which an event explains.

        Pairs that do not fit into the context are left out, the least similar first.
        """
        shown = list(pairs[: self.profile.pairs])
        try:
            yield from self.load(task)
            while shown:
                turns = self.render("refine", task, pairs=tuple(shown), plan=bid.plan)
                try:
                    yield events.PairsRead(task.id, self.name, tuple(shown))
                    read = tuple(pair.auction for pair in shown)
                    return (yield from self._write(task, turns, seed, "refine", read))
                except ContextFull:
                    shown.pop()
            yield events.SatOut(task.id, self.name, "no pair fits into its context")
        except ModelError as error:
            yield self._out(task, "refine", error)
        return None

    def _out(self, task: Task, phase: str, error: ModelError) -> events.AgentOut:
        usage = error.usage or Usage()
        return events.AgentOut(task.id, self.name, phase, error.message, error.hint, usage)

    def _write(
        self, task: Task, turns: Sequence[Turn], seed: int, phase: str, pairs: tuple[int, ...] = ()
    ) -> Generator[events.Event, None, Bid | None]:
        refined = phase == "refine"
        yield events.BidStarted(task.id, self.name, refined)
        limits = replace(self.limits("refine" if refined else "bid"), max_tokens=self.plan_tokens, seed=seed)
        tokens: list[Token] = []
        stream = self.model.stream(turns, limits)
        usage = Usage()
        try:
            while True:
                token = next(stream)
                tokens.append(token)
                yield events.PlanToken(task.id, self.name, refined, token.text, token.entropy)
        except StopIteration as stop:
            usage = stop.value
        finally:
            stream.close()
        plan = "".join(token.text for token in tokens).strip()
        reason = "" if plan else "its plan is empty"
        if usage.end == "length" and len(tokens) < self.plan_tokens:
            reason = f"its context was full after {len(tokens)} of {self.plan_tokens} plan tokens"
        if reason:
            yield events.AgentOut(task.id, self.name, phase, reason, usage=usage)
            return None
        spread = sum(token.spread for token in tokens) / len(tokens)
        bid = Bid(
            agent=self.name,
            plan=plan,
            tokens=len(tokens),
            entropy=sum(token.entropy for token in tokens) / len(tokens),
            vocabulary=self.model.vocabulary,
            entropy_kind="interval" if spread else "exact",
            spread=spread,
            refined=refined,
            pairs=pairs,
            usage=usage,
        )
        yield from self.warn(task)
        yield events.BidMade(task.id, bid)
        return bid


@dataclass(frozen=True, slots=True)
class Pool:
    """The agents of one market, in order of price, and how their bids are scored."""

    name: str
    agents: tuple[Agent, ...]
    weights: Weights
    plan_tokens: int
    """L: the plan length that costs 1 at the dearest agent's price."""
    hash: str = ""
    """Identity of agents, prices and models: records of other pools are not compared."""
    prompts_hash: str = ""
    at_once: int = 1
    """How many models may run at the same time."""
    pairs: int = 8
    """k: how many similar past tasks memory looks at."""
    jury: int = 0
    """How many judges mark each bid, its author among them; 0 is all."""
    corrections: Mapping[str, Correction] = field(default_factory=dict)
    """What puts marks right, by judge; empty where marks count as they are given."""
    source: str = ""
    """Where weights and corrections come from, in a few words."""

    @property
    def remote(self) -> frozenset[str]:
        """The agents whose models run elsewhere: they work at the same time, whatever `at_once` says."""
        return frozenset(agent.name for agent in self.agents if agent.remote)

    @property
    def prices(self) -> dict[str, float]:
        return {agent.name: agent.price for agent in self.agents}

    def agent(self, name: str) -> Agent:
        """The agent of that name; KeyError where there is none."""
        for agent in self.agents:
            if agent.name == name:
                return agent
        raise KeyError(name)


def seed_for(seed: int, *parts: object) -> int:
    """A seed of its own for each call of a run: the same run seed gives the same run."""
    text = "\0".join(str(part) for part in (seed, *parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") & 0x7FFFFFFF
