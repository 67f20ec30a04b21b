"""The files of a patch: what is taken of each, how much changes, and why a person should look twice."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from salecli.core.text import clean
from salecli.tui.widgets.diffchoice import Choice

_LEAST = 12
"""Columns of a path that are worth more than the words of its flags."""


class Files(OptionList, can_focus=True):
    """One row a file, in the diff's order; highlighting one shows it in the diff. "!" marks flagged files."""

    DEFAULT_CSS = """
    Files {
        background: $background; border: none; padding: 0; scrollbar-size-vertical: 1;
        text-wrap: nowrap; text-overflow: clip; overflow-x: hidden;
    }
    Files:ansi > .option-list--option-highlighted { text-style: reverse; }
    """

    def __init__(self, id: str | None = None) -> None:  # noqa: A002  Textual's own word
        super().__init__(id=id, markup=False)
        self._rows: list[tuple[str, tuple[int, int], tuple[str, ...]]] = []
        self._choice = Choice(())
        self._width = 0

    def show(self, rows: Sequence[tuple[str, tuple[int, int], tuple[str, ...]]], choice: Choice) -> None:
        """Show other files: (path, (lines added, removed), flags) of each."""
        self._rows, self._choice = list(rows), choice
        self.clear_options()
        self.add_options([Option(self._row(place)) for place in range(len(self._rows))])

    def tell(self, path: str) -> None:
        """Show what is taken of a file now."""
        for place, (one, _, _) in enumerate(self._rows):
            if one == path:
                self.replace_option_prompt_at_index(place, self._row(place))

    def on_resize(self, event: events.Resize) -> None:
        """Rows are as wide as there is room."""
        if event.size.width != self._width:
            self._width = event.size.width
            for place in range(len(self._rows)):
                self.replace_option_prompt_at_index(place, self._row(place))

    def _row(self, place: int) -> Content:
        path, (added, removed), flags = self._rows[place]
        counts = f"+{added:,} -{removed:,}"
        room = max(4, self.scrollable_content_region.width - len(counts) - 7)
        words = f"  {', '.join(flags)}" if flags else ""
        shown = clean(path, newlines=False)
        if len(words) + min(len(shown), _LEAST) > room:
            words = ""
        shown = _ending(shown, room - len(words))
        gap = " " * max(1, room + 1 - cell_len(shown) - len(words))
        return Content.assemble(
            f"{self._choice.sign(path)} ",
            ("! " if flags else "  ", "bold $text-warning"),
            shown,
            (words, "$text-warning"),
            gap,
            (counts, "$text-muted"),
        )


def _ending(path: str, width: int) -> str:
    """A path cut to some cells at its front: the end says more."""
    if cell_len(path) <= width:
        return path
    while path and cell_len(path) >= width:
        path = path[1:]
    return f"…{path}"
