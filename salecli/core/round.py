"""What a market round has come to so far, and how bids are marked and scored into it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from salecli.core import events
from salecli.core.agent import Pool, seed_for
from salecli.core.calls import Usage
from salecli.core.judge import Failures, fill, mark
from salecli.core.jury import draw
from salecli.core.merge import merge
from salecli.core.ports import Model
from salecli.core.scoring import final_bids, plain_cost, plain_entropy, ranked, score
from salecli.core.values import Bid, Mark, Override, Score, Task, Weights
from salecli.errors import ModelError

Judge = TypeVar("Judge")
Result = TypeVar("Result")
Stream: TypeAlias = Generator[events.Event, None, Result]


@dataclass(slots=True)
class Round:
    """A market round; it grows while the round goes on."""

    bids: list[Bid] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    weights: Weights = field(default_factory=lambda: Weights(0.0, 0.0))
    """Those that the scores were reckoned by: the pool's, until the user turns them."""
    seed: int = 0
    """The run's: juries are drawn by it."""
    lost: list[tuple[str, Usage]] = field(default_factory=list)
    """(agent, usage) of calls that came to nothing, and of bids that no longer stand, with their marks."""
    excluded: set[str] = field(default_factory=set)
    asked: dict[str, int] = field(default_factory=dict)
    """How often an agent was asked for a bid, where more than once."""
    provisional: str = ""
    winner: str = ""
    refined: bool = False
    """Whether the winning bid is a refined one."""
    override: Override | None = None

    def ranking(self, pool: Pool) -> list[Bid]:
        """The bid that stands for each agent, the best score first."""
        standing = final_bids(self.bids, self.scores)
        by_agent = {one.agent: one for one in reversed(ranked(self.scores, pool.prices))}
        order = [one.agent for one in ranked(by_agent.values(), pool.prices)]
        return [standing[agent] for agent in order]

    def queue(self, pool: Pool) -> list[Bid]:
        """The bids in the order in which their agents may work: the winner's, then the best score first."""
        return sorted(self.ranking(pool), key=lambda bid: bid.agent != self.winner)

    def leader(self, pool: Pool) -> Score:
        """The lowest score so far."""
        return ranked(self.scores, pool.prices)[0]

    def drop(self, agent: str) -> None:
        """Take an agent's bids out, with their marks and scores; what they took was paid for all the same."""
        self.lost += [(agent, bid.usage) for bid in self.bids if bid.agent == agent]
        self.lost += [(one.judge, one.usage) for one in self.marks if one.agent == agent]
        self.bids = [bid for bid in self.bids if bid.agent != agent]
        self.marks = [one for one in self.marks if one.agent != agent]
        self.scores = [one for one in self.scores if one.agent != agent]


def marking(
    pool: Pool, task: Task, bids: Sequence[Bid], record: Round
) -> Generator[events.Event, None, None]:
    """The judges mark `bids`, all of them or the jury that the pool wants for each, and they are scored.

    Raises:
        ModelError: there is no mark of any bid.
    """
    judges = [agent.name for agent in reversed(pool.agents)]
    # By the task too: with one seed for many tasks, nobody marks the same agents in all of them.
    seed = seed_for(record.seed, "jury", task.text, *(f"{bid.agent} {bid.refined}" for bid in bids))
    own = dict(zip(judges, draw(judges, bids, pool.jury, seed, record.marks), strict=True))
    order = in_turn(pool.agents, lambda agent: agent.model.loaded)
    streams = {
        judge.name: mark(judge, task, own[judge.name], pool.corrections.get(judge.name))
        for judge in order
        if own[judge.name]
    }
    given = yield from asked(pool, streams)
    marks = [one for found, _ in given.values() for one in found]
    failures: dict[str, Failures] = {judge: missing for judge, (_, missing) in given.items() if missing}
    if not marks and not record.marks:
        reason = next(iter(next(iter(failures.values())).values())).reason
        raise ModelError(
            f"nobody marked: every judge is out ({reason})", "`sale models list` checks the pool"
        )
    record.marks += yield from fill(marks, failures, task)
    yield from scoring(pool, task, bids, record)


def in_turn(judges: Sequence[Judge], resident: Callable[[Judge], bool]) -> list[Judge]:
    """The judges in reverse pool order, those that are resident first.

    The model that wrote the last bid is resident then. Where memory holds one model of N, bids and marks
    load 2N - 1 times; refined bids of all agents but the leader, and their marks, 2N - 3 times more.
    """
    order = list(reversed(judges))
    order.sort(key=lambda judge: not resident(judge))
    return order


def scoring(
    pool: Pool, task: Task, bids: Sequence[Bid], record: Round
) -> Generator[events.Event, None, None]:
    """Score `bids` by the marks that they have and the round's weights, in place of earlier scores."""
    for bid in bids:
        key = (bid.agent, bid.refined)
        own = [one for one in record.marks if (one.agent, one.refined) == key]
        scored = score(bid, own, record.weights, pool.prices, pool.plan_tokens)
        record.scores = [one for one in record.scores if (one.agent, one.refined) != key] + [scored]
        yield events.Scored(
            task.id, scored, plain_cost(bid, pool.prices, pool.plan_tokens), plain_entropy(bid)
        )


def asked(pool: Pool, streams: Mapping[str, Stream[Result]]) -> Stream[dict[str, Result]]:
    """What each agent's stream returns: run at the same time as far as the pool allows it.

    Of those that run in turn, the next one's model loads while one works, where memory has room for both.
    """
    local = [name for name in streams if name not in pool.remote]
    following = dict(itertools.pairwise(local)) if pool.at_once == 1 else {}
    streams = {
        name: _loading(stream, pool.agent(name).model, pool.agent(following[name]).model)
        if name in following
        else stream
        for name, stream in streams.items()
    }
    cancels = {agent.name: agent.model.cancel for agent in pool.agents}
    return (yield from merge(streams, pool.at_once, cancels, pool.remote))


def _loading(stream: Stream[Result], model: Model, following: Model) -> Stream[Result]:
    """A stream; once its own model is resident, the following one begins to load."""
    begun = False
    try:
        while True:
            if not begun and model.loaded:
                begun = True
                following.preload()
            yield next(stream)
    except StopIteration as stop:
        result: Result = stop.value
        return result
    finally:
        stream.close()
