"""Reads the issue that a task is made of: a file, or standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from salecli.adapters import issues


def read_issue(source: str) -> tuple[str, str]:
    """(text, name) of an issue; `-` is standard input.

    Raises:
        UsageError: missing, a folder, empty, binary or too large.
    """
    if source == "-":
        name = "standard input"
        return issues.decoded(sys.stdin.buffer.read(issues.MOST_BYTES + 1), name), name
    return issues.read_issue(Path(source))
