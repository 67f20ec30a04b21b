"""Test runs over time: a strip of signs each, side by side, the newest last."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from salecli.core.values import Tests
from salecli.core.words import counted

SIGNS = {"passed": ".", "failed": "F", "error": "E", "skipped": "s"}
_WORST = "EFs."
"""A sign that stands for several tests shows the worst of them; skipped counts as worse than passed."""
_STYLES = {".": "$text-success", "F": "$text-error", "E": "$text-error", "s": "$text-muted"}
_GAP = "  "
LONGEST = 24
"""Signs of one strip where several stand side by side."""


def signs(tests: Tests, most: int) -> str:
    """One run as at most `most` signs; a run without tests in words."""
    if tests.timed_out or not tests.ran:
        return f"[{counted(tests)}]"
    each = [SIGNS[case.outcome] for case in tests.cases]
    size = per_sign(tests, most)
    return "".join(min(each[at : at + size], key=_WORST.index) for at in range(0, len(each), size))


def per_sign(tests: Tests, most: int) -> int:
    """How many tests one sign stands for."""
    return max(1, -(-len(tests.cases) // max(most, 1)))


def strips(runs: Sequence[Tests], width: int) -> tuple[list[str], int]:
    """The newest runs that fit into `width`, oldest first, and how many tests a sign stands for."""
    if not runs:
        return [], 1
    most = min(LONGEST, width) if len(runs) > 1 else width
    room = width
    found: list[str] = []
    for tests in reversed(runs):
        strip = signs(tests, most)
        room -= cell_len(strip)
        if room < 0 and found:
            break
        room -= len(_GAP)
        found.append(strip[:width])
    return found[::-1], per_sign(runs[-1], most)


class TestStrip(Widget):
    """One row: `.` passed, `F` failed, `E` error, `s` skipped."""

    __test__ = False  # pytest would take the name for a test class

    DEFAULT_CSS = """
    TestStrip {
        height: 1; padding: 0 1; background: $surface; color: $foreground;
        text-wrap: nowrap; text-overflow: clip;
    }
    """

    runs: reactive[tuple[Tests, ...]] = reactive((), layout=False)

    def render(self) -> Content:
        """The newest runs that fit, and what the newest said in numbers."""
        if not self.runs:
            return Content.styled("tests  not run yet", "$text-muted")
        last = self.runs[-1]
        after = "" if last.timed_out or not last.ran else f"  {last.passed}/{len(last.cases)}"
        width = self.content_size.width
        each = per_sign(last, LONGEST if len(self.runs) > 1 else width)
        label = "tests  " if each == 1 else f"tests ({each} a sign)  "
        found, _ = strips(self.runs, width - len(label) - len(after))
        parts: list[str | tuple[str, str]] = [(label, "$text-muted")]
        for place, strip in enumerate(found):
            parts.append(_GAP if place else "")
            parts += [(sign, _STYLES.get(sign, "$text-warning")) for sign in strip]
        parts.append((after, "bold"))
        return Content.assemble(*parts)
