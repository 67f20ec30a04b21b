"""Routers over tables whose right answers are known, and what they must not have seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from salecli.bench import selling
from salecli.bench.played import Played, Row
from salecli.bench.routers import Known, Offers, in_orders, played, tuned
from salecli.bench.routers.cascade import Scorer, until_solved
from salecli.bench.routers.neighbours import carrot, to_router, wtp
from salecli.bench.routers.plain import oracle, singles, with_shares
from salecli.bench.table import Table, folds, orders
from tests.bench.tables import ENDING, JURY, PLAN, PREFIX, PRICES, WORK, clusters, made, noisy

LEARNED = ("WTP", "CARROT", "TO-Router", "FrugalGPT")
ALONE = {agent: (PLAN + WORK) * price / 1e6 for agent, price in PRICES.items()}
"""USD of one agent's own bid and work."""
MARKED = {agent: (PREFIX + ENDING) * price / 1e6 for agent, price in PRICES.items()}
"""USD of one mark alone."""


def offers(name: str, known: Known) -> Offers:
    if name == "FrugalGPT":
        return Scorer(known).offers
    return {"WTP": wtp, "CARROT": carrot, "TO-Router": to_router}[name]


def routed(name: str, table: Table, usd: float = 1.0) -> list[Played]:
    """By a learned router that may spend so much on each task."""
    known = Known(table)
    found = tuned(known, np.full(len(table.tasks), usd), offers(name, known))
    return played(known, [known.routes[at] for at in found.routes])


def test_the_oracle_takes_the_cheapest_agent_that_solves_it() -> None:
    known = Known(made([[True] * 4, [False, False, True, True], [False] * 4]))
    found = played(known, oracle(known))
    assert [one.agents for one in found] == [("xs",), ("m",), ("xs",)]
    assert [one.solved for one in found] == [True, True, False]


def test_a_single_agent_pays_its_own_bid_and_work() -> None:
    known = Known(made([[False, True, False, True], [False] * 4]))
    rows = {row.name: row.orders[0] for row in singles(known, [[1, 0]])}
    assert list(rows) == list(PRICES)
    for agent, (second, first) in rows.items():
        assert (first.task, second.task) == ("task-0", "task-1")
        assert first.solved is (agent in "sl")
        assert first.usd == pytest.approx(ALONE[agent])
        assert first.tokens == PLAN + WORK
        assert first.auction.tokens == PLAN


def test_chance_has_the_very_shares_of_the_other_row() -> None:
    outcomes, embeddings = clusters(40)
    known = Known(made(outcomes, embeddings=embeddings))
    shuffled = orders(5, 1, known.table.tasks)
    sale = in_orders("SALE", "market", selling.sold(known.table, [JURY] * 40), shuffled)
    row = with_shares("random", known, sale, shuffled, seed=7)
    for drawn, own in zip(row.orders, sale.orders, strict=True):
        assert [one.task for one in drawn] == [one.task for one in own]
        assert Counter(one.agents for one in drawn) == Counter(one.agents for one in own)
        assert [one.agents for one in drawn] != [one.agents for one in own]
    assert len({tuple(one.agents for one in order) for order in row.orders}) == 5


@pytest.mark.parametrize("name", LEARNED)
def test_what_embeddings_tell_apart_is_routed_right(name: str) -> None:
    outcomes, embeddings = clusters(60)
    found = routed(name, made(outcomes, embeddings=embeddings))
    assert all(one.solved for one in found)
    assert {one.agents for one in found[::2]} == {("xs",)}
    # A cascade may ask the cheaper one first only where that pays; here it is never needed.
    assert {one.agents[-1] for one in found[1::2]} == {"l"}


@pytest.mark.parametrize("name", LEARNED)
def test_within_the_budget(name: str) -> None:
    """TO-Router has no dial for cost: where everything is too dear, it is as cheap as it can be."""
    outcomes, embeddings = clusters(60)
    found = routed(name, made(outcomes, embeddings=embeddings), ALONE["xs"] * 1.0001)
    if name == "TO-Router":
        assert sum(one.usd for one in found) == pytest.approx(30 * (ALONE["xs"] + ALONE["l"]))
    else:
        assert {one.agents for one in found} == {("xs",)}


@pytest.mark.parametrize("name", LEARNED)
def test_a_task_s_own_fold_is_never_seen(name: str) -> None:
    """Outcomes turned round in one fold change nothing there; turned round elsewhere, they do."""
    outcomes, embeddings = noisy(60, seed=3)
    table = made(outcomes, embeddings=embeddings)
    fold = folds(table.tasks)[2]
    before = agents(routed(name, table, ALONE["m"]), fold)
    turned = [[not one for one in row] if at in fold else row for at, row in enumerate(outcomes)]
    assert agents(routed(name, keeping_marks(table, turned), ALONE["m"]), fold) == before
    others = [row if at in fold else [not one for one in row] for at, row in enumerate(outcomes)]
    assert agents(routed(name, keeping_marks(table, others), ALONE["m"]), fold) != before


def keeping_marks(table: Table, outcomes: Sequence[Sequence[bool]]) -> Table:
    """The table with other outcomes."""
    return replace(made(outcomes), marks=table.marks, embeddings=table.embeddings)


def agents(found: Sequence[Played], places: Sequence[int]) -> list[tuple[str, ...]]:
    return [found[at].agents for at in places]


def test_the_cascade_with_tests_stops_where_they_pass() -> None:
    known = Known(made([[True] * 4, [False, False, True, True], [False] * 4]))
    found = played(known, until_solved(known))
    assert [one.agents for one in found] == [("xs",), ("xs", "s", "m"), tuple(PRICES)]
    assert [one.solved for one in found] == [True, True, False]
    assert found[1].usd == pytest.approx(ALONE["xs"] + ALONE["s"] + ALONE["m"])


def test_a_cascade_that_escalates_has_paid_for_those_before() -> None:
    """Only a plan's mark tells solved from failed: xs has to be asked first, and scored by itself."""
    outcomes = [[number % 2 == 0, False, False, True] for number in range(60)]
    found = routed("FrugalGPT", made(outcomes), ALONE["l"] * 0.9)
    assert all(one.solved for one in found)
    assert {one.agents for one in found[::2]} == {("xs",)}
    assert {one.agents for one in found[1::2]} == {("xs", "l")}
    assert found[0].usd == pytest.approx(ALONE["xs"] + MARKED["xs"])
    assert found[1].usd == pytest.approx(ALONE["xs"] + MARKED["xs"] + ALONE["l"])


def test_curves_run_from_cheap_to_dear() -> None:
    outcomes, embeddings = noisy(60, seed=4)
    known = Known(made(outcomes, embeddings=embeddings))
    found = tuned(known, np.full(60, 1.0), wtp)
    assert len(found.curve) > 3
    assert list(found.curve) == sorted(found.curve)
    assert found.curve[0][0] == pytest.approx(ALONE["xs"])


def test_orders_are_shuffles_that_do_not_hang_on_their_number() -> None:
    five = orders(5, 11, range(30))
    assert five[:2] == orders(2, 11, range(30))
    assert all(sorted(order) == list(range(30)) for order in five)
    assert len({tuple(order) for order in five}) == 5
    assert orders(5, 12, range(30)) != five


def test_folds_are_parts_of_all_tasks_by_their_names() -> None:
    table = made([[True] * 4] * 52)
    found = folds(table.tasks)
    assert sorted(at for fold in found for at in fold) == list(range(52))
    assert sorted(map(len, found)) == [10, 10, 10, 11, 11]
    back = folds(table.tasks[::-1])
    assert [{f"task-{51 - at}" for at in fold} for fold in back] == [
        {f"task-{at}" for at in fold} for fold in found
    ]


def test_a_row_is_in_the_order_of_play() -> None:
    known = Known(made([[True] * 4, [False] * 4]))
    row: Row = in_orders("oracle", "bound", played(known, oracle(known)), [[0, 1], [1, 0]])
    assert [[one.task for one in order] for order in row.orders] == [
        ["task-0", "task-1"],
        ["task-1", "task-0"],
    ]
