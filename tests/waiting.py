"""Waiting for what comes in its own time."""

import time
from collections.abc import Callable


def eventually(holds: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until something holds; AssertionError where it does not within `seconds`."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"not within {seconds:g} s"
        time.sleep(0.02)
