"""Runs several generators of events at the same time, and yields what they yield as it comes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Hashable, Mapping
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")
Result = TypeVar("Result")

Cancels = Mapping[Key, Callable[[], None]]
"""What ends the wait that a stream's thread is in, by the stream's key."""

_QUEUED = 64
"""Items that may wait: a slow reader holds the writers back."""
_AGAIN = 0.05
"""Seconds after which a stream that goes on is cancelled again."""


def merge(
    streams: Mapping[Key, Generator[Item, None, Result]],
    at_once: int = 1,
    cancels: Cancels[Key] | None = None,
) -> Generator[Item, None, dict[Key, Result]]:
    """Yield the items of all streams and return their results by key, in the mapping's order.

    At most `at_once` streams run at a time, each in a thread of its own; with 1 they run in turn, in this
    thread, in a fixed order. An exception in a stream closes the others and is raised here. Closing this
    generator closes every stream before it returns: a stream that waits for something in its thread is
    woken by its function in `cancels`, without one it is waited for.
    """
    if at_once <= 1 or len(streams) <= 1:
        results = {}
        try:
            for key, stream in streams.items():
                results[key] = yield from stream
        finally:
            for stream in streams.values():
                stream.close()
        return results
    return (yield from _merge_threads(streams, at_once, cancels or {}))


def _merge_threads(
    streams: Mapping[Key, Generator[Item, None, Result]], at_once: int, cancels: Cancels[Key]
) -> Generator[Item, None, dict[Key, Result]]:
    channel: _Channel[Key] = _Channel(at_once)
    threads = {
        key: threading.Thread(target=channel.run, args=(key, stream), name=f"merge-{key}", daemon=True)
        for key, stream in streams.items()
    }
    results: dict[Key, Result] = {}
    try:
        for thread in threads.values():
            thread.start()
        while len(results) < len(streams):
            key, kind, value = channel.items.get()
            if kind == "item":
                yield value  # type: ignore[misc]
            elif kind == "result":
                results[key] = value  # type: ignore[assignment]
            else:
                assert isinstance(value, BaseException)
                raise value
    finally:
        channel.closing.set()
        _end(threads, cancels)
    return {key: results[key] for key in streams}


def _end(threads: Mapping[Key, threading.Thread], cancels: Cancels[Key]) -> None:
    """Return when no stream runs any more."""
    while running := {key: thread for key, thread in threads.items() if thread.is_alive()}:
        # All before any is waited for; again and again, for a stream may have stood between two waits.
        for key in running:
            if key in cancels:
                cancels[key]()
        next(iter(running.values())).join(_AGAIN)


class _Channel(Generic[Key]):
    """The queue between the streams' threads and the one reader."""

    def __init__(self, at_once: int) -> None:
        self.items: queue.Queue[tuple[Key, str, object]] = queue.Queue(_QUEUED)
        self.closing = threading.Event()
        self._slots = threading.Semaphore(at_once)

    def run(self, key: Key, stream: Generator[object, None, object]) -> None:
        """Play one stream to its end, or until the reader closes."""
        with self._slots:
            try:
                while not self.closing.is_set() and self._put(key, "item", next(stream)):
                    pass
            except StopIteration as stop:
                self._put(key, "result", stop.value)
            except BaseException as error:  # handed to the reader, which raises it
                self._put(key, "error", error)
            finally:
                stream.close()

    def _put(self, key: Key, kind: str, value: object) -> bool:
        """False where the reader closed before there was room."""
        while not self.closing.is_set():
            try:
                self.items.put((key, kind, value), timeout=0.05)
            except queue.Full:
                continue
            return True
        return False
