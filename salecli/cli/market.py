"""What `sale --plain` asks while an auction waits for its winner: numbered choices over the run's board."""

from __future__ import annotations

from typing import Literal

from salecli.cli.questions import Questions
from salecli.core.board import Board
from salecli.core.decisions import Decisions
from salecli.core.scoring import in_proportion, ranked
from salecli.core.text import indented
from salecli.core.tried import tried
from salecli.core.values import Weights

Next = Literal["go", "wait", "stop"]
"""What follows a choice: the winner works, the run carries out a request, the run is stopped."""

_SMALLEST = 1e-9


def ask_winner(ask: Questions, board: Board, decisions: Decisions) -> Next:
    """Ask until something happens."""
    while True:
        chosen = decisions.overridden()
        leader = board.leader[0] if board.leader else ""
        winner = chosen.agent if chosen is not None and _bids(board, chosen.agent) else leader
        by = " (your choice)" if chosen is not None and winner == chosen.agent else ""
        options = [
            f"go: let {winner} work{by}",
            "choose another winner",
            "let an agent bid again",
            "exclude an agent",
            "turn the weights",
            "read the plans",
            "read the pairs from memory",
            "stop the run",
        ]
        match ask.choice("The auction waits for you.", options):
            case 0:
                decisions.resume()
                return "go"
            case 1:
                _override(ask, board, decisions, leader)
            case 2:
                agent = _agent(ask, "Who bids again?", board.agents)
                if agent:
                    decisions.bid_again(agent)
                    return "wait"
            case 3:
                bidders = [agent for agent in board.agents if _bids(board, agent)]
                agent = _agent(ask, "Who is excluded?", bidders)
                if agent:
                    decisions.exclude(agent)
                    return "wait"
            case 4:
                weights = _weights(ask, board)
                if weights is not None:
                    decisions.weigh(weights)
                    return "wait"
            case 5:
                _plans(ask, board)
            case 6:
                _pairs(ask, board)
            case _:
                return "stop"


def _bids(board: Board, agent: str) -> bool:
    return any(key[0] == agent for key in board.bids)


def _agent(ask: Questions, title: str, agents: list[str]) -> str:
    """The agent that is chosen; empty to go back."""
    return [*agents, ""][ask.choice(title, [*agents, "back"], default=-1)]


def _override(ask: Questions, board: Board, decisions: Decisions, leader: str) -> None:
    bidders = [agent for agent in board.agents if _bids(board, agent)]
    options = [f"{agent}{' (leads by the scores)' if agent == leader else ''}" for agent in bidders]
    agent = bidders[ask.choice("Who shall win?", options, bidders.index(leader) if leader in bidders else 0)]
    if agent == leader:
        decisions.withdraw_override()
        ask.say(f"{agent} leads by the scores: they decide.")
        return
    decisions.override(agent, ask.line(f"Why {agent}? Memory keeps the reason; Enter gives none:"))


def _weights(ask: Questions, board: Board) -> Weights | None:
    """Other weights, tried and kept; None where all stays as it is."""
    now = board.weights
    ask.say(
        "Entropy's weight without its sign and the judges' weights add up to 1; judges are scaled to that."
    )
    cost = ask.number("Thrift, the weight of cost", now.cost, lambda one: 0 <= one <= 1000, "0 to 1000")
    entropy = ask.number("Entropy", now.entropy, lambda one: -1 <= one <= 1, "-1 to 1")
    judges = {
        name: ask.number(f"Judge {name}", weight, lambda one: 0 <= one <= 1000, "0 to 1000")
        for name, weight in now.judges.items()
    }
    total, room = sum(judges.values()), 1 - abs(entropy)
    if total <= _SMALLEST < room:
        ask.say("No judge counts: the weights stay as they were.")
        return None
    weights = Weights(cost, entropy, in_proportion(judges, room))
    for place, one in enumerate(ranked(tried(board, weights).scores.values(), board.prices)):
        before = board.scores.get((one.agent, one.refined))
        was = f" (was {before.total:+.3f})" if before is not None else ""
        refined = " refined" if one.refined else ""
        ask.say(f"  {one.agent}{refined} {one.total:+.3f}{was}{', would lead' if place == 0 else ''}")
    return weights if ask.yes("Keep these weights?", "keep them", "leave them as they were") else None


def _plans(ask: Questions, board: Board) -> None:
    for (agent, refined), bid in sorted(board.bids.items(), key=lambda item: board.agents.index(item[0][0])):
        ask.say(f"Plan of {agent}{', refined' if refined else ''}, {bid.tokens} tokens:")
        ask.say(indented(bid.plan))


def _pairs(ask: Questions, board: Board) -> None:
    if not board.read:
        ask.say("No agent read pairs from memory.")
    for agent, pairs in board.read.items():
        for number, pair in enumerate(pairs, 1):
            ask.say(f"Pair {number} of {agent}, from auction {pair.auction}, likeness {pair.similarity:.2f}.")
            ask.say("  The task was:")
            ask.say(indented(pair.task))
            for what, plan in (("lost", pair.lost), ("won", pair.won)):
                ask.say(f"  The plan that {what}, by {plan.agent}{f' ({plan.note})' if plan.note else ''}:")
                ask.say(indented(plan.text))
