"""The cleaning gate."""

from __future__ import annotations

import pytest

from salecli.core.text import clean


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain\ttext\nhere ü 漢", "plain\ttext\nhere ü 漢"),
        ("\x1b[31mred\x1b]52;c;aGk=\x07", "\\x1b[31mred\\x1b]52;c;aGk=\\x07"),
        ("a\rb\x08c\x7f", "a\\x0db\\x08c\\x7f"),
        ("\x9b31m", "\\x9b31m"),
        ("abc\u202edef\u2066", "abc\\u202edef\\u2066"),
        ("\udcff", "\\udcff"),
    ],
)
def test_controls_become_visible(raw: str, shown: str) -> None:
    assert clean(raw) == shown


def test_one_line_stays_one_line() -> None:
    assert clean("a\nb\u2028c\x85d", newlines=False) == "a\\nb\\u2028c\\x85d"
