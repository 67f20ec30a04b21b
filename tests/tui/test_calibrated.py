"""Corrected marks on the screens: given and counted side by side, and what counts where there is no room."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from textual.app import App, ComposeResult

from salecli.core import events
from salecli.core.calibration import Correction
from salecli.core.values import Auction
from salecli.tui.replay import Replay
from salecli.tui.widgets.bids import BidTable
from tests.core.world import TASK, play
from tests.tui.auctions import Hall, market_house
from tests.tui.scene import run_async

HALF = Correction(((0.0, 0.0), (5.0, 2.5)), 80)


@pytest.fixture
def sold() -> tuple[list[events.Event], Auction]:
    """A whole run in which xs refines, and the marks of l count half."""
    house = market_house()
    seen, auction = play(replace(house, pool=replace(house.pool, corrections={"l": HALF})).run(TASK, "7f3a"))
    return seen, auction


@pytest.mark.parametrize(
    ("size", "own", "refined"),
    [
        ((160, 45), "(2.0->1.0)", "3.0->1.5"),
        ((100, 30), "(2.0->1.0)", "1.5"),
        ((80, 24), "(2.0->1.0)", "1.5"),
    ],
)
def test_the_auction_shows_what_counts(
    size: tuple[int, int],
    own: str,
    refined: str,
    make_control: Callable[[list[events.Event]], Replay],
    sold: tuple[list[events.Event], Auction],
) -> None:
    async def go() -> None:
        app = Hall(make_control(sold[0]))
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            if not any(line.split()[:1] == ["l"] for line in app.table()):
                await pilot.press("j")  # a low screen has them folded
                await pilot.pause()
            [line] = [line for line in app.table() if line.split()[:1] == ["l"] and "." in line]
            assert own in line
            assert refined in line
            assert "->" not in next(line for line in app.table() if line.lstrip().startswith("s "))

    run_async(go())


@pytest.mark.parametrize(("width", "said"), [(120, "5.0->2.5"), (90, "2.5"), (70, "2.1")])
def test_a_remembered_auction_shows_both_where_there_is_room(
    width: int, said: str, sold: tuple[list[events.Event], Auction]
) -> None:
    class Page(App[None]):
        def compose(self) -> ComposeResult:
            yield BidTable(sold[1])

    async def go() -> None:
        app = Page()
        async with app.run_test(size=(width, 20)) as pilot:
            await pilot.pause()
            table = app.query_one(BidTable)
            text = ["".join(one.text for one in table.render_line(y)) for y in range(table.size.height)]
            assert any(said in line for line in text if line.strip().startswith("m"))
            assert ("->" in "".join(text)) is (width == 120)

    run_async(go())
