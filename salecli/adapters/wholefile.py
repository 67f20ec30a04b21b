"""Files that are there whole or not at all: written beside their place, then put into it."""

from __future__ import annotations

from pathlib import Path


def write(path: Path, text: str) -> None:
    """Write `text`, as UTF-8, in place of what the file held.

    Raises:
        OSError: it cannot be written; what it held is still there.
    """
    growing = path.with_name(f"{path.name}.part")
    growing.write_text(text, encoding="utf-8")
    growing.replace(path)
