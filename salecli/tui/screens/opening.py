"""What stands on the screen while a run is read; another room would only flash up."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Static

from salecli.tui.widgets.headline import Headline


class OpeningScreen(Screen[None]):
    """A line, for a second at most."""

    DEFAULT_CSS = "OpeningScreen Static { padding: 1 1; color: $text-muted; }"

    def compose(self) -> ComposeResult:
        yield Headline()
        yield Static("Opening the run.", markup=False)
