"""Applies a run's patch to a repository and says how to take it back: `sale apply` and `solve --apply`."""

from __future__ import annotations

from salecli.adapters.git import Repository
from salecli.adapters.journal import Run
from salecli.cli.output import Output
from salecli.core import events
from salecli.core.decisions import Target
from salecli.core.values import Patch
from salecli.errors import PatchRefused, UsageError

HOST = "runs on the host"
"""The flag of changes that a person must say yes to separately."""


def apply_run(
    run: Run,
    repository: Repository,
    to: Target,
    output: Output,
    *,
    flagged: bool = False,
    unsolved: bool = False,
) -> None:
    """Apply the run's patch to the working tree or to a new branch, and say how to undo it.

    Raises:
        UsageError: the run has no patch, or its patch did not pass the tests.
        PatchRefused: a change would run on the host, or the files have changed meanwhile.
    """
    # Applying needs git alone; it stands here so that `sale show` does without.
    from salecli.adapters.apply import apply_patch

    ended = run.last(events.RunEnded)
    patch = ended.patch if isinstance(ended, events.RunEnded) else None
    if patch is None or patch.empty:
        raise UsageError(f"run {run.id} has no patch", f"sale show {run.id}")
    assert isinstance(ended, events.RunEnded)
    if not ended.solved and not unsolved:
        raise UsageError(
            f"the patch of run {run.id} did not pass the tests", f"sale apply {run.id} --unsolved"
        )
    hosted = on_host(patch)
    if hosted and not flagged:
        raise PatchRefused(
            f"the patch changes what runs on your machine later: {', '.join(hosted)}",
            f"look at it: sale show {run.id}; then: sale apply {run.id} --flagged",
        )
    saved = run.folder / "patch.diff"
    saved.write_bytes(patch.diff.encode("utf-8", "surrogateescape"))
    title = str(run.about.get("title", ""))
    done = apply_patch(repository, patch, run.id, to, title=title, saved=saved)
    where = f"branch {done.branch}" if done.branch else ", ".join(done.files)
    output.story(f"applied to {where}")
    if done.note:
        output.story(done.note)
    output.story(f"undo: {done.undo}")


def on_host(patch: Patch) -> list[str]:
    """Paths of the patch that a tool of the host may run."""
    return [change.path for change in patch.changes if HOST in change.flags]
