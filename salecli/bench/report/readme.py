"""`python -m salecli.bench.report.readme`: the README's results, made anew from the results that are kept.

Between two comments of the README stands what `section` makes of salecli/bench/measured/results.json, and
the plot it shows lies beside that file. `--from DIR` keeps the results of a run first; `--check` changes
nothing and ends with 1 where the README or the plot is not of these results.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from salecli.bench.cells import RESULTS
from salecli.bench.report import plots
from salecli.bench.report.claims import claims
from salecli.bench.report.document import title
from salecli.bench.report.sections import (
    INTERVAL,
    Picture,
    Section,
    Table,
    markdown,
    percent,
    points,
    signed,
    thousand,
    two,
)
from salecli.bench.results import Results, load, locate
from salecli.cli.exits import Exit, code_of
from salecli.cli.output import Output
from salecli.errors import SaleError, UsageError

KEPT = "salecli/bench/measured"
BEGIN, END = "<!-- made by `make results`: begin -->", "<!-- made by `make results`: end -->"


def section(results: Results) -> str:
    """The README's section: what was measured, the rows, the plot, what held and what did not."""
    largest = results.largest
    rows = [
        [
            row.name,
            *two(row.solved, percent),
            *two(row.usd, thousand),
            points(row.against.solved.value if row.against else None),
            signed(row.against.usd.value if row.against and row.against.usd else None),
        ]
        for row in results.compared
    ]
    said = f"{title(results)}, {results.orders} orders of the tasks, sale {results.sale}"
    whole = Section(
        "Results",
        [
            f"{said}. Intervals are 95 % by the bootstrap over tasks; USD are for a thousand tasks.",
            Table(
                ["", "pass@1", INTERVAL, "USD/1k tasks", INTERVAL, f"points against {largest}", "cost"], rows
            ),
            Picture(plots.PARETO, "pass@1 against USD per thousand tasks, all rows with intervals"),
            *claims(results),
        ],
    )
    more = f"The whole report: `sale bench show {KEPT}`."
    return f"{markdown([whole], level=3, pictures=f'{KEPT}/')}\n{more}\n"


def renewed(text: str, part: str) -> str:
    """The README's `text` with `part` between its marks.

    Raises:
        UsageError: the marks are not there.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UsageError("the README has no place for results", f"add two lines: {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{part}\n{END}{after}" if part else f"{before}{BEGIN}\n{END}{after}"


def keep(source: Path, folder: Path) -> None:
    """Put the results of a run into `folder`, without what each agent did on each task: matrix.jsonl has it.

    Raises:
        UsageError: they are not what `load` reads.
    """
    file = locate(source)
    load(file)
    values = json.loads(file.read_bytes())
    for task in values["tasks"]:
        task.pop("agents", None)
    lines = [f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in values.items()]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RESULTS).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def stale(readme: Path, folder: Path) -> str:
    """What is not of the results in `folder`, in words; empty where all is."""
    text = readme.read_text(encoding="utf-8")
    if not (folder / RESULTS).exists():
        return "" if text == renewed(text, "") else "there are no results, and the README tells of some"
    results = load(folder)
    if text != renewed(text, section(results)):
        return f"{readme.name} is not what {folder / RESULTS} says"
    drawn = folder / f"{plots.PARETO}.svg"
    if not drawn.exists() or plots.identity(results) not in drawn.read_text(encoding="utf-8"):
        return f"{drawn} is not drawn from {folder / RESULTS}"
    return ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Renew the README's results, or say whether they are stale."""
    parser = argparse.ArgumentParser(prog="python -m salecli.bench.report.readme", description=__doc__)
    parser.add_argument(
        "--from", dest="source", type=Path, metavar="DIR", help="keep this run's results first"
    )
    parser.add_argument(
        "--check", action="store_true", help="change nothing, say whether all is of one piece"
    )
    parser.add_argument("--readme", type=Path, default=Path("README.md"))
    parser.add_argument("--kept", type=Path, default=Path(KEPT), metavar="DIR")
    options = parser.parse_args(arguments)
    output = Output()
    try:
        if options.check:
            found = stale(options.readme, options.kept)
            if found:
                output.failure(found, "make results")
            return Exit.NOT_SOLVED if found else Exit.SOLVED
        if options.source is not None:
            keep(options.source, options.kept)
        return _renew(options.readme, options.kept, output)
    except SaleError as error:
        output.failure(error.message, error.hint)
        return code_of(error)


def _renew(readme: Path, folder: Path, output: Output) -> Exit:
    if not (folder / RESULTS).exists():
        output.story(f"no results are kept in {folder}: make results FROM=DIR, the folder of a bench run")
        return Exit.SOLVED
    results = load(folder)
    plots.draw(folder, results, [plots.PARETO], endings=["svg"])
    readme.write_text(renewed(readme.read_text(encoding="utf-8"), section(results)), encoding="utf-8")
    output.story(f"{readme} and {folder / plots.PARETO}.svg are of {folder / RESULTS}")
    return Exit.SOLVED


if __name__ == "__main__":
    sys.exit(main())
