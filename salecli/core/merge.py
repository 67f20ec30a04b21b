"""Runs several generators of events at the same time, and yields what they yield as it comes."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Collection, Generator, Hashable, Iterable, Mapping
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
    free: Collection[Key] = (),
) -> Generator[Item, None, dict[Key, Result]]:
    """Yield the items of all streams and return their results by key, in the mapping's order.

    At most `at_once` streams run at a time, each in a thread of its own, beside those that are `free` of that
    limit; with 1 and none free they run in turn, in this thread, in a fixed order. An exception in a stream
    closes the others and is raised here. Closing this generator closes every stream before it returns: a
    stream that waits for something in its thread is woken by its function in `cancels`, without one it is
    waited for.
    """
    if len(streams) <= 1 or (at_once <= 1 and not any(key in free for key in streams)):
        results = {}
        try:
            for key, stream in streams.items():
                results[key] = yield from stream
        finally:
            for stream in streams.values():
                stream.close()
        return results
    return (yield from _merge_threads(streams, at_once, cancels or {}, free))


def _merge_threads(
    streams: Mapping[Key, Generator[Item, None, Result]],
    at_once: int,
    cancels: Cancels[Key],
    free: Collection[Key],
) -> Generator[Item, None, dict[Key, Result]]:
    channel: _Channel[Key] = _Channel()
    queued = deque(item for item in streams.items() if item[0] not in free)
    lanes: list[Iterable[tuple[Key, Generator[Item, None, Result]]]]
    lanes = [[item] for item in streams.items() if item[0] in free]
    lanes += [_drained(queued) for _ in range(min(at_once, len(queued)))]
    threads = [
        threading.Thread(target=channel.run, args=(lane,), name=f"merge-{place}", daemon=True)
        for place, lane in enumerate(lanes)
    ]
    results: dict[Key, Result] = {}
    try:
        for thread in threads:
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
        _end(threads, [cancels[key] for key in streams if key in cancels])
    return {key: results[key] for key in streams}


def _drained(queued: deque[Item]) -> Generator[Item, None, None]:
    """What is queued, in its order; several threads may draw from one queue."""
    while True:
        try:
            yield queued.popleft()
        except IndexError:
            return


def _end(threads: Collection[threading.Thread], cancels: Collection[Callable[[], None]]) -> None:
    """Return when no stream runs any more."""
    while running := [thread for thread in threads if thread.is_alive()]:
        # All before any is waited for; again and again, for a stream may have stood between two waits.
        for cancel in cancels:
            cancel()
        running[0].join(_AGAIN)


class _Channel(Generic[Key]):
    """The queue between the streams' threads and the one reader."""

    def __init__(self) -> None:
        self.items: queue.Queue[tuple[Key, str, object]] = queue.Queue(_QUEUED)
        self.closing = threading.Event()

    def run(self, lane: Iterable[tuple[Key, Generator[object, None, object]]]) -> None:
        """Play streams to their end one after the other, or until the reader closes."""
        for key, stream in lane:
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
