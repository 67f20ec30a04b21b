"""A plan as Markdown in finished lines: one widget draws them, nothing in them can be clicked or run."""

from __future__ import annotations

import io
from collections.abc import Mapping

from rich.style import Style
from textual.strip import Strip

STYLES = ("code", "heading", "bullet", "quote", "muted")


def markdown(text: str, width: int, plain: Style, styles: Mapping[str, Style]) -> list[Strip]:
    """`text` drawn `width` cells wide on the style `plain`; `styles` holds one for each of `STYLES`."""
    # markdown-it and what it brings cost a tenth of a second: nobody waits for them at the first frame.
    from markdown_it import MarkdownIt
    from rich.console import Console
    from rich.theme import Theme

    from salecli.tui.widgets.foreign import Foreign

    parser = MarkdownIt("commonmark", {"html": False}).enable("strikethrough").enable("table")
    drawn = Foreign("", hyperlinks=False)
    drawn.parsed = parser.parse(text)
    for token in drawn.parsed:
        for child in token.children or ():
            if child.type == "softbreak":
                child.type = "hardbreak"  # plans mean their line ends
            if child.type == "image":
                child.type, child.tag, child.nesting = "text", "", 0
    code, heading, bullet, quote, muted = (styles[name] for name in STYLES)
    theme = Theme(
        {
            "markdown.code": code,
            "markdown.code_block": code,
            "markdown.item.bullet": bullet,
            "markdown.item.number": bullet,
            "markdown.block_quote": quote,
            "markdown.hr": muted,
            "markdown.link": Style(underline=True),
            "markdown.link_url": muted,
            **{f"markdown.h{level}": heading for level in range(1, 8)},
        }
    )
    # Drawn into segments, never written: what it knows of a terminal is set here.
    console = Console(file=io.StringIO(), width=width, color_system="truecolor", theme=theme, emoji=False)
    lines = console.render_lines(drawn, style=plain, pad=True)
    while lines and not "".join(segment.text for segment in lines[0]).strip():
        lines.pop(0)
    return [Strip(line).adjust_cell_length(width, plain) for line in lines]
