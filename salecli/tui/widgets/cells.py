"""What stands in the cells of the market's table: pure text in spans, each with the name of its style."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from salecli.core.board import Board, Key
from salecli.core.text import clean
from salecli.core.values import Score
from salecli.core.words import milliseconds, rate
from salecli.tui.widgets.columns import Columns, standing, state
from salecli.tui.widgets.sparks import grouped, score_bar, sparkline

Span = tuple[str, str]
"""Text, and the name of a component style ("" for plain)."""
Cell = tuple[Span, ...]


@dataclass(slots=True)
class View:
    """Everything that the table shows."""

    board: Board
    """The run's, or a copy of it scored by the weights that are being tried."""
    columns: Columns
    chosen: str = ""
    """The agent that the user wants to win, or the winner once it is chosen."""
    unfolded: bool = True
    """Marks as a grid of judge by bid, not their mean alone."""

    @property
    def span(self) -> tuple[float, float]:
        """The lowest and highest point of the common scale of all score bars."""
        points = [0.0]
        for one in self.board.scores.values():
            points += [one.value, one.value - one.cost]
        return min(points), max(points)

    def key(self, agent: str) -> Key:
        return standing(agent, self.board)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: its label, and how to fill a cell `width` wide."""

    name: str
    label: str
    cell: Callable[[View, str, int], Cell]
    live: bool = False
    """Changes with every token: never marked as just changed."""


def rows(board: Board, unfolded: bool, short: bool = False) -> list[Row]:
    """The table's lines from top to bottom; `short` leaves out what a low screen has no room for."""
    agents = board.agents
    thoughts = any(bid.usage.thoughts for bid in board.bids.values())
    marks = [Row("marks", "marks", _mean)]
    if unfolded:
        long = any(cell_len(judge) > 4 for judge in agents)
        marks = [
            Row(
                f"marks {judge}",
                f"by {shown(judge, 9)}" if long else f"{'marks' if place == 0 else '':<7}{judge}",
                _mark(judge),
            )
            for place, judge in enumerate(agents)
        ]
    return [
        Row("head", "", _head),
        Row("rule", "", _rule, live=True),
        *([] if short else [Row("price", "USD/Mt  ms/t" if board.seconds else "USD/Mt", _price)]),
        Row("state", "state", _state),
        Row("tokens", "tokens", _tokens, live=True),
        Row("entropy", "entropy", _entropy, live=True),
        *([Row("thoughts", "thoughts", _thoughts)] if thoughts and not short else []),
        *marks,
        *([] if short else [Row("cost", "cost", _cost), Row("value", "value", _value)]),
        Row("score", "score", _score),
        Row("bar", "█ net ▒ cost", _bar, live=True),
    ]


def shown(name: str, width: int) -> str:
    """A name that somebody gave, on one line of at most `width` cells."""
    name = clean(name, newlines=False)
    return name if cell_len(name) <= width else set_cell_size(name, width - 1) + "…"


def _head(view: View, agent: str, width: int) -> Cell:
    leads = view.board.leader is not None and view.board.leader[0] == agent
    style, said = "leader" if leads else "head", ("", "")
    if view.board.winner is not None and view.board.winner[0] == agent:
        by_user = view.board.override is not None
        style, said = "leader", (" your choice" if by_user else " wins", "leader")
    elif view.chosen == agent:
        said = (" your choice", "warn")
    elif leads:
        said = (" leads", "leader")
    name = shown(agent, max(width - 2 - len(said[0]), 4))
    head = (("*" if leads else " ") + name, style)
    return (head, said) if said[0] else (head,)


def _rule(view: View, agent: str, width: int) -> Cell:
    return (("─" * (width - 1), "rule"),)


def _price(view: View, agent: str, width: int) -> Cell:
    usd, seconds = rate(view.board.prices[agent]), view.board.seconds.get(agent)
    if seconds is None:
        return ((f" {usd}", ""),)
    room = width - 3  # one cell before, one between, one after
    shorter = (milliseconds(seconds, digits) for digits in (3, 2, 1))
    speed = next((said for said in shorter if len(usd + said) <= room), "")
    return ((f" {usd:<{min(6, room - len(speed))}} {speed}", ""),)


_STATE_STYLES = {"out": "bad", "excluded": "bad", "refined": "good", "bidding": "busy", "refining": "busy"}


def _state(view: View, agent: str, width: int) -> Cell:
    said = state(view.board, view.columns[agent])
    style = _STATE_STYLES.get(said, "busy" if said.startswith("loading") else "")
    if said == "refined" and not view.key(agent)[1] and (agent, False) in view.board.scores:
        said, style = "refined, first stands", ""
        if width < len(said) + 1:
            said = "first stands"
    return ((f" {shown(said, width - 2)}", style or ("muted" if said == "waiting" else "")),)


def _tokens(view: View, agent: str, width: int) -> Cell:
    column = view.columns[agent]

    def count(refined: bool) -> str:
        bid = view.board.bids.get((agent, refined))
        if column.writing is refined or bid is None:
            got = column.tokens(refined)
            return str(got) if got else ""
        return str(bid.tokens)

    return _two(view, agent, width, count)


