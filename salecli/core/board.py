"""The state of an auction as the events so far tell it: what every screen, table and replay shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from salecli.core import events
from salecli.core.decisions import Border
from salecli.core.scoring import TOP_MARK
from salecli.core.values import Bid, Mark, Override, Pair, Score, Task, Weights
from salecli.core.words import marked

Key = tuple[str, bool]
"""(agent, refined): one bid of an auction."""


@dataclass(slots=True)
class Board:
    """Bids, marks and scores side by side; feed it every event in order."""

    run: str = ""
    task: Task | None = None
    prices: dict[str, float] = field(default_factory=dict)
    """By agent, in pool order."""
    weights: Weights = field(default_factory=lambda: Weights(0.0, 0.0))
    plan_tokens: int = 0
    jury: int = 0
    """How many judges mark each bid."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Seconds per written token, by agent, where that was measured."""
    bids: dict[Key, Bid] = field(default_factory=dict)
    marks: dict[tuple[str, str, bool], Mark] = field(default_factory=dict)
    """By (judge, agent, refined)."""
    scores: dict[Key, Score] = field(default_factory=dict)
    plain: dict[Key, tuple[float, float]] = field(default_factory=dict)
    """Cost and entropy before their weights, (c, h), each in [0, 1]."""
    out: dict[str, str] = field(default_factory=dict)
    """Why an agent is out, by agent."""
    exclusions: set[str] = field(default_factory=set)
    """The agents that are out because the user took them out."""
    read: dict[str, tuple[Pair, ...]] = field(default_factory=dict)
    """The pairs of memory that an agent read before it rewrote its bid."""
    refused: list[events.Refused] = field(default_factory=list)
    """What the user asked for in vain, the newest last."""
    paused_at: Border | Literal[""] = ""
    """The border at which the run stands still; empty while it goes on."""
    provisional: Key | None = None
    """Who led before refinement."""
    leader: Key | None = None
    winner: Key | None = None
    override: Override | None = None
    _refined: bool = False
    """Whether refinement has begun: who led provisionally stays the one who did."""

    def apply(self, event: events.Event) -> None:
        """Take one event in; kinds that do not concern the auction change nothing."""
        match event:
            case events.RunStarted():
                self.run, self.task, self.weights = event.run, event.details, event.weights
                self.prices, self.plan_tokens = dict(event.prices), event.plan_tokens
                self.jury, self.seconds = event.jury or len(event.prices), dict(event.seconds)
            case events.Reweighed(weights=weights):
                self.weights = weights
            case events.WinnerChosen(agent=agent, refined=refined, override=override):
                self.winner, self.override = (agent, refined), override
            case events.Refused():
                self.refused.append(event)
            case events.Paused(at=at):
                self.paused_at = at
                self._refined = self._refined or at == "winner"
            case events.Resumed():
                self.paused_at = ""
            case _:
                self._bids(event)

    def _bids(self, event: events.Event) -> None:
        match event:
            case events.BidMade(bid=bid):
                if not bid.refined:
                    self._drop(bid.agent)  # a second bid takes the place of all that it bid so far
                    self.out.pop(bid.agent, None)
                    self.exclusions.discard(bid.agent)
                self.bids[bid.agent, bid.refined] = bid
            case events.Marked(mark=mark) | events.MarkReplaced(mark=mark):
                self.marks[mark.judge, mark.agent, mark.refined] = mark
            case events.Scored(score=score):
                self.scores[score.agent, score.refined] = score
                self.plain[score.agent, score.refined] = (event.plain_cost, event.plain_entropy)
            case events.AgentOut(agent=agent, reason=reason, phase="bid"):
                self.out[agent] = reason
            case events.AgentOut(agent=agent, reason=reason, phase="excluded"):
                self._drop(agent)
                self.out[agent] = reason
                self.exclusions.add(agent)
            case events.PairsRead(agent=agent, pairs=pairs):
                self.read[agent], self._refined = pairs, True
            case events.Led(agent=agent, refined=refined):
                self.leader = (agent, refined)
                self.provisional = self.provisional if self._refined else self.leader
            case _:
                pass

    def _drop(self, agent: str) -> None:
        """Forget an agent's bids with all that hangs on them; who leads without them is said next."""
        for held in (self.bids, self.scores, self.plain):
            for key in [key for key in held if key[0] == agent]:
                del held[key]
        for given in [given for given in self.marks if given[1] == agent]:
            del self.marks[given]
        self.read.pop(agent, None)
        if self.leader is not None and self.leader[0] == agent:
            self.leader = None

    def mark(self, judge: str, key: Key, brief: bool = False) -> str:
        """A judge's mark of a bid; "~" before one that stands in, "-" off its jury, else nothing yet.

        Where it was put right, both stand there, or what counts alone if `brief`.
        """
        mark = self.marks.get((judge, *key))
        if mark is not None:
            # A mean that stands in for a judge that failed is no opinion of its own.
            return f"{'~' if mark.source == 'mean' else ''}{marked(mark, brief)}"
        return "-" if key in self.scores and self.jury < len(self.prices) else ""

    @property
    def calibrated(self) -> bool:
        """Whether marks are put right by past verdicts."""
        return any(mark.corrected is not None for mark in self.marks.values())

    @property
    def pairs(self) -> dict[str, int]:
        """How many pairs of memory an agent read."""
        return {agent: len(pairs) for agent, pairs in self.read.items()}

    @property
    def agents(self) -> list[str]:
        """Every agent of the pool, in its order."""
        return list(self.prices)

    @property
    def dearest(self) -> str:
        return max(self.prices, key=lambda agent: self.prices[agent])

    def reason(self, key: Key) -> str:
        """Why this bid leads, in one line: its value, whose marks make it, its price beside the dearest."""
        agent, _ = key
        if key not in self.scores:
            return "no score"
        scored = self.scores[key]
        value, judges = f"value {scored.value:.3f}", self._swayed(key)
        if scored.entropy > scored.jury:
            value += " from entropy"
        elif judges:
            value += f" from judge{'s' * (len(judges) > 1)} {', '.join(judges)}"
        price, top = self.prices[agent], self.prices[self.dearest]
        if agent == self.dearest or price <= 0:
            return value
        return f"{value}; 1/{round(top / price, 1):g} of {self.dearest}'s price"

    def _swayed(self, key: Key) -> list[str]:
        """The fewest judges whose marks are more than half of the bid's weighted marks, in pool order."""
        given = {
            judge: self.weights.judges.get(judge, 0.0) * mark.counted / TOP_MARK
            for judge in self.agents
            if (mark := self.marks.get((judge, *key))) is not None and mark.source != "mean"
        }
        half, found = sum(given.values()) / 2, set[str]()
        for judge in sorted(given, key=lambda judge: -given[judge]):
            if half <= 0 or sum(given[one] for one in found) > half:
                break
            found.add(judge)
        return [judge for judge in self.agents if judge in found]
