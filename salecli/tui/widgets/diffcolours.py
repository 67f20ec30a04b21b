"""Colours of code: which parts of a line are keywords, strings and so on. Pygments is imported when asked."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pygments.lexer import Lexer
    from pygments.token import _TokenType

Coloured = tuple[tuple[int, int, str], ...]
"""(from, to, what) of the parts of one line that have a colour; what is one of `NAMES`."""
NAMES = ("comment", "keyword", "string", "number", "name", "builtin")
_LONGEST = 2000
"""Characters of a line above which its chunk stays without colours: minified code takes seconds."""


def coloured(path: str, lines: Sequence[str]) -> list[Coloured]:
    """The colours of consecutive lines of a file, told by its name; nothing where that says nothing."""
    plain: list[Coloured] = [()] * len(lines)
    if any(len(line) > _LONGEST for line in lines):
        return plain
    lexer = _lexer(path.rpartition("/")[2])
    if lexer is None:
        return plain
    found: list[list[tuple[int, int, str]]] = [[] for _ in lines]
    number = at = 0
    for kind, text in lexer.get_tokens("\n".join(lines)):
        what = _what(kind)
        for place, part in enumerate(text.split("\n")):
            if place:
                number, at = number + 1, 0
            if what and part and number < len(lines):
                found[number].append((at, at + len(part), what))
            at += len(part)
    return [tuple(line) for line in found]


def both(path: str, signs: Sequence[str], lines: Sequence[str]) -> list[Coloured]:
    """The colours of lines of a hunk: the old and the new file are each read as a whole."""
    found: list[Coloured] = [()] * len(lines)
    for sides in (" -", " +"):
        ours = [place for place, sign in enumerate(signs) if sign in sides]
        for place, colours in zip(ours, coloured(path, [lines[one] for one in ours]), strict=True):
            found[place] = colours
    return found


@cache
def _lexer(name: str) -> Lexer | None:
    from pygments.lexers import get_lexer_for_filename
    from pygments.util import ClassNotFound

    try:
        return get_lexer_for_filename(name, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


@cache
def _what(kind: _TokenType) -> str:
    """Our few names for pygments' many."""
    from pygments.token import Comment, Keyword, Name, Number, Operator, String

    for name, kinds in (
        ("comment", (Comment, String.Doc)),
        ("number", (Number, Keyword.Constant)),
        ("keyword", (Keyword, Operator.Word)),
        ("string", (String,)),
        ("name", (Name.Function, Name.Class, Name.Tag, Name.Attribute)),
        ("builtin", (Name.Builtin, Name.Exception, Name.Decorator)),
    ):
        if any(kind in one for one in kinds):
            return name
    return ""
