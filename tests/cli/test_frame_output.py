"""stdout is the result, stderr the story; escape codes only where a terminal wants them."""

from __future__ import annotations

import io
import json
import os
import pty
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from salecli.cli.output import Output

ROOT = Path(__file__).resolve().parents[2]
SALE = [sys.executable, "-m", "salecli"]
HOSTILE = "a\x1b[31mb\u202ec\rd"
SHOWN = "a\\x1b[31mb\\u202ec\\x0dd"


class Stream(io.TextIOWrapper):
    """A text stream over bytes in memory, a terminal where asked."""

    def __init__(self, terminal: bool = False, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding, newline="\n")
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    def seen(self) -> bytes:
        self.flush()
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue()


@pytest.fixture
def streams() -> tuple[Stream, Stream]:
    return Stream(), Stream()


def test_result_and_story_go_apart_and_are_cleaned(streams: tuple[Stream, Stream]) -> None:
    out = Output(stdout=streams[0], stderr=streams[1])
    out.result(f"result {HOSTILE}")
    out.story(f"story {HOSTILE}", "bold")
    out.failure(f"failure {HOSTILE}", "hint")
    assert streams[0].seen().decode() == f"result {SHOWN}\n"
    assert streams[1].seen().decode() == f"story {SHOWN}\nsale: failure {SHOWN}\n      hint\n"


def test_a_patch_leaves_byte_for_byte(streams: tuple[Stream, Stream]) -> None:
    raw = b"+caf\xe9\r\n+\x1b[0m\n-\xf0\x9f\x98\x80\n"
    Output(stdout=streams[0]).exact(raw.decode("utf-8", "surrogateescape"))
    assert streams[0].seen() == raw


def test_a_patch_on_a_screen_is_cleaned() -> None:
    screen = Stream(terminal=True)
    Output(stdout=screen).exact(b"+caf\xe9 \x1b[0m\n".decode("utf-8", "surrogateescape"))
    assert screen.seen() == b"+caf\\udce9 \\x1b[0m\n"


def test_a_record_is_one_json_line(streams: tuple[Stream, Stream]) -> None:
    out = Output(lines=True, stdout=streams[0])
    record = {"event": "x", "text": "two\nlines \u2028 \x1b \udcff é", "number": 1.5, "none": None}
    out.record(record)
    raw = streams[0].seen().decode()
    assert raw.count("\n") == 1
    assert raw.endswith("\n")
    assert "\x1b" not in raw
    assert json.loads(raw) == record


def test_a_table_off_the_terminal_is_plain_and_whole(streams: tuple[Stream, Stream]) -> None:
    long = "x" * 300
    Output(stdout=streams[0]).table(
        ["agent", "tokens", "file"], [["xs", 7, long], ["large", 1234, "[bold]a\nb"]], right={"tokens"}
    )
    lines = streams[0].seen().decode().splitlines()
    assert [line.split() for line in lines] == [
        ["agent", "tokens", "file"],
        ["xs", "7", long],
        ["large", "1234", "[bold]a\\nb"],
    ]
    assert lines[1].index("7") == lines[2].index("4"), "numbers end in one column"
    assert all(line == line.rstrip() for line in lines)


def test_an_encoding_without_our_letters_does_not_stop_us() -> None:
    narrow = Stream(encoding="ascii")
    Output(stdout=narrow).result("café")
    assert narrow.seen() == b"caf\\xe9\n"


CODE = """
from salecli.cli.output import Output
out = Output(plain={plain})
out.story("story", "bold red")
out.table(["a"], [["b"]], place="story", title="t")
out.failure("failure")
"""


def on_a_terminal(environment: Mapping[str, str], plain: bool = False) -> bytes:
    """What a process writes to stderr where stderr is a terminal."""
    leader, follower = pty.openpty()
    try:
        subprocess.run(
            [sys.executable, "-c", CODE.format(plain=plain)],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=follower,
            env={**os.environ, "TERM": "xterm", **environment},
            check=True,
            timeout=60,
        )
        return os.read(leader, 100_000)
    finally:
        os.close(leader)
        os.close(follower)


def test_a_terminal_gets_colour() -> None:
    assert b"\x1b[" in on_a_terminal({})


@pytest.mark.parametrize(
    ("environment", "plain"), [({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({}, True)]
)
def test_no_escape_codes_where_they_are_not_welcome(environment: dict[str, str], plain: bool) -> None:
    seen = on_a_terminal(environment, plain)
    assert b"story" in seen
    assert b"\x1b" not in seen


def test_no_escape_codes_in_a_pipe() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(plain=False)],
        cwd=ROOT,
        capture_output=True,
        env={**os.environ, "TERM": "xterm-256color", "FORCE_COLOR": "1"},
        check=True,
        timeout=60,
    )
    assert done.stdout == b""
    assert b"\x1b" not in done.stderr


PRINTING = [("--version",), ("--help",), ("models", "list", "--pool", "practice"), ("models", "--help")]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("words", PRINTING)
def test_an_output_that_is_full_is_one_line(words: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([*SALE, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        3,
        "sale: the output cannot be written: No space left on device\n",
    )


@pytest.mark.parametrize("words", PRINTING)
@pytest.mark.parametrize("closed", ["", "<&-", ">&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_are_done_without(words: tuple[str, ...], closed: str) -> None:
    line = f"{shlex.join([*SALE, *words])} {closed}"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "Error" not in done.stderr
    assert bool(done.stdout) == (">&-" not in closed)
