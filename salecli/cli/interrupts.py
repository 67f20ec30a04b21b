"""Ctrl-C, SIGTERM and a closed terminal: the first ends the run in order, a second Ctrl-C ends it at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from salecli.adapters.owner import own_folders_removed
from salecli.adapters.signals import Answer, answered
from salecli.cli.exits import Exit


class Terminated(BaseException):
    """SIGTERM or SIGHUP arrived; every `finally` on the way out still runs."""


@contextmanager
def interrupts() -> Iterator[None]:
    """Turn signals into exceptions for the length of a run; outside of the main thread nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed = False

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed:
            # Should one want it even faster: a third ends what little is still done.
            signal.signal(number, signal.SIG_DFL)
            _at_once()
        pressed = True
        raise KeyboardInterrupt

    def on_terminate(number: int, frame: FrameType | None) -> None:
        # Cleaning up must not itself be cut short by a repeated signal.
        signal.signal(number, signal.SIG_IGN)
        raise Terminated

    wanted: dict[int, Answer] = {signal.SIGINT: on_interrupt, signal.SIGTERM: on_terminate}
    if hasattr(signal, "SIGHUP"):
        wanted[signal.SIGHUP] = on_terminate
    with answered(wanted):
        yield


def _at_once() -> None:
    """Leave without waiting for anything: children and containers end with us, as their input does."""
    if sys.stderr.isatty():
        os.write(2, b"\x1b[?25h\n")  # a progress display may have hidden the cursor
    # Or else a copy of the repository would lie there until the next run.
    own_folders_removed()
    os._exit(Exit.INTERRUPTED)
