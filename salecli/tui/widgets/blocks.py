"""An agent's bid as a block of lines, for screens too narrow for columns."""

from __future__ import annotations

from salecli.core.words import rate
from salecli.tui.widgets.cells import Cell, Span, View, rows


def block(view: View, agent: str, width: int, unfolded: bool, sign: str) -> list[Cell]:
    """Two lines an agent, and a third with every judge's mark where they are unfolded."""
    cells = {row.name: row for row in rows(view.board, unfolded=False)}

    def told(name: str, room: int) -> Cell:
        return cells[name].cell(view, agent, room)

    first: list[Span] = [(sign, "warn"), *told("head", 24)]
    first += [("  ", ""), *_bare(told("state", 20))]
    tokens = _bare(told("tokens", 20))
    if tokens:
        first += [("  ", ""), *tokens, (" tokens", "muted")]
    first.append((f"  {rate(view.board.prices[agent])} USD/Mt", "muted"))
    second: list[Span] = [("   ", "")]
    for name, label in (("score", "score"), ("marks", "marks"), ("entropy", "entropy")):
        room = max(width - sum(len(text) for text, _ in second) - len(label) - 2, 4)
        cell = _bare(told(name, min(room, 22)))
        if cell:
            second += [(f"{label} ", "muted"), *cell, ("  ", "")]
    lines: list[Cell] = [tuple(first), tuple(second)]
    if unfolded:
        third: list[Span] = [("   ", "")]
        for row in rows(view.board, unfolded=True):
            if row.name.startswith("marks "):
                third += [(row.name.removeprefix("marks ") + " ", "muted")]
                third += [*(_bare(row.cell(view, agent, 8)) or (("-", "muted"),)), ("  ", "")]
        lines.append(tuple(third))
    return lines


def _bare(cell: Cell) -> Cell:
    """A cell without the room that lets numbers stand below each other."""
    if len(cell) > 2 and cell[1][0] == "> ":
        (old, muted), sign, (new, plain), *others = cell
        return ((f"{old.strip()} ", muted), sign, (new.strip(), plain), *others)
    if not cell:
        return ()
    (text, style), *others = cell
    return ((text.lstrip(), style), *others)
