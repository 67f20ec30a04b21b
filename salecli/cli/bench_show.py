"""`sale bench show` and `sale bench compare`: what a run came to, and what another one did otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from salecli.cli.options import Plain

if TYPE_CHECKING:
    from salecli.bench.report.sections import Part, Section
    from salecli.cli.output import Output

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help="A run's folder, or its name in sale's data folder.")
]
SHOW = """\b
Examples:
  sale bench show practice-practice
  sale bench show bench/mine --plots
  sale bench show bench/mine --markdown > report.md
"""
COMPARE = """\b
Example:
  sale bench compare bench/before bench/after

Two runs of one suite are compared over the tasks and rows that both have; what else differs (pool, prompts,
weights, seed) is named.
"""
_STYLES = {"held": "bold green", "did not hold": "bold red", "not measured": "bold yellow"}
_UNBOUND = 10_000


def show(
    folder: Folder,
    markdown: Annotated[bool, typer.Option("--markdown", help="The report as Markdown.")] = False,
    plots: Annotated[
        bool, typer.Option("--plots", help="Also draw the plots anew, as SVG and PNG beside results.json.")
    ] = False,
    plain: Plain = False,
) -> None:
    """Show what a run came to: what held, every router with intervals, ablations, memory, calibration."""
    from salecli.bench.report import document
    from salecli.bench.report import plots as drawing
    from salecli.bench.results import load, locate
    from salecli.cli.output import Output

    output = Output(plain=plain)
    file = locate(folder)
    results = load(file)
    drawn = drawing.draw(file.parent, results) if plots else []
    if markdown:
        output.exact(document.text(results, pictures=bool(drawn)))
    else:
        output.line([(document.title(results), "bold")])
        _tell(output, document.sections(results))
    if drawn:
        output.story(f"plots: {', '.join(map(str, drawn))}")


def compare(first: Folder, second: Folder, plain: Plain = False) -> None:
    """Compare two runs of one suite: what differs, and pass@1 and cost with paired intervals."""
    from salecli.bench.report.comparing import comparison
    from salecli.bench.results import load, locate
    from salecli.cli.output import Output

    files = locate(first), locate(second)
    one, other = map(load, files)
    _tell(Output(plain=plain), comparison(one, other, (str(files[0]), str(files[1]))))


def report_beside(file: Path, output: Output) -> None:
    """Write report.md and, where matplotlib is installed, the plots beside results.json.

    Raises:
        EnvironmentFault: they cannot be written.
    """
    from salecli.bench.report import document, plots
    from salecli.bench.results import load

    results = load(file)
    drawn = plots.draw(file.parent, results) if plots.installed() else []
    output.story(f"report: {document.write(file.parent, results, pictures=bool(drawn))}")
    if not drawn:
        output.story(
            f"no plots: matplotlib is not installed; {plots.INSTALL}, then sale bench show DIR --plots"
        )


def _tell(output: Output, sections: Sequence[Section]) -> None:
    from salecli.bench.report.sections import Picture, Table

    for section in sections:
        output.result("")
        output.line([(section.title, "bold")])
        for place, part in enumerate(section.parts):
            if place and isinstance(part, str) and isinstance(section.parts[place - 1], Table | Picture):
                output.result("")
            _part(output, part)


def _part(output: Output, part: Part) -> None:
    from rich.measure import Measurement
    from rich.text import Text

    from salecli.bench.report.sections import Claim, Table
    from salecli.core.text import clean

    if isinstance(part, Claim):
        said = clean(f": {part.claim}. {part.found}", newlines=False)
        output.show(Text.assemble((part.verdict, _STYLES[part.verdict]), said), "result")
    elif isinstance(part, str):
        output.show(Text(clean(part, newlines=False)), "result")
    elif isinstance(part, Table):
        console = output.console("result")
        for table in (part, part.narrow):
            grid = output.grid(table.headers, set(table.headers[table.left :]))
            for row in table.rows:
                grid.add_row(*(clean(cell, newlines=False) for cell in row))
            unbound = console.options.update_width(_UNBOUND)  # or the measure would be that of the screen
            if Measurement.get(console, unbound, grid).maximum <= console.width:
                break
        output.show(grid, "result")
