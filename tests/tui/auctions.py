"""What the auction screen's tests stand on: a small app around it, a real run in a thread to decide on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Static

from salecli.adapters.journal import Run
from salecli.core import events
from salecli.core.decisions import Decisions
from salecli.core.house import House
from salecli.core.values import Pair, Patch, Plan, Task, Verdict
from salecli.tui.control import Control, Fed, Streamed
from salecli.tui.live import LiveRun
from salecli.tui.screens.auction import AuctionScreen
from salecli.tui.widgets.market import Market
from tests.core.world import BAD, GOOD, TASK, ListMemory, ScriptedModel, TreeWorkspace, digit, pool
from tests.tui.scene import PLANS, run_async

WIDE = (160, 45)
AGAIN = "1. read `add.py`\n2. write **add**"
PAIRS = tuple(
    Pair(
        number,
        f"Add {number}\n\nlike it",
        0.9 - number / 10,
        Plan("xs", "lost plan", "test_add failed"),
        Plan("m", "won plan"),
    )
    for number in (1, 2)
)


def market_house(decisions: Decisions | None = None, **options: Any) -> House:
    """Four scripted agents: s is marked best by all but l, xs refines from two pairs, all can bid again."""
    marks = {plan: digit(4 if name == "s" else 2) for name, plan in PLANS.items()}
    marks |= {"plan of xs, refined": digit(3), AGAIN: digit(5)}
    replies = {name: [plan, AGAIN, BAD, GOOD] for name, plan in PLANS.items()}
    replies["xs"].insert(1, "plan of xs, refined")
    models = {name: ScriptedModel(replies[name], marks) for name in PLANS}
    models["l"].marks = {**marks, PLANS["m"]: digit(5)}
    memory = ListMemory({"xs": PAIRS})
    return House(pool(models), TreeWorkspace(), memory, decisions or Decisions(), **options)


@dataclass
class Opened:
    """A house that is open: what `LiveRun` needs of a repository with a task."""

    house: House

    @property
    def repository(self) -> Any:
        return self

    top = "shop"

    def task(self, text: str, name: str) -> Task:
        return replace(TASK, title=name)

    def part(self, patch: Patch, diff: str) -> Patch:
        return patch

    def verify(self, patch: Patch) -> Verdict:
        raise NotImplementedError

    def cancel(self) -> None:
        for agent in self.house.pool.agents:
            agent.model.cancel()


def live_run(auto: float = 0.0, **options: Any) -> LiveRun:
    """A real run of `market_house` in its own thread, not begun yet; it waits where the winner stands."""

    @contextmanager
    def opens(run: Run, decisions: Decisions) -> Iterator[Opened]:
        yield Opened(market_house(decisions, **options))

    return LiveRun("Write add", "issue.md", opens, auto)


def fed(event: events.Event) -> Fed:
    """An event as the bridge hands it on."""
    if isinstance(event, events.PlanToken):
        return Streamed("plan", event.agent, event.refined, event.text, (event.entropy,))
    if isinstance(event, events.WorkToken):
        return Streamed("work", event.agent, False, event.text)
    return event


def tell(control: Control, seen: Sequence[events.Event], screen: AuctionScreen) -> None:
    """Feed events in the order that the bridge keeps: board, history, screen."""
    for event in seen:
        control.board.apply(event)
        control.history.append(fed(event))
        screen.apply(control.history[-1])


class Hall(App[None]):
    """Only the auction screen."""

    def __init__(self, control: Control) -> None:
        super().__init__()
        self.control = control
        self.auction = AuctionScreen(control)
        self.said: list[str] = []

    def on_mount(self) -> None:
        self.push_screen(self.auction)

    def notify(self, message: str, **options: Any) -> None:
        """Every word that is said, beside showing it."""
        self.said.append(message)
        super().notify(message, **options)

    def told(self, words: str) -> bool:
        return any(words in one for one in self.said)

    def table(self) -> list[str]:
        """The table's lines as they are drawn."""
        market = self.auction.query_one(Market)
        return ["".join(segment.text for segment in market.render_line(y)) for y in range(market.size.height)]

    def row(self, label: str) -> str:
        return next(line for line in self.table() if line.strip().startswith(label))


async def until(pilot: Pilot[None], so: Callable[[], bool], run: LiveRun | None = None) -> None:
    """Let the app work, and a live run feed it, until something is so."""
    app = pilot.app
    assert isinstance(app, Hall)
    end = monotonic() + 20
    while True:
        if run is not None:
            tell(run, list(run.due()), app.auction)
        await pilot.pause(0.01)
        if so():
            await pilot.pause()
            return
        assert monotonic() < end, f"never so; said {app.said}, table {app.table()}"


async def waiting(pilot: Pilot[None], run: LiveRun) -> None:
    """Until the winner stands and the user is waited for."""
    await until(pilot, lambda: run.board.paused_at == "winner", run)


Test = Callable[[Hall, Pilot[None], LiveRun], Awaitable[None]]


def play(run: LiveRun, test: Test, size: tuple[int, int] = WIDE) -> None:
    """Start the run, and the test where the winner stands."""

    async def go() -> None:
        app = Hall(run)
        async with app.run_test(size=size, notifications=True) as pilot:
            run.start()
            await waiting(pilot, run)
            await test(app, pilot, run)

    run_async(go())


def line(app: Hall, name: str) -> str:
    return str(app.auction.query_one(f"#{name}", Static).content)
