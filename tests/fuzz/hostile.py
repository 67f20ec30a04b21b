"""What the fuzz tests have in common: hostile text, time that grows with its input, damage to bytes."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from hypothesis import strategies as st

MEGABYTE = 1 << 20
T = TypeVar("T", str, bytes)
Made = TypeVar("Made")
Error = TypeVar("Error", bound=Exception)

CODES = st.characters(categories=None)
"""Every code point, lone surrogates included."""
TEXT = st.text(CODES, max_size=200)


def made_or(error: type[Error], call: Callable[[], Made]) -> Made | Error:
    """What a call gives, or the one kind of error that it may raise."""
    try:
        return call()
    except error as raised:
        return raised


def spliced(*parts: str) -> st.SearchStrategy[str]:
    """Text that is made of these parts, repeated and mixed with anything at all."""
    return st.lists(st.sampled_from(parts) | st.text(CODES, max_size=6), max_size=40).map("".join)


def damaged(whole: bytes) -> st.SearchStrategy[bytes]:
    """`whole` with a few bytes changed, or cut anywhere."""
    at = st.integers(0, max(0, len(whole) - 1))

    def changed(edits: list[tuple[int, int]], end: int) -> bytes:
        data = bytearray(whole)
        for place, value in edits:
            data[place] = value
        return bytes(data[:end])

    return st.builds(
        changed, st.lists(st.tuples(at, st.integers(0, 255)), max_size=8), st.just(len(whole)) | at
    )


def seconds(call: Callable[[], object]) -> float:
    """CPU seconds of this process, without the garbage collector's, whose rounds come when they come."""
    gc.collect()
    gc.disable()
    try:
        began = time.process_time()
        call()
        return time.process_time() - began
    finally:
        gc.enable()


def grows_in_proportion(read: Callable[[T], object], unit: T, size: int = MEGABYTE) -> None:
    """Fail where four times the input takes far more than four times as long: squares would take sixteen.

    `unit` is repeated up to `size`; what takes a fiftieth of a second is too short to be measured.
    """
    quarter, whole = (unit * max(1, share // len(unit)) for share in (size // 4, size))
    small = seconds(partial(read, quarter))
    assert small < 8, f"{small:.1f} s for {size // 4:,} of {unit[:20]!r}"
    large = seconds(partial(read, whole))
    if large >= 9 * max(small, 0.02):  # once more, in case that something came between
        small, large = seconds(partial(read, quarter)), seconds(partial(read, whole))
    assert large < 9 * max(small, 0.02), f"{small:.3f} s and {large:.3f} s for {unit[:20]!r}"
