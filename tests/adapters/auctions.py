"""Finished auctions to remember, and an embedder that needs no model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from salecli.core.calls import Usage
from salecli.core.values import (
    Auction,
    Bid,
    Case,
    Change,
    Mark,
    Override,
    Patch,
    Score,
    Step,
    Task,
    Tests,
    Verdict,
    Weights,
    Work,
)
from salecli.errors import EnvironmentFault

WORDS = ("sum", "list", "sort", "file", "price", "name", "date", "tree")


@dataclass
class WordCounter:
    """Likeness by a few words: real vectors, computed at once. `broken` refuses, as without a model."""

    name: str = "words"
    broken: bool = False
    asked: list[str] = field(default_factory=list)

    def embed(self, text: str) -> Sequence[float]:
        if self.broken:
            raise EnvironmentFault("no model", "get one")
        self.asked.append(text)
        counts = [0.01 + text.split().count(word) for word in WORDS]
        length = math.hypot(*counts)
        return [count / length for count in counts]


RED = Tests(1, (Case("test_old", "passed"), Case("test_new", "failed", "assert 1 == 2")), "1 failed")
GREEN = Tests(0, (Case("test_old", "passed"), Case("test_new", "passed")), "2 passed")


def work(agent: str, solved: bool, refined: bool = False, note: str = "") -> Work:
    step = Step(
        1, "write", "add.py", "```write add.py\nx\n```", "tests: 2 passed", GREEN, Usage(9, 3, 20, 0.5)
    )
    # What git's diff holds need not be UTF-8.
    patch = Patch(
        "base", "tree", "--- a/add.py\n+caf\udce9\n", (Change("add.py", "modified", 1, 1, ("test",)),)
    )
    verdict = Verdict(solved, "tests pass" if solved else "test_new failed", RED, GREEN if solved else RED)
    return Work(agent, refined, "tests pass", (step,), Usage(9, 3, 20, 0.5), patch, verdict, note)


def auction(
    run: str = "r1",
    text: str = "sum a list",
    bids: Sequence[tuple[str, bool, str, float]] = (
        ("small", False, "plan small", 0.5),
        ("large", False, "plan large", 0.1),
    ),
    winner: tuple[str, bool] = ("large", False),
    works: Sequence[Work] | None = None,
    **changes: Any,
) -> Auction:
    """An auction of (agent, refined, plan, score) bids; solved by its winner where `works` are not given."""
    works = (work(*(winner[0], True, winner[1])),) if works is None else tuple(works)
    made = Auction(
        run=run,
        task=Task(f"t-{run}", text.splitlines()[0][:40], text, "shop", "base", "pytest -q",
                  ("add.py", "tests/t.py"), (("add.py", "def add(): ...\n"),)),
        pool="practice",
        pool_hash="pool",
        prompts_hash="prompts",
        seed=7,
        prices={"small": 0.05, "middle": 0.09, "large": 0.16},
        weights=Weights(0.5, -0.2, {"small": 0.4, "large": 0.4}),
        bids=tuple(
            Bid(agent, plan, 12, 0.25, 1024, refined=refined, pairs=(1, 2) * refined, usage=Usage(50, 8, 12))
            for agent, refined, plan, _ in bids
        ),
        marks=tuple(
            Mark("large", agent, refined, 3.5, (0.0, 0.0, 0.1, 0.4, 0.4, 0.1), 0.98, usage=Usage(80, 10))
            for agent, refined, _, _ in bids
        ),
        scores=tuple(Score(agent, refined, total + 0.6, 0.2, 0.4) for agent, refined, _, total in bids),
        provisional="large",
        winner=winner[0],
        winner_refined=winner[1],
        works=works,
        tokens=300,
        usd=0.00002,
        usd_largest=0.00008,
    )  # fmt: skip
    return replace(made, **changes)


def rich_auction() -> Auction:
    """An auction in which everything that can be recorded happened."""
    return auction(
        run="rich",
        text="sort a file\nwith \x1b[31mred\x1b[0m and \u202e in it, caf\udce9",
        bids=(
            ("small", False, "plan small", 0.5),
            ("middle", False, "plan middle", 0.3),
            ("large", False, "plan large", 0.1),
            ("small", True, "plan small, rewritten", 0.05),
        ),
        winner=("middle", False),
        works=(
            work("middle", False, note="test_new failed: assert 1 == 2"),
            Work("large", False, "model died", note="killed"),
            work("small", True, refined=True),
        ),
        override=Override("middle", "I like its plan"),
        seed=2**70,
    )
