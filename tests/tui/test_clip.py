"""Copying: which way is taken, and that what is said of it is true."""

from __future__ import annotations

import asyncio
import base64
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import which

import pytest
from textual.app import App

from salecli.tui import clip
from tests.tui.scene import run_async

Tool = Callable[[str, str], Path]


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
    """`tool(name, script)` puts a program on an otherwise empty PATH; it may write to "$HELD"."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION", "SSH_TTY", "WSL_DISTRO_NAME", "TMUX", "STY"):
        monkeypatch.delenv(name, raising=False)
    folder, held = tmp_path / "bin", tmp_path / "held"
    folder.mkdir()
    monkeypatch.setenv("HELD", str(held))
    cat = which("cat")
    assert cat is not None
    (folder / "cat").symlink_to(cat)
    monkeypatch.setenv("PATH", str(folder))

    def put(name: str, script: str) -> Path:
        program = folder / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return held

    return put


def copied(text: str, folder: Path | None = None) -> str:
    """What was said of a copy made in a thread, as the screens make it."""
    said: list[str] = []

    async def go() -> None:
        app: App[None] = App()
        async with app.run_test():
            said.append(await asyncio.to_thread(clip.copy, app, text, folder))

    run_async(go())
    return said[0]


def test_a_native_tool(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    held = tool("xclip", 'cat > "$HELD"')
    monkeypatch.setenv("DISPLAY", ":0")
    assert copied("größe\n") == "copied with xclip"
    assert held.read_text() == "größe\n"


def test_no_tool_is_asked_without_a_screen_of_its_kind(tool: Tool, tmp_path: Path) -> None:
    held = tool("xclip", 'cat > "$HELD"')
    tool("wl-copy", 'cat > "$HELD"')
    assert copied("text", tmp_path) == f"written to {tmp_path / 'copied.txt'}"
    assert not held.exists()


def test_a_tool_that_fails_is_followed_by_the_next(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    tool("xclip", "exit 1")
    held = tool("xsel", 'cat > "$HELD"')
    monkeypatch.setenv("DISPLAY", ":0")
    assert copied("text") == "copied with xsel"
    assert held.read_text() == "text"


def test_a_tool_that_hangs_is_given_up(tool: Tool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sleep = "import time; time.sleep(60)"
    tool("wl-copy", f"exec {sys.executable} -c '{sleep}'")
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    monkeypatch.setattr(clip, "PATIENCE", 0.3)
    assert copied("text", tmp_path).startswith("written to")


def test_a_tool_that_stays_in_the_background_is_not_waited_for(
    tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """xclip holds the selection, and its streams, until another program takes it."""
    tool("xclip", 'cat > "$HELD"; sleep 4 & exit 0')
    monkeypatch.setenv("DISPLAY", ":0")
    assert copied("text") == "copied with xclip"


def test_a_file_where_nothing_else_is_there(tool: Tool, tmp_path: Path, private_home: Path) -> None:
    assert copied("text\ud800") == f"written to {private_home / '.local/share/sale/copied.txt'}"
    assert (private_home / ".local/share/sale/copied.txt").read_text() == "text?"
    (tmp_path / "taken").write_text("")
    assert copied("text", tmp_path / "taken").startswith("not copied: no clipboard was found")


def sent(monkeypatch: pytest.MonkeyPatch, text: str) -> tuple[str, list[str]]:
    """What was said, and what went to the terminal, in an app that believes it has one."""
    said: list[str] = []
    written: list[str] = []

    class OnTerminal(App[None]):
        @property
        def is_headless(self) -> bool:
            return False

    async def go() -> None:
        app = OnTerminal()
        async with app.run_test():
            assert app._driver is not None
            monkeypatch.setattr(app._driver, "write", written.append)
            said.append(await asyncio.to_thread(clip.copy, app, text))
            said.append(clip.copy(app, text))  # and on the loop itself

    run_async(go())
    assert said[0] == said[1]
    return said[0], [one for one in written if "]52;" in one]


def test_the_terminal_by_osc_52(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    said, written = sent(monkeypatch, "text")
    assert said == "sent to the terminal (OSC 52); whether it arrived the terminal does not say"
    assert written == [f"\x1b]52;c;{base64.b64encode(b'text').decode()}\a"] * 2
    monkeypatch.setenv("TMUX", "/tmp/gone,1,0")
    assert sent(monkeypatch, "text")[0].endswith("tmux passes it on only with `set -g set-clipboard on`")


@pytest.mark.parametrize("term", ["dumb", "linux", ""])
def test_terminals_without_osc_52_get_none(tool: Tool, monkeypatch: pytest.MonkeyPatch, term: str) -> None:
    monkeypatch.setenv("TERM", term)
    said, written = sent(monkeypatch, "text")
    assert said.startswith("written to")
    assert written == []


def test_what_no_terminal_takes_goes_into_a_file(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    said, written = sent(monkeypatch, "x" * (clip.MOST_OSC52 + 1))
    assert said.startswith("written to")
    assert written == []


@pytest.fixture
def tmux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The socket of a tmux server of our own; TMUX names it."""
    if which("tmux") is None:
        pytest.skip("no tmux")
    socket = tmp_path / "socket"
    command = ["tmux", "-S", str(socket), "-f", os.devnull]
    subprocess.run([*command, "new-session", "-d", "sleep 60"], check=True)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TMUX", f"{socket},1,0")
    yield socket
    subprocess.run([*command, "kill-server"], check=True)


def test_tmux_holds_it(tmux: Path) -> None:
    assert copied("größe") == "copied to tmux's buffer; whether the terminal took it too, it does not say"
    held = subprocess.run(["tmux", "-S", tmux, "show-buffer"], capture_output=True, text=True, check=True)
    assert held.stdout == "größe"
