"""The market over a finished matrix: core's auctions, real memory, every call asked once."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from salecli.adapters.engine import connect, settle
from salecli.bench import selling
from salecli.bench.cells import Choices, Ledger
from salecli.bench.known import KnownEmbedder, Once
from salecli.bench.market import FORGETFUL, SALE, WITH_RETRY, Rules
from salecli.bench.played import Played, Row
from salecli.bench.shares import by_fifth, last_minus_first
from salecli.bench.suites import SuiteTask
from salecli.errors import EnvironmentFault
from tests.bench.markets import Hashes, World, ledger, world
from tests.core.world import ScriptedModel, digit


def played(one: World, *rules: Rules, orders: list[list[int]]) -> list[Row]:
    stream = one.market.play(rules, orders)
    while True:
        try:
            next(stream)
        except StopIteration as stop:
            rows: list[Row] = stop.value
            return rows


def test_without_memory_it_is_what_the_marks_say(tmp_path: Path) -> None:
    """Core's own auction and the reckoning over the table come to the same, task by task."""
    chance = random.Random(5)
    models = {name: ScriptedModel([]) for name in ("xs", "s", "m", "l")}
    with ledger(tmp_path) as kept:
        one = world(kept, models, lambda *_: chance.random() < 0.5, lambda *_: chance.randrange(6), count=30)
        orders = [chance.sample(range(30), 30) for _ in range(2)]
        (row,) = played(one, FORGETFUL, orders=orders)
        weights = [one.pool.weights] * 30
        expected = selling.sold(one.table, weights)
        assert [list(order) for order in row.orders] == [[expected[at] for at in order] for order in orders]
        (again,) = played(one, Rules("again", memory=False, attempts=2), orders=orders[:1])
        assert list(again.orders[0]) == [selling.sold(one.table, weights, attempts=2)[at] for at in orders[0]]
    assert all(model.chosen == 0 and model.asked == [] for model in models.values())


def test_a_cheap_market_alone_scales_its_prices_as_all_do(tmp_path: Path) -> None:
    models = {name: ScriptedModel([]) for name in ("s", "m", "l")}
    with ledger(tmp_path) as kept:
        one = world(kept, models, lambda *_: True, lambda *_: 3, count=4)
        rules = Rules("s+m", memory=False, members=frozenset("sm"))
        (alone,) = played(one, rules, orders=[[0, 1, 2, 3]])
        (whole,) = played(one, FORGETFUL, orders=[[0, 1, 2, 3]])
        assert (
            {task.agents for task in alone.orders[0]} == {task.agents for task in whole.orders[0]} == {("s",)}
        )
        assert set(alone.orders[0][0].spent["mark"]) == {"s", "m"}
        # s costs the same share of the price dial in both; the jury is smaller by l.
        assert alone.orders[0][0].score is not None
        assert whole.orders[0][0].score is not None
        cost = one.pool.weights.cost * 20 / 100 / 3
        assert alone.orders[0][0].score == pytest.approx(cost - 0.6)
        assert whole.orders[0][0].score == pytest.approx(cost - 0.6)


@pytest.fixture
def docker_client() -> Iterator[Any]:
    with closing(connect()) as client:
        yield client
        settle(client)


def lesson(kept: Ledger, client: Any, replies: list[str]) -> tuple[World, dict[str, ScriptedModel]]:
    """Two agents, two tasks: s is thought better at the first, l at the second; only l solves any by itself.

    `replies`: what s says when it is asked.
    """
    tasks: list[str] = []

    def marks(task: SuiteTask, judge: str, agent: str) -> int:
        tasks.append(task.name)
        return 5 if (agent == "s") == (task.name == tasks[0]) else 1

    models = {"s": ScriptedModel(replies, {"better": digit(5)}), "l": ScriptedModel([], {"better": digit(5)})}
    return world(kept, models, lambda _, agent: agent == "l", marks, 2, client), models


