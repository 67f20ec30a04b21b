"""Questions in plain lines: numbered choices on stdout, answers on stdin, for screen readers and scripts."""

from __future__ import annotations

import io
import sys
import termios
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TextIO

from salecli.cli.output import Output

END = "."
"""A line that ends a text of several lines."""


class NoMoreInput(Exception):
    """Standard input is at its end: nothing more will be answered."""


class Questions:
    """Asks until an answer fits. Every prompt is a line of its own, so that nothing is read out twice."""

    def __init__(self, output: Output, stdin: TextIO | None = None) -> None:
        self.output = output
        self._stdin = stdin if stdin is not None else sys.stdin
        if isinstance(self._stdin, io.TextIOWrapper):
            self._stdin.reconfigure(errors="replace")  # bytes that are no text are no reason to end
        self.waiting = False
        """Whether an answer is being waited for."""

    def say(self, text: str = "") -> None:
        """A line, or several; control characters in it are made visible."""
        self.output.story(text)

    def line(self, prompt: str) -> str:
        """One line as it was typed, without its end.

        Raises:
            NoMoreInput: there is none.
        """
        self._drop()
        return self._read(prompt)

    def _drop(self) -> None:
        """On a terminal, forget what was typed before the question stood there; a pipe's lines stay."""
        if self._stdin.isatty():
            # Python holds nothing back: a terminal gives it one line at a time.
            with suppress(termios.error):
                termios.tcflush(self._stdin.fileno(), termios.TCIFLUSH)

    def _read(self, prompt: str) -> str:
        self.say(prompt)
        self.waiting = True
        try:
            typed = self._stdin.readline()
        finally:
            self.waiting = False
        if not typed:
            raise NoMoreInput
        return typed.rstrip("\r\n").strip()

    def text(self, prompt: str) -> str:
        """Several lines, up to a line that holds a dot alone; empty where there are none."""
        self._drop()
        self.say(f"{prompt} A line with a single dot ends it; a dot alone goes back.")
        lines: list[str] = []
        self.waiting = True
        try:
            while True:
                typed = self._stdin.readline()
                if not typed:
                    raise NoMoreInput
                if typed.strip() == END:
                    return "".join(lines).strip()
                lines.append(typed)
        finally:
            self.waiting = False

    def choice(self, title: str, options: Sequence[str], default: int = 0) -> int:
        """The place of the chosen option, counted from 0; an empty line is `default`, -1 the last one.

        What is asked before something happens to the user's files has a default that does nothing.
        """
        default %= len(options)
        self._drop()
        self.say(title)
        for number, option in enumerate(options, 1):
            self.say(f"  {number}  {option}")
        while True:
            typed = self._read(f"Choose 1 to {len(options)}, Enter is {default + 1}:")
            if not typed:
                return default
            if typed.isascii() and typed.isdigit() and 1 <= int(typed) <= len(options):
                return int(typed) - 1
            self._drop()
            self.say(f"{typed!r} is none of the numbers 1 to {len(options)}.")

    def yes(self, question: str, yes: str = "yes", no: str = "no") -> bool:
        """Whether the answer is yes; an empty line is no."""
        return self.choice(question, [yes, no], default=1) == 0

    def numbers(self, prompt: str, highest: int) -> set[int]:
        """Some of the numbers 1 to `highest`, by spaces or commas; an empty line is none of them."""
        while True:
            parts = self.line(prompt).replace(",", " ").split()
            bad = [one for one in parts if not (one.isascii() and one.isdigit() and 1 <= int(one) <= highest)]
            if not bad:
                return {int(one) for one in parts}
            self.say(f"{bad[0]!r} is none of the numbers 1 to {highest}.")

    def number(self, prompt: str, now: float, fits: Callable[[float], bool], must: str) -> float:
        """A number for which `fits` holds; an empty line keeps `now`."""
        while True:
            typed = self.line(f"{prompt}, {must}, Enter keeps {now:.3f}:")
            if not typed:
                return now
            try:
                value = float(typed)
            except ValueError:
                value = float("nan")
            if fits(value):
                return value
            self.say(f"{typed!r} does not fit: {must}.")
