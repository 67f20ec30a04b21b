"""Reads the issue that a task is made of: a file, or standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from salecli.errors import UsageError

MOST_BYTES = 200_000
"""No model reads more, and a log pasted by mistake is caught here."""


def read_issue(source: str) -> tuple[str, str]:
    """(text, name) of an issue; `-` is standard input.

    Raises:
        UsageError: missing, a folder, empty, binary or too large.
    """
    if source == "-":
        data, name = sys.stdin.buffer.read(MOST_BYTES + 1), "standard input"
    else:
        path = Path(source)
        name = path.name
        try:
            with path.open("rb") as file:
                data = file.read(MOST_BYTES + 1)
        except FileNotFoundError:
            raise UsageError(f"no issue file {source}", "name a text file, or - for standard input") from None
        except IsADirectoryError:
            raise UsageError(f"{source} is a folder", "name the issue file inside it") from None
        except OSError as error:
            raise UsageError(
                f"{source} cannot be read: {error.strerror}", "name a text file that you may read"
            ) from None
    if len(data) > MOST_BYTES:
        raise UsageError(
            f"{name} is larger than {MOST_BYTES:,} bytes",
            "say in a page what is to be done, and leave logs out",
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{name} is not a UTF-8 text (byte {error.start})", "save the issue as UTF-8 text"
        ) from None
    if "\0" in text:
        raise UsageError(f"{name} is a binary file", "name a text that says what is to be done")
    if not text.strip():
        raise UsageError(f"{name} is empty", "say in a sentence what is to be done")
    return text, name
