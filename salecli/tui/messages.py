"""What a screen asks of the app: to go elsewhere, to show or start a run, to leave."""

from __future__ import annotations

from typing import Literal

from textual.message import Message

Where = Literal["start", "auction", "work", "review", "memory", "models"]
"""The screens that can be gone to."""


class Go(Message):
    """Show another screen."""

    def __init__(self, where: Where) -> None:
        super().__init__()
        self.where: Where = where


class OpenRun(Message):
    """Show a recorded run."""

    def __init__(self, run_id: str) -> None:
        super().__init__()
        self.run_id = run_id


class StartRun(Message):
    """Sell a task: an issue's text, and its file's name or "typed"."""

    def __init__(self, text: str, name: str) -> None:
        super().__init__()
        self.text = text
        self.name = name


class RunAgain(Message):
    """Sell the present run's task once more."""


class Leave(Message):
    """Quit; a run that goes on is asked about first."""
