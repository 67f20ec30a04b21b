"""The auction on the screen: the bids side by side, the plans below, who leads, what is waited for."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.geometry import Size
from textual.widgets import Static

from salecli.core import events as happened
from salecli.core.text import clean
from salecli.core.tried import tried
from salecli.core.values import Weights
from salecli.tui.control import Control, Fed
from salecli.tui.screens.deciding import Deciding
from salecli.tui.widgets.cells import View, shown
from salecli.tui.widgets.columns import Columns
from salecli.tui.widgets.dials import Dials
from salecli.tui.widgets.headline import Headline
from salecli.tui.widgets.keyline import KeyLine
from salecli.tui.widgets.market import Market
from salecli.tui.widgets.plans import BESIDE, Plans, texts
from salecli.tui.widgets.saying import going_on, reason, waited

DIALS_BESIDE = 130
"""Columns from which the dials stand beside the table."""
TWO_LINES = 120
"""Columns below which the reason may need a second line."""
TALL = 32
"""Lines from which there is air around the table, and room for all plans side by side."""
BELOW = 14
"""Lines that a tall screen keeps for all that stands around the table."""
TOGETHER = 26
"""Width that a column must have for its plan to stand below it."""


class AuctionScreen(Deciding):
    """Watch the bids as they are written; wait, choose, weigh, or let the winner work."""

    HELP: ClassVar = """\
# The auction

Every agent bids with a plan, every agent marks all plans, and the lowest cost minus value wins. Agents
cheaper than the leader may then rewrite their bids after plans that memory keeps.

