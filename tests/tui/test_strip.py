"""The strip of test runs: how many fit, and what stands for many."""

from __future__ import annotations

from salecli.core.values import Tests
from salecli.tui.widgets.strip import strips
from tests.tui.works import ran


def test_the_strip_of_test_runs() -> None:
    few = [ran("F..E"), ran("...s"), ran("....")]
    assert strips(few, 40) == (["F..E", "...s", "...."], 1)
    assert strips(few, 11) == (["...s", "...."], 1)
    many = ran("." * 99 + "F" + "." * 140)
    found, each = strips([many, many], 80)
    assert (found, each) == (["." * 9 + "F" + "." * 14] * 2, 10)
    assert strips([Tests(1, ran=False), ran(".")], 40) == (["[could not start]", "."], 1)
    assert strips([], 40) == ([], 1)
