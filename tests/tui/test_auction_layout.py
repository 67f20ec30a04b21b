"""The auction screen at every size, on every prefix of a run, and with plans that nobody should trust."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from textual.widget import Widget
from textual.widgets import Static

from salecli.core import events
from salecli.core.values import Bid
from salecli.tui.control import Streamed
from salecli.tui.replay import Replay
from salecli.tui.screens.auction import AuctionScreen
from salecli.tui.widgets.market import Market
from salecli.tui.widgets.plantext import PlanText
from tests.core.world import TASK, play
from tests.tui import scene
from tests.tui.auctions import Hall, market_house, tell, until
from tests.tui.scene import run_async

SIZES = [(160, 45), (100, 30), (80, 24), (60, 20)]
Seen = list[events.Event]
Make = Callable[[Seen], Replay]


@pytest.fixture
def sold() -> Seen:
    """A whole run in which xs refines."""
    return play(market_house().run(TASK, "7f3a00"))[0]


def before(seen: Seen, kind: type, times: int = 1) -> Seen:
    """The events up to the first, second ... of a kind, that one included."""
    at = [place for place, event in enumerate(seen) if isinstance(event, kind)][times - 1]
    return seen[: at + 1]


@pytest.mark.parametrize("size", SIZES)
def test_every_size_shows_every_agent_and_who_leads(
    size: tuple[int, int], make_control: Make, sold: Seen
) -> None:
    async def go() -> None:
        app = Hall(make_control(sold))
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            text = "\n".join(app.table())
            assert "*s wins" in text
            for agent in ("xs", "s", "m", "l"):
                assert f" {agent}" in text or f"*{agent}" in text
            assert f"{app.control.board.scores['s', False].total:+.3f}" in text
            assert "refined" in text
            reason = app.auction.query_one("#reason", Static)
            assert str(reason.content).startswith("* s wins: value 0.")
            for widget in app.auction.query(Widget).exclude("Footer *"):
                assert app.auction.region.contains_region(widget.region) or not widget.region.area, widget
            plans = [one for one in app.auction.query(PlanText) if one.region.area]
            assert any(one.text == "plan of s" for one in plans)
            assert all(one.size.height >= 2 for one in plans)

    run_async(go())


def test_it_can_be_resized_while_it_lives(make_control: Make, sold: Seen) -> None:
    async def go() -> None:
        app = Hall(make_control(sold))
        async with app.run_test(size=(160, 45)) as pilot:
            for size in [(20, 5), (60, 20), (1, 1), (100, 30), (20, 5), (160, 45)]:
                await pilot.resize_terminal(*size)
                await pilot.pause()
            assert "*s wins" in app.table()[0]

    run_async(go())


def test_narrow_screens_fold_the_marks_and_name_the_leader_first(make_control: Make, sold: Seen) -> None:
    async def go() -> None:
        app = Hall(make_control(sold))
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.pause()
            assert "2.0   >  3.0" in app.row("marks")
            await pilot.press("j")
            await pilot.pause()
            assert "(4.0)" in "\n".join(app.table())
            await pilot.resize_terminal(60, 20)
            await pilot.press("j")
            await pilot.pause()
            assert len(app.table()) == 8
            assert app.table()[2].startswith(">*s wins  judged  9 tokens  0.20 USD/Mt")

    run_async(go())


def test_any_prefix_of_a_run_can_be_shown(make_control: Make, sold: Seen, tmp_path: Path) -> None:
    async def go() -> None:
        for length in (0, 1, 3, 20, 45, 70, len(sold) // 2, len(sold)):
            app = Hall(scene.control(sold[:length], tmp_path))
            async with app.run_test(size=(100, 30)) as pilot:
                await pilot.pause()

    run_async(go())


def test_events_one_by_one_show_the_same_as_the_history(make_control: Make, sold: Seen) -> None:
    async def go() -> None:
        once, growing = Hall(make_control(sold)), Hall(make_control([]))
        growing.control.history.clear()
        async with once.run_test(size=(120, 40)) as pilot:
            await pilot.pause()
            expected = once.table()
        async with growing.run_test(size=(120, 40)) as pilot:
            growing.auction._over = ""  # an empty recording says that it was cut short
            tell(growing.control, sold, growing.auction)
            await pilot.pause()
            assert growing.table() == expected

    run_async(go())


def test_states_go_from_waiting_to_judged_and_refined(make_control: Make, sold: Seen) -> None:
    async def states(seen: Seen) -> list[str]:
        app = Hall(make_control(seen))
        async with app.run_test(size=(160, 45)) as pilot:
            await pilot.pause()
            return app.row("state").split()[1:]

    async def go() -> None:
        assert await states(before(sold, events.TestsBefore)) == ["waiting"] * 4
        assert (await states(before(sold, events.ModelLoading)))[0] == "loading"
        assert (await states(before(sold, events.PlanToken)))[0] == "bidding"
        assert (await states(before(sold, events.BidMade)))[0] == "bid"
        assert (await states(before(sold, events.Marked)))[:2] == ["judged", "1/4"]
        assert (await states(before(sold, events.BidStarted, 5)))[0] == "refining"
        assert (await states(sold))[0] == "refined"

    run_async(go())


def test_an_agent_that_is_out_says_why_where_its_plan_would_be(make_control: Make, sold: Seen) -> None:
    out = events.AgentOut(TASK.id, "xs", "bid", "killed by [signal] 9", "a smaller context")
    seen = [*before(sold, events.BidStarted), out]

    async def go() -> None:
        app = Hall(make_control(seen))
        async with app.run_test(size=(100, 30)) as pilot:
            await pilot.pause()
            assert "out" in app.row("state")
            assert app.auction.query_one("#plan", PlanText).text == (
                "xs is out: killed by [signal] 9\na smaller context"
            )

    run_async(go())


HOSTILE = "\x1b[31mred\x1b]0;owned\x07 [@click=app.quit]go[/] [link](http://x.y) <b>bold</b> \u202eevil"


@pytest.mark.parametrize("size", [(160, 45), (80, 24)])
def test_a_hostile_plan_is_shown_and_never_obeyed(
    size: tuple[int, int], make_control: Make, sold: Seen
) -> None:
    begun = before(sold, events.BidStarted)
    bid = Bid("xs", HOSTILE, 9, 0.5, 100)

    def drawn(app: Hall) -> str:
        widgets = [one for one in app.auction.query(PlanText) if one.region.area]
        lines = [widget.render_line(y) for widget in widgets for y in range(widget.size.height)]
        for strip in lines:
            for segment in strip:
                assert segment.style is None or (not segment.style.meta and not segment.style.link)
        return "\n".join(strip.text for strip in lines)

    async def go() -> None:
        app = Hall(make_control(begun))
        async with app.run_test(size=size) as pilot:
            app.auction.apply(Streamed("plan", "xs", False, HOSTILE, (0.5,)))
            await until(pilot, lambda: "red" in drawn(app))
            written = drawn(app)
            tell(app.control, [events.BidMade(TASK.id, bid)], app.auction)
            await until(pilot, lambda: any(one.rendered for one in app.auction.query(PlanText)))
            rendered = drawn(app)
            for text in (written, rendered):
                assert "\x1b" not in text
                assert "\\x1b[31mred" in text
                assert "[@click=app.quit]go[/]" in text
                assert "\\u202eevil" in text
            assert "<b>bold</b>" in rendered
            assert "http://x.y" in rendered
            await pilot.click(Market, offset=(20, 1))
            assert app.is_running

    run_async(go())


def test_names_that_try_markup_are_names(make_control: Make, sold: Seen) -> None:
    odd = "[red]x\x1b[2J"
    started = before(sold, events.RunStarted)[-1]
    assert isinstance(started, events.RunStarted)
    prices = {odd: 0.1, **{agent: price for agent, price in started.prices.items() if agent != "xs"}}
    seen: Seen = [replace(started, prices=prices), events.BidStarted(TASK.id, odd, False)]

    async def go() -> None:
        app = Hall(make_control(seen))
        async with app.run_test(size=(160, 45)) as pilot:
            await pilot.press("right", "left", "r")
            assert "[red]x\\x1b[2J" in app.table()[0]
            assert "\x1b" not in "".join(app.said)

    run_async(go())


def test_streaming_keeps_the_number_of_widgets_and_the_timers(make_control: Make, sold: Seen) -> None:
    started = [*before(sold, events.TestsBefore)]
    started += [events.BidStarted(TASK.id, agent, False) for agent in ("xs", "s", "m", "l")]

    async def go() -> None:
        app = Hall(make_control(started))
        async with app.run_test(size=(160, 45)) as pilot:
            await pilot.pause()
            while not app.auction.query("FooterKey"):
                await pilot.pause(0.01)
            count = len(list(app.auction.walk_children()))
            for at in range(120):
                for agent in ("xs", "s", "m", "l"):
                    app.auction.apply(Streamed("plan", agent, False, f"word {at}\n", (0.1,)))
                if at % 10 == 0:
                    await pilot.pause()
            await pilot.pause()
            assert len(list(app.auction.walk_children())) == count
            assert app.auction.query_one(Market)._timer is None, "tokens are not marked as changes"
            assert app.auction._countdown is None
            assert app.row("tokens").split() == ["tokens", "120", "120", "120", "120"]

    run_async(go())


def test_a_change_is_marked_and_the_mark_goes_away(make_control: Make, sold: Seen) -> None:
    first = before(sold, events.BidMade, 4)

    async def go() -> None:
        app = Hall(make_control(first))
        async with app.run_test(size=(120, 40)) as pilot:
            await pilot.pause()
            market = app.auction.query_one(Market)
            tell(app.control, before(sold, events.Marked)[len(first) :], app.auction)
            await until(pilot, lambda: bool(market._fresh))
            while market._timer is not None:
                await pilot.pause(0.1)
            assert not market._fresh

    run_async(go())


def test_the_view_holds_the_end_until_it_is_scrolled(make_control: Make, sold: Seen) -> None:
    begun = before(sold, events.BidStarted)

    async def go() -> None:
        app = Hall(make_control(begun))
        async with app.run_test(size=(80, 24)) as pilot:
            plan = app.auction.query_one("#plan", PlanText)

            async def write(lines: int) -> None:
                text = "".join(f"line {at}\n" for at in range(lines))
                app.auction.apply(Streamed("plan", "xs", False, text, (0.1,) * lines))
                await pilot.pause()

            await write(40)
            assert plan.is_vertical_scroll_end
            await pilot.press("pageup", "up")
            stands = plan.scroll_offset.y
            await write(40)
            assert plan.scroll_offset.y == stands
            await pilot.press("end")
            assert plan.is_vertical_scroll_end
            await write(40)
            assert plan.is_vertical_scroll_end
            await pilot.press("home")
            assert plan.scroll_offset.y == 0

    run_async(go())


def test_every_key_has_an_id_and_a_tooltip_and_none_clashes(make_control: Make) -> None:
    clashes = {f"ctrl+{letter}" for letter in "bghijms"}
    keys = AuctionScreen(make_control([]))._bindings.key_to_bindings
    bindings = [binding for bound in keys.values() for binding in bound]
    for binding in bindings:
        if binding.action.startswith(("app.", "screen.")):
            continue  # Textual's own
        assert (binding.id or "").startswith("auction.")
        assert binding.tooltip
        assert binding.key not in clashes
        assert not binding.key.startswith("alt+")
