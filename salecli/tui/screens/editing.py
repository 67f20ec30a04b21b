"""The user's own files: one in the user's own editor, and one that a diff is written to."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual.app import App, SuspendNotSupported

from salecli.tui.screens.dialogs import Ask, Confirm

_PLUS_LINE = {"vi", "vim", "nvim", "nano", "emacs", "emacsclient", "micro", "kak", "joe", "mg"}
"""Editors that take +N for the line to open a file at."""


def edit(app: App[Any], name: str, line: int = 1) -> str:
    """Open a file of the repository in $VISUAL or $EDITOR; says why where that is not possible."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ""
    if not editor:
        return "No editor: set $EDITOR, for instance export EDITOR=nano."
    start = Path(getattr(app, "folder", Path.cwd())).resolve()
    top = next((place for place in (start, *start.parents) if (place / ".git").exists()), start)
    path = (top / name).resolve()
    if not path.is_relative_to(top) or not path.is_file():
        return f"{name} is not in your files: there is nothing to edit."
    try:
        command = shlex.split(editor)
        at = [f"+{line}"] if Path(command[0]).name in _PLUS_LINE else []
        with app.suspend():
            subprocess.run([*command, *at, str(path)], check=False)
    except SuspendNotSupported:
        return "This terminal cannot be left for an editor."
    except (OSError, ValueError, IndexError) as error:
        return f"{editor}: {error}"
    return ""


async def write(app: App[Any], diff: str, default: Path, say: Callable[[str, str], None]) -> None:
    """Ask for a file's name and write a diff there, never over another file without a question."""
    label = "The diff of what is selected goes into this file."
    named = await app.push_screen_wait(Ask("Write the patch", label, str(default)))
    if not named:
        return
    path = Path(named).expanduser()
    if path.exists():
        sure = Confirm("Replace the file?", f"{path} is there already.", yes="Replace", danger=True)
        if not await app.push_screen_wait(sure):
            return
    try:
        await asyncio.to_thread(path.write_bytes, diff.encode("utf-8", "surrogateescape"))
    except OSError as error:
        say(f"Not written: {path}: {error.strerror}", "bad")
    else:
        say(f"Written to {path}", "good")