def _entropy(view: View, agent: str, width: int) -> Cell:
    column = view.columns[agent]
    last = column.writing if column.writing is not None else (agent, True) in view.board.bids

    def mean(refined: bool) -> str:
        bid = view.board.bids.get((agent, refined))
        if bid is not None and column.writing is not refined:
            return f"{'~' if bid.entropy_kind == 'interval' else ''}{bid.entropy:.2f}"
        found = column.entropies.get(refined)
        return f"{sum(found) / len(found):.2f}" if found else ""

    numbers = _two(view, agent, width, mean)
    entropies = column.entropies.get(last) or []
    room = min(width - sum(cell_len(text) for text, _ in numbers) - 2, 24)
    if not entropies or room < 4:
        return numbers
    return (*numbers, (" " + sparkline(grouped(entropies, room), _top(view)), "spark"))


def _thoughts(view: View, agent: str, width: int) -> Cell:
    """How many tokens were thought before the plan, and the mean of their entropies."""
    usage = view.board.bids[view.key(agent)].usage if view.key(agent) in view.board.bids else None
    if usage is None or not usage.thoughts:
        return ()
    if not usage.thought_nats:  # a server tells how much was thought, and no more
        return ((f" {usage.thoughts}", ""),)
    return ((f" {usage.thoughts}", ""), (f" at {usage.thought_entropy:.2f}", "muted"))


def _top(view: View) -> float:
    """The common height of all entropy lines: full nats, so that it changes seldom."""
    means = [
        sum(found) / len(found)
        for column in view.columns.values()
        for found in column.entropies.values()
        if found
    ]
    return max(0.25, *(2 * mean for mean in means)) if means else 1.0


def _mark(judge: str) -> Callable[[View, str, int], Cell]:
    def cell(view: View, agent: str, width: int) -> Cell:
        def mark(refined: bool, brief: bool) -> str:
            value = view.board.mark(judge, (agent, refined), brief)
            return f"({value})" if value and judge == agent else value

        return _marked(view, agent, width, mark)

    return cell


def _mean(view: View, agent: str, width: int) -> Cell:
    def mean(refined: bool, brief: bool) -> str:
        found = [
            view.board.marks[judge, agent, refined]
            for judge in view.board.agents
            if (judge, agent, refined) in view.board.marks
        ]
        if not found:
            return ""
        counts = f"{sum(mark.counted for mark in found) / len(found):.1f}"
        if brief or not view.board.calibrated:
            return counts
        return f"{sum(mark.value for mark in found) / len(found):.1f}->{counts}"

    return _marked(view, agent, width, mean)


def _marked(view: View, agent: str, width: int, told: Callable[[bool, bool], str]) -> Cell:
    """Marks of both bids, given and counted; where there is no room for that, those that count alone."""
    full = _two(view, agent, width, lambda refined: told(refined, False))
    both = not told(False, True) or not told(True, True) or len(full) > 1
    if both and sum(cell_len(text) for text, _ in full) < width:
        return full
    return _two(view, agent, width, lambda refined: told(refined, True))


def _cost(view: View, agent: str, width: int) -> Cell:
    return _part(view, agent, width, lambda score: f"{score.cost:.3f}")


def _value(view: View, agent: str, width: int) -> Cell:
    return _part(view, agent, width, lambda score: f"{score.value:.3f}")


def _score(view: View, agent: str, width: int) -> Cell:
    cell = _part(view, agent, width, lambda score: f"{score.total:+.3f}")
    return (
        (*cell, ("*", "leader")) if view.board.leader is not None and view.board.leader[0] == agent else cell
    )


def _part(view: View, agent: str, width: int, told: Callable[[Score], str]) -> Cell:
    def part(refined: bool) -> str:
        score = view.board.scores.get((agent, refined))
        return told(score) if score is not None else ""

    return _two(view, agent, width, part)


def _bar(view: View, agent: str, width: int) -> Cell:
    score = view.board.scores.get(view.key(agent))
    if score is None:
        return ()
    low, high = view.span
    return ((" ", ""), *score_bar(score.cost, score.value, low, high, min(width - 3, 40)))


def _two(view: View, agent: str, width: int, told: Callable[[bool], str]) -> Cell:
    """A first bid's value and the refined one's after it; what does not stand is muted, or has no room."""
    first, second = told(False), told(True)
    if not second:
        return ((_slot(first), ""),) if first else ()
    stands = view.key(agent)[1] or (agent, True) not in view.board.scores
    old, new = ("muted", "") if stands else ("", "muted")
    start = f"{_slot(first):<6} "
    if not first or cell_len(start + _slot(second)) + 3 > width:
        return ((_slot(second if stands else first), ""),)
    return ((start, old), ("> ", "muted"), (_slot(second), new))


def _slot(text: str) -> str:
    """Room for a sign or a bracket before the number, so that the points of a column stand in line."""
    return text if text[:1] in "+-(~" and text != "-" else f" {text}"
