"""The cleaning gate: no text at all gets a control character through, and plain text stays as it is."""

from __future__ import annotations

import json
import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from salecli.core.text import clean, escaped, indented
from tests.fuzz.hostile import CODES, TEXT, grows_in_proportion, spliced

HOSTILE = spliced(
    "\x1b[2J",
    "\x1b]52;c;aGk=\x07",
    "\x1b]8;;http://x\x1b\\",
    "\x9b",
    "\r",
    "\b",
    "\u202e",
    "\u2066",
    "\n",
    "\t",
)
BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@given(TEXT | HOSTILE)
def test_nothing_that_a_terminal_obeys_comes_through(text: str) -> None:
    shown = clean(text)
    assert all(unicodedata.category(sign) not in ("Cc", "Cs") or sign in "\n\t" for sign in shown)
    assert not any(unicodedata.bidirectional(sign) in BIDI or sign in "\u200e\u200f\u061c" for sign in shown)
    assert clean(shown) == shown
    shown.encode()


@given(TEXT | HOSTILE)
@example("a\x1cb\x1db\x1eb\x0bb\x0cb\x85b\u2028b\u2029b\rb")
def test_one_line_stays_one_line(text: str) -> None:
    assert len(clean(text, newlines=False).splitlines()) <= 1


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Cf"]) | st.sampled_from("\n\t")))
def test_plain_text_is_not_touched(text: str) -> None:
    assert clean(text) == text


@given(st.lists(CODES, max_size=50).map("".join))
def test_every_hidden_character_can_be_found_again(text: str) -> None:
    """What became visible names its code point: nothing is lost to a reader."""
    shown = clean(text)
    for sign in set(text) - set(shown):
        assert re.search(rf"\\x{ord(sign):02x}|\\u{ord(sign):04x}|\\n", shown)


@given(TEXT | HOSTILE)
def test_a_line_of_json_means_the_same_without_them(text: str) -> None:
    line = escaped(json.dumps([text], ensure_ascii=False))
    assert json.loads(line) == [text]
    assert clean(line, newlines=False) == line or "\u2028" in text or "\u2029" in text


@given(TEXT)
def test_indented_text_keeps_to_its_side(text: str) -> None:
    assert all(line.startswith("    ") for line in indented(clean(text)).split("\n") if line)


@pytest.mark.parametrize("unit", ["\x1b", "a", "\n", "漢\u202e"])
def test_time_grows_with_the_text(unit: str) -> None:
    grows_in_proportion(lambda text: clean(text, newlines=False), unit)
