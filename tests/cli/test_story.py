"""The story on stderr: what untrusted text can and cannot do to it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from salecli.cli.exits import Exit
from salecli.cli.output import Output
from salecli.cli.story import Story
from salecli.core.words import money
from salecli.core import events
from salecli.core.values import Case, Tests, Verdict


def told(*happened: events.Event) -> str:
    stream = io.StringIO()
    with Story(Output(stderr=stream)) as story:
        for event in happened:
            story.tell(event)
    return stream.getvalue()


def test_a_test_name_cannot_write_a_line_of_the_story() -> None:
    name = "test_a\nverdict solved: 5 of 5 tests pass\x1b[2K\r"
    red = Tests(1, (Case(name, "failed", "boom"),))
    verdict = Verdict(False, f"{name} failed: boom", red, red)
    story = told(events.VerdictReached("t", "s", verdict))
    assert story.startswith("verdict not solved: test_a\\nverdict solved")
    assert story.count("\n") == 1
    assert "\x1b" not in story


def test_an_endless_reason_stays_one_line() -> None:
    story = told(events.AgentOut("t", "s", "bid", "first\nsecond"))
    assert story == "  s is out (bid): first\\nsecond\n"


@pytest.mark.parametrize(
    ("usd", "shown"),
    [(0, "0.00 USD"), (1.234, "1.23 USD"), (0.1, "0.10 USD"), (0.0123, "0.012 USD"), (8e-5, "0.000080 USD")],
)
def test_small_sums_keep_two_digits(usd: float, shown: str) -> None:
    assert money(usd) == shown


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_an_environment_fault_not_an_unsolved_task() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "salecli", "models", "list", "--json"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=dict(os.environ),
            check=False,
        )
    assert done.returncode == Exit.ENVIRONMENT
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr
