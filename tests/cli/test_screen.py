"""`sale` without a command: what it refuses, what it opens, and how it leaves a real terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from salecli.adapters.journal import JOURNAL, new_run
from salecli.cli import main
from salecli.cli.exits import Exit
from salecli.core import events
from salecli.resources import user_file

PATIENCE = 60.0


class Terminal:
    """`sale` in a terminal of its own."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self.pid, self.ours = pty.fork()
        if self.pid == 0:  # pragma: no cover - the child
            os.chdir(folder)
            command = [sys.executable, "-m", "salecli", *arguments]
            os.execve(sys.executable, command, {**os.environ, "TERM": "xterm-256color", **environment})
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.seen = b""
        self.code: int | None = None

    def until(self, met: Callable[[bytes], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not met(self.seen):
            assert time.monotonic() < end, self.seen[-2000:]
            self._read()

    def _read(self) -> bool:
        if not select.select([self.ours], [], [], 0.05)[0]:
            return True
        try:
            found = os.read(self.ours, 1 << 16)
        except OSError:  # its other end has gone
            return False
        self.seen += found
        return bool(found)

    def hang_up(self) -> None:
        os.close(self.ours)
        self.ours = -1

    def end(self) -> int:
        """Its exit code, once it has ended by itself."""
        until = time.monotonic() + PATIENCE
        while self.code is None:
            assert time.monotonic() < until, self.seen[-2000:]
            if self.ours >= 0:
                self._read()
            else:
                time.sleep(0.02)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        while self.ours >= 0 and select.select([self.ours], [], [], 0.05)[0] and self._read():
            pass
        return self.code

    def close(self) -> None:
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        if self.ours >= 0:
            os.close(self.ours)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "add.py").write_text("stub")
    (folder / "issue.md").write_text("# Round prices\nWrite add in add.py\n")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "start"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


@pytest.fixture
def opened(shop: Path) -> Iterator[Callable[..., Terminal]]:
    made: list[Terminal] = []

    def open_(*arguments: str, **environment: str) -> Terminal:
        made.append(Terminal(shop, *arguments, **environment))
        return made[-1]

    yield open_
    for terminal in made:
        terminal.close()


def drawn(seen: bytes) -> bool:
    """Whether the first frame stands."""
    return b"sale" in seen and b"Help" in seen


@pytest.mark.parametrize("arguments", [[], ["issue.md"], ["--repo", "."]])
def test_without_a_terminal_there_is_a_line_and_no_escape_code(shop: Path, arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "salecli", *arguments],
        cwd=shop,
        input=b"",
        capture_output=True,
        timeout=PATIENCE,
    )
    assert done.returncode == Exit.USAGE
    assert done.stdout == b""
    assert b"\x1b" not in done.stderr
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 2
    assert "no terminal" in lines[0]
    assert "sale --plain" in lines[1]
    assert "sale solve" in lines[1]


def test_a_dumb_terminal_gets_no_screens(opened: Callable[..., Terminal]) -> None:
    terminal = opened(TERM="dumb")
    assert terminal.end() == Exit.USAGE
    assert b"\x1b" not in terminal.seen
    assert b"sale --plain" in terminal.seen


def test_a_replay_without_a_terminal_says_what_to_type(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], seen: list[events.Event]
) -> None:
    run = new_run()
    run.note(repository=str(tmp_path), title="Add")
    (run.folder / JOURNAL).write_text(json.dumps(events.to_dict(seen[0]), default=str) + "\n")
    assert main(["replay", run.id]) == Exit.USAGE
    assert f"sale show {run.id}" in capsys.readouterr().err
    assert main(["replay", "nosuchrun"]) == Exit.USAGE
    assert "no run 'nosuchrun'" in capsys.readouterr().err


@pytest.fixture
def seen() -> list[events.Event]:
    from tests.tui.scene import run_events

    return run_events()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["isue.md"], ["no issue file isue.md"]),
        (["docs/issue"], ["no issue file docs/issue"]),
        (["--pool", "practice", "doctor"], ["before a command", "sale doctor"]),
        (["--plain", "show", "x"], ["before a command", "sale show"]),
    ],
)
def test_what_is_mistyped_is_said(
    arguments: list[str], says: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == Exit.USAGE
    text = capsys.readouterr().err
    assert [one for one in says if one not in text] == []


def test_help_tells_of_the_screens(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    text = capsys.readouterr().out
    for one in ("[ISSUE | COMMAND", "--plain", "--repo", "opens the screens", "sale issue.md"):
        assert one in text


def test_it_opens_and_quits(opened: Callable[..., Terminal]) -> None:
    terminal = opened()
    terminal.until(drawn)
    os.write(terminal.ours, b"\x11")  # ctrl+q
    assert terminal.end() == Exit.SOLVED
    assert (
        terminal.seen.rstrip().endswith(b"l") or b"\x1b[?1049l" in terminal.seen
    )  # the screen is given back
    assert b"Traceback" not in terminal.seen


def test_it_opens_with_an_issue(opened: Callable[..., Terminal]) -> None:
    terminal = opened("issue.md")
    terminal.until(lambda text: drawn(text) and b"Round prices" in text)
    os.write(terminal.ours, b"\x03")  # ctrl+c
    assert terminal.end() == Exit.SOLVED


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)]
)
def test_signals_end_it_in_order(opened: Callable[..., Terminal], number: int, code: int) -> None:
    terminal = opened()
    terminal.until(drawn)
    os.kill(terminal.pid, number)
    assert terminal.end() == code
    assert b"\x1b[?1049l" in terminal.seen
    assert b"Traceback" not in terminal.seen


def test_a_lost_terminal_ends_it(opened: Callable[..., Terminal]) -> None:
    terminal = opened()
    terminal.until(drawn)
    terminal.hang_up()
    assert terminal.end() == 129


def test_no_color_writes_no_rgb(opened: Callable[..., Terminal]) -> None:
    terminal = opened(NO_COLOR="1")
    terminal.until(drawn)
    os.write(terminal.ours, b"\x11")
    assert terminal.end() == Exit.SOLVED
    assert b"38;2;" not in terminal.seen
    assert b"48;2;" not in terminal.seen


def test_a_broken_configuration_is_said_before_any_frame(opened: Callable[..., Terminal]) -> None:
    user_file().parent.mkdir(parents=True)
    user_file().write_text('[keys]\napp.hepl = "f12"\n')
    terminal = opened()
    assert terminal.end() == Exit.USAGE
    assert b"did you mean 'app.help'" in terminal.seen
    assert b"\x1b[?1049h" not in terminal.seen


def test_outside_of_a_repository(opened: Callable[..., Terminal], tmp_path: Path) -> None:
    terminal = opened("--repo", str(tmp_path))
    assert terminal.end() == Exit.USAGE
    assert b"is not in a git repository" in terminal.seen


def test_a_replay_plays_and_quits(
    opened: Callable[..., Terminal], shop: Path, seen: list[events.Event]
) -> None:
    run = new_run()
    run.note(repository=str(shop), title="Add", issue="issue.md", pool="scripted")
    (run.folder / JOURNAL).write_text(
        "".join(json.dumps(events.to_dict(event), default=str) + "\n" for event in seen)
    )
    terminal = opened("replay", run.id, "--speed", "0")
    terminal.until(lambda text: drawn(text) and b"recording" in text)
    os.write(terminal.ours, b"\x11")
    assert terminal.end() == Exit.SOLVED
    assert b"Traceback" not in terminal.seen
