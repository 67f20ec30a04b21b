"""Markdown that others wrote, drawn plainly. Imported after the first frame: rich.markdown is not cheap."""

from __future__ import annotations

from typing import ClassVar

from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import CodeBlock, Heading, Markdown, MarkdownElement
from rich.padding import Padding
from rich.text import Text


class _Left(Heading):
    """A heading at the left, without a frame."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        self.text.justify = "left"
        yield self.text


class _Code(CodeBlock):
    """A code block in one colour, on the background of the text around it."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        style = console.get_style("markdown.code_block")
        yield Padding(Text(str(self.text).rstrip(), style), (0, 0, 0, 2))


class Foreign(Markdown):
    """Links are words with their address behind them, pictures their words alone."""

    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "heading_open": _Left,
        "fence": _Code,
        "code_block": _Code,
    }
