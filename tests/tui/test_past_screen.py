"""One remembered auction in full; times, letters and scales in the widgets around it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from salecli.adapters.journal import JOURNAL, runs_folder
from salecli.tui.screens.dialogs import Pick
from salecli.tui.screens.past import PastScreen
from salecli.tui.widgets.auctions import ago
from salecli.tui.widgets.plot import letters, scale
from tests.adapters.auctions import auction, rich_auction
from tests.tui.memories import Rooms, drive, remember, shelved, until
from tests.tui.scene import drawn


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "memory.sqlite3"


@pytest.fixture
def shelf(path: Path) -> Path:
    return shelved(path)


def test_one_auction_in_full(path: Path) -> None:
    remember(path, [auction("a"), auction("b", "second"), rich_auction()])

    async def script(app: Rooms, pilot: Pilot[None]) -> None:
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, PastScreen) and len(app.screen.query(Static)) > 5)
        await pilot.pause()
        text = "\n".join(str(one.visual) for one in app.screen.query(Static))
        for part in (
            "sort a file in shop", "solved by small", "run rich", "plan small, rewritten",
            "large led before refinement; you chose middle: I like its plan",
            "reading auctions 1 (sum a list)",
            "middle worked: 1 step, tests pass", "test_new failed: assert 1 == 2", "modified add.py +1 -1",
            "flagged: test", "verdict: solved", "\\x1b[31mred",
        ):  # fmt: skip
            assert part in text
        assert "\x1b" not in text
        await pilot.press("escape")
        assert app.screen is app.memory

    drive(path, script)


def test_judges_stand_in_the_pools_order_and_the_star_is_the_lowest_score(path: Path) -> None:
    told = rich_auction()
    judges = ("large", "middle", "small")
    marks = tuple(replace(mark, judge=judge) for judge in judges for mark in told.marks)
    remember(path, [auction("a"), auction("b"), replace(told, marks=marks)])

    async def script(app: Rooms, pilot: Pilot[None]) -> None:
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, PastScreen) and len(app.screen.query(Static)) > 5)
        await pilot.pause()
        text = drawn(app)
        heads = [text.index(f"by {name[:3]}") for name in told.prices]
        assert heads == sorted(heads)
        lowest = min(told.scores, key=lambda one: one.total)
        (starred,) = [line for line in text.splitlines() if "*" in line]
        assert starred.strip().startswith(lowest.agent)
        assert "middle won" in text

    drive(path, script, (130, 40))


def test_the_pairs_of_a_refined_bid_are_one_key_away(path: Path) -> None:
    remember(path, [auction("a"), auction("b", "second"), rich_auction()])

    async def script(app: Rooms, pilot: Pilot[None]) -> None:
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, PastScreen) and len(app.screen.query(Static)) > 5)
        await pilot.press("p")
        await until(pilot, lambda: isinstance(app.screen, Pick))
        await pilot.press("2")
        await until(pilot, lambda: isinstance(app.screen, PastScreen) and app.screen.number == 2)

    drive(path, script)


@pytest.mark.parametrize("kept", [True, False])
def test_the_recorded_run_opens_where_it_is_still_there(shelf: Path, kept: bool) -> None:
    if kept:
        (runs_folder() / "c").mkdir(parents=True)
        (runs_folder() / "c" / JOURNAL).write_text("{}\n")

    async def script(app: Rooms, pilot: Pilot[None]) -> None:
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, PastScreen) and len(app.screen.query(Static)) > 5)
        await pilot.press("o")
        await pilot.pause()
        assert app.opened == (["c"] if kept else [])

    drive(shelf, script)


def test_curves_carry_a_letter_each() -> None:
    assert letters(["xs", "x", "l", "[b]", "日"]) == {"xs": "x", "x": "a", "l": "l", "[b]": "b", "日": "c"}


def test_scales_end_at_round_numbers() -> None:
    assert [label for _, label in scale([0.00003, 0.0004])] == ["0.000020", "0.00010", "0.00050"]
    assert scale([])


@pytest.mark.parametrize(
    ("stamp", "words"),
    [
        ("2026-03-10T11:59:30+00:00", "just now"),
        ("2026-03-10T11:50:00+00:00", "10 min ago"),
        ("2026-03-10T09:00:00+00:00", "3 h ago"),
        ("2026-03-07T12:00:00+00:00", "3 d ago"),
        ("2025-01-10T12:00:00+00:00", "2025-01-10"),
        ("2027-01-10T12:00:00", "2027-01-10"),
        ("\x1b[2J", "\\x1b[2J"),
    ],
)
def test_times_in_words(stamp: str, words: str) -> None:
    assert ago(stamp, datetime(2026, 3, 10, 12, tzinfo=UTC)) == words
