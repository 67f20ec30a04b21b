"""The auction screen with six and eight agents, juries smaller than the pool, thoughts and prices by time."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widget import Widget

from salecli.adapters.journal import Run
from salecli.core.calls import Limits, Token, Turn, Usage
from salecli.core.decisions import Decisions
from salecli.core.house import House
from salecli.tui.live import LiveRun
from salecli.tui.screens.dialogs import Ask
from salecli.tui.widgets.plantext import PlanText
from tests.core.world import BAD, GOOD, TASK, ListMemory, ScriptedModel, TreeWorkspace, digit, play, pool
from tests.tui.auctions import PAIRS, Hall, Opened, line, until
from tests.tui.auctions import play as live
from tests.tui.scene import control, drawn, run_async

NAMES = ("xs", "s", "m", "l", "xs-warm", "s-warm", "m-warm", "a-name-of-24-characters-x")


@dataclass
class Thinker(ScriptedModel):
    """A scripted model that says it thought before it wrote."""

    def stream(self, turns: Sequence[Turn], limits: Limits) -> Generator[Token, None, Usage]:
        usage = yield from super().stream(turns, limits)
        return replace(usage, generated=usage.generated + 412, thoughts=412, thought_nats=206.0)


def house(count: int, jury: int = 0, decisions: Decisions | None = None) -> House:
    """A house of so many agents, of which the third plan is liked best and the first agent refines."""
    names = NAMES[-count:]
    marks = {f"plan of {name}": digit(5 if name == names[2] else 2) for name in names}
    replies = {name: [f"plan of {name}", BAD, GOOD] for name in names}
    replies[names[0]].insert(1, "better plan")
    market = pool({name: Thinker(replies[name], marks) for name in names}, jury=jury)
    agents = tuple(replace(agent, seconds=0.000349 * place) for place, agent in enumerate(market.agents, 1))
    memory = ListMemory({names[0]: PAIRS})
    return House(replace(market, agents=agents), TreeWorkspace(), memory, decisions or Decisions())


@pytest.mark.parametrize("size", [(160, 45), (120, 30), (100, 30), (80, 24), (60, 20)])
@pytest.mark.parametrize(("count", "jury"), [(6, 3), (8, 0), (8, 3)])
def test_every_size_shows_who_leads_of_many(count: int, jury: int, size: tuple[int, int]) -> None:
    seen = play(house(count, jury).run(TASK, "7f3a00"))[0]

    async def go() -> None:
        app = Hall(control(seen))
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            text, winner, screen = "\n".join(app.table()), NAMES[-count:][2], drawn(app)
            assert re.search(rf"\*{winner[0]}\S* wins", text)
            assert f"{app.control.board.scores[winner, False].total:+.3f}*" in text
            for widget in app.auction.query(Widget).exclude("Footer *"):
                assert app.auction.region.contains_region(widget.region) or not widget.region.area, widget
            plans = [one for one in app.auction.query(PlanText) if one.region.area]
            assert all(one.size.height >= 2 for one in plans)
            assert f"plan of {winner}" in screen
            if size[0] >= 76:
                assert "USD/Mt  ms/t 0." in text
                assert "0.349" in text, "no digit is cut"
                assert "412 at 0.50" in app.row("thoughts")
            # Each agent can be reached, also where there is no room for all.
            await pilot.press(*["right"] * count)
            await pilot.pause()
            assert NAMES[-1][:4] in "\n".join(app.table())
            assert app.auction.selected == NAMES[-1]

    run_async(go())


def test_marks_that_nobody_was_asked_for_are_dashes() -> None:
    seen = play(house(8, 3).run(TASK, "7f3a00"))[0]

    async def go() -> None:
        app = Hall(control(seen))
        async with app.run_test(size=(160, 45)) as pilot:
            await pilot.pause()
            rows = [line for line in app.table() if line.startswith(" by ")]
            assert len(rows) == 8
            # The refined bid has a cell of its own beside the first.
            assert sum(row.count(" - ") for row in rows) == 9 * (8 - 3)

    run_async(go())


def test_the_eighth_agent_has_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))

    @contextmanager
    def opens(run: Run, decisions: Decisions) -> Iterator[Opened]:
        yield Opened(house(8, 3, decisions))

    async def test(app: Hall, pilot: Pilot[None], run: LiveRun) -> None:
        assert "1-8: another" in line(app, "wait")
        assert "8" in app.screen.active_bindings
        await pilot.press("8")
        await until(pilot, lambda: isinstance(app.screen, Ask))
        await pilot.press("enter")
        await until(pilot, lambda: run.decisions.overridden() is not None)
        await pilot.press("enter")
        await until(pilot, lambda: run.ended, run)
        assert run.board.winner == (NAMES[-1], False)

    run = LiveRun("Write add", "issue.md", opens)
    try:
        live(run, test)
    finally:
        run.close()
