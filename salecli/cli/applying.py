"""Applies a run's patch to a repository and says how to take it back: `sale apply` and `solve --apply`."""

from __future__ import annotations

from salecli.adapters.git import Repository
from salecli.adapters.journal import Run
from salecli.cli.output import Output
from salecli.core import events
from salecli.core.decisions import Target
from salecli.errors import UsageError


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
    from salecli.adapters.accept import accept

    ended = run.last(events.RunEnded)
    patch = ended.patch if isinstance(ended, events.RunEnded) else None
    if patch is None or patch.empty:
        raise UsageError(f"run {run.id} has no patch", f"sale show {run.id}")
    assert isinstance(ended, events.RunEnded)
    if not ended.solved and not unsolved:
        raise UsageError(
            f"the patch of run {run.id} did not pass the tests", f"sale apply {run.id} --unsolved"
        )
    done = accept(run, repository, patch, to, flagged=flagged)
    where = f"branch {done.branch}" if done.branch else ", ".join(done.files)
    output.story(f"applied to {where}")
    if done.note:
        output.story(done.note)
    output.story(f"undo: {done.undo}")
