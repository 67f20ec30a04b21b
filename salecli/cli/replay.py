"""`sale replay`: a recorded run in the screens, without models."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

EPILOG = """\b
Examples:
  sale replay 7f3a
  sale replay 7f3a --speed 16

Keys: + and - change the speed, space stands still.
"""

app = typer.Typer()


@app.command(epilog=EPILOG)
def replay(
    run: Annotated[str, typer.Argument(help="The run's id, or its beginning.")],
    speed: Annotated[
        float, typer.Option(min=0, help="How many times as fast as it was; 0 shows all of it at once.")
    ] = 1.0,
) -> None:
    """Play a recorded run in the screens: auction, work and patch, without models."""
    from salecli.adapters.journal import find_run
    from salecli.cli.opening import check_terminal, show

    found = find_run(run)
    check_terminal(f"sale show {found.id}")
    from salecli.tui.wiring import recorded

    folder = Path(str(found.about.get("repository", "")))
    first = partial(recorded, found.id, speed or None)
    raise typer.Exit(show(folder if folder.is_dir() else Path(), first=first))
