"""The state of an auction as the events so far tell it: what every screen, table and replay shows."""

from __future__ import annotations

from dataclasses import dataclass, field

from salecli.core import events
from salecli.core.values import Bid, Mark, Override, Score, Task, Weights

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
    bids: dict[Key, Bid] = field(default_factory=dict)
    marks: dict[tuple[str, str, bool], Mark] = field(default_factory=dict)
    """By (judge, agent, refined)."""
    scores: dict[Key, Score] = field(default_factory=dict)
    out: dict[str, str] = field(default_factory=dict)
    """Why an agent is out, by agent."""
    pairs: dict[str, int] = field(default_factory=dict)
    """How many pairs of memory an agent read."""
    provisional: Key | None = None
    leader: Key | None = None
    winner: Key | None = None
    override: Override | None = None

    def apply(self, event: events.Event) -> None:
        """Take one event in; kinds that do not concern the auction change nothing."""
        match event:
            case events.RunStarted():
                self.run, self.task, self.weights = event.run, event.details, event.weights
                self.prices = dict(event.prices)
            case events.BidMade(bid=bid):
                self.bids[bid.agent, bid.refined] = bid
            case events.Marked(mark=mark) | events.MarkReplaced(mark=mark):
                self.marks[mark.judge, mark.agent, mark.refined] = mark
            case events.Scored(score=score):
                self.scores[score.agent, score.refined] = score
            case events.AgentOut(agent=agent, reason=reason, phase="bid"):
                self.out[agent] = reason
            case events.PairsRead(agent=agent, pairs=pairs):
                self.pairs[agent] = len(pairs)
            case events.Led(agent=agent, refined=refined):
                self.leader = (agent, refined)
                self.provisional = self.provisional or self.leader
            case events.WinnerChosen(agent=agent, refined=refined, override=override):
                self.winner, self.override = (agent, refined), override
            case _:
                pass

    @property
    def agents(self) -> list[str]:
        """Every agent of the pool, in its order."""
        return list(self.prices)

    @property
    def dearest(self) -> str:
        return max(self.prices, key=lambda agent: self.prices[agent])

    def reason(self, key: Key) -> str:
        """Why this bid leads, in one line: its value, and its price against the dearest agent's."""
        agent, _ = key
        value = f"value {self.scores[key].value:.3f}" if key in self.scores else "no score"
        price, top = self.prices[agent], self.prices[self.dearest]
        if agent == self.dearest or price <= 0:
            return value
        return f"{value} at 1/{top / price:.1f} of {self.dearest}'s price"
