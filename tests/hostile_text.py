"""One text that holds everything a terminal, a screen or a reader may be attacked with,
and what must come of it."""

from __future__ import annotations

PAYLOADS = {
    "colour": "\x1b[31mCOLOUR",
    "clear": "\x1b[2JCLEAR",
    "title": "\x1b]0;TITLE\x07",
    "link": "\x1b]8;;http://x.invalid\x1b\\LINK\x1b]8;;\x1b\\",
    "clipboard": "\x1b]52;c;Q0xJUA==\x07CLIP",
    "device": "\x1bPDEVICE\x1b\\",
    "C1": "\x9b31mC1CODE",
    "return": "RETURN\rREWRITTEN",
    "backspace": "BACK\x08\x08SPACE",
    "direction": "\u202eDIRECTION",
    "isolate": "\u2066ISOLATE",
}
"""Each holds a capital word by which it is found; raw it must never reach a terminal."""
MARKUP = "[@click=app.quit]MARKUP[/][red]RED[/]"
"""What Textual's and Rich's own markup looks like: it is shown as it stands."""
HOSTILE = " ".join([*PAYLOADS.values(), MARKUP])


def raw_in(text: str) -> list[str]:
    """The payloads that came through as they were."""
    return [name for name, payload in PAYLOADS.items() if payload in text]


def bare(text: str) -> list[str]:
    """The control characters of a text that was not for a terminal."""
    return sorted({sign for sign in text if (ord(sign) < 32 and sign not in "\n\t") or 126 < ord(sign) < 160})
