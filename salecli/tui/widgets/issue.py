"""Where the task is written: plain text, in which control characters are shown and never sent."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import TextArea

from salecli.core.text import clean

_PLACEHOLDER = """\
What is to be done?

A good task says
- what happens now, and what should happen instead
- how to see it: an input, a failing test, an error's text
- where, if you know it: a file, a function

Type it or paste it here, or press Tab to pick a file."""

_LEFT_TO_THE_APP = {"f6", "f7"}
"""Keys of TextArea that lead to other screens here."""


def shown(text: str) -> str:
    """A text as it stands here: Unix line ends, control characters made visible."""
    return clean(text.replace("\r\n", "\n").replace("\r", "\n"))


class IssueText(TextArea, inherit_bindings=False):
    """The text of a task; `source` is the file that it came from, or "typed"."""

    HELP: ClassVar = """\
# The task

Say in plain words what is to be done; the agents read exactly what stands here. A heading
(`# Round half up`) becomes the task's title. Files that are named here are shown to the agents.

**F10** sells the task, and so does **Ctrl+Enter** in terminals that tell it from Enter. **Tab** goes on to
the files and earlier runs. **Ctrl+Z** undoes, **Ctrl+Y** does it again, **Ctrl+C**, **Ctrl+X** and **Ctrl+V**
copy, cut and paste.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        one for one in TextArea.BINDINGS if not isinstance(one, Binding) or one.key not in _LEFT_TO_THE_APP
    ]

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  Textual's own name
        super().__init__(id=id, soft_wrap=True, tab_behavior="focus", placeholder=Content(_PLACEHOLDER))
        self.source = "typed"
        self.cursor_blink = False  # it would be drawn twice a second while nobody does anything

    def on_mount(self) -> None:
        self._title()

    def fill(self, text: str, source: str) -> None:
        """Put a file's text here; what stood here comes back with undo."""
        self.replace(shown(text), (0, 0), self.document.end)
        self.source = source
        self.move_cursor((0, 0))
        self._title()

    def on_paste(self, event: events.Paste) -> None:
        # TextArea's own takes the event after this one.
        event.text = shown(event.text)

    def on_text_area_changed(self) -> None:
        if not self.text and self.source != "typed":
            self.source = "typed"
            self._title()

    def _title(self) -> None:
        name = "" if self.source == "typed" else f": {clean(self.source, newlines=False)}"
        self.border_title = Content(f"The task{name}")
