"""Why the leader leads, and what is waited for: one line each."""

from __future__ import annotations

from salecli.core.board import Board, Key
from salecli.core.scoring import ranked
from salecli.core.text import clean
from salecli.core.words import plural
from salecli.tui.widgets.cells import View, shown
from salecli.tui.widgets.columns import Columns, sized

_BORDERS = {"bids": "after the bids", "marks": "after the marks", "work": "in the work"}


def reason(view: View, led: Key | None) -> str:
    """Why this bid leads; `led` is who leads by the weights that count, where others are tried."""
    board = view.board
    if not board.prices:
        return "The auction opens once the tests have run as they are."
    if board.winner is not None:
        agent = shown(board.winner[0], 12)
        if board.override is not None:
            said = clean(board.override.reason, newlines=False)
            return f"{agent} wins by your choice" + (f": {said}" if said else "")
        return f"* {agent} wins: {_why(board, board.winner)}"
    if view.chosen and (board.leader is None or view.chosen != board.leader[0]):
        than = f"; by the scores {shown(board.leader[0], 12)} leads" if board.leader else ""
        return f"{shown(view.chosen, 12)} is your choice{than}"
    if board.leader is None:
        return "Nobody leads yet: the lowest cost minus value will."
    would = "would lead" if board.leader != led else "leads"
    return f"* {shown(board.leader[0], 12)} {would}: {_why(board, board.leader)}"


def _why(board: Board, key: Key) -> str:
    """What memory gave, what the value is made of, what is paid for it, and how near the next one is."""
    agent, refined = key
    parts: list[str] = []
    if refined:
        read = len(board.read.get(agent, ()))
        parts.append(f"refined with {plural(read, 'pair')} from memory" if read else "refined")
    parts.append(clean(board.reason(key), newlines=False))
    others = [one for one in board.scores.values() if one.agent != agent]
    if key in board.scores and others:
        second = ranked(others, board.prices)[0]
        ahead = f"{second.total - board.scores[key].total:.3f}"
        ahead = "less than 0.001" if ahead == "0.000" else ahead
        parts.append(f"{ahead} ahead of {shown(second.agent, 12)}")
    return "; ".join(parts)


def going_on(board: Board, columns: Columns) -> str:
    """What happens now, until the work begins."""
    if not board.prices:
        return "sale gets ready: a snapshot of your files, a sandbox for the tests."
    if not columns.tested:
        return "The tests run once, on your files as they are."
    if board.winner is not None:
        return f"{shown(board.winner[0], 12)} goes to work."
    writing = [one for one in columns.values() if one.writing is not None]
    said: list[str] = []
    for refined, verb in ((False, "bidding"), (True, "rewriting after memory's plans")):
        names = [shown(one.agent, 8) for one in writing if one.writing is refined]
        if names:
            said.append(f"{', '.join(names)} {verb}")
    said += [f"{shown(one.agent, 8)} loading{sized(one.size)}" for one in columns.values() if one.loading]
    if said:
        return "; ".join(said) + "."
    if not all(one.agent in board.out or (one.agent, False) in board.bids for one in columns.values()):
        return "The agents write their bids."
    if not all(key in board.scores for key in board.bids):
        return "The jury marks the bids."
    if sat := [one for one in columns.values() if one.sat_out]:
        who = ", ".join(shown(one.agent, 8) for one in sat)
        return f"{who} {'sits' if len(sat) == 1 else 'sit'} out: {sat[-1].sat_out}."
    return "Memory is asked for past plans that teach the agents cheaper than the leader."


def waited(view: View, left: int | None) -> str:
    """What the user is waited for; `left` are the seconds after which it goes on by itself."""
    board = view.board
    if board.paused_at == "winner":
        agent = view.chosen or (board.leader[0] if board.leader else "")
        name = shown(agent, 12)
        if left is not None:
            return f"{name} goes to work in {left} s: any key holds it, enter lets it go now."
        return f"Your turn. enter: let {name} work  1-{min(len(board.agents), 8)}: another  w: weights"
    return f"Paused {_BORDERS.get(board.paused_at, '')}. enter or space: go on   s: to the next border"
