"""What the user has selected on a screen, with the mouse or in an input."""

from __future__ import annotations

from typing import Any

from textual.screen import Screen


def selected_text(screen: Screen[Any]) -> str:
    """The selected text, empty where nothing is."""
    # They bring an editor with them, which the first frame of most screens does without.
    from textual.widgets import Input, TextArea

    focused = screen.focused
    own = focused.selected_text if isinstance(focused, Input | TextArea) else ""
    return screen.get_selected_text() or own
