"""Who wins, and how that changes while memory grows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salecli.bench.played import Played, Row
from salecli.bench.statistics import RESAMPLES

Floats = NDArray[np.float64]

FIFTHS = 5


def win_share(remembering: Row, forgetful: Row, agents: Sequence[str], seed: int) -> dict[str, Any]:
    """As results.json has it; `agents` from the cheapest on."""
    rows = {"with memory": remembering, "without memory": forgetful}
    return {
        **{name: by_fifth(row, agents) for name, row in rows.items()},
        "smallest_two": {
            name: {"last_minus_first": last_minus_first(row, agents[:2], seed)} for name, row in rows.items()
        },
    }


def by_fifth(row: Row, agents: Sequence[str]) -> list[dict[str, Any]]:
    """Each agent's share of the auctions won in each fifth of an order, over all orders."""
    won: list[list[str]] = [[] for _ in range(FIFTHS)]
    for order in row.orders:
        for place, played in enumerate(order):
            if played.agents:
                won[_fifth(place, order)].append(played.agents[0])
    return [
        {
            "fifth": number,
            "shares": {agent: winners.count(agent) / max(len(winners), 1) for agent in agents},
        }
        for number, winners in enumerate(won, 1)
    ]


def last_minus_first(row: Row, agents: Collection[str], seed: int) -> list[float] | None:
    """By how much the share of wins of `agents` together is higher in the last fifth than in the first.

    With the bootstrap's 95 % interval: [value, low, high]; tasks are drawn anew, with all their orders. None
    where a fifth holds no auction.
    """
    names = {played.task: place for place, played in enumerate(row.orders[0])}
    # [last or first, task]: auctions there, and those that they won
    held = np.zeros((2, len(names)))
    won = np.zeros((2, len(names)))
    for order in row.orders:
        for place, played in enumerate(order):
            fifth = _fifth(place, order)
            if played.agents and fifth in (0, FIFTHS - 1):
                side, task = int(fifth == 0), names[played.task]
                held[side, task] += 1
                won[side, task] += played.agents[0] in agents
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), RESAMPLES).astype(float)
    found = _difference(drawn @ won.T, drawn @ held.T)
    value = _difference(won.sum(axis=1)[None], held.sum(axis=1)[None])
    if not len(value):
        return None
    low, high = np.percentile(found, [2.5, 97.5])
    return [float(value[0]), float(low), float(high)]


def _difference(won: Floats, held: Floats) -> Floats:
    """Share in the last fifth minus that in the first, [resamples], where both hold auctions."""
    there = (held > 0).all(axis=1)
    shares = won[there] / held[there]
    difference: Floats = shares[:, 0] - shares[:, 1]
    return difference


def _fifth(place: int, order: Sequence[Played]) -> int:
    return place * FIFTHS // len(order)
