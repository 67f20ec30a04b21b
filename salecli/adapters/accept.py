"""Applies what the user accepts of a run's patch, and says how it is taken back."""

from __future__ import annotations

import shlex
from dataclasses import replace

from salecli.adapters.apply import Applied, apply_patch
from salecli.adapters.git import Repository
from salecli.adapters.journal import APPLIED, Run
from salecli.core.decisions import Target
from salecli.core.values import Patch
from salecli.errors import PatchRefused

HOST = "runs on the host"
"""The flag of changes that a person must say yes to separately."""


def accept(run: Run, repository: Repository, patch: Patch, to: Target, *, flagged: bool = False) -> Applied:
    """Apply a patch of this run to the working tree or to a new branch.

    Raises:
        PatchRefused: a change would run on the host and `flagged` is False, or files changed meanwhile.
        RepositoryError: another process is applying a patch here.
    """
    hosted = on_host(patch)
    if hosted and not flagged:
        raise PatchRefused(
            f"the patch changes what runs on your machine later: {', '.join(hosted)}",
            f"look at it: sale show {run.id}; then: sale apply {run.id} --flagged",
        )
    done = apply_patch(repository, patch, run.id, to, title=str(run.about.get("title", "")))
    if not done.branch and str(repository.top) != run.about.get("repository"):
        done = replace(done, undo=f"{done.undo} --repo {shlex.quote(str(repository.top))}")
    (run.folder / APPLIED).touch()
    return done


def on_host(patch: Patch) -> list[str]:
    """Paths of the patch that a tool of the host may run."""
    return [change.path for change in patch.changes if HOST in change.flags]
