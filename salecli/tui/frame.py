"""The app without any run: its theme, its help, its pictures, how it complains."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from textual.app import App
from textual.notifications import Notify, SeverityLevel

from salecli.core.text import clean
from salecli.errors import SaleError
from salecli.resources import data_folder
from salecli.tui import themes

_ERROR = 8.0
"""Seconds for which an error is shown."""


class Frame(App[None]):
    """What the app does on every screen, whatever runs there."""

    NOTIFICATION_TIMEOUT: ClassVar[float] = 3.0
    SUSPENDED_SCREEN_CLASS: ClassVar[str] = "-suspended"

    def __init__(self, theme: str) -> None:
        """`theme` is one of `themes.NAMES`; where no colours are wanted, it does not count."""
        plain = themes.colourless()
        super().__init__(ansi_color=True if plain else None)
        for one in themes.OWN:
            self.register_theme(one)
        # Nothing is drawn yet: to tell the watchers would have all styles parsed once more.
        self.set_reactive(App.theme, themes.ANSI.name if plain else theme)

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """Show a notice for three seconds, an error for longer."""
        if timeout is None and severity == "error":
            timeout = _ERROR
        super().notify(message, title=title, severity=severity, timeout=timeout, markup=markup)

    def on_notify(self, event: Notify) -> None:
        """The same words never stand twice at once."""
        told = event.notification
        if any((one.title, one.message) == (told.title, told.message) for one in self._notifications):
            event.prevent_default()

    def warn(self, text: str) -> None:
        """Say what the user should know before anything else."""
        self.notify(clean(text), severity="warning", markup=False, timeout=60)

    def complain(self, error: SaleError) -> None:
        """Say what is wrong, and what to type."""
        text = clean(f"{error.message}\n{error.hint}".strip())
        self.notify(text, severity="error", markup=False, timeout=15)

    def action_help(self) -> None:
        from salecli.tui.screens.help import WidgetHelp

        self.push_screen(WidgetHelp(self.screen))

    def action_keys(self) -> None:
        from salecli.tui.screens.help import KeyHelp

        self.push_screen(KeyHelp(self.screen))

    def action_theme(self) -> None:
        """The next of our own themes."""
        names = [theme.name for theme in themes.OWN]
        self.theme = names[(names.index(self.theme) + 1) % len(names) if self.theme in names else 0]
        self.notify(f"Theme {self.theme}; [tui] theme in the configuration keeps it.", markup=False)

    def action_picture(self) -> None:
        """Save what is seen as an SVG, outside of any repository."""
        folder = data_folder() / "screenshots"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path = self.save_screenshot(f"sale-{datetime.now():%Y%m%d-%H%M%S}.svg", str(folder))
        except OSError as error:
            self.notify(f"{folder}: {error.strerror}", severity="error", markup=False)
            return
        self.notify(f"Saved {path}", markup=False)
