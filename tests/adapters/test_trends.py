"""What the memory says over time, and how a list of it is narrowed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from salecli.adapters import overview, records, trends
from salecli.adapters.overview import Wanted
from salecli.adapters.sqlitefile import prepare, reading, writing
from salecli.core.values import Auction, Mark
from tests.adapters.auctions import auction, work


def remember(path: Path, auctions: Sequence[Auction]) -> list[int]:
    prepare(path)
    with writing(path) as db:
        return [records.insert(db, one) for one in auctions]


def marked(run: str, solved: bool, marks: dict[str, float]) -> Auction:
    """An auction that large won, with its judges' marks of that plan."""
    one = auction(run, f"task {run}", works=[work("large", solved)])
    given = tuple(Mark(judge, "large", False, value) for judge, value in marks.items())
    return replace(one, marks=given)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "memory.sqlite3"


def test_totals_of_an_empty_memory_are_nothing(path: Path) -> None:
    prepare(path)
    with reading(path) as db:
        assert trends.totals(db) == trends.Totals(0, 0, 0.0, 0.0)
        assert trends.trend(db).periods == 0
        assert trends.calibration(db) == []


def test_totals_add_up(path: Path) -> None:
    remember(path, [auction("a"), auction("b", works=[work("large", False)])])
    with reading(path) as db:
        totals = trends.totals(db)
    assert (totals.auctions, totals.solved) == (2, 1)
    assert totals.usd == pytest.approx(0.00004)
    assert totals.usd_largest == pytest.approx(0.00016)


def test_the_newest_period_is_whole(path: Path) -> None:
    """Five auctions in periods of two: the oldest period is the one that lacks an auction."""
    winners = ["large", "large", "small", "small", "small"]
    remember(path, [auction(f"r{n}", winner=(winner, False)) for n, winner in enumerate(winners)])
    with reading(path) as db:
        trend = trends.trend(db, periods=3)
    assert trend.period == 2
    assert trend.agents == ("small", "middle", "large"), "in pool order"
    assert trend.wins["large"] == (1.0, 0.5, 0.0)
    assert trend.wins["small"] == (0.0, 0.5, 1.0)
    assert trend.wins["middle"] == (0.0, 0.0, 0.0)
    assert [usd and round(usd, 8) for usd in trend.usd["small"]] == [None, 0.00002, 0.00002]


def test_an_agent_of_an_older_pool_keeps_its_curve(path: Path) -> None:
    old = auction("old", bids=[("gone", False, "plan", 0.1)], winner=("gone", False), prices={"gone": 1.0})
    remember(path, [replace(old, provisional="gone"), auction("new")])
    with reading(path) as db:
        assert trends.trend(db).agents == ("small", "middle", "large", "gone")


@pytest.mark.parametrize(
    ("least", "round_up"), [(0, 1), (1, 1), (1.1, 2), (3, 5), (5.5, 10), (17, 20), (8333, 10000)]
)
def test_periods_are_round_numbers(least: float, round_up: int) -> None:
    assert trends.round_up(least) == round_up


def test_a_judge_that_knows_stands_before_one_that_does_not(path: Path) -> None:
    remember(
        path,
        [
            marked("a", True, {"knows": 4.5, "guesses": 2.0}),
            marked("b", True, {"knows": 4.0, "guesses": 4.0}),
            marked("c", False, {"knows": 1.0, "guesses": 2.0}),
            marked("d", False, {"knows": 0.2, "guesses": 4.0}),
        ],
    )
    with reading(path) as db:
        knows, guesses = trends.calibration(db)
    assert (knows.judge, knows.plans, knows.auc) == ("knows", 4, 1.0)
    assert knows.mark == pytest.approx(2.425)
    assert knows.solved == 0.5
    assert knows.bands == ((1, 0), (1, 0), (0, 0), (0, 0), (2, 2))
    assert (guesses.judge, guesses.auc) == ("guesses", 0.5)


def test_marks_that_were_made_up_measure_nobody(path: Path) -> None:
    one = marked("a", True, {"large": 4.0})
    remember(path, [replace(one, marks=(replace(one.marks[0], source="mean"),))])
    with reading(path) as db:
        assert trends.calibration(db) == []


def test_without_both_results_there_is_no_auc(path: Path) -> None:
    remember(path, [marked("a", True, {"large": 4.0})])
    with reading(path) as db:
        assert trends.calibration(db)[0].auc is None


def test_only_the_latest_plans_count(path: Path) -> None:
    remember(path, [marked("a", False, {"large": 0.0}), marked("b", True, {"large": 5.0})])
    with reading(path) as db:
        (judge,) = trends.calibration(db, latest=1)
    assert (judge.plans, judge.mark, judge.solved) == (1, 5.0, 1.0)


def found(path: Path, wanted: Wanted, limit: int = 10, before: int | None = None) -> list[str]:
    with reading(path) as db:
        return [one.run for one in overview.newest(db, limit, wanted, before)]


@pytest.fixture
def shelf(path: Path) -> Path:
    elsewhere = auction("c", "round the price", winner=("small", False))
    auctions = [
        auction("a", "sum a list"),
        auction("b", "sort 100 % of a_list", works=[work("large", False)]),
        replace(elsewhere, task=replace(elsewhere.task, repository="parser")),
    ]
    remember(path, auctions)
    return path


@pytest.mark.parametrize(
    ("wanted", "runs"),
    [
        (Wanted(), ["c", "b", "a"]),
        (Wanted(winner="large"), ["b", "a"]),
        (Wanted(solved=True), ["c", "a"]),
        (Wanted(solved=False), ["b"]),
        (Wanted(repository="parser"), ["c"]),
        (Wanted(words="PRICE"), ["c"]),
        (Wanted(words="0 %"), ["b"]),
        (Wanted(words="a_l"), ["b"]),
        (Wanted(words="plan small", winner="large", solved=True), ["a"]),
        (Wanted(repository="nowhere"), []),
    ],
)
def test_a_list_is_narrowed(shelf: Path, wanted: Wanted, runs: list[str]) -> None:
    assert found(shelf, wanted) == runs


def test_a_long_list_comes_in_parts(shelf: Path) -> None:
    assert found(shelf, Wanted(), limit=2) == ["c", "b"]
    assert found(shelf, Wanted(), limit=2, before=2) == ["a"]


def test_a_line_carries_the_winning_score(shelf: Path) -> None:
    with reading(shelf) as db:
        (line,) = overview.newest(db, 1, Wanted(winner="large"))
    assert line.score == pytest.approx(0.1)


def test_what_a_list_may_be_narrowed_to(shelf: Path) -> None:
    with reading(shelf) as db:
        assert overview.choices(db) == (["large", "small"], ["shop", "parser"])
