"""`sale apply`: the patch of a finished run into the repository."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from salecli.core.decisions import Target

EPILOG = """\b
Examples:
  sale apply 7f3a
  sale apply 7f3a --to branch
  sale apply --undo 7f3a
"""

app = typer.Typer()


@app.command(epilog=EPILOG)
def apply(
    run: Annotated[str, typer.Argument(help="The run's id, or its beginning.")],
    to: Annotated[Target, typer.Option(help="Your files, or a new branch sale/RUN.")] = "worktree",
    repo: Annotated[Path | None, typer.Option(help="Another clone than the one the run was made in.")] = None,
    flagged: Annotated[
        bool,
        typer.Option("--flagged", help="Also files that run on your machine later: workflows, hooks, ..."),
    ] = False,
    unsolved: Annotated[
        bool, typer.Option("--unsolved", help="Also a patch that did not pass the tests.")
    ] = False,
    undo: Annotated[
        bool,
        typer.Option("--undo", help="Take it back: files that you changed since are left as they are."),
    ] = False,
) -> None:
    """Apply the patch of a finished run to your repository, and say how to take it back."""
    from salecli.adapters.git import Repository
    from salecli.adapters.journal import find_run
    from salecli.cli.applying import apply_run, undo_run
    from salecli.cli.output import Output
    from salecli.cli.where import recovered
    from salecli.errors import UsageError

    if undo and (flagged or unsolved or to != "worktree"):
        raise UsageError("--undo goes with --repo alone", f"sale apply --undo {run}")
    found, output = find_run(run), Output()
    repository = Repository(repo if repo is not None else Path(found.about["repository"]))
    for line in recovered(repository.top):
        output.story(line)
    if undo:
        undo_run(found, repository, output)
    else:
        apply_run(found, repository, to, output, flagged=flagged, unsolved=unsolved)
