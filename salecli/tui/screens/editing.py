"""The user's own file in the user's own editor."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

from textual.app import App, SuspendNotSupported

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
