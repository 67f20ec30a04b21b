"""Applies what the user accepts of a run's patch, and keeps it in the run's folder for the way back."""

from __future__ import annotations

import hashlib
from pathlib import Path

from salecli.adapters.apply import Applied, apply_patch
from salecli.adapters.git import Repository
from salecli.adapters.journal import Run
from salecli.core.decisions import Target
from salecli.core.values import Patch
from salecli.errors import PatchRefused

HOST = "runs on the host"
"""The flag of changes that a person must say yes to separately."""


def accept(run: Run, repository: Repository, patch: Patch, to: Target, *, flagged: bool = False) -> Applied:
    """Apply a patch of this run to the working tree or to a new branch.

    Raises:
        PatchRefused: a change would run on the host and `flagged` is False, or files changed meanwhile.
    """
    hosted = on_host(patch)
    if hosted and not flagged:
        raise PatchRefused(
            f"the patch changes what runs on your machine later: {', '.join(hosted)}",
            f"look at it: sale show {run.id}; then: sale apply {run.id} --flagged",
        )
    title = str(run.about.get("title", ""))
    return apply_patch(repository, patch, run.id, to, title=title, saved=_saved(run, patch))


def on_host(patch: Patch) -> list[str]:
    """Paths of the patch that a tool of the host may run."""
    return [change.path for change in patch.changes if HOST in change.flags]


def _saved(run: Run, patch: Patch) -> Path:
    """The file that undoes it later; another part of the same run's patch is not written over."""
    diff = patch.diff.encode("utf-8", "surrogateescape")
    saved = run.folder / "patch.diff"
    if saved.exists() and saved.read_bytes() != diff:
        saved = run.folder / f"patch-{hashlib.sha256(diff).hexdigest()[:8]}.diff"
    saved.write_bytes(diff)
    return saved
