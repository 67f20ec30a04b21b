"""Reading a patch: from hunk to hunk and file to file, its layout, what is searched for and copied."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.screen import Screen

from salecli.core.words import plural
from salecli.tui.clip import copy_aloud
from salecli.tui.screens.dialogs import Ask
from salecli.tui.widgets.diff import DiffView

quiet = partial(Binding, show=False)
"""A key that has no room in the footer."""
READS = ("hunk", "file", "split", "wrap", "search", "copy")
"""Actions for which a patch must be there."""


class Reading(Screen[None]):
    """The reading half of the review screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        quiet("slash", "search", "Search", id="review.search", tooltip="Find a text in the patch"),
        quiet("left_square_bracket", "hunk(-1)", "Back", id="review.back", tooltip="Hunk before"),
        quiet("n", "file(1)", "Next file", id="review.next", tooltip="Next file"),
        quiet("p", "file(-1)", "File before", id="review.previous", tooltip="File before"),
        quiet("w", "wrap", "Wrap", id="review.wrap", tooltip="Wrap long lines, or not"),
        quiet("greater_than_sign", "hit(1)", "Next hit", id="review.hit", tooltip="Next place found"),
        quiet("less_than_sign", "hit(-1)", "Hit before", id="review.unhit", tooltip="Place found before"),
        quiet("y", "copy", "Copy", id="review.copy", tooltip="Copy the hunk, without line numbers"),
    ]

    def say(self, text: str, meant: str = "") -> None:
        """Show a sentence until something else happens; meant is "", "good" or "bad"."""
        raise NotImplementedError

    def tell_where(self) -> None:
        """Say which hunk of which file is looked at."""
        raise NotImplementedError

    def action_hunk(self, step: int) -> None:
        self.query_one(DiffView).step_hunk(step)

    def action_file(self, step: int) -> None:
        self.query_one(DiffView).step_file(step)

    def action_split(self) -> None:
        view = self.query_one(DiffView)
        view.rearrange(not view.split, view.wrap)
        if view.split and view.unsplit:
            files = plural(view.unsplit, "file")
            self.notify(f"{files} unified: the longest line has no room beside itself.", markup=False)
        self.tell_where()

    def action_wrap(self) -> None:
        view = self.query_one(DiffView)
        view.rearrange(view.split, not view.wrap)
        self.tell_where()

    def action_search(self) -> None:
        def given(wanted: str | None) -> None:
            if wanted:
                found = self.query_one(DiffView).search(wanted)
                self.say(
                    f"{plural(found, 'place')}: > and < go through them." if found else f"not found: {wanted}"
                )
                self.tell_where()
                self.refresh_bindings()

        self.app.push_screen(Ask("Search", "Text in the patch; capitals count where you type some."), given)

    def action_hit(self, step: int) -> None:
        self.query_one(DiffView).step_hit(step)
        self.tell_where()

    def action_copy(self) -> None:
        text = self.query_one(DiffView).hunk_text()
        if text:
            copy_aloud(self, text)
        else:
            self.notify("There are no lines to copy.", severity="warning")
