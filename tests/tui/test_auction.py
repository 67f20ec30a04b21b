"""Every key of the auction screen, on a real run with scripted models that waits for the user."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from salecli.core import events
from salecli.tui.live import LiveRun
from salecli.tui.replay import Replay
from salecli.tui.screens.dialogs import Ask, Confirm
from salecli.tui.screens.pairs import PairsScreen
from salecli.tui.widgets.dials import Dials
from salecli.tui.widgets.market import Market
from salecli.tui.widgets.plantext import PlanText
from tests.tui.auctions import AGAIN, Hall, live_run, until, waiting
from tests.tui.scene import run_async

WIDE = (160, 45)
Seen = list[events.Event]
Test = Callable[[Hall, Pilot[None], LiveRun], Awaitable[None]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveRun]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    made = live_run()
    yield made
    made.close()


def play(run: LiveRun, test: Test, size: tuple[int, int] = WIDE) -> None:
    """Start the run, and the test where the winner stands."""

    async def go() -> None:
        app = Hall(run)
        async with app.run_test(size=size) as pilot:
            run.start()
            await waiting(pilot, run)
            await test(app, pilot, run)

    run_async(go())


def line(app: Hall, name: str) -> str:
    return str(app.auction.query_one(f"#{name}", Static).content)


def plan(app: Hall) -> PlanText:
    return app.auction.query_one("#plan", PlanText)


def test_enter_lets_the_winner_work_and_the_screen_stays_a_record(run: LiveRun) -> None:
    async def test(app: Hall, pilot: Pilot[None], run: LiveRun) -> None:
        assert line(app, "reason").startswith("* s leads: value 0.")
        assert "enter: let s work" in line(app, "wait")
        await pilot.press("enter")
        await until(pilot, lambda: run.ended, run)
        assert run.board.winner == ("s", False)
        assert line(app, "wait") == "The run has ended: solved by s, f5 shows the patch."
        assert "*s wins" in app.table()[0]
        await pilot.press("enter", "1", "x", "w", "r", "s")
        assert not app.auction.query_one(Dials).display
        assert app.said.count("The run has ended.") == 6

    play(run, test)


def test_enter_is_ignored_with_a_word_when_nothing_waits(run: LiveRun) -> None:
    async def go() -> None:
        app = Hall(run)
        async with app.run_test(size=WIDE) as pilot:
            await pilot.press("enter")
            assert app.told("Nothing waits for you yet.")

    run_async(go())


def test_override_asks_why_and_the_reason_is_remembered(run: LiveRun) -> None:
    async def test(app: Hall, pilot: Pilot[None], run: LiveRun) -> None:
        await pilot.press("3")
        await until(pilot, lambda: isinstance(app.screen, Ask))
        app.screen.query_one(Input).value = "it knows [the] file"
        await pilot.press("enter")
        await until(pilot, lambda: "m is your choice" in line(app, "reason"))
        assert "m your choice" in app.table()[0]
        await pilot.press("enter")
        await until(pilot, lambda: run.ended, run)
        assert run.board.winner == ("m", False)
        chosen = next(one for one in run.history if isinstance(one, events.WinnerChosen))
        assert chosen.override is not None
        assert chosen.override.reason == "it knows [the] file"
        assert line(app, "reason") == "* m wins by your choice: it knows [the] file"

    play(run, test)


def test_override_again_takes_it_back_and_esc_chooses_nobody(run: LiveRun) -> None:
    async def test(app: Hall, pilot: Pilot[None], run: LiveRun) -> None:
        await pilot.press("4")
        await until(pilot, lambda: isinstance(app.screen, Ask))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.auction)
        assert run.decisions.overridden() is None
        run.decisions.override("l", "once")
        await pilot.press("4")
        assert run.decisions.overridden() is None
        assert app.told("Taken back")
        await pilot.press("7")
        assert app.told("There are 4 agents.")

    play(run, test)


def test_space_pauses_and_goes_on_and_s_goes_one_border_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    run = live_run()

    async def go() -> None:
        app = Hall(run)
        async with app.run_test(size=WIDE) as pilot:
            await pilot.press("space")
            assert app.told("It pauses at the next border.")
            run.start()
            await until(pilot, lambda: run.board.paused_at == "bids", run)
            assert "Paused after the bids" in line(app, "wait")
            await pilot.press("s")
            await until(pilot, lambda: run.board.paused_at == "marks", run)
            await pilot.press("space")
            await waiting(pilot, run)

    run_async(go())
    run.close()


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
        assert not app.told("Esc again")

    play(run, test)


def test_the_preview_moves_the_leader_at_once(run: LiveRun) -> None:
    async def test(app: Hall, pilot: Pilot[None], run: LiveRun) -> None:
        await pilot.press("w", "up", *["shift+right"] * 8)
        await pilot.pause()
        assert "*m leads" in app.table()[0]
        assert line(app, "reason").startswith("* m would lead")
        assert run.board.leader == ("s", False)

    play(run, test)


def test_r_lets_the_chosen_agent_bid_again(run: LiveRun) -> None:
    async def test(app: Hall, pilot: Pilot[None], run: LiveRun) -> None:
        await pilot.press("right", "r")
        assert app.told("m bids again.")
        await until(pilot, lambda: run.board.leader == ("m", False), run)
        assert run.board.bids["m", False].plan == AGAIN
        await until(pilot, lambda: plan(app).text == AGAIN)
        before = app.auction.query_one("#before", PlanText)
        assert before.display
        assert before.text == "plan of m"

    play(run, test)


def test_x_excludes_after_a_question(run: LiveRun) -> None:
    async def test(app: Hall, pilot: Pilot[None], run: LiveRun) -> None:
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("n")
        await pilot.pause()
        assert not run.board.out
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("y")
        await until(pilot, lambda: "s" in run.board.out, run)
        await until(pilot, lambda: "excluded" in app.row("state"))
        assert run.board.leader is not None
        assert run.board.leader[0] != "s"
        app.auction.selected = "s"
        await pilot.press("x", "2")
        assert app.told("s is out already.")
        assert app.told("s is out: excluded")

    play(run, test)


def test_p_shows_the_pairs_with_what_the_tests_said(run: LiveRun) -> None:
    async def test(app: Hall, pilot: Pilot[None], run: LiveRun) -> None:
        await pilot.press("p")
        assert app.told("s read no pairs")
        await pilot.press("left", "p")
        await until(pilot, lambda: isinstance(app.screen, PairsScreen))
        await pilot.press("down")
        await pilot.pause()
        lost, won = (app.screen.query_one(f"#{name}", PlanText) for name in ("lost", "won"))
        assert lost.text == "Its work failed: test_add failed\n\nlost plan"
        assert won.text == "won plan"
        assert str(app.screen.query_one("#title", Static).content) == "xs read 2 pairs from 2 past auctions"
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.auction)
        assert not run.stopped

    play(run, test)


def test_left_right_and_a_click_choose_a_column(run: LiveRun) -> None:
    async def test(app: Hall, pilot: Pilot[None], run: LiveRun) -> None:
        assert app.auction.selected == "s", "the column that leads is shown until one is chosen"
        await pilot.press("left", "left")
        assert app.auction.selected == "xs"
        await pilot.pause()
        assert plan(app).text == "plan of xs, refined"
        assert app.auction.query_one("#before", PlanText).text == "plan of xs"
        await pilot.click(Market, offset=(155, 3))
        await pilot.pause()
        assert app.auction.selected == "l"
        await pilot.press("right")
        assert app.auction.selected == "l"

    play(run, test)


def test_b_hides_the_plan_that_was_replaced_and_a_shows_all(run: LiveRun) -> None:
    async def test(app: Hall, pilot: Pilot[None], run: LiveRun) -> None:
        together = app.auction.query_one("#all")
        before = app.auction.query_one("#before", PlanText)
        assert together.region.area
        await pilot.press("b")
        assert app.told("This plan replaced no other.")
        await pilot.press("left")
        await pilot.pause()
        assert not together.display
        assert before.text == "plan of xs"
        await pilot.press("b")
        await pilot.pause()
        assert not before.display
        await pilot.press("a")
        await pilot.pause()
        assert [one.text for one in together.query(PlanText)][1:] == ["plan of s", "plan of m", "plan of l"]
        await pilot.resize_terminal(80, 24)
        await pilot.press("a", "a")
        assert app.told("no room for all plans")

    play(run, test)


def test_j_folds_the_marks_and_unfolds_them(run: LiveRun) -> None:
    async def test(app: Hall, pilot: Pilot[None], run: LiveRun) -> None:
        high = len(app.table())
        await pilot.press("j")
        await pilot.pause()
        assert len(app.table()) == high - 3
        await pilot.press("j")
        await pilot.pause()
        assert len(app.table()) == high

    play(run, test)


def test_y_copies_the_chosen_plan(run: LiveRun, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "TMUX", "WSL_DISTRO_NAME", "SSH_CONNECTION", "SSH_TTY"):
        monkeypatch.delenv(name, raising=False)

    async def test(app: Hall, pilot: Pilot[None], run: LiveRun) -> None:
        await pilot.press("y")
        await until(pilot, lambda: bool(app.said))
        assert app.clipboard == "plan of s" or app.told("written to")

    play(run, test)


def test_esc_twice_stops_the_run_and_once_warns(run: LiveRun) -> None:
    async def test(app: Hall, pilot: Pilot[None], run: LiveRun) -> None:
        await pilot.press("escape")
        assert app.told("Esc again stops the run.")
        assert not run.board.winner
        await pilot.press("escape")
        await until(pilot, lambda: run.ended and run.stopped, run)
        assert line(app, "wait") == "The run has failed: you stopped the run"
        await pilot.press("escape")
        assert app.told("Nothing runs.")

    play(run, test)


@pytest.mark.parametrize("held", [False, True])
def test_auto_goes_on_after_a_countdown_that_any_key_holds(
    held: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    run = live_run(auto=2)

    async def go() -> None:
        app = Hall(run)
        async with app.run_test(size=WIDE) as pilot:
            run.start()
            await waiting(pilot, run)
            await until(pilot, lambda: "s goes to work in" in line(app, "wait"))
            if held:
                await pilot.press("escape")
                await until(pilot, lambda: "Your turn" in line(app, "wait"))
                assert app.auction._countdown is None
                assert run.decisions.paused
                assert not app.told("Esc again")
            else:
                await until(pilot, lambda: run.ended, run)
                assert run.board.winner == ("s", False)

    run_async(go())
    run.close()


def test_a_recording_decides_nothing(make_control: Callable[[Seen], Replay], seen: Seen) -> None:
    async def go() -> None:
        app = Hall(make_control(seen))
        async with app.run_test(size=WIDE) as pilot:
            await pilot.press("enter", "1", "space", "s", "w", "r", "x", "escape")
            assert app.said == ["This is a recording: it can be looked at, nothing can be decided."] * 7 + [
                "Nothing runs."
            ]
            assert app.screen is app.auction

    run_async(go())
