"""Questions to the user, each a modal screen: a line, a text, yes or no, one of several.

Esc takes every question back and never reaches what lies below. All texts are shown as they are, without
markup, and pass the cleaning gate: a file's name or a model's word may stand in any of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, TypeVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Button, Input, OptionList, Static, TextArea
from textual.widgets.option_list import Option

from salecli.core.text import clean

Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer]):
    """A question in the middle of the screen; None is the answer of who takes it back."""

    CSS_PATH = "dialogs.tcss"
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (9, "-short"), (18, "-tall")]  # noqa: RUF012 - Textual does not say ClassVar
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", id="dialog.cancel", tooltip="Go back without an answer"),
        Binding("f1", "app.help", "Help", id="dialog.help", show=False, tooltip="What this question is for"),
    ]

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title

    def line(self, text: str, kind: str) -> Static:
        """A piece of text, shown as it is."""
        return Static(clean(text), markup=False, classes=kind)

    def leave(self, answer: Answer | None) -> None:
        """Close with an answer, once: a second key that is on its way must not close what lies below."""
        if self.app.screen is self:
            self.dismiss(answer)

    def action_cancel(self) -> None:
        self.leave(None)


class _Asking(Dialog[str]):
    """A question that is answered in words."""

    KEYS: ClassVar[str]

    def __init__(self, title: str, label: str, value: str = "", placeholder: str = "") -> None:
        super().__init__(title)
        self._label = label
        self._value = value
        self._placeholder = placeholder

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield self.line(self._title, "title")
            yield self.line(self._label, "label")
            yield self.field()
            yield self.line(self.KEYS, "keys")

    def field(self) -> Widget:
        """Where the answer is written."""
        raise NotImplementedError


class Ask(_Asking):
    """One line of text; Enter sends it."""

    HELP: ClassVar = """\
# A line

sale wants a few words of you: what for stands above the line. **Enter** sends them, **Esc** goes back, and
nothing is done. A reason may be left empty.
"""
    KEYS = "Enter sends   Esc cancels"

    def field(self) -> Widget:
        return Input(self._value, clean(self._placeholder, newlines=False))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.leave(event.value.strip())


class AskText(_Asking):
    """Several lines of text; F10 sends them, and Ctrl+Enter where the terminal tells it from Enter."""

    HELP: ClassVar = """\
# A text

Write as many lines as you like: what for stands above them. **F10** sends them, and **Ctrl+Enter** where the
terminal knows it; **Enter** begins a new line. **Esc** goes back, and nothing is sent.
"""
    KEYS = "F10 or Ctrl+Enter sends   Esc cancels"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f10,ctrl+enter", "send", "Send", id="dialog.send", tooltip="Send the text", priority=True),
    ]

    def field(self) -> Widget:
        return TextArea(self._value, placeholder=Content(clean(self._placeholder)))

    def action_send(self) -> None:
        self.leave(self.query_one(TextArea).text.strip())


class Confirm(Dialog[bool]):
    """Yes or no; where it is dangerous, "no" has the focus."""

    HELP: ClassVar = """\
# Yes or no

sale asks before it does what the title names; the text below says what comes of it. **y** does it. **n** or
**Esc** goes back, and nothing is changed. **Enter** presses the button that has the focus.
"""
    AUTO_FOCUS: ClassVar[str | None] = ""
    KEYS: ClassVar[str] = "y says yes   n or Esc says no"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes", id="dialog.yes", tooltip="Say yes"),
        Binding("n", "answer(False)", "No", id="dialog.no", tooltip="Say no"),
        Binding(
            "left,up",
            "app.focus_previous",
            "Previous",
            id="dialog.previous",
            tooltip="The answer before",
            show=False,
        ),
        Binding(
            "right,down", "app.focus_next", "Next", id="dialog.next", tooltip="The next answer", show=False
        ),
    ]

    def __init__(self, title: str, text: str, yes: str = "Yes", no: str = "No", danger: bool = False) -> None:
        super().__init__(title)
        self._text = text
        self._yes = yes
        self._no = no
        self._danger = danger

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog danger" if self._danger else "dialog"):
            yield self.line(self._title, "title")
            with VerticalScroll(can_focus=False):
                yield self.line(self._text, "text")
            with Horizontal(classes="buttons"):
                yield Button(Content(f"{clean(self._yes)} (y)"), id="yes", compact=True)
                yield Button(Content(f"{clean(self._no)} (n)"), id="no", compact=True)
            yield self.line(self.KEYS, "keys")

    def on_mount(self) -> None:
        self.query_one("#no" if self._danger else "#yes").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.leave(event.button.id == "yes")

    def action_answer(self, yes: bool) -> None:
        self.leave(yes)

    def action_cancel(self) -> None:
        self.leave(False)


class Pick(Dialog[str]):
    """One of several (id, label); a digit picks one of the first nine at once."""

    HELP: ClassVar = """\
# One of several

**Up** and **Down** go through the lines, **Enter** or a line's digit picks one. **Esc** goes back, and
nothing is picked.
"""

    def __init__(self, title: str, options: Sequence[tuple[str, str]]) -> None:
        super().__init__(title)
        self._options = list(options)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield self.line(self._title, "title")
            yield OptionList(
                *(Option(f"{place:>2}  {clean(label)}") for place, (_, label) in enumerate(self._options, 1)),
                markup=False,
            )
            yield self.line("Enter or a digit picks   Esc cancels", "keys")

    def on_mount(self) -> None:
        if self._options:
            self.query_one(OptionList).highlighted = 0

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.leave(self._options[event.option_index][0])

    def on_key(self, event: events.Key) -> None:
        place = int(event.character) if event.character in tuple("123456789") else 0
        if 0 < place <= len(self._options):
            event.stop()
            self.leave(self._options[place - 1][0])
