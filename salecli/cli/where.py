"""Which repository a command is about, and what an earlier one left half done in it."""

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


def recovered(folder: Path) -> list[str]:
    """Finish or roll back an apply that was cut short in the repository of `folder`; what was done, in lines.

    Raises:
        RepositoryError: another process is applying a patch there.
    """
    from salecli.adapters.backup import pending

    root = repository_root(folder)
    if root is None or not pending(root):
        return []
    from salecli.adapters.git import Repository
    from salecli.adapters.undo import recover

    return recover(Repository(root))
