"""Files of JSON lines that only grow: a line is on the disk whole, or not there."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from typing import Any


def append(descriptor: int, record: Mapping[str, Any]) -> None:
    """Put a line at the end; when this returns, it is on the disk.

    Raises:
        OSError: it cannot be written; nothing of it is left there.
    """
    line = json.dumps(record, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
    before = os.lseek(descriptor, 0, os.SEEK_END)
    try:
        if os.write(descriptor, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, before)  # no half line in front of the next one
        raise


def whole(descriptor: int) -> bytes:
    """All lines but one at the end that a killed process left unfinished."""
    with open(descriptor, "rb", closefd=False) as opened:
        text = opened.read()
    return text[: text.rfind(b"\n") + 1]
