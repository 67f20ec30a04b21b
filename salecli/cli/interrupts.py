"""Ctrl-C, SIGTERM and a closed terminal: the first ends the run in order, a second Ctrl-C ends it at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
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

    def on_loss(lost: type[BaseException]) -> None:
        nonlocal pressed
        if lost is KeyboardInterrupt:
            pressed = False
            _again(signal.SIGINT)
        elif lost is Terminated:
            signal.signal(signal.SIGTERM, on_terminate)
            _again(signal.SIGTERM)

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
    with answered(wanted), _losses(on_loss):
        yield


@contextmanager
def _losses(told: Callable[[type[BaseException]], None]) -> Iterator[None]:
    """Tell of exceptions that Python drops: a signal may arrive while a weak reference's callback runs.

    Imports have such callbacks for their locks, so that a Ctrl-C of the first second could be lost.
    """
    report = sys.unraisablehook

    def dropped(what: sys.UnraisableHookArgs) -> None:
        if issubclass(what.exc_type, (KeyboardInterrupt, Terminated)):
            told(what.exc_type)
        else:
            report(what)

    sys.unraisablehook = dropped
    try:
        yield
    finally:
        sys.unraisablehook = report


def _again(number: int) -> None:
    """Send ourselves a signal once more, when what dropped it has had time to return."""
    main = threading.main_thread().ident
    assert main is not None
    again = threading.Timer(0.01, signal.pthread_kill, (main, number))
    again.daemon = True
    again.start()


def _at_once() -> None:
    """Leave without waiting for anything: children and containers end with us, as their input does."""
    if sys.stderr.isatty():
        os.write(2, b"\x1b[?25h\n")  # a progress display may have hidden the cursor
    # Or else a copy of the repository would lie there until the next run.
    own_folders_removed()
    os._exit(Exit.INTERRUPTED)
