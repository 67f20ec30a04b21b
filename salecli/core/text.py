"""The cleaning gate: text that a model, a repository or a test wrote, made safe to show."""

from __future__ import annotations

import re

# C0 but newline and tab, DEL, C1, and the bidirectional controls that reorder what people read.
_HOSTILE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_BREAKS = re.compile("[\n\u2028\u2029\u0085]")


def clean(text: str, newlines: bool = True) -> str:
    """`text` with control characters made visible, so that no terminal ever obeys them.

    Newline and tab stay; with `newlines=False` line ends become visible too, for texts of one line.
    """
    text = _HOSTILE.sub(_visible, text)
    return text if newlines else _BREAKS.sub(_visible, text)


def escaped(json: str) -> str:
    """A line of JSON with the same characters escaped that `clean` makes visible."""
    return _HOSTILE.sub(lambda match: f"\\u{ord(match.group()):04x}", json)


def indented(text: str) -> str:
    """Every line of `text` moved in by four columns: foreign text that stands below a line of ours."""
    return "\n".join(f"    {line}" for line in text.splitlines())


def _visible(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code == 0x0A:
        return "\\n"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
