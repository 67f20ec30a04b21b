"""Lines cut to a width in cells, at spaces where there are any; growing text is wrapped only at its end."""

from __future__ import annotations

from rich.cells import cell_len, chop_cells


def wrapped(line: str, width: int) -> list[str]:
    """One logical line as the lines it fills; words that are too long are cut."""
    line = line.expandtabs(4)
    if cell_len(line) <= width:
        return [line]
    indent = " " * min(len(line) - len(line.lstrip()), width // 2)
    lines: list[str] = []
    current = ""
    for word in _words(line):
        if current and cell_len(current) + cell_len(word.rstrip()) > width:
            lines.append(current.rstrip())
            current = indent + word.lstrip()
        else:
            current += word
        if cell_len(current.rstrip()) > width:
            *whole, current = chop_cells(current, width)
            lines += whole
    return [*lines, current.rstrip()]


def _words(line: str) -> list[str]:
    """Words, each with the spaces after it."""
    found: list[str] = []
    for part in line.split(" "):
        if part or not found:
            found.append(part + " ")
        else:
            found[-1] += " "
    return found


class Wrapped:
    """A text as lines of at most `width` cells."""

    def __init__(self, width: int, text: str = "") -> None:
        self.width = max(width, 1)
        self.lines: list[str] = []
        self._open = ""
        self._start = 0
        """Where the lines of the last, open logical line begin."""
        self.append(text)

    def append(self, text: str) -> int:
        """Add text at the end; returns the first line that changed."""
        changed = self._start
        whole, *rest = text.split("\n")
        self._put(self._open + whole)
        for logical in rest:
            self._start = len(self.lines)
            self._put(logical)
        return changed

    def _put(self, logical: str) -> None:
        self._open = logical
        self.lines[self._start :] = wrapped(logical, self.width)
