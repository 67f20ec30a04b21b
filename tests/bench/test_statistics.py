"""Intervals that cover, shares that add up, curves that say what happened."""

from __future__ import annotations

import json

import numpy as np
import pytest

from salecli.bench import reliability, selling, shapley
from salecli.bench.fitting import market_weights
from salecli.bench.played import PHASES
from salecli.bench.rows import account, every_row
from salecli.bench.statistics import Bootstrap, ByTask
from salecli.bench.table import orders
from tests.bench.tables import JURY, PRICES, clusters, made, noisy


def test_the_interval_covers_the_truth_nineteen_times_in_twenty() -> None:
    bootstrap, rng = Bootstrap(200, seed=1), np.random.default_rng(2)
    covered = 0
    for _ in range(400):
        found = bootstrap.estimate((rng.random(200) < 0.6).astype(float))
        assert found is not None
        covered += found[1] <= 0.6 <= found[2]
    assert 0.915 <= covered / 400 <= 0.98


def test_a_ratio_of_sums_and_what_has_none() -> None:
    bootstrap = Bootstrap(4, seed=1)
    usd, solved = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 0.0, 1.0, 0.0])
    found = bootstrap.estimate(usd, solved)
    assert found is not None
    assert found[0] == 5.0
    assert found[1] < 5.0 < found[2]
    assert bootstrap.estimate(usd, np.zeros(4)) is None
    assert bootstrap.less_one(usd, 2 * usd) == [-0.5, -0.5, -0.5]


def test_shapley_values_add_up_and_like_agents_get_alike() -> None:
    worth = {
        members: np.array([float("l" in members), float(len(members & {"xs", "s"}) > 0), 0.0])
        for members in shapley.coalitions(tuple(PRICES))
    }
    parts = shapley.shapley(worth, tuple(PRICES))
    assert np.allclose(sum(parts.values()), worth[frozenset(PRICES)])
    assert np.allclose(parts["xs"], parts["s"])
    assert parts["xs"].tolist() == pytest.approx([0.0, 0.5, 0.0])
    assert parts["l"].tolist() == [1.0, 0.0, 0.0]
    assert not parts["m"].any()


def test_shapley_values_of_a_market_add_up_to_its_pass_rate() -> None:
    outcomes, _ = noisy(40, seed=6)
    table = made(outcomes, lambda task, judge, agent: (task * 5 + ord(judge[0]) + 3 * ord(agent[0])) % 6)
    parts = shapley.without_memory(table, [JURY] * 40)
    solved = np.array([one.solved for one in selling.sold(table, [JURY] * 40)], dtype=float)
    assert 0 < solved.sum() < 40
    assert np.allclose(sum(parts.values()), solved)


def test_a_perfect_opinion_and_a_blind_one() -> None:
    perfect = reliability.reliability([(1.0, True), (0.0, False)] * 10)
    assert (perfect["brier"], perfect["ece"], perfect["spearman"]) == (0.0, 0.0, 1.0)
    assert perfect["curve"] == [[0.0, 0.0, 10], [1.0, 1.0, 10]]
    blind = reliability.reliability([(0.5, True), (0.5, False), (0.5, False), (0.5, False)])
    assert (blind["brier"], blind["ece"], blind["spearman"]) == (0.25, 0.25, None)
    assert blind["curve"] == [[0.5, 0.25, 4]]


def test_corrections_bring_marks_nearer_to_what_comes_of_them() -> None:
    """Judges that say 4 of everything, of which a quarter is solved."""
    table = made([[at % 4 == 0, False, at % 2 == 0, at % 4 == 0] for at in range(100)], lambda *_: 4.0)
    raw, right = reliability.of_marks(table), reliability.of_corrected(table)
    for judge in PRICES:
        assert right[judge]["ece"] < raw[judge]["ece"] / 2
        assert right[judge]["brier"] < raw[judge]["brier"]