Where the winner stands, sale waits: **enter** lets it work, **1**, **2** and so on choose another one
with a reason, **w** turns the weights, **r** lets the chosen agent bid again, **x** takes it out. **Esc**
twice stops the run.
"""
    CSS_PATH = "auction.tcss"
    AUTO_FOCUS = "#plan"
    VERTICAL_BREAKPOINTS = [(0, "-low"), (TALL, "-tall")]  # noqa: RUF012  as Textual declares it
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("w", "weights", "Weights", id="auction.weights", tooltip="Turn the weights and the thrift"),
        Binding("p", "pairs", "Pairs", id="auction.pairs", tooltip="The pairs of memory this agent read"),
        Binding("j", "unfold", "Marks", id="auction.marks", tooltip="Marks by judge, or their mean"),
        Binding("b", "before", "Before", id="auction.before", tooltip="The plan that this one replaced"),
        Binding("a", "all", "All", id="auction.all", tooltip="All plans side by side, or the chosen one"),
        Binding("y", "copy", "Copy", show=False, id="auction.copy", tooltip="Copy the chosen agent's plan"),
        Binding("left", "select(-1)", "Left", show=False, id="auction.left", tooltip="The agent at the left"),
        Binding(
            "right", "select(1)", "Right", show=False, id="auction.right", tooltip="The agent at the right"
        ),
    ]

    def __init__(self, control: Control) -> None:
        super().__init__(control)
        self.columns = Columns()
        self.view = View(control.board, self.columns)
        self.follows = True
        """Whether the chosen column follows who writes and who leads, until the user chooses one."""
        self.together = True
        """Whether all plans are shown side by side, where there is room."""
        self.dials = Dials()
        self.turned: Weights | None = None
        """Weights that are being tried, or were kept and are not carried out yet."""
        self._over = ""
        self._failed = ""
        """Why the run failed, where the line below says what to do about it."""
        """What came of the auction, once the work has begun or the run has ended."""
        self._laid_out: tuple[Size, bool] | None = None
        """The size, and whether the dials were open, that the layout is for."""

    def compose(self) -> ComposeResult:
        yield Headline()
        with Container(id="upper", classes="-below"):
            yield Market(self.view)
            yield self.dials
        yield Static(id="reason", markup=False)
        yield Static(id="wait", markup=False)
        yield Plans()
        yield KeyLine()

    # What happens.

    def apply(self, fed: Fed) -> None:
        """One more event or some tokens; what they change is drawn once before the next frame."""
        super().apply(fed)
        if self.control.live:  # what a recording tells is no news
            self._tell_user(fed)

    def take(self, fed: Fed) -> None:
        """Follow who writes, who leads and what becomes of it."""
        self.columns.take(fed)
        match fed:
            case happened.Reweighed():
                self.turned = None
            case happened.BidStarted(agent=agent) if self.follows:
                self.selected = next(
                    (one for one in (self.selected, self.columns.writer()) if self._writes(one)), agent
                )
            case happened.Led(agent=agent) | happened.WinnerChosen(agent=agent) if self.follows:
                self.selected = agent
            case happened.RunFailed(reason=why, hint=hint):
                said = f"The run has failed: {clean(why, newlines=False)}"
                self._over, self._failed = (clean(hint, newlines=False), said) if hint else (said, "")
            case happened.RunEnded(solved=solved, agent=agent):
                said = f"solved by {shown(agent, 12)}, f5 shows the patch" if solved else "not solved"
                if not (self._failed or self._over.startswith("The run has failed")):
                    self._over = f"The run has ended: {said}."
            case happened.WorkStarted(agent=agent, attempt=attempt):
                again = f", attempt {attempt}" if attempt > 1 else ""
                self._over = f"{shown(agent, 12)} works{again}: f4 shows it."
            case happened.WorkEnded(agent=agent):
                self._over = f"{shown(agent, 12)} is done, a fresh sandbox runs the tests: f4 shows it."
            case happened.VerdictReached(agent=agent, verdict=verdict):
                self._over = f"{shown(agent, 12)} " + (
                    "solved it." if verdict.solved else "did not solve it."
                )
            case _:
                pass

    def _writes(self, agent: str) -> bool:
        column = self.columns.get(agent)
        return column is not None and column.writing is not None

    def _tell_user(self, fed: Fed) -> None:
        """What would be overlooked in the table is said aloud."""
        match fed:
            case happened.Refused(what=what, reason=why):
                self.turned = None
                self.say(f"Not done ({what}): {why}", "warning")
            case happened.AgentOut(agent=agent, phase=phase, reason=why) if phase != "excluded":
                self.say(f"{agent} ({phase}): {why}", "warning")
            case happened.MarkReplaced(mark=mark, reason=why):
                self.say(f"{mark.judge} could not mark {mark.agent}: {why}", "warning")
            case happened.ModelWarned(agent=agent, reason=why):
                self.say(f"{agent}: {why}", "warning")
            case happened.MemoryWarned(reason=why):
                self.say(f"Memory: {why}", "warning")
            case happened.RunFailed(reason=why, hint=hint):
                self.say(f"{why}\n{hint}".strip(), "error")
            case happened.Paused(at="winner"):
                self.begin_countdown()
            case happened.Resumed():
                self.hold()
            case _:
                pass

    def paint(self) -> None:
        """The table, the plans, and both lines between them."""
        board = self.control.board
        if self.trying and (board.winner is not None or not self.going):
            self._close_dials()
        self._arrange()
        if self.selected not in board.prices:
            self.selected = next(iter(board.prices), "")
        self.view.board = tried(board, self.turned) if self.turned is not None else board
        override = self.control.decisions.overridden() if self.control.live else None
        self.view.chosen = override.agent if override is not None and board.winner is None else ""
        market = self.query_one(Market)
        market.select(self.selected)
        market.show()
        self._line("#reason", self._failed or reason(self.view, board.leader))
        said, turn = self._said()
        self._line("#wait", said).set_class(turn, "-turn")
        self.query_one(Plans).show(self.columns, self.selected, self._every(market))

    def _said(self) -> tuple[str, bool]:
        """What goes on or is waited for, and whether it is the user's turn."""
        board, decisions = self.control.board, self.control.decisions
        if self.stop_said:
            return self.stop_said, True
        if self.trying:
            tried = self.dials.turned
            return ("Tried, not kept. " if tried else "") + "enter: keep  esc: take back", tried
        if self.going and board.paused_at:
            return waited(self.view, self.left), board.paused_at == "winner"
        now = self._over or going_on(board, self.columns)
        if self.going and self.turned is not None:
            return f"The weights that you kept count from the next border on. {now}", False
        if self.going and decisions.paused:
            return f"Pauses at the next border. {now}", False
        return now if self.control.live or self.control.ended else f"Recording: {now}", False

    def _line(self, where: str, text: str) -> Static:
        line = self.query_one(where, Static)
        if str(line.content) != text:
            line.update(Content(text), layout=False)
        return line

    def _every(self, market: Market) -> list[tuple[str, int]]:
        """The columns whose plans stand side by side, or nothing where one plan has all the room."""
        every = market.visible_columns
        fits = len(every) == len(self.control.board.agents) and all(width >= TOGETHER for _, width in every)
        return every if self.together and fits and self.size.height >= TALL else []

    # Where things stand.

    def on_resize(self) -> None:
        """Another width, another layout."""
        self.draw()

    def on_screen_resume(self) -> None:
        """An auction that the user sees may go on by itself."""
        self.begin_countdown()

    def _arrange(self) -> None:
        width, height = self.size
        if self._laid_out == (self.size, self.trying):
            return
        self._laid_out = (self.size, self.trying)
        upper = self.query_one("#upper")
        beside = width >= DIALS_BESIDE
        upper.set_class(beside, "-beside")
        upper.set_class(not beside, "-below")
        covered = self.trying and not beside
        self.query_one(Plans).display = not covered
        upper.styles.max_height = "1fr" if covered else None
        self.query_one("#reason").set_class(width < TWO_LINES and height >= 20 and not covered, "-two")
        market = self.query_one(Market)
        market.short = height < 22
        market.room = height * 6 // 10 if height < TALL else height - BELOW

    # The weights.

    def action_weights(self) -> None:
        """Open the dials, or close them and take back what was not kept."""
        if self.trying:
            self.dials.action_drop()
        elif not self.control.board.prices:
            self.say("The auction has not opened yet.")
        elif self.may():
            self.dials.open(self.turned or self.control.board.weights)
            self.dials.display = True
            self.dials.focus()
            self.draw()

    @on(Dials.Turned)
    def _try(self, event: Dials.Turned) -> None:
        event.stop()
        self.turned = event.weights
        self.draw()

    @on(Dials.Kept)
    def _keep(self, event: Dials.Kept) -> None:
        event.stop()
        if self.may():
            self.control.decisions.weigh(event.weights)
            self._close_dials(event.weights)
            self.say("The weights are kept.")

    @on(Dials.Dropped)
    def _drop(self, event: Dials.Dropped) -> None:
        event.stop()
        self._close_dials()
        self.say("The weights are as they were.")

    def _close_dials(self, kept: Weights | None = None) -> None:
        self.dials.display = False
        self.turned = kept
        if self.there:
            self.query_one(Plans).take_focus(self.selected)
        self.draw()

    @property
    def trying(self) -> bool:
        """Whether the dials are open."""
        return self.dials.display

    def action_go(self) -> None:
        """Keep the weights where they are turned: nobody goes to work by others than those on the screen."""
        if self.trying:
            self.dials.action_keep()
        else:
            super().action_go()

    def action_cancel(self) -> None:
        """Close the dials; without them, twice stops the run."""
        if self.trying:
            self.dials.action_drop()
        else:
            super().action_cancel()

    # What is looked at.

    def action_select(self, by: int) -> None:
        """Show the plan of the agent beside."""
        agents = self.control.board.agents
        if agents:
            at = agents.index(self.selected) if self.selected in agents else 0
            self._select(agents[min(max(at + by, 0), len(agents) - 1)])

    @on(Market.Selected)
    def _clicked(self, event: Market.Selected) -> None:
        self._select(event.agent)

    def _select(self, agent: str) -> None:
        self.selected, self.follows, self.together = agent, False, False
        self.draw()

    def action_all(self) -> None:
        """All plans side by side where there is room, or the chosen one."""
        self.together = not self.together
        self.draw()
        if self.together and not self._every(self.query_one(Market)):
            self.together = False
            self.say("There is no room for all plans side by side: left and right show each.")

    def action_unfold(self) -> None:
        """Marks by judge, or their mean alone."""
        market = self.query_one(Market)
        market.folded = market.unfolded
        market.show(mark=False)

    def action_before(self) -> None:
        """Show the plan that this one replaced, or hide it."""
        column, plans = self.columns.get(self.selected), self.query_one(Plans)
        if column is None or not texts(column)[2]:
            self.say("This plan replaced no other.")
            return
        if self._every(self.query_one(Market)):
            self.together, plans.shows_before = False, True
        else:
            wide = self.size.width >= BESIDE
            plans.shows_before = not (wide if plans.shows_before is None else plans.shows_before)
        self.draw()

    def action_pairs(self) -> None:
        """What the chosen agent read before it rewrote its bid."""
        from salecli.tui.screens.pairs import PairsScreen

        column = self.columns.get(self.selected)
        if column is None or not column.pairs:
            self.say(f"{self.selected or 'Nobody'} read no pairs: only agents cheaper than the leader do.")
            return
        self.app.push_screen(PairsScreen(column.agent, column.pairs))

    def action_copy(self) -> None:
        """Copy the chosen agent's plan."""
        from salecli.tui.clip import copy_aloud

        column = self.columns.get(self.selected)
        text = texts(column)[1] if column is not None else ""
        if text:
            copy_aloud(self, text)
        else:
            self.say("There is no plan to copy yet.")