@pytest.mark.docker
def test_a_bid_that_memory_improved_is_worked_on_and_a_run_that_was_cut_goes_on(
    tmp_path: Path, docker_client: Any
) -> None:
    # Cut in the refinement, then in the work on what came of it.
    for replies, says in ((["DIE"], "agent s: killed by signal 9"), (["better", "DIE"], "s: model died")):
        with ledger(tmp_path) as kept:
            one, models = lesson(kept, docker_client, replies)
            with pytest.raises(EnvironmentFault, match=says):
                played(one, WITH_RETRY, orders=[[0, 1]])
    with ledger(tmp_path) as kept:
        one, models = lesson(kept, docker_client, [])
        path, text = next(iter(one.matrix.tasks[1].solution.items()))
        models["s"].replies.append(f"```write {path}\n{text}\n```")
        (row,) = played(one, WITH_RETRY, orders=[[0, 1]])
        first, second = row.orders[0]
        # The first winner's work failed, the other's did not: that is the lesson.
        assert (first.agents, first.solved, first.refined) == (("s", "l"), True, False)
        assert (second.agents, second.solved, second.refined) == (("s",), True, True)
        assert set(second.spent) == {"bid", "mark", "refine", "work"}
        assert set(second.spent["refine"]) == {"s"}
    # Again, from the file: nobody is asked for anything, and no sandbox opens.
    with ledger(tmp_path) as kept:
        one, models = lesson(kept, None, [])
        size = len(kept.file.read_bytes())
        assert played(one, WITH_RETRY, orders=[[0, 1]]) == [row]
        assert len(kept.file.read_bytes()) == size
        assert models["s"].asked == models["l"].asked == []
        assert models["s"].chosen == models["l"].chosen == 0
        # Without a second attempt nobody solves the first task, and there is nothing to learn from.
        (alone,) = played(one, SALE, orders=[[0, 1]])
        assert [task.agents for task in alone.orders[0]] == [("s",), ("l",)]


def test_one_call_is_asked_for_once(tmp_path: Path) -> None:
    asked: list[str] = []
    begun, go_on = threading.Event(), threading.Event()

    def ask() -> Choices:
        asked.append("k")
        begun.set()
        go_on.wait(10)
        return Choices("k", "s", ())

    with ledger(tmp_path) as kept:
        once = Once(kept)
        threads = [
            threading.Thread(target=once.get, args=(kept.choices, "k", ask), daemon=True) for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        begun.wait(10)
        go_on.set()
        for thread in threads:
            thread.join(10)
        assert asked == ["k"]
        once.cancelled = True
        assert once.get(kept.choices, "k", ask) == Choices("k", "s", ())
        with pytest.raises(EnvironmentFault, match="cancelled"):
            once.get(kept.choices, "new", ask)


def test_a_text_is_embedded_once(tmp_path: Path) -> None:
    class Counted(Hashes):
        asked = 0

        def embed(self, text: str) -> Sequence[float]:
            self.asked += 1
            return super().embed(text)

    first, second = Counted(), Counted()
    with ledger(tmp_path) as kept:
        vector = KnownEmbedder(first, kept).embed("a task")
        assert vector == pytest.approx(Hashes().embed("a task"), abs=1e-6)
    with ledger(tmp_path) as kept:
        assert KnownEmbedder(second, kept).embed("a task") == vector
    assert (first.asked, second.asked) == (1, 0)


def order(*winners: str) -> tuple[Played, ...]:
    return tuple(Played(f"t{at}", (who,), True, {}) for at, who in enumerate(winners))


def test_shares_of_wins_by_fifth() -> None:
    row = Row("SALE", "market", (order(*"lllllsssss"), order(*"llllllllms")))
    fifths = by_fifth(row, "sml")
    assert [one["fifth"] for one in fifths] == [1, 2, 3, 4, 5]
    assert fifths[0]["shares"] == {"s": 0, "m": 0, "l": 1}
    assert fifths[4]["shares"] == {"s": 0.75, "m": 0.25, "l": 0}
    assert last_minus_first(row, "sm", 1) == [1, 1, 1]
    assert last_minus_first(row, "l", 1) == [-1, -1, -1]
    found = last_minus_first(row, "m", 1)
    assert found is not None
    assert found[0] == 0.25
    assert 0 == found[1] < found[2] <= 1
    assert last_minus_first(Row("short", "market", (order(*"sl"),)), "s", 1) is None
