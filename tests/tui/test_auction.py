"""Every key of the auction screen, on a real run with scripted models that waits for the user."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from salecli.core import events
from salecli.tui.live import LiveRun
from salecli.tui.replay import Replay
from salecli.tui.screens.deciding import Deciding
from salecli.tui.screens.dialogs import Ask, Confirm
from salecli.tui.screens.pairs import PairsScreen
from salecli.tui.screens.watching import ARMED
from salecli.tui.widgets.dials import Dials
from salecli.tui.widgets.market import Market
from salecli.tui.widgets.plantext import PlanText
from tests.tui.auctions import AGAIN, WIDE, Hall, line, live_run, play, until, waiting
from tests.tui.scene import run_async

Seen = list[events.Event]


def offered(app: Hall) -> set[str]:
    """The actions whose keys work now."""
    active = app.screen.active_bindings.values()
    return {one.binding.action.partition("(")[0] for one in active if one.enabled}


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
        await pilot.press("enter", "1", "x", "w", "r", "s", "space", "escape")
        assert not app.auction.query_one(Dials).display
        assert app.screen is app.auction
        assert not app.said, "no key, no word: the footer offers none of them any more"
        assert not offered(app) & Deciding.DECIDES
        assert app.auction.why_not("weights") == "The run has ended."

    play(run, test)


def test_enter_is_dimmed_when_nothing_waits(run: LiveRun) -> None:
    async def go() -> None:
        app = Hall(run)
        async with app.run_test(size=WIDE) as pilot:
            await pilot.press("enter")
            assert not app.said
            assert "go" not in offered(app)
            assert app.auction.why_not("go") == "Nothing waits for you yet."
            assert line(app, "wait").startswith("sale gets ready")

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
        assert line(app, "reason") == "m wins by your choice: it knows [the] file"

    play(run, test)


def test_choosing_the_leader_is_no_override(run: LiveRun) -> None:
    async def test(app: Hall, pilot: Pilot[None], run: LiveRun) -> None:
        assert run.board.leader is not None
        key = str(run.board.agents.index(run.board.leader[0]) + 1)
        await pilot.press(key)
        await pilot.pause()
        assert app.screen is app.auction
        assert run.decisions.overridden() is None
        assert app.told("leads by the scores already")
        run.decisions.override("l", "once")
        await pilot.press(key)
        assert run.decisions.overridden() is None
        assert app.told("Taken back")

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
        assert "7" not in app.screen.active_bindings, "there are four agents"

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
            await until(pilot, lambda: line(app, "wait").startswith("Pauses at the next border."))
            run.start()
            await until(pilot, lambda: run.board.paused_at == "bids", run)
            assert "Paused after the bids" in line(app, "wait")
            await pilot.press("s")
            await until(pilot, lambda: run.board.paused_at == "marks", run)
            await pilot.press("space")
            await waiting(pilot, run)

    run_async(go())
    run.close()


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
        await until(pilot, lambda: line(app, "wait") == ARMED)
        app.auction.disarm()  # as after two seconds
        await until(pilot, lambda: line(app, "wait").startswith("Your turn"))
        await pilot.press("escape")
        assert not run.stopped
        assert not run.board.winner
        await pilot.press("escape")
        await until(pilot, lambda: run.ended and run.stopped, run)
        assert line(app, "reason") == "The run has failed: you stopped the run"
        assert line(app, "wait").startswith("what was done until then: sale show ")
        await pilot.press("escape", "escape")
        assert not app.auction.armed

    play(run, test)


def test_an_esc_that_closes_something_arms_nothing(run: LiveRun) -> None:
    async def test(app: Hall, pilot: Pilot[None], run: LiveRun) -> None:
        app.auction.say("a notice")
        await until(pilot, lambda: bool(app.screen.query("Toast")))
        await pilot.press("escape")
        await until(pilot, lambda: not app.screen.query("Toast"))
        assert not app.auction.armed
        await pilot.press("w", "escape", "question_mark", "escape")
        assert not app.auction.armed

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
                assert not app.auction.armed
            else:
                await until(pilot, lambda: run.ended, run)
                assert run.board.winner == ("s", False)

    run_async(go())
    run.close()


def test_a_recording_decides_nothing(make_control: Callable[[Seen], Replay], seen: Seen) -> None:
    async def go() -> None:
        app = Hall(make_control(seen))
        async with app.run_test(size=WIDE) as pilot:
            await pilot.press("enter", "1", "space", "s", "w", "r", "x", "escape", "escape")
            assert not app.said
            assert not offered(app) & Deciding.DECIDES
            assert app.screen is app.auction

    run_async(go())
