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
) -> None:
    """Apply the patch of a finished run to your repository, and say how to take it back."""
    from salecli.adapters.git import Repository
    from salecli.adapters.journal import find_run
    from salecli.cli.applying import apply_run
    from salecli.cli.output import Output

    found = find_run(run)
    repository = Repository(repo if repo is not None else Path(found.about["repository"]))
    apply_run(found, repository, to, Output(), flagged=flagged, unsolved=unsolved)
