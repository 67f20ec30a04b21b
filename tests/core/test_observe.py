"""What an agent sees of tests and commands."""

from __future__ import annotations

from salecli.core.observe import clip, failure_note, seen_command, seen_tests
from salecli.core.values import Case, Completed, Tests

RED = Tests(1, (Case("test_a", "passed"), Case("test_b", "failed", "assert [2] == [3]")), "E   assert\n" * 50)


def test_a_long_text_keeps_head_and_tail() -> None:
    text = clip("a" * 500 + "b" * 500, 100)
    assert text.startswith("a" * 50 + "\n[900 characters left out]")
    assert text.endswith("b" * 50)
    assert clip("short", 100) == "short"


def test_counts_first_then_failing_cases_then_output() -> None:
    assert seen_tests(RED, 200, output=False) == "tests: 1 passed, 1 failed\ntest_b: assert [2] == [3]"
    seen = seen_tests(RED, 200)
    assert seen.splitlines()[1] == "test_b: assert [2] == [3]"
    assert "left out" in seen
    assert seen_tests(Tests(0, (Case("test_a", "passed"),), "1 passed"), 200) == "tests: 1 passed, 0 failed"


def test_a_suite_that_never_ran_is_no_failure() -> None:
    assert seen_tests(Tests(127, (), "not found", ran=False), 100).startswith(
        "tests: could not start\nnot found"
    )
    assert seen_tests(Tests(124, timed_out=True), 100) == "tests: timed out"


def test_commands_say_how_they_ended() -> None:
    assert seen_command(Completed(0, "hi"), 100) == "exit 0\nhi"
    assert (
        seen_command(Completed(137, "", out_of_memory=True, cut=7), 100)
        == "exit 137, out of memory\n\n[7 bytes left out]"
    )
    assert seen_command(Completed(-1, "x", timed_out=True), 100) == "timed out\nx"


def test_a_note_names_what_failed() -> None:
    assert failure_note(RED) == "test_b failed: assert [2] == [3]"
    many = Tests(1, tuple(Case(f"test_{n}", "failed") for n in range(5)))
    assert failure_note(many) == "test_0, test_1, test_2 and 2 more failed"
