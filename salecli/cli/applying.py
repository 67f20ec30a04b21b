"""Applies a run's patch to a repository, and takes it back: `sale apply` and `solve --apply`."""

from __future__ import annotations

from salecli.adapters.git import Repository
from salecli.adapters.journal import Run
from salecli.cli.output import Output
from salecli.core import events
from salecli.core.decisions import Target
from salecli.core.words import plural
from salecli.errors import AppliedAlready, PatchRefused, UsageError


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
    try:
        done = accept(run, repository, patch, to, flagged=flagged)
    except AppliedAlready as already:
        output.story(f"{already.message}: nothing was changed")
        output.story(already.hint)
        return
    where = f"branch {done.branch}" if done.branch else ", ".join(done.files)
    output.story(f"applied to {where}")
    if done.note:
        output.story(done.note)
    output.story(f"undo: {done.undo}")


def undo_run(run: Run, repository: Repository, output: Output) -> None:
    """Take the run's patch back from the working tree, file by file.

    Raises:
        UsageError: it is not applied to these files; the hint says how where it went to a branch.
        PatchRefused: files changed since, and were left as they are.
    """
    from salecli.adapters.undo import take_back

    done = take_back(repository, run.id)
    if done.files:
        output.story(f"taken back from {', '.join(done.files)}")
    if done.left:
        output.story(f"changed since, and left as it is: {', '.join(done.left)}")
        for way in done.ways:
            output.story(f"what it held before: {way}")
        raise PatchRefused(
            f"{plural(len(done.left), 'file')} of run {run.id} could not be taken back",
            f"put your changes aside, then: sale apply --undo {run.id}",
        )
    if done.more:
        output.story(f"another part of its patch is still applied: sale apply --undo {run.id}")
