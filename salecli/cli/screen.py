"""`sale ISSUE`: the screens, opened with an issue."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from salecli.cli.opening import Options, begin

app = typer.Typer()

FOLDER = typer.Option(help="The repository, or a folder inside it.")
POOL = typer.Option(help="A pool's name, or a pool file.")
PLAIN = typer.Option("--plain", help="Plain lines and numbered choices in place of the screens.")
NO_REFINE = typer.Option("--no-refine", help="No refinement from memory.")


@app.command()
def screen(
    ctx: typer.Context,
    issue: Annotated[Path, typer.Argument(help="A text file that says what is to be done.")],
    repo: Annotated[Path | None, FOLDER] = None,
    pool: Annotated[str | None, POOL] = None,
    plain: Annotated[bool, PLAIN] = False,
    no_refine: Annotated[bool, NO_REFINE] = False,
) -> None:
    """Open the screens with an issue, to sell it, watch the work and review the patch."""
    before: Options = ctx.obj or Options()
    options = Options(
        repo or before.repo, pool or before.pool, plain or before.plain, no_refine or before.no_refine
    )
    raise typer.Exit(begin(options, issue))
