"""Generators merged from threads."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Generator

import pytest

from salecli.core.merge import merge


def count(to: int) -> Generator[int, None, str]:
    yield from range(to)
    return f"did {to}"


def play(stream: Generator[int, None, dict[str, str]]) -> tuple[list[int], dict[str, str]]:
    items = []
    while True:
        try:
            items.append(next(stream))
        except StopIteration as stop:
            return items, stop.value


@pytest.mark.parametrize("at_once", [1, 2, 8])
def test_all_items_and_results_arrive(at_once: int) -> None:
    items, results = play(merge({"a": count(500), "b": count(3), "c": count(0)}, at_once))
    assert sorted(items) == sorted([*range(500), *range(3)])
    assert results == {"a": "did 500", "b": "did 3", "c": "did 0"}
    assert list(results) == ["a", "b", "c"]


def test_one_at_a_time_keeps_the_order() -> None:
    items, _ = play(merge({"a": count(3), "b": count(2)}, 1))
    assert items == [0, 1, 2, 0, 1]


def test_streams_really_run_at_the_same_time() -> None:
    met = threading.Barrier(2, timeout=10)

    def meet() -> Generator[int, None, str]:
        met.wait()  # returns only where the other stream runs too
        yield 1
        return "met"

    assert play(merge({"a": meet(), "b": meet()}, 2))[1] == {"a": "met", "b": "met"}


def test_streams_that_are_free_of_the_limit_run_beside_the_others() -> None:
    met = threading.Barrier(3, timeout=10)
    local: list[str] = []

    def meet() -> Generator[int, None, str]:
        met.wait()
        yield 1
        return "met"

    def turn(name: str, first: bool) -> Generator[int, None, str]:
        if first:
            met.wait()
        local.append(f"{name} begins")
        yield 1
        local.append(f"{name} ends")
        return "done"

    streams = {"a": turn("a", True), "far": meet(), "b": turn("b", False), "away": meet()}
    items, results = play(merge(streams, 1, free={"far", "away"}))
    assert items == [1, 1, 1, 1]
    assert results == {"a": "done", "far": "met", "b": "done", "away": "met"}
    assert local == ["a begins", "a ends", "b begins", "b ends"]  # in turn, in their order


def endless(name: str, met: threading.Barrier, closed: list[str]) -> Generator[int, None, str]:
    """Starts together with others, and never ends by itself."""
    try:
        met.wait()
        while True:
            yield 1
    finally:
        closed.append(name)


def test_an_exception_is_raised_here_and_closes_the_others() -> None:
    met, closed = threading.Barrier(3, timeout=30), list[str]()

    def breaks() -> Generator[int, None, str]:
        met.wait()
        yield 1
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        play(merge({"a": breaks(), "b": endless("b", met, closed), "c": endless("c", met, closed)}, 3))
    assert sorted(closed) == ["b", "c"]
    assert not running()


def test_in_turn_an_exception_closes_the_streams_that_did_not_begin() -> None:
    def breaks() -> Generator[int, None, str]:
        yield 1
        raise ValueError("broken")

    other = count(3)
    with pytest.raises(ValueError, match="broken"):
        play(merge({"a": breaks(), "b": other}, 1))
    assert inspect.getgeneratorstate(other) == inspect.GEN_CLOSED


def test_closing_closes_every_stream() -> None:
    met, closed = threading.Barrier(2, timeout=30), list[str]()
    streams = {name: endless(name, met, closed) for name in "ab"}  # held here: nothing else closes them
    stream = merge(streams, 2)
    next(stream)
    stream.close()
    assert sorted(closed) == ["a", "b"]
    assert not running()


def test_closing_wakes_the_streams_that_wait() -> None:
    """Also those that wait again: a stream may take the end of one call for a failure, and make the next."""
    met, woken = threading.Barrier(2, timeout=30), list[bool]()
    waiting = threading.Semaphore(0)
    permits = {name: threading.Semaphore(0) for name in "ab"}

    def waits(permit: threading.Semaphore) -> Generator[int, None, str]:
        met.wait()
        yield 1
        waiting.release()
        woken.extend(permit.acquire(timeout=30) for _ in range(3))
        return "woken"

    streams = {name: waits(permit) for name, permit in permits.items()}
    stream = merge(streams, 2, {name: permit.release for name, permit in permits.items()})
    assert [next(stream), next(stream)] == [1, 1]
    assert all(waiting.acquire(timeout=30) for _ in permits)
    stream.close()
    assert woken == [True] * 6
    assert not running()


def running() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("merge-")]
