"""One remembered auction in full, from its task to its verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Static

from salecli.adapters import overview, records
from salecli.adapters.journal import Run, runs_folder
from salecli.adapters.sqlitefile import reading
from salecli.core.text import clean
from salecli.core.values import Auction, Bid, Work
from salecli.core.words import counted, decided, money, plural, shortened
from salecli.errors import SaleError
from salecli.tui.messages import OpenRun
from salecli.tui.screens.dialogs import Pick
from salecli.tui.terms import TERMS
from salecli.tui.widgets.auctions import ago
from salecli.tui.widgets.bids import BidTable
from salecli.tui.widgets.headline import Headline
from salecli.tui.widgets.keyline import KeyLine

_LONGEST = 20_000
"""Characters of one text that are shown."""


class PastScreen(Screen[None]):
    """The auction `number` of the memory file `path`."""

    HELP: ClassVar = f"""\
# One auction

What was asked for, what each agent offered, how the jury marked it, who won and why, what its work did and
what the tests said. **o** plays the recorded run, where its journal is still there; **p** opens an auction
whose plans were read for a refined bid; **Esc** goes back.

{TERMS}"""
    CSS_PATH: ClassVar = "past.tcss"
    AUTO_FOCUS: ClassVar[str | None] = "#body"
    # Textual's own annotation is no ClassVar.
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (40, "-narrow"), (60, "-medium"), (100, "-wide")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "Back", id="past.back", tooltip="Back to all auctions"),
        Binding("o", "play", "Open run", id="past.play", tooltip="Show the recorded run"),
        Binding("p", "pairs", "Pairs", id="past.pairs", tooltip="Open an auction that a refined bid read"),
    ]

    def __init__(self, path: Path, number: int) -> None:
        super().__init__()
        self.path = path
        self.number = number
        self._auction: Auction | None = None
        self._sources: Mapping[int, str] = {}
        """Titles of the auctions that refined bids read; those that are gone have none."""

    def compose(self) -> ComposeResult:
        yield Headline()
        yield VerticalScroll(Static("reading", id="title", classes="title", markup=False), id="body")
        yield KeyLine()

    @work
    async def on_mount(self) -> None:
        try:
            created, auction, sources = await asyncio.to_thread(_read, self.path, self.number)
        except (SaleError, KeyError) as error:
            said = f"auction {self.number} is no longer there"
            if isinstance(error, SaleError):
                said = f"{error.message}\ntype: {error.hint}"
            self.query_one("#title", Static).update(clean(said))
            return
        self._auction, self._sources = auction, sources
        self.query_one("#title", Static).update(clean(_title(auction), newlines=False))
        await self.query_one("#body").mount_all(self._parts(created, auction))
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that would do nothing here are not offered."""
        if action == "pairs":
            return bool(self._sources)
        if action == "play":
            return self._auction is not None
        return True

    def _parts(self, created: str, auction: Auction) -> Iterator[Static]:
        yield _line(f"{_result(auction)}", "text")
        yield _line(
            f"auction {self.number}   run {auction.run}   {ago(created)}   pool {auction.pool} "
            f"{auction.pool_hash}   prompts {auction.prompts_hash}   seed {auction.seed}",
            "about",
        )
        yield _line("task", "head")
        yield _line(auction.task.text, "text")
        yield _line("bids, and what the judges gave", "head")
        yield BidTable(auction)
        yield _line(decided(auction), "text")
        for bid in auction.bids:
            yield _line(f"plan of {_bidder(bid)}, {bid.tokens} tokens", "head")
            if bid.pairs:
                read = ", ".join(f"{one} ({self._sources.get(one, 'deleted')})" for one in bid.pairs)
                yield _line(f"after reading auctions {read}", "about")
            yield _line(bid.plan, "text")
        for one in auction.works:
            yield _line(f"{_bidder(one)} worked: {plural(len(one.steps), 'step')}, {one.end}", "head")
            yield _line("\n".join(_worked(one)), "text")

    def action_play(self) -> None:
        """Show the recorded run, where its journal is still there."""
        assert self._auction is not None
        run = self._auction.run
        # An imported record may name anything as its run.
        if run != Path(run).name or not Run(runs_folder() / run).begun:
            self.notify(f"the recording of run {clean(run, False)} is not on this machine", markup=False)
            return
        self.post_message(OpenRun(run))

    @work(exclusive=True)
    async def action_pairs(self) -> None:
        """Open an auction that a refined bid read."""
        options = [(str(number), f"auction {number}: {title}") for number, title in self._sources.items()]
        answer = await self.app.push_screen_wait(Pick("Read for the refined bids", options))
        if answer is not None:
            self.app.push_screen(PastScreen(self.path, int(answer)))


def _read(path: Path, number: int) -> tuple[str, Auction, dict[int, str]]:
    with reading(path) as db:
        auction = records.load(db, number)
        created = overview.recorded_at(db, number)
        sources = {one for bid in auction.bids for one in bid.pairs}
        return created, auction, overview.titles(db, sorted(sources))


def _line(text: str, kind: str) -> Static:
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}\n... and {len(text) - _LONGEST:,} characters more: sale memory show"
    return Static(clean(text), classes=kind, markup=False)


def _title(auction: Auction) -> str:
    return f"{auction.task.title or auction.task.id} in {auction.task.repository or 'an unnamed repository'}"


def _result(auction: Auction) -> str:
    solver = next((work.agent for work in auction.works if work.solved), None)
    result = f"solved by {solver}" if solver else "not solved" if auction.works else "no work was done"
    return (
        f"{result}   {auction.tokens:,} tokens   {money(auction.usd)}, "
        f"the dearest agent alone {money(auction.usd_largest)}"
    )


def _bidder(one: Bid | Work) -> str:
    return f"{one.agent}, refined" if one.refined else one.agent


def _worked(work: Work) -> Iterator[str]:
    """A work's steps, changes and verdict, a line each."""
    for step in work.steps:
        tests = f"   tests {counted(step.tests)}" if step.tests else ""
        yield f"{step.number:>2} {step.action:<5} {shortened(clean(step.target, newlines=False), 60)}{tests}"
    if work.note:
        yield clean(work.note, newlines=False)
    for change in work.patch.changes if work.patch else ():
        flags = f"   flagged: {', '.join(change.flags)}" if change.flags else ""
        yield f"{change.status} {clean(change.path, newlines=False)} +{change.added} -{change.removed}{flags}"
    if work.verdict is not None:
        verdict = work.verdict
        result = "solved" if verdict.solved else "not solved"
        yield (
            f"verdict: {result}, {clean(verdict.reason, newlines=False)}"
            f"   before: {counted(verdict.before)}   after: {counted(verdict.after)}"
        )
