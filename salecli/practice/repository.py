"""Writes a practice task as a git repository with one commit."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from salecli.errors import EnvironmentFault, UsageError
from salecli.practice.tasks.curriculum import Practice

_WHO = "sale practice"
_WHEN = "2026-01-01T00:00:00+0000"
"""Fixed, so that the same level and seed give the same commit."""


def write(practice: Practice, folder: Path) -> str:
    """Write the repository into `folder`, and return its commit's id.

    Raises:
        UsageError: `folder` is a file, cannot be written, or holds something already.
        EnvironmentFault: git is missing or refuses.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file", "name a new or empty folder")
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty", "name a new or empty folder")
    git = shutil.which("git")
    if git is None:
        raise EnvironmentFault("git is not installed", "install git")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in practice.files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}", "name another folder") from error
    _run(git, folder, "init", "-q", "-b", "main")
    _run(git, folder, "add", "--", *practice.files)
    _run(
        git, folder, "commit", "-q", "--no-verify", "--no-gpg-sign", "-m", f"Practice task: {practice.title}"
    )
    return _run(git, folder, "rev-parse", "HEAD").strip()


def _run(git: str, folder: Path, *arguments: str) -> str:
    """Run git in `folder` untouched by the user's own settings and hooks."""
    mail = "practice@sale.invalid"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment = kept | {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_NAME": _WHO,
        "GIT_AUTHOR_EMAIL": mail,
        "GIT_AUTHOR_DATE": _WHEN,
        "GIT_COMMITTER_NAME": _WHO,
        "GIT_COMMITTER_EMAIL": mail,
        "GIT_COMMITTER_DATE": _WHEN,
    }
    done = subprocess.run([git, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise EnvironmentFault(
            f"git {arguments[0]} failed in {folder}: {done.stderr.strip()}", "look at the folder"
        )
    return done.stdout
