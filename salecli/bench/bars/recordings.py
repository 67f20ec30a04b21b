"""Recordings of runs that nobody made: as long and as large as a benchmark of the screens wants them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from salecli.adapters.journal import JOURNAL, new_run
from salecli.core import events
from salecli.core.calls import Usage
from salecli.core.values import Bid, Case, Change, Mark, Patch, Score, Step, Task, Tests, Verdict, Weights

AGENTS = ("alpha", "bravo", "carol", "delta")
TOKENS = 30
"""A second, of each model."""
_TASK = Task(
    "t1", "Round the prices", "Round the prices in shop.py to whole cents.", "shop", "base", "pytest"
)
_WORDS = ("read", " the", " module", " first,", " then", " change", " `line`", " and", " run", " tests.\n")
_PRICES = {agent: 0.05 * 2**place for place, agent in enumerate(AGENTS)}
Stamped = Iterable[tuple[float, events.Event]]


def record(told: Stamped, runs: Path, repository: Path) -> str:
    """Write a run's journal; returns its id."""
    run = new_run(runs)
    run.note(repository=str(repository), issue="issue.md", title=_TASK.title, pool="bench")
    with (run.folder / JOURNAL).open("w", encoding="utf-8") as file:
        for at, event in told:
            file.write(json.dumps({**events.to_dict(event), "_at": 1e9 + at}) + "\n")
    return run.id


def bids(seconds: float) -> Iterator[tuple[float, events.Event]]:
    """Four agents that write their plans at the same time, for so long."""
    yield 0.0, _started(int(seconds * TOKENS))
    for agent in AGENTS:
        yield 0.0, events.BidStarted("t1", agent, False)
    for number in range(int(seconds * TOKENS)):
        for place, agent in enumerate(AGENTS):
            at = (number + place / len(AGENTS)) / TOKENS
            yield at, events.PlanToken("t1", agent, False, _word(number), 0.1 + number % 7 / 10)
    for agent in AGENTS:
        yield seconds, _bid(agent, int(seconds * TOKENS), False)


def hour(hours: float = 1.0) -> Iterator[tuple[float, events.Event]]:
    """A whole auction with second bids, then one attempt after another of long steps, for so long."""
    at, number = 0.0, 0
    yield at, _started(600)
    for refined in (False, True):
        for agent in AGENTS:
            yield at, events.BidStarted("t1", agent, refined)
            for number in range(600):
                at += 1 / TOKENS
                yield at, events.PlanToken("t1", agent, refined, _word(number), 0.3)
            yield at, _bid(agent, 600, refined)
        for agent in AGENTS:
            yield from ((at, one) for one in _judged(agent, refined))
        yield at, events.Led("t1", AGENTS[0], refined)
    yield at, events.WinnerChosen("t1", AGENTS[0], True)
    attempt = 0
    while at < 3600 * hours:
        attempt += 1
        agent = AGENTS[attempt % len(AGENTS)]
        yield at, events.WorkStarted("t1", agent, True, attempt)
        for step in range(1, 13):
            reply = "".join(map(_word, range(600)))
            for number in range(600):
                at += 1 / TOKENS
                yield at, events.WorkToken("t1", agent, _word(number))
            yield at, events.StepTaken("t1", agent, _step(step, reply))
        yield at, events.WorkEnded("t1", agent, "step limit", "12 steps were taken", Usage(100, 50, 7200))
    yield from ((at, one) for one in _ended(patch(20)))


def patched(lines: int) -> Iterator[tuple[float, events.Event]]:
    """A run of which there is only its patch."""
    yield 0.0, _started(100)
    yield from ((0.1, one) for one in _ended(patch(lines)))


def patch(lines: int, files: int = 20) -> Patch:
    """A patch of so many changed lines of Python, about 50 bytes each; each says its number."""
    changes, texts = [], []
    for place in range(files):
        path = f"shop/part{place}.py"
        texts.append(f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n")
        for hunk in range(each := max(1, lines // files // 20)):
            first = 1 + 40 * hunk
            texts.append(f"@@ -{first},16 +{first},16 @@ def prices_{hunk}(cart):\n")
            body = [
                f"    total_{hunk}_{line} = round(price * {line}, 2)  # of part {place}" for line in range(10)
            ]
            for sign, some in ((" ", body[:3]), ("-", body), ("+", body), (" ", body[:3])):
                texts += [f"{sign}{one if sign != '+' else one.replace('2)', '3)')}\n" for one in some]
        changes.append(Change(path, "modified", 10 * each, 10 * each))
    return Patch("base", "tree", "".join(texts), tuple(changes))


def _started(plan_tokens: int) -> events.RunStarted:
    weights = Weights(0.5, 0.3, dict.fromkeys(AGENTS, 0.25))
    return events.RunStarted("t1", "bench", _TASK, "bench", _PRICES, weights, plan_tokens, 0, 200)


def _word(number: int) -> str:
    return _WORDS[number % len(_WORDS)]


def _bid(agent: str, tokens: int, refined: bool) -> events.BidMade:
    return events.BidMade(
        "t1", Bid(agent, "".join(map(_word, range(tokens))), tokens, 0.3, 150_000, refined=refined)
    )


def _judged(agent: str, refined: bool) -> Iterator[events.Event]:
    for judge in AGENTS:
        yield events.Marked("t1", Mark(judge, agent, refined, 3.5, (0, 0, 0, 0.5, 0.5, 0), 1.0))
    yield events.Scored("t1", Score(agent, refined, 0.1, 0.1, 0.5), 0.2, 0.3)


def _tests(failed: int) -> Tests:
    cases = tuple(
        Case(f"tests/test_shop.py::test_price_{number}", "failed" if number < failed else "passed")
        for number in range(40)
    )
    return Tests(int(failed > 0), cases, "assert 1 == 2, and where it stood\n" * 150)


def _step(number: int, reply: str) -> Step:
    tests = _tests(40 - number)
    return Step(number, "write", "shop.py", reply, tests.output, tests, Usage(900, 300, 600, 20.0))


def _ended(made: Patch) -> Iterator[events.Event]:
    yield events.PatchMade("t1", AGENTS[0], made)
    yield events.VerdictReached("t1", AGENTS[0], Verdict(True, "40 of 40 tests pass", _tests(8), _tests(0)))
    yield events.RunEnded("t1", True, AGENTS[0], made, 110_000, 0.02, 0.01, 0.2)
