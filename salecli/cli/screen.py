"""`sale ISSUE`: the screens, opened with an issue."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from salecli.cli.opening import Options, begin
from salecli.cli.options import NoRefine, PlainScreens, Pool, Repository

app = typer.Typer()


@app.command()
def screen(
    ctx: typer.Context,
    issue: Annotated[Path, typer.Argument(help="A text file that says what is to be done.")],
    repo: Repository = None,
    pool: Pool = None,
    plain: PlainScreens = False,
    no_refine: NoRefine = False,
) -> None:
    """Open the screens with an issue, to sell it, watch the work and review the patch."""
    before: Options = ctx.obj or Options()
    options = Options(
        repo or before.repo, pool or before.pool, plain or before.plain, no_refine or before.no_refine
    )
    raise typer.Exit(begin(options, issue))
