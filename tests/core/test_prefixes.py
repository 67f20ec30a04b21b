"""What is written down says at every moment what the house knows, whatever the user does meanwhile."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest

from salecli.core import events
from salecli.core.agent import Pool
from salecli.core.board import Board
from salecli.core.decisions import Border, Decisions
from salecli.core.house import House
from salecli.core.round import Round
from salecli.core.values import Pair, Plan, Weights
from tests.core.world import BAD, GOOD, TASK, ListMemory, ScriptedModel, TreeWorkspace, digit, pool

AGENTS = ("s", "m", "l")
MARKS = {"plan s": digit(5), "plan m": digit(3), "plan l": digit(2)}
REPLIES = ["```run\nls\n```", BAD, "no action", GOOD, "DIE", BAD]
BORDERS: tuple[Border, ...] = ("bids", "marks", "winner", "work")
PAIR = Pair(7, "an older task", 0.9, Plan("s", "lost it"), Plan("l", "won it"))


def wish(chance: random.Random, decisions: Decisions) -> None:
    """Something that a user may ask for, or nothing."""
    agent = chance.choice(AGENTS)
    weights = Weights(chance.random(), 0.0, dict.fromkeys(AGENTS, chance.random()))
    wishes: list[Callable[[], object]] = [
        lambda: decisions.exclude(agent),
        lambda: decisions.bid_again(agent),
        lambda: decisions.weigh(weights),
        lambda: decisions.override(agent, "why not"),
        lambda: decisions.hint("look twice"),
        *[decisions.hand_over, decisions.pause, decisions.step, lambda: None],
    ]
    chance.choice(wishes)()


def agrees(board: Board, record: Round, pool: Pool) -> None:
    """The board, which saw events alone, against what the house itself keeps."""
    assert board.bids == {(bid.agent, bid.refined): bid for bid in record.bids}
    assert board.scores == {(score.agent, score.refined): score for score in record.scores}
    assert set(board.marks.values()) == set(record.marks)
    assert board.weights == record.weights
    assert board.exclusions == record.excluded
    if record.winner:
        assert (board.winner, board.override) == ((record.winner, record.refined), record.override)
    else:
        leader = record.leader(pool)
        assert board.leader == (leader.agent, leader.refined)


@pytest.mark.parametrize("seed", range(40))
def test_events_alone_rebuild_the_board_at_every_prefix(seed: int) -> None:
    chance = random.Random(seed)
    models = {name: ScriptedModel([f"plan {name}", *chance.choices(REPLIES, k=8)], MARKS) for name in AGENTS}
    decisions = Decisions(stops={border for border in BORDERS if chance.random() < 0.6})
    memory = ListMemory({"s": [PAIR]} if chance.random() < 0.5 else {})
    one = House(pool(models), TreeWorkspace(), memory=memory, decisions=decisions, seed=seed)
    live, recorded, compared = Board(), Board(), 0
    for event in one.run(TASK, "run1"):
        live.apply(event)
        recorded.apply(events.from_dict(json.loads(json.dumps(events.to_dict(event)))))
        assert recorded == live
        if one._sale is not None and isinstance(event, events.Led | events.WinnerChosen | events.StepTaken):
            agrees(live, one._sale.record, one.pool)
            compared += 1
        if isinstance(event, events.Paused) or chance.random() < 0.1:
            wish(chance, decisions)
        if isinstance(event, events.Paused) and decisions.paused:
            chance.choice([decisions.step, decisions.resume])()
    assert compared
