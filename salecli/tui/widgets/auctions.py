"""Past auctions as a table, a line each, that grows as the reader goes down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import DataTable

from salecli.adapters.overview import Remembered, Wanted
from salecli.core.text import clean
from salecli.core.words import money, shortened

if TYPE_CHECKING:
    from textual import events

_NEAR = 20
"""Lines before the end at which more are asked for."""
_WIDTHS = {"likeness": 5, "when": 10, "repository": 16, "winner": 14, "solved": 14, "score": 6, "USD": 9}
"""At most; columns are no wider than what stands in them."""
_SHED = ("score", "repository", "USD", "winner", "likeness", "when", "solved")
"""What a narrow screen leaves out first."""
_TASK = 20
"""Least width of the task's title while anything else can be left out."""
_RIGHT = ("likeness", "score", "USD")


class AuctionTable(DataTable[Text]):
    """The columns that fit; the task's title takes what the others leave."""

    DEFAULT_CSS = """
    AuctionTable { height: 1fr; background: $surface; }
    """
    HELP: ClassVar = """\
# Past auctions

The newest first. **Enter** opens one in full.

Behind the winner, **r** says that its bid was refined from memory, **o** that you chose it over another.
*solved* is what the unit tests said in a fresh sandbox. The lowest score won.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "Open", id="memory.open", tooltip="Show this auction in full"),
        Binding("home", "scroll_top", "Newest", id="memory.newest", show=False, tooltip="To the first line"),
        Binding("end", "scroll_bottom", "Oldest", id="memory.oldest", show=False, tooltip="To the last line"),
    ]

    class More(Message):
        """The reader comes near the end of what is shown."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  Textual's own name
        super().__init__(id=id, cursor_type="row", zebra_stripes=True)
        self.found: list[Remembered] = []
        self._names: list[str] = []
        self._widths = dict(_WIDTHS)
        self._wanted: str | None = None

    def show(self, found: Sequence[Remembered], keep: bool = False) -> None:
        """Show these auctions instead; `keep` holds the cursor on the auction where it is."""
        row, chosen = self.cursor_row, self.chosen
        self.found = list(found)
        self._fill()
        if keep and chosen is not None:
            places = {one.id: place for place, one in enumerate(self.found)}
            self.move_cursor(row=places.get(chosen.id, row))

    def extend(self, found: Sequence[Remembered]) -> None:
        """Add older auctions at the end."""
        self.found += found
        for one in found:
            self._add(one)

    @property
    def chosen(self) -> Remembered | None:
        """The auction under the cursor."""
        return self.found[self.cursor_row] if 0 <= self.cursor_row < len(self.found) else None

    def on_resize(self, event: events.Resize) -> None:
        if self._layout() != self._names or self._task_width() != self._room:
            row, top = self.cursor_row, self.scroll_y
            self._fill()
            self.move_cursor(row=row, scroll=False)
            self.scroll_to(y=top, animate=False)

    def on_data_table_row_highlighted(self) -> None:
        if self.found and self.cursor_row >= len(self.found) - _NEAR:
            self.post_message(self.More())

    def _layout(self) -> list[str]:
        """The columns that fit into the present width, from left to right."""
        liked = bool(self.found) and self.found[0].likeness is not None
        names = ["likeness", "when", "repository", "task", "winner", "solved", "score", "USD"]
        if not liked:
            names.remove("likeness")
        for name in _SHED:
            if self._rest(names) >= _TASK:
                break
            if name in names:
                names.remove(name)
        return names

    def _rest(self, names: Sequence[str]) -> int:
        """What the other columns leave for the task, each with a cell of padding at either side."""
        return self.size.width - 4 - sum(self._widths[name] + 2 for name in names if name != "task")

    def _task_width(self) -> int:
        return max(self._rest(self._layout()), 8)

    def _fill(self) -> None:
        self.clear(columns=True)
        cells = [_cells(one, _WIDTHS, _TASK) for one in self.found]
        for name, most in _WIDTHS.items():
            self._widths[name] = min(max([min(len(name), most), *(len(row[name]) for row in cells)]), most)
        self._names, self._room = self._layout(), self._task_width()
        for name in self._names:
            width = self._room if name == "task" else self._widths[name]
            label = {"likeness": "like"}.get(name, name)
            self.add_column(Text(label, justify="right" if name in _RIGHT else "left"), width=width)
        for one in self.found:
            self._add(one)

    def _add(self, one: Remembered) -> None:
        cells = _cells(one, self._widths, self._room)
        self.add_row(
            *(
                Text(cells[name], justify="right" if name in _RIGHT else "left", no_wrap=True)
                for name in self._names
            )
        )


def _cells(one: Remembered, widths: Mapping[str, int], task: int) -> dict[str, str]:
    flat = {
        name: clean(text, newlines=False)
        for name, text in (("repository", one.repository), ("title", one.title), ("winner", one.winner))
    }
    signs = " r" * one.refined + " o" * one.overridden
    solver = one.solved_by if one.solved and one.solved_by != one.winner else None
    by = f" by {clean(solver, newlines=False)}" if solver else ""
    return {
        "likeness": "" if one.likeness is None else f"{one.likeness:.2f}",
        "when": ago(one.created_at),
        "repository": shortened(flat["repository"], widths["repository"]),
        "task": shortened(flat["title"], task),
        "winner": shortened(flat["winner"], widths["winner"] - len(signs)) + signs,
        "solved": shortened(f"yes{by}", widths["solved"]) if one.solved else "no",
        "score": "-" if one.score is None else f"{one.score:+.2f}",
        "USD": money(one.usd).removesuffix(" USD"),
    }


def ago(stamp: str, now: datetime | None = None) -> str:
    """How long ago a time of the memory file was; its date after a week."""
    try:
        then = datetime.fromisoformat(stamp)
        then = then.astimezone() if then.tzinfo else then.replace(tzinfo=UTC)
        seconds = ((now or datetime.now(UTC)) - then).total_seconds()
        date = then.astimezone().strftime("%Y-%m-%d")
    except (ValueError, OverflowError, OSError):
        return clean(stamp, newlines=False)[:10]
    if not 0 <= seconds < 7 * 86_400:
        return date
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return "just now"


def narrower(
    now: Wanted, winners: Sequence[str], repositories: Sequence[str]
) -> dict[str, tuple[str, Wanted]]:
    """What a list may be narrowed to, one thing more than `now`: (in words, how) by a short name."""
    options = {
        "all": ("all auctions", Wanted()),
        "solved": ("solved", replace(now, solved=True)),
        "not": ("not solved", replace(now, solved=False)),
    }
    for place, winner in enumerate(winners):
        options[f"w{place}"] = (f"won by {winner}", replace(now, winner=winner))
    for place, repository in enumerate(repositories):
        options[f"r{place}"] = (f"in {repository}", replace(now, repository=repository))
    return options


def showing(wanted: Wanted, words: str, like: bool, count: int, more: bool) -> str:
    """Which auctions a list of `count` shows, in words."""
    parts = [f"won by {wanted.winner}"] if wanted.winner else []
    if wanted.solved is not None:
        parts.append("solved" if wanted.solved else "not solved")
    if wanted.repository is not None:
        parts.append(f"in {wanted.repository}")
    if words:
        parts.append(f'like "{words}"' if like else f'with "{words}"')
    some = ", ".join(parts) or "all"
    back = "   Esc shows all again" if parts else ""
    if not count:
        return f"none: {some}{back}"
    if more:
        how = "the nearest" if like and words else "the newest"
        return f"{some}: {how} {count:,}" + ("" if like and words else ", more as you go down")
    return f"{some}: {count:,}{back}"
