"""Remembered auctions as cases to learn weights from."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from salecli.adapters import checksums
from salecli.adapters.lessons import NOT_THE_PLAN
from salecli.adapters.recall import as_text
from salecli.core.learning import Case, Parts
from salecli.core.values import Bid

if TYPE_CHECKING:
    from sqlite_utils import Database

_AT_ONCE = 500
"""Auctions of one question: their rows are held, not those of the whole memory."""
_Key = tuple[str, bool]
"""(agent, refined)"""


def cases(db: Database, pool_hash: str, prompts_hash: str, plan_tokens: int) -> tuple[list[Case], list[int]]:
    """The auctions of one pool and prompts, oldest first, and the ids of those that are damaged.

    `plan_tokens` is the pool's L. A bid whose work the tests passed has solved its task; one that never
    worked, or whose model or sandbox died, is left open.
    """
    found = db.execute(
        "SELECT id FROM auctions WHERE pool_hash = ? AND prompts_hash = ? ORDER BY id",
        [pool_hash, prompts_hash],
    )
    numbers = [int(row[0]) for row in found]
    good, damaged = [], []
    for start in range(0, len(numbers), _AT_ONCE):
        part = numbers[start : start + _AT_ONCE]
        for number, case in _read(db, part, plan_tokens):
            if case is None or not checksums.intact(db, number):
                damaged.append(number)
            else:
                good.append(case)
    return good, damaged


def elsewhere(db: Database, pool_hash: str, prompts_hash: str) -> int:
    """How many remembered auctions are of another pool, or of other prompts."""
    row = db.execute(
        "SELECT count(*) FROM auctions WHERE NOT (pool_hash = ? AND prompts_hash = ?)",
        [pool_hash, prompts_hash],
    ).fetchone()
    return int(row[0])


def _read(db: Database, numbers: Sequence[int], plan_tokens: int) -> Iterator[tuple[int, Case | None]]:
    marks: dict[int, dict[_Key, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for number, judge, agent, refined, value in _of(
        db, numbers, "SELECT auction, judge, agent, refined, value FROM marks"
    ):
        marks[number][as_text(agent), bool(refined)][as_text(judge)] = value
    solved: dict[int, dict[_Key, bool]] = defaultdict(dict)
    for number, agent, refined, end, passed in _of(
        db,
        numbers,
        "SELECT w.auction, w.agent, w.refined, w.end, v.solved FROM works AS w"
        " LEFT JOIN verdicts AS v ON v.work = w.id",
    ):
        if passed or as_text(end) not in NOT_THE_PLAN:
            key = (as_text(agent), bool(refined))
            solved[number][key] = bool(passed) or solved[number].get(key, False)
    bids = defaultdict(list)
    for number, agent, refined, tokens, entropy, vocabulary in _of(
        db, numbers, "SELECT auction, agent, refined, tokens, entropy, vocabulary FROM bids"
    ):
        bids[number].append(Bid(as_text(agent), "", tokens, entropy, vocabulary, refined=bool(refined)))
    tasks = _of(
        db,
        numbers,
        "SELECT a.id, a.prices, k.title, t.text FROM auctions AS a JOIN tasks AS k ON k.id = a.task"
        " JOIN texts AS t ON t.id = k.text",
        "a.id",
    )
    about = {number: rest for number, *rest in tasks}
    for number in numbers:
        try:
            prices, title, text = about[number]
            prices = json.loads(as_text(prices))
            parts = [
                _parts(bid, prices, plan_tokens, marks[number][bid.agent, bid.refined], solved[number])
                for bid in sorted(bids[number], key=lambda bid: (list(prices).index(bid.agent), bid.refined))
            ]
            yield number, Case(as_text(text), as_text(title), tuple(parts), number)
        except (KeyError, ValueError, TypeError):
            yield number, None


def _parts(
    bid: Bid, prices: dict[str, float], plan_tokens: int, marks: dict[str, float], solved: dict[_Key, bool]
) -> Parts:
    if not all(map(math.isfinite, [bid.entropy, *marks.values()])):
        raise ValueError("a number is none")
    return Parts.of(bid, prices, plan_tokens, marks, solved.get((bid.agent, bid.refined)))


def _of(db: Database, numbers: Sequence[int], question: str, key: str = "auction") -> Iterator[Any]:
    """The rows of these auctions."""
    signs = ", ".join("?" * len(numbers))
    return iter(db.execute(f"{question} WHERE {key} IN ({signs})", list(numbers)))
