"""SIGINT, SIGTERM and SIGHUP while the screens are shown: the app ends in order, whenever they come."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """Notes the first that comes, and calls one function for each."""

    def __init__(self) -> None:
        self.number = 0
        """The signal that ended the app; 0 where none did."""

    @contextmanager
    def watching(self, then: Callable[[], None]) -> Iterator[None]:
        """For the length of a block, and what was there before is put back; main thread only.

        A signal that the parent told us to ignore (nohup) stays ignored.
        """

        def came(number: int, frame: FrameType | None) -> None:
            self.number = self.number or number
            then()

        before = {
            number: signal.signal(number, came)
            for number in NUMBERS
            if signal.getsignal(number) != signal.SIG_IGN
        }
        try:
            yield
        finally:
            for number, answer in before.items():
                signal.signal(number, answer)
