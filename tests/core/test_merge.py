"""Generators merged from threads."""

from __future__ import annotations

import threading
from collections.abc import Generator

import pytest

from salecli.core.merge import merge


def count(to: int, closed: list[int] | None = None) -> Generator[int, None, str]:
    try:
        yield from range(to)
        return f"did {to}"
    finally:
        if closed is not None:
            closed.append(to)


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


@pytest.mark.parametrize("at_once", [1, 3])
def test_an_exception_is_raised_here_and_closes_the_others(at_once: int) -> None:
    def breaks() -> Generator[int, None, str]:
        yield 1
        raise ValueError("broken")

    closed: list[int] = []
    with pytest.raises(ValueError, match="broken"):
        play(merge({"a": breaks(), "b": count(100_000, closed)}, at_once))
    assert closed in ([], [100_000])
    assert threading.active_count() < 10


def test_closing_closes_every_stream() -> None:
    closed: list[int] = []
    stream = merge({"a": count(100_000, closed), "b": count(200_000, closed)}, 2)
    next(stream)
    stream.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("merge-")]
    assert 100_000 in closed or 200_000 in closed
