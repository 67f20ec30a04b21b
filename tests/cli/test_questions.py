"""Questions in plain lines: what is an answer, and on a terminal only what was typed while it was asked."""

from __future__ import annotations

import io
import os
import pty
import select
import threading
import time
from collections.abc import Callable

import pytest

from salecli.cli.output import Output
from salecli.cli.questions import NoMoreInput, Questions


def questions(typed: str) -> tuple[Questions, io.StringIO]:
    said = io.StringIO()
    return Questions(Output(plain=True, stdout=said, stderr=said), io.StringIO(typed)), said


def test_letters_zero_and_too_much_are_no_numbers() -> None:
    ask, said = questions("go\n0\n4\n-1\n²\n 3 \n")
    assert ask.choice("Which?", ["a", "b", "c"]) == 2
    assert said.getvalue().count("is none of the numbers 1 to 3.") == 5


@pytest.mark.parametrize(("default", "said"), [(0, 1), (1, 2), (-1, 3)])
def test_an_empty_line_is_the_default_that_was_said(default: int, said: int) -> None:
    ask, spoken = questions("\n")
    assert ask.choice("Which?", ["a", "b", "c"], default) == said - 1
    assert spoken.getvalue().endswith(f"Choose 1 to 3, Enter is {said}:\n")


def test_nothing_happens_to_files_by_an_empty_line() -> None:
    ask, spoken = questions("\n")
    assert not ask.yes("Apply it?")
    assert "Enter is 2:" in spoken.getvalue()


def test_a_text_ends_with_a_dot_and_may_hold_blank_lines() -> None:
    ask, _ = questions("one\n\ntwo. \n.\nrest\n")
    assert ask.text("The task:") == "one\n\ntwo."
    assert ask.line("And?") == "rest"
    with pytest.raises(NoMoreInput):
        ask.line("More?")
    with pytest.raises(NoMoreInput):
        ask.text("More?")


def test_foreign_text_is_cleaned_before_it_is_said() -> None:
    ask, said = questions("1\n")
    ask.choice("A \x1b[31mtitle", ["an \x1b]52;c;x\x07option"])
    assert "\x1b" not in said.getvalue()
    assert "A \\x1b[31mtitle" in said.getvalue()


ASKS: list[tuple[Callable[[Questions], object], str, str, object]] = [
    (lambda ask: ask.choice("Where to?", ["here", "there", "back"]), "Enter is 1:", "3\n", 2),
    (lambda ask: ask.yes("Apply it?"), "Enter is 2:", "1\n", True),
    (lambda ask: ask.line("Why?"), "Why?", "so\n", "so"),
    (lambda ask: ask.text("What shall be different?"), "goes back.", "this\n.\n", "this"),
    (lambda ask: ask.numbers("Which?", 3), "Which?", "3\n", {3}),
]
"""(question, the words after which it waits, what is typed then, the answer)"""


@pytest.mark.parametrize(("question", "words", "typed", "answer"), ASKS)
@pytest.mark.parametrize("ahead", ["2\n", "2\n1\n\n", "half a line"])
def test_what_was_typed_before_a_question_is_no_answer(
    ahead: str, question: Callable[[Questions], object], words: str, typed: str, answer: object
) -> None:
    master, slave = pty.openpty()
    said = io.StringIO()
    with os.fdopen(master, "w") as keys, os.fdopen(slave, "r") as terminal:
        ask = Questions(Output(plain=True, stdout=said, stderr=said), terminal)
        keys.write(ahead)
        keys.flush()
        if ahead.endswith("\n"):
            assert select.select([terminal], [], [], 10)[0]

        def types() -> None:
            until = time.monotonic() + 10
            while words not in said.getvalue() and time.monotonic() < until:
                time.sleep(0.01)
            keys.write(typed)
            keys.flush()

        typist = threading.Thread(target=types)
        typist.start()
        try:
            assert question(ask) == answer
        finally:
            typist.join()
