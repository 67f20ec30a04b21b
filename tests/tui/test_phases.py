"""What is said to go on is true in every phase of a run, from the snapshot to work that stands still."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep

import pytest

from salecli.core import events
from salecli.core.board import Board
from salecli.core.calls import Loaded
from salecli.core.limits import WorkLimits
from salecli.tui.bridge import Bridge
from salecli.tui.control import Fed
from salecli.tui.live import LiveRun
from salecli.tui.widgets.attempts import Attempts
from salecli.tui.widgets.columns import Columns, state
from salecli.tui.widgets.saying import going_on
from tests.core.world import BAD, GOOD, TASK, play
from tests.tui import scene
from tests.tui.auctions import fed, market_house
from tests.tui.test_live import until
from tests.tui.works import begun, failing

Seen = Sequence[events.Event]
LIMITS = WorkLimits(steps=10, tokens=4000, seconds=120)


@pytest.fixture(scope="module")
def sold() -> Seen:
    return play(market_house().run(TASK, "7f3a00"))[0]


def upto(sold: Seen, kind: type[events.Event], number: int = 1) -> Seen:
    """The events until the `number`th of a kind, that one included."""
    places = [at for at, event in enumerate(sold) if isinstance(event, kind)]
    return sold[: places[number - 1] + 1]


def fed_with(seen: Seen) -> tuple[Board, Columns]:
    board, columns = Board(), Columns()
    for event in seen:
        board.apply(event)
        columns.take(fed(event))
    return board, columns


def test_every_phase_of_an_auction_has_words_of_its_own(sold: Seen) -> None:
    def said(seen: Seen) -> str:
        return going_on(*fed_with(seen))

    assert said([]).startswith("sale gets ready")
    assert said(upto(sold, events.RunStarted)) == "The tests run once, on your files as they are."
    assert said(upto(sold, events.TestsBefore)) == "The agents write their bids."
    assert said(upto(sold, events.ModelLoading)) == "xs loading."
    assert said(upto(sold, events.BidStarted)) == "xs bidding."
    assert said(upto(sold, events.BidMade)) == "The agents write their bids."
    assert said(upto(sold, events.BidMade, 4)) == "The jury marks the bids."
    assert said(upto(sold, events.Scored, 4)).startswith("Memory is asked for past plans")
    assert said(upto(sold, events.PairsRead)) == "xs rewriting after memory's plans."
    assert said(upto(sold, events.BidMade, 5)) == "The jury marks the bids."
    assert said(upto(sold, events.WinnerChosen)) == "s goes to work."


def test_a_model_that_loads_says_how_large_it_is(sold: Seen) -> None:
    loading = events.ModelLoading(TASK.id, "xs", 5_100_000_000)
    board, columns = fed_with([*upto(sold, events.TestsBefore), loading])
    assert state(board, columns["xs"]) == "loading 5.1 GB"
    assert going_on(board, columns) == "xs loading 5.1 GB."
    columns.take(events.ModelLoaded(TASK.id, "xs", Loaded("xs.gguf", 5_200_000_000, 4096, 151_936, 2.0)))
    assert state(board, columns["xs"]) == "loaded 5.2 GB"
    columns.take(replace(loading, bytes=0))
    assert state(board, columns["xs"]) == "loading", "a size that is not known is not guessed"


def works(*seen: events.Event, at: float = 0.0) -> Attempts:
    attempts = Attempts()
    for event in [*begun(), *seen]:
        attempts.apply(fed(event), at)
    return attempts


def test_the_work_tells_how_much_of_its_limits_is_taken() -> None:
    started = events.WorkStarted("t1", "xs", False, 1, 2, LIMITS)
    assert works(started).state(40) == "xs works, step 1 of 10, attempt 1 of 2, 0:40 of 2:00"
    two = [event for event in failing()[1:] if not isinstance(event, events.WorkToken)][:2]
    attempts = works(started, *two)
    whole = "xs works, step 3 of 10, attempt 1 of 2, 0:40 of 2:00, 240 of 4,000 tokens"
    assert attempts.state(40) == whole
    assert attempts.state(40, 60) == "xs works, step 3 of 10, attempt 1 of 2, 0:40 of 2:00"
    assert attempts.state(40, 20) == "xs works, step 3 of 10", "what does not fit is left out whole"
    old = events.WorkStarted("t1", "xs", False, 1)
    assert works(old, *two).state(40) == "xs works, step 3, attempt 1, 0:40, 240 tokens"
    loading = works(started, events.ModelLoading("t1", "xs", 800_000_000))
    assert [row.left for row in loading.rows()][-1] == " 1 xs loads 800.0 MB ..."


def test_the_work_stands_still_before_a_step_and_says_so(tmp_path: Path) -> None:
    look = "```run\nls\n```"
    run = LiveRun("Add", "typed", scene.opens(tmp_path / "shop", replies=(look, BAD, GOOD)))
    attempts, bridge = Attempts(), Bridge(run)

    class Watched:
        def apply(self, event: Fed) -> None:
            attempts.apply(event, run.at)

    def stands(before: int) -> bool:
        bridge.drain((Watched(),), None)
        last = attempts.last
        return run.board.paused_at == "work" and last is not None and last.next == before

    try:
        run.start()
        until(lambda: run.board.paused_at == "winner", run)
        for event in run.history:
            attempts.apply(event)
        run.decisions.step()
        for step in (1, 2):
            end = monotonic() + 20
            while not stands(step):
                assert monotonic() < end, attempts.state(run.at)
                sleep(0.01)
            assert attempts.state(run.at).startswith(
                f"s stands still before step {step} of 30, attempt 1 of "
            )
            assert [row.left.strip() for row in attempts.rows()][-1] == f"{step} s stands still"
            run.decisions.step()
        run.decisions.resume()
        until(lambda: run.ended, run)
        assert run.solved
    finally:
        run.close()
