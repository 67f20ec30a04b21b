"""A board scored by other weights, without asking the run: what is shown while they are turned."""

from __future__ import annotations

from dataclasses import replace

from salecli.core.board import Board
from salecli.core.scoring import ranked, score
from salecli.core.values import Weights


def tried(board: Board, weights: Weights) -> Board:
    """A copy of `board` with every scored bid scored by `weights`, and who leads by them."""
    scores = {
        key: score(
            board.bids[key],
            [mark for (_, agent, refined), mark in board.marks.items() if (agent, refined) == key],
            weights,
            board.prices,
            board.plan_tokens,
        )
        for key in board.scores
        if key in board.bids
    }
    best = ranked(scores.values(), board.prices)
    leader = (best[0].agent, best[0].refined) if best else None
    return replace(board, weights=weights, scores=scores, leader=leader)
