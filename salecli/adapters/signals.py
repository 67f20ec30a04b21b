"""Answers to the operating system's signals, for the length of a block."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

Answer = Callable[[int, FrameType | None], None]


@contextmanager
def answered(answers: Mapping[int, Answer]) -> Iterator[None]:
    """Answer these signals, and put back what was there before; main thread only.

    A signal that the parent told us to ignore (nohup, a job of a script) stays ignored.
    """
    before = {
        number: signal.signal(number, answer)
        for number, answer in answers.items()
        if signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, answer_before in before.items():
            signal.signal(number, answer_before)
