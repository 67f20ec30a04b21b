"""What an agent's column shows beyond the board: its state, and its plans while they are written."""

from __future__ import annotations

from dataclasses import dataclass, field

from salecli.core import events
from salecli.core.board import Board, Key
from salecli.core.scoring import ranked
from salecli.core.text import clean
from salecli.core.values import Bid, Pair
from salecli.core.words import amount
from salecli.tui.control import Fed, Streamed


@dataclass(slots=True)
class Column:
    """One agent's part of the auction so far."""

    agent: str
    loading: bool = False
    size: int = 0
    """Bytes of its model; 0 where that is not known."""
    loaded: bool = False
    writing: bool | None = None
    """Which of its bids it writes now: False the first, True the refined one."""
    texts: dict[bool, str] = field(default_factory=dict)
    """What was written of the first and of the refined plan."""
    entropies: dict[bool, list[float]] = field(default_factory=dict)
    before: str = ""
    """The plan that stood when it began to bid again; empty otherwise."""
    stood: tuple[float, ...] = ()
    """That plan's entropies."""
    pairs: tuple[Pair, ...] = ()
    out: str = ""
    """Why it is out, and what the user may do."""
    excluded: bool = False
    sat_out: str = ""
    """Why it does not rewrite its bid."""

    def tokens(self, refined: bool) -> int:
        """How many tokens of this plan came so far."""
        return len(self.entropies.get(refined, ()))


class Columns(dict[str, Column]):
    """The columns by agent; feed them everything the screen is fed."""

    tested = False
    """Whether the tests have run once, as they were."""

    def take(self, fed: Fed) -> None:
        """Take one event or some tokens in."""
        match fed:
            case events.RunStarted(prices=prices):
                self.clear()
                self.tested = False
                self.update({agent: Column(agent) for agent in prices})
            case Streamed(what="plan", agent=agent, refined=refined, text=text, entropies=entropies):
                column = self._of(agent)
                column.texts[refined] = column.texts.get(refined, "") + clean(text)
                column.entropies.setdefault(refined, []).extend(entropies)
            case events.TestsBefore():
                self.tested = True
            case events.ModelLoading() | events.ModelLoaded():
                self._load(fed)
            case events.BidStarted(agent=agent, refined=refined):
                column = self._of(agent)
                column.loading, column.writing, column.sat_out = False, refined, ""
                if not refined:
                    column.before = column.texts.get(False, "")
                    column.stood = tuple(column.entropies.get(False, ()))
                column.texts[refined], column.entropies[refined] = "", []
            case events.BidMade(bid=bid):
                self._made(bid)
            case events.Marked(mark=mark) | events.MarkReplaced(mark=mark):
                self._of(mark.judge).loading = False
            case events.PairsRead(agent=agent, pairs=pairs):
                column = self._of(agent)
                column.pairs, column.writing = pairs, True
            case events.SatOut(agent=agent, reason=why):
                column = self._of(agent)
                column.loading, column.sat_out = False, clean(why, newlines=False)
            case events.AgentOut():
                self._left(fed)
            case _:
                pass

    def _load(self, event: events.ModelLoading | events.ModelLoaded) -> None:
        column = self._of(event.agent)
        column.loaded = isinstance(event, events.ModelLoaded)
        column.loading = not column.loaded
        column.size = event.loaded.bytes if isinstance(event, events.ModelLoaded) else event.bytes

    def _made(self, bid: Bid) -> None:
        column = self._of(bid.agent)
        column.writing = None
        column.texts[bid.refined] = clean(bid.plan)
        if not bid.refined:
            # A second bid takes the place of all that this agent bid, and lets it in again.
            column.texts.pop(True, None)
            column.entropies.pop(True, None)
            column.excluded, column.out = False, ""

    def _left(self, event: events.AgentOut) -> None:
        column = self._of(event.agent)
        column.loading = False
        why = clean(event.reason) + (f"\n{clean(event.hint)}" if event.hint else "")
        match event.phase:
            case "excluded":
                column.excluded, column.out = True, why
            case "again":
                # The second bid failed: the first one stands again.
                column.texts[False], column.before = column.before, ""
                column.entropies[False] = list(column.stood)
            case "refine":
                column.texts.pop(True, None)
            case "bid":
                column.out = why
            case _:
                pass
        if event.phase in ("bid", "again", "refine"):
            column.writing = None

    def _of(self, agent: str) -> Column:
        return self.setdefault(agent, Column(agent))

    def writer(self) -> str:
        """The first agent that writes a plan now, or nobody."""
        return next((one.agent for one in self.values() if one.writing is not None), "")


def state(board: Board, column: Column) -> str:
    """An agent's state in a word or two."""
    agent, judges = column.agent, board.jury
    if column.excluded:
        return "excluded"
    if column.out or (agent in board.out and column.writing is None):
        return "out"
    if column.loading:
        return "loading" + sized(column.size)
    if column.writing is not None:
        return "refining" if column.writing else "bidding"
    for refined, done in ((True, "refined"), (False, "judged")):
        if (agent, refined) in board.bids:
            given = sum((judge, agent, refined) in board.marks for judge in board.agents)
            if (agent, refined) in board.scores or given == judges:
                return done
            return f"{done} {given}/{judges}" if given else ("refined" if refined else "bid")
    return "loaded" + sized(column.size) if column.loaded else "waiting"


def sized(size: int) -> str:
    """A model's bytes after a word, nothing where they are not known."""
    return f" {amount(size)}" if size > 0 else ""


def standing(agent: str, board: Board) -> Key:
    """The bid that stands for an agent: the better of two, else the one that there is."""
    both = [board.scores[key] for key in ((agent, True), (agent, False)) if key in board.scores]
    if both:
        best = ranked(both, board.prices)[0]
        return agent, best.refined
    return agent, False
