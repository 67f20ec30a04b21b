"""`sale --plain` from end to end: a process of its own, real models, a real container, scripted answers."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from salecli.practice.tasks.curriculum import practice as task_of
from tests.e2e.world import SALE, below, containers, contents, practice, sale
from tests.solved import EASY

PATH = task_of(*EASY).path

pytestmark = [pytest.mark.docker, pytest.mark.slow]


@pytest.fixture(autouse=True)
def nothing_left(private_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a test did: afterwards no process, no temporary file and no container of its runs is left."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    yield
    assert below(private_home) == []
    assert list(temporary.iterdir()) == []
    runs = private_home / ".local/share/sale/runs"
    assert [name for run in runs.glob("*") for name in containers(run.name)] == []


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return practice(tmp_path / "shop", *EASY)


class Talking:
    """A conversation under way: what it says is read as it comes."""

    def __init__(self, *arguments: str, cwd: Path) -> None:
        self.process = subprocess.Popen(
            [*SALE, *arguments],
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=dict(os.environ),
        )
        self.said = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line

    def until(self, words: str, after: int = 0) -> int:
        """Wait until something is said; returns the place behind it."""
        deadline = time.monotonic() + 200
        while words not in self.said[after:]:
            assert time.monotonic() < deadline, self.said
            assert self.process.poll() is None or words in self.said[after:], self.said
            time.sleep(0.05)
        return self.said.index(words, after) + len(words)

    def answer(self, *lines: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("".join(f"{line}\n" for line in lines))
        self.process.stdin.flush()

    def end(self) -> int:
        """Close the input, and wait for the exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        code = self.process.wait(timeout=120)
        self._reader.join(timeout=10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


def test_from_a_pasted_task_to_a_branch(shop: Path) -> None:
    issue = (shop / "issue.md").read_text()
    before = contents(shop)
    talking = Talking("--plain", cwd=shop)
    talking.answer("1", issue, ".", "2")
    at = talking.until("Who shall win?")
    talking.until("Choose 1 to 4,", after=at)
    # The dearest one; where it leads anyway, the one before it.
    number, agent = (3, "m") if "4  l (leads" in talking.said[at:] else (4, "l")
    talking.answer(str(number), "be sure", "1", "1", "2", "2")
    assert talking.end() == 0, talking.said
    said = talking.said
    assert "\x1b" not in said
    assert f"Winner {agent}, chosen by the user: be sure" in said
    assert "verdict solved" in said
    assert f"diff --git a/{PATH} b/{PATH}" in said
    run = said.split("applied to branch sale/")[1].split()[0]
    assert f"undo: git -C {shop} branch -D sale/{run}" in said
    assert f"sale show {run}" in said
    after = contents(shop)
    assert {path for path in after if not path.startswith(".git/")} == {
        path for path in before if not path.startswith(".git/")
    }
    assert after[PATH] == before[PATH]
    listed = sale("memory", "list", cwd=shop)
    assert run in listed.stdout or "yes" in listed.stdout


def test_bad_answers_and_input_that_ends(shop: Path) -> None:
    before = contents(shop)
    done = sale("--plain", "issue.md", cwd=shop, stdin="go\n0\n9\n")
    assert done.returncode == 130, done.stdout + done.stderr
    assert "'go' is none of the numbers 1 to 8." in done.stdout
    assert "The input has ended. The run is stopped." in done.stdout
    assert contents(shop) == before


def test_interrupt_asks_and_a_second_one_ends_the_run(shop: Path) -> None:
    talk = Talking("--plain", "issue.md", cwd=shop)
    at = talk.until("is being prepared")
    talk.process.send_signal(signal.SIGINT)
    at = talk.until("It goes on meanwhile.", at)
    at = talk.until("Choose 1 to 3, Enter is 1:", at)
    talk.answer("1")
    at = talk.until("Choose 1 to 8, Enter is 1:", at)
    talk.process.send_signal(signal.SIGINT)
    assert talk.end() == 130
    assert "Traceback" not in talk.said


def test_stopped_at_the_first_interrupt(shop: Path) -> None:
    talk = Talking("--plain", "issue.md", cwd=shop)
    at = talk.until("is being prepared")
    talk.process.send_signal(signal.SIGINT)
    talk.until("Choose 1 to 3, Enter is 1:", at)
    talk.answer("3")
    assert talk.end() == 130
    assert "stopping ..." in talk.said
    assert "Traceback" not in talk.said


def test_a_terminated_run_leaves_nothing(shop: Path) -> None:
    talk = Talking("--plain", "issue.md", cwd=shop)
    talk.until("Choose 1 to 8, Enter is 1:")
    talk.process.send_signal(signal.SIGTERM)
    assert talk.end() == 143


def test_why_a_patch_is_rejected_is_remembered(shop: Path) -> None:
    talk = Talking("--plain", "issue.md", cwd=shop)
    talk.answer("1", "6", "no docstring")
    assert talk.end() == 0, talk.said
    assert "remembered: no docstring" in talk.said
    run = talk.said.split("sale show ")[1].split()[0]
    shown = sale("memory", "show", "1", cwd=shop).stdout
    assert "rejected by the user: no docstring" in shown
    assert "verdict: solved" in shown
    told = sale("show", run, cwd=shop).stdout
    assert told.count("rejected by the user: no docstring") == 1
    assert told.count("l alone: about") == 1  # the end is told once, though it is recorded again