def test_escalation_is_measured_against_the_cheapest_that_solves() -> None:
    table = made([[True] * 4, [False, False, True, True], [False] * 4])
    found = every_row(table, orders(2, 1, table.tasks), market_weights(table), 1)
    escalated = {row.name: ByTask(row, table).escalated() for row in found.rows}
    third, two_thirds = (pytest.approx(part / 3, abs=1e-4) for part in (1, 2))
    for name, over, under in [("oracle", 0, 0), ("xs", 0, third), ("s", third, third), ("l", two_thirds, 0)]:
        assert escalated[name][0] == over
        assert escalated[name][1] == under


def test_the_account_of_all_rows_fits_together() -> None:
    outcomes, embeddings = clusters(40)
    table = made(outcomes, embeddings=embeddings)
    chosen = market_weights(table)
    found = every_row(table, orders(5, 1, table.tasks), chosen, 1)
    told = json.loads(json.dumps(account(table, found, chosen, 1), allow_nan=False))
    rows = {row["name"]: row for row in told["rows"]}
    assert len(rows) == len(told["rows"])
    assert rows["oracle"]["pass"] == [1.0, 1.0, 1.0]
    assert rows["l"]["pass"][0] == 0.5
    assert rows["l"]["against_largest"] == {"pass": [0.0, 0.0, 0.0], "usd": [0.0, 0.0, 0.0]}
    assert rows["xs"]["against_largest"]["usd"][0] == pytest.approx(0.05 / 0.36 - 1, abs=1e-5)
    lot = rows["random (SALE without memory's shares)"]
    assert lot["task_share"] == rows["SALE without memory"]["task_share"]
    assert lot["pass"][0] < 0.8 < rows["WTP"]["pass"][0]
    for row in told["rows"]:
        assert set(row["tokens_by_phase"]) == set(PHASES)
        assert sum(row["task_share"].values()) == pytest.approx(1)
        assert sum(row["token_share"].values()) == pytest.approx(1, abs=1e-4)
        assert row["pass"][1] <= row["pass"][0] <= row["pass"][2]
        levels = row["levels"]
        assert sum(one["pass"][0] * one["tasks"] for one in levels.values()) == pytest.approx(
            40 * row["pass"][0], abs=1e-3
        )
    assert rows["no jury"]["tokens_by_phase"]["mark"] == 0
    for name, pair in told["paired"].items():
        assert rows[name]["kind"] != "ablation"
        assert len(pair["solved"]) == 5
        assert {len(one) for one in (*pair["solved"], pair["usd_per_task_by_task"])} == {40}
        solved = [float(digit) for order in pair["solved"] for digit in order]
        assert sum(solved) / len(solved) == pytest.approx(rows[name]["pass"][0], abs=1e-5)
    assert sum(part[0] for part in told["shapley"]["without memory"].values()) == pytest.approx(
        rows["SALE without memory"]["pass"][0], abs=1e-4
    )
    assert rows["WTP"]["curve"]
    shares = [one["auction_share"] for one in told["auction_at_real_lengths"]]
    assert 1 > shares[0] > shares[1] > 0
    # The longer the work, the less the auction counts; in the end it is the winners' prices that count.
    sale = rows["SALE without memory"]
    excess = [one["usd_against_largest"][0] for one in told["auction_at_real_lengths"]]
    assert sale["against_largest"]["usd"][0] > excess[0] > excess[1]
    paid = sum(sale["task_share"][agent] * price for agent, price in PRICES.items())
    assert excess[1] == pytest.approx(paid / PRICES["l"] - 1, abs=0.01)


def test_too_few_tasks_leave_out_what_must_learn() -> None:
    table = made([[True, False, False, True]] * 3)
    found = every_row(table, orders(5, 1, table.tasks), market_weights(table), 1)
    names = [row.name for row in found.rows]
    assert set(found.left_out) >= {"WTP", "CARROT", "TO-Router", "FrugalGPT", "labelled weights"}
    assert not set(names) & set(found.left_out)
    told = account(table, found, market_weights(table), 1)
    json.dumps(told, allow_nan=False)
