"""`sale models`: the models of a pool, and whether they are there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from salecli.cli import models_bench, models_plan
from salecli.cli.options import Pool

app = typer.Typer(no_args_is_help=True, epilog="\b\nExample:\n  sale models list\n")


@app.callback()
def models() -> None:
    """List the models of a pool."""


@app.command("list", epilog="\b\nExamples:\n  sale models list\n  sale models list --pool mine.toml --json\n")
def list_(
    pool: Pool = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON line per model on stdout.")] = False,
) -> None:
    """List a pool's agents: model file, size, memory when loaded, price, context."""
    from salecli.adapters.machine import free_memory
    from salecli.checks import look
    from salecli.cli.output import Output
    from salecli.cli.where import repository_root
    from salecli.config import load_settings
    from salecli.core.words import amount
    from salecli.pool import load_pool

    output = Output(lines=json)
    settings = load_settings(repository_root(Path()), {"pool": pool})
    spec = load_pool(settings.pool, settings.models.folder)
    rows = [look(agent) for agent in spec.agents]
    if json:
        for row in rows:
            output.record({"pool": spec.name, **row})
        return
    output.table(
        ["agent", "USD/Mt", "context", "file", "size", "memory", "state"],
        [
            [
                row["agent"],
                f"{row['price']:.2f}",
                row["context"],
                row["file"],
                amount(row["bytes"]),
                amount(row["memory"]),
                row["state"],
            ]
            for row in rows
        ],
        right={"USD/Mt", "context", "size", "memory"},
    )
    free = free_memory()
    output.story(
        f"pool {spec.name} ({spec.file}): {amount(sum(row['memory'] or 0 for row in rows))} with all loaded; "
        f"budget {amount(settings.models.budget_bytes(free))} of {amount(free)} free"
    )
    for row in rows:
        if row["hint"]:
            output.story(f"{row['agent']}: {row['hint']}")


app.command("plan", epilog="\b\nExamples:\n  sale models plan\n  sale models plan --pool mine.toml --json\n")(
    models_plan.plan
)
app.command("bench", epilog="\b\nExample:\n  sale models bench --pool mine.toml\n")(models_bench.bench)
