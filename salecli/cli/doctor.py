"""`sale doctor`: is everything there that sale needs, and what to type where it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from salecli.cli.exits import Exit
from salecli.cli.options import Pool

app = typer.Typer()

_EPILOG = """\b
Examples:
  sale doctor
  sale doctor --pool mine.toml
"""


@app.command(epilog=_EPILOG)
def doctor(
    pool: Pool = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON line per check on stdout.")] = False,
) -> None:
    """Check that everything sale needs is there, and say what to type where it is not.

    Exit code 0 where all is fine, 3 where something needs fixing.
    """
    from salecli.checks import findings
    from salecli.cli.output import Output
    from salecli.cli.where import repository_root

    output = Output(lines=json)
    fine = True
    for finding in findings(repository_root(Path()), pool):
        fine = fine and finding.fine
        if json:
            values = {"check": finding.name, "fine": finding.fine, "found": finding.found, "fix": finding.fix}
            output.record(values)
        else:
            typed = f"; type: {finding.fix}" if finding.fix else ""
            output.result(f"{'fine' if finding.fine else 'fix '}  {finding.name:<9} {finding.found}{typed}")
    raise typer.Exit(Exit.SOLVED if fine else Exit.ENVIRONMENT)
