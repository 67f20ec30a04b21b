"""Weights that are turned, tried, kept and dropped on the auction screen."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from salecli.core import events
from salecli.tui.live import LiveRun
from salecli.tui.widgets.dials import Dials
from tests.tui.auctions import Hall, line, play, until


def test_weights_are_tried_kept_and_dropped(run: LiveRun) -> None:
    async def test(app: Hall, pilot: Pilot[None], run: LiveRun) -> None:
        before = app.row("score")
        await pilot.press("w")
        dials = app.auction.query_one(Dials)
        assert dials.has_focus
        await pilot.press("shift+right", "right", "down", "left")
        await pilot.pause()
        assert app.row("score") != before
        assert dials.weights.cost == pytest.approx(0.61)
        assert dials.weights.entropy == pytest.approx(-0.01)
        assert sum(dials.weights.judges.values()) == pytest.approx(0.99)
        assert run.board.weights.cost == 0.5, "a preview asks nothing of the run"
        await pilot.press("u")
        await pilot.pause()
        assert app.row("score") == before
        await pilot.press("w", "shift+right", "shift+left", "up", "right", "right", "k")
        await until(pilot, lambda: run.board.weights.cost == pytest.approx(0.52), run)
        assert not dials.display
        assert app.auction.turned is None
        assert any(isinstance(one, events.Reweighed) for one in run.history)
        await pilot.press("w", "right", "escape")
        await pilot.pause()
        assert not dials.display, "Esc closes the dials and stops nothing"
        assert not app.auction.armed
        assert run.board.weights.cost == pytest.approx(0.52)

    play(run, test)


def test_nobody_goes_to_work_by_other_weights_than_those_that_are_seen(run: LiveRun) -> None:
    async def test(app: Hall, pilot: Pilot[None], run: LiveRun) -> None:
        dials = app.auction.query_one(Dials)
        await pilot.press("w", *["shift+right"] * 8)
        await until(pilot, lambda: line(app, "wait").startswith("Tried, not kept. enter: keep"))
        assert str(dials.border_title) == "weights: tried, not kept"
        await pilot.press("space", "s")
        assert app.told("First the weights")
        assert run.decisions.paused
        await pilot.press("enter")
        await until(pilot, lambda: run.board.weights.cost == pytest.approx(1.3), run)
        assert not dials.display
        assert run.board.winner is None, "the first Enter kept the weights and did nothing else"
        await until(pilot, lambda: line(app, "wait").startswith("Your turn. enter: let"))
        await pilot.press("w", "enter")
        await pilot.pause()
        assert app.told("The weights are as they were.")
        await pilot.press("enter")
        await until(pilot, lambda: run.ended, run)

    play(run, test)


def test_the_preview_moves_the_leader_at_once(run: LiveRun) -> None:
    async def test(app: Hall, pilot: Pilot[None], run: LiveRun) -> None:
        await pilot.press("w", "up", *["shift+right"] * 8)
        await pilot.pause()
        assert "*m leads" in app.table()[0]
        assert line(app, "reason").startswith("* m would lead")
        assert run.board.leader == ("s", False)

    play(run, test)
