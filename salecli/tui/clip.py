"""The clipboard: a native tool, the terminal by OSC 52, or a file, and a true word on which it was.

A native tool knows whether it has worked; a terminal never answers. Over ssh only tools that reach the user's
own screen are tried.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Any

from salecli.errors import SaleError
from salecli.resources import data_folder

if TYPE_CHECKING:
    from textual.app import App
    from textual.widget import Widget

PATIENCE = 3.0
"""Seconds that a native tool may take: an X server that is gone lets xclip wait for ever."""
MOST_OSC52 = 74_000
"""Bytes that terminals take by OSC 52: xterm's and tmux's own limit, less some room."""


def copy(app: App[Any], text: str, folder: Path | None = None) -> str:
    """Copy `text`; blocks for up to some seconds, so call it in a thread. Returns what was done, in words.

    Where neither a tool nor the terminal will take it, it goes into a file in `folder`, or in sale's own.
    """
    data = text.encode("utf-8", "replace")
    for name, command, encoding in _tools():
        if _fed(command, text.encode(encoding, "replace")):
            if name == "tmux":
                return "copied to tmux's buffer; whether the terminal took it too, it does not say"
            return f"copied with {name}"
    if len(data) <= MOST_OSC52 and _takes_osc52(app):
        _on_loop(app, data.decode("utf-8"))
        tmux = ", and tmux passes it on only with `set -g set-clipboard on`" if os.environ.get("TMUX") else ""
        return f"sent to the terminal (OSC 52); whether it arrived the terminal does not say{tmux}"
    return _written(data, folder or data_folder())


def copy_aloud(widget: Widget, text: str) -> None:
    """Copy in a thread, and say in a notification what was done."""

    def work() -> None:
        said = copy(widget.app, text)
        widget.app.call_from_thread(widget.notify, said, markup=False)

    widget.run_worker(work, thread=True, group="copy")


def _tools() -> Iterator[tuple[str, list[str], str]]:
    """(name, command, encoding) of the tools that are there and can plausibly reach the user's screen."""
    remote = bool(os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_TTY"))
    wanted = (
        ("pbcopy", ["pbcopy"], "utf-8", sys.platform == "darwin" and not remote),
        ("wl-copy", ["wl-copy"], "utf-8", bool(os.environ.get("WAYLAND_DISPLAY"))),
        # Over ssh, DISPLAY is there only where X is forwarded to the user's screen.
        ("xclip", ["xclip", "-selection", "clipboard"], "utf-8", bool(os.environ.get("DISPLAY"))),
        ("xsel", ["xsel", "--clipboard", "--input"], "utf-8", bool(os.environ.get("DISPLAY"))),
        ("clip.exe", ["clip.exe"], "utf-16-le", bool(os.environ.get("WSL_DISTRO_NAME")) and not remote),
        # With -w, tmux hands its buffer on to the terminal; versions before 3.2 refuse it.
        ("tmux", ["tmux", "load-buffer", "-w", "-"], "utf-8", bool(os.environ.get("TMUX"))),
    )
    return ((name, command, encoding) for name, command, encoding, likely in wanted if likely and which(name))


def _fed(command: list[str], data: bytes) -> bool:
    """Whether `command` took the text. Its output goes nowhere: xclip stays in the background holding it."""
    try:
        done = subprocess.run(
            command,
            input=data,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def _takes_osc52(app: App[Any]) -> bool:
    """Whether a terminal that may understand OSC 52 is at the other end."""
    term = os.environ.get("TERM", "")
    if app.is_headless or term in ("", "dumb", "linux"):
        return False
    return not os.environ.get("STY") or bool(os.environ.get("TMUX"))  # GNU screen keeps it to itself


def _on_loop(app: App[Any], text: str) -> None:
    """Hand the text to the terminal, on the app's thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:  # in a thread of its own, as it should be
        app.call_from_thread(app.copy_to_clipboard, text)
    else:
        app.copy_to_clipboard(text)


def _written(data: bytes, folder: Path) -> str:
    """The last resort; what it says holds the file's name, or why there is none."""
    target = folder / "copied.txt"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        target.chmod(0o600)
    except (OSError, SaleError) as error:
        return f"not copied: no clipboard was found, and {target} cannot be written ({error})"
    return f"written to {target}"
