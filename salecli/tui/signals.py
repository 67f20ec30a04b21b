"""SIGINT, SIGTERM and SIGHUP while the screens are shown: the app ends in order, whenever they come."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from salecli.adapters.signals import answered

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """Notes the first that comes, and calls one function for each."""

    def __init__(self) -> None:
        self.number = 0
        """The signal that ended the app; 0 where none did."""

    @contextmanager
    def watching(self, then: Callable[[], None]) -> Iterator[None]:
        """For the length of a block; main thread only."""

        def came(number: int, frame: FrameType | None) -> None:
            self.number = self.number or number
            then()

        with answered(dict.fromkeys(NUMBERS, came)):
            yield
