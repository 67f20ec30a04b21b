"""Which repository a command is about, for commands that need no more of it than its place."""

from __future__ import annotations

from pathlib import Path


def repository_root(folder: Path) -> Path | None:
    """The root of the repository that holds `folder`, None outside of any."""
    folder = folder.resolve()
    for candidate in (folder, *folder.parents):
        # A file in linked worktrees and submodules.
        if (candidate / ".git").exists():
            return candidate
    return None
