"""The memory screen: past auctions, found by words or by likeness, and what they say over time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Input, Static

from salecli.adapters import overview, trends
from salecli.adapters.overview import Remembered, Wanted
from salecli.adapters.trends import Totals
from salecli.core.text import clean
from salecli.core.words import plural
from salecli.errors import SaleError
from salecli.tui.screens.dialogs import Ask, Confirm, Pick
from salecli.tui.widgets.auctions import AuctionTable, narrower, showing
from salecli.tui.widgets.headline import Headline
from salecli.tui.widgets.keyline import KeyLine
from salecli.tui.widgets.trends import TrendPanel, in_a_line, sums

if TYPE_CHECKING:
    from sqlite_utils import Database

    from salecli.adapters.embedder import MiniLM

PAGE = 200
"""Auctions that are read at a time."""
_PAUSE = 0.3
"""Seconds without a key after which what was typed is searched for."""
Answer = TypeVar("Answer")


class MemoryScreen(Screen[None]):
    """What the memory file holds, read in threads on connections of their own."""

    HELP: ClassVar = """\
# Memory

Every auction is remembered with its plans, marks and verdict; agents read lost and won plans of similar
tasks before they refine a bid. **/** searches tasks and plans as you type, **l** finds tasks of like meaning
instead, **f** shows some auctions alone. **Enter** opens one in full, **t** shows who wins and what it costs
over time, **d** deletes one, **x** writes all of them to a file.
"""
    CSS_PATH: ClassVar = "memory.tcss"
    AUTO_FOCUS: ClassVar[str | None] = "#auctions"
    # Textual's own annotation of these is no ClassVar.
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (40, "-narrow"), (76, "-medium"), (100, "-wide"), (130, "-broad")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (8, "-low"), (14, "-high"), (36, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Search", id="memory.search", tooltip="Search tasks and plans by words"),
        Binding("l", "like", "Like", id="memory.like", tooltip="Search by meaning, or by words again"),
        Binding("f", "filter", "Filter", id="memory.filter", tooltip="By winner, result or repository"),
        Binding("t", "trends", "Trends", id="memory.trends", tooltip="Wins and cost over time, judges"),
        Binding("d", "delete", "Delete", id="memory.delete", tooltip="Delete this auction from memory"),
        Binding("x", "export", "Export", id="memory.export", tooltip="Write all auctions to a file"),
        Binding("escape", "back", "Back", id="memory.back", tooltip="Show all again", show=False),
    ]

    def __init__(self, finds: Callable[[], Path]) -> None:
        """`finds` says where the memory file is; SaleError. It blocks: the configuration is read for it."""
        super().__init__()
        self._finds, self.path = finds, Path()
        self._totals: Totals | None = None
        self._wanted = Wanted()
        self._words = ""
        self._like = False
        self._more = False
        """Whether older auctions than those in the table match."""
        self._reading = False
        self._waiting: Timer | None = None
        self._embedder: MiniLM | None = None
        self._busy = ""
        """What is being waited for, in words."""
        self._trends: bool | None = None
        """Whether the user wants the curves; None leaves it to the room there is."""
        self._figures = False
        """Whether there are curves to show."""

    def compose(self) -> ComposeResult:
        yield Headline()
        yield Static("reading the memory ...", id="sums", markup=False)
        with Horizontal(id="find"):
            yield Static("search", id="kind", markup=False)
            yield Input(id="search", placeholder="/ to search tasks and plans", compact=True)
        yield Static("", id="said", markup=False)
        yield Static("", id="shares", markup=False)
        yield TrendPanel(id="trends")
        yield AuctionTable(id="auctions")
        yield KeyLine()

    def on_screen_resume(self) -> None:
        """What happened meanwhile is taken in; a dialog that closes changes nothing by itself."""
        self._load()

    def on_unmount(self) -> None:
        if self._embedder is not None:
            self._embedder.cancel()

    def on_resize(self) -> None:
        self.call_after_refresh(self._arrange)

    # --- reading ----------------------------------------------------------------------------------------

    async def _asked(self, question: Callable[[Database], Answer], check: bool = False) -> Answer | None:
        """An answer of the memory file, from a thread; None where there is no file or it cannot be read."""
        try:
            return await asyncio.to_thread(_ask, self.path, question, check)
        except SaleError as error:
            self._fault(error)
            return None

    @work(exclusive=True, group="load")
    async def _load(self) -> None:
        """Read everything that the screen shows."""
        try:
            self.path = await asyncio.to_thread(self._finds)
        except SaleError as error:
            self._fault(error)
            return
        if not os.path.lexists(self.path):
            self._totals = None
            self._empty()
            return
        totals = await self._asked(trends.totals, check=self._totals is None)
        if totals is None or totals == self._totals:
            return
        self._totals = totals
        if not totals.auctions:
            self._empty()
            return
        self._tell("sums", sums(totals))
        self._list(keep=True)
        figures = await self._asked(lambda db: (trends.trend(db), trends.calibration(db)))
        if figures is not None:
            self._tell("shares", in_a_line(figures[0]))
            await self.query_one(TrendPanel).show(*figures, totals.auctions)
            self._figures = True
            self._arrange()

    @work(exclusive=True, group="list")
    async def _list(self, older: bool = False, keep: bool = False) -> None:
        """Read the auctions that are wanted, or those that follow at the end of the table."""
        table, words = self.query_one(AuctionTable), self._words
        wanted = self._wanted if self._like else replace(self._wanted, words=words)
        before = table.found[-1].id if older and table.found else None
        self._reading = True
        try:
            if self._like and words:
                found = await self._alike(words, wanted)
            else:
                found = await self._asked(lambda db: overview.newest(db, PAGE + 1, wanted, before))
        finally:
            self._reading = False
        if found is None:
            return
        self._more = len(found) > PAGE
        if before is not None:
            table.extend(found[:PAGE])
        else:
            table.show(found[:PAGE], keep)
        self._say()

    async def _alike(self, words: str, wanted: Wanted) -> list[Remembered] | None:
        """The auctions of the most similar tasks. The embedder loads in a process of its own, once."""
        if self._embedder is None:
            from salecli.adapters.embedder import MiniLM

            self._embedder = MiniLM()
            self._busy = "the embedder is loading; Esc searches by words instead"
            self._say()
        embedder = self._embedder
        try:
            # Before the file is opened: a first text may have to wait for the model.
            await asyncio.to_thread(embedder.embed, words)
            self._busy = ""
            return await self._asked(lambda db: overview.alike(db, words, embedder, PAGE, wanted))
        except SaleError as error:
            self._busy = ""
            if self._like:
                self._like = False
                self.notify(f"{error.message}; {error.hint}", severity="error", markup=False)
                self._kind()
                self._list()
            return None

    def on_auction_table_more(self) -> None:
        if self._more and not self._reading and not self._like:
            self._list(older=True)

    # --- words ------------------------------------------------------------------------------------------

    def _tell(self, where: str, text: str) -> None:
        self.query_one(f"#{where}", Static).update(clean(text))

    def _fault(self, error: SaleError) -> None:
        """The memory cannot be read: what is wrong, and what to type."""
        self._totals = None
        self._tell("sums", "the memory cannot be read")
        self._tell("said", f"{error.message}\ntype: {error.hint}" if error.hint else error.message)
        self.query_one("#said").add_class("-fault")
        self.query_one(AuctionTable).show([])

    def _empty(self) -> None:
        self._tell("sums", "nothing is remembered yet")
        self._tell("said", "Every auction is kept here when its work has ended: F2, and name a task.")
        self.query_one(AuctionTable).show([])

    def _say(self) -> None:
        """Which auctions the table shows."""
        count = len(self.query_one(AuctionTable).found)
        text = self._busy or showing(self._wanted, self._words, self._like, count, self._more)
        self.query_one("#said").remove_class("-fault")
        self._tell("said", text)

    # --- search and filter ------------------------------------------------------------------------------

    def action_search(self) -> None:
        self._show_table()
        self.query_one("#search").focus()

    def action_like(self) -> None:
        self._like = not self._like
        self._kind()
        if self._words:
            self._list()
        if self._like:
            self.action_search()

    def _kind(self) -> None:
        self._tell("kind", "like  " if self._like else "search")
        said = "a task of like meaning" if self._like else "/ to search tasks and plans"
        self.query_one(Input).placeholder = said

    @on(Input.Changed, "#search")
    def _typed(self, event: Input.Changed) -> None:
        if self._waiting is not None:
            self._waiting.stop()
        self._waiting = self.set_timer(_PAUSE, partial(self._find, event.value.strip()))

    @on(Input.Submitted, "#search")
    def _sent(self, event: Input.Submitted) -> None:
        self._find(event.value.strip())
        self.query_one(AuctionTable).focus()

    def _find(self, words: str) -> None:
        if self._waiting is not None:
            self._waiting.stop()
            self._waiting = None
        if words != self._words:
            self._words = words
            self._list()

    @work(exclusive=True, group="question")
    async def action_filter(self) -> None:
        """Ask which auctions to show; each answer narrows what is shown by one thing."""
        known = await self._asked(overview.choices)
        if known is None:
            return
        options = narrower(self._wanted, *known)
        shown = [(name, label) for name, (label, _) in options.items()]
        answer = await self.app.push_screen_wait(Pick("Which auctions?", shown))
        if answer is not None:
            self._wanted = options[answer][1]
            self._show_table()
            self._list()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Nothing is deleted that is not in sight."""
        return self.query_one(AuctionTable).display if action == "delete" else True

    def action_back(self) -> None:
        """Take back the last thing: the wait, the search's focus, the curves, what is searched for."""
        table = self.query_one(AuctionTable)
        if self._busy and self._embedder is not None:
            self._like, self._busy = False, ""
            self._embedder.cancel()
            self._kind()
            self._list()
        elif self.focused is self.query_one("#search"):
            table.focus()
        elif not table.display:
            self._show_table()
        elif self._words or self._wanted != Wanted():
            self._wanted, self._words = Wanted(), ""
            self.query_one(Input).value = ""
            self._list()

    # --- curves -----------------------------------------------------------------------------------------

    def action_trends(self) -> None:
        self._trends = not self.has_class("-trends")
        self._arrange()

    def _show_table(self) -> None:
        if not self.query_one(AuctionTable).display:
            self._trends = False
            self._arrange()

    def _arrange(self) -> None:
        """Curves where there is room for them or where they are wanted."""
        room = self.has_class("-broad") and self.has_class("-tall")
        wanted = room if self._trends is None else self._trends
        self.set_class(wanted and self._figures, "-trends")
        self.call_after_refresh(self._refocus)
        self.refresh_bindings()

    def _refocus(self) -> None:
        if self.focused is None or not self.focused.display:
            table = self.query_one(AuctionTable)
            (table if table.display else self.query_one("#trends")).focus()

    # --- one auction, and the file ----------------------------------------------------------------------

    @on(AuctionTable.RowSelected)
    def _open(self) -> None:
        from salecli.tui.screens.past import PastScreen

        chosen = self.query_one(AuctionTable).chosen
        if chosen is not None:
            self.app.push_screen(PastScreen(self.path, chosen.id))

    @work(exclusive=True, group="question")
    async def action_delete(self) -> None:
        """Delete the auction under the cursor, after a question."""
        from salecli.adapters.forget import forget

        chosen = self.query_one(AuctionTable).chosen
        if chosen is None:
            return
        sure = Confirm(
            f"Delete auction {chosen.id}?",
            f"{clean(chosen.title, False)}, won by {clean(chosen.winner, False)}.\n"
            "It leaves the memory for good, and no agent learns from it any more. "
            f"The recorded run {clean(chosen.run, False)} stays.",
            yes="Delete",
            no="Keep",
            danger=True,
        )
        if not await self.app.push_screen_wait(sure):
            return
        try:
            await asyncio.to_thread(forget, self.path, [chosen.id])
        except SaleError as error:
            self.notify(f"{error.message}; {error.hint}", severity="error", markup=False)
            return
        self.notify(f"auction {chosen.id} is deleted", markup=False)
        self._load()

    @work(exclusive=True, group="question")
    async def action_export(self) -> None:
        """Write all auctions to a file, never over another one without a question."""
        if self._totals is None or not self._totals.auctions:
            self.notify("there is nothing to export yet")
            return
        name = await self.app.push_screen_wait(
            Ask("Export the memory", "A new file for all auctions, one JSON line each", "memory.jsonl")
        )
        if not name:
            return
        target = Path(name).expanduser()
        there = os.path.lexists(target)
        question = Confirm("Replace the file?", f"{target} is there already.", yes="Replace", danger=True)
        if there and not await self.app.push_screen_wait(question):
            return
        try:
            good, damaged = await asyncio.to_thread(_export, self.path, target, there)
        except SaleError as error:
            self.notify(f"{error.message}; {error.hint}", severity="error", markup=False)
            return
        left = f"; {plural(len(damaged), 'auction')} left out: {damaged[0]}" if damaged else ""
        self.notify(f"{plural(good, 'auction')} written to {target}{left}", markup=False, timeout=10)


def _ask(path: Path, question: Callable[[Database], Answer], check: bool) -> Answer:
    from salecli.adapters.sqlitefile import prepare, reading

    if check:
        prepare(path)
    with reading(path) as db:
        return question(db)


def _export(path: Path, target: Path, replace: bool) -> tuple[int, list[str]]:
    from salecli.adapters.interchange import new_file, write_all

    with new_file(target, path, replace) as write:
        return write_all(path, write)
