"""`sale models`: the models of a pool: which are there, what they take, and their files from a hub."""

from __future__ import annotations

from pathlib import Path

import typer

from salecli.cli import modelfiles, models_bench, models_plan
from salecli.cli.modelfiles import Json
from salecli.cli.options import Pool

app = typer.Typer(
    no_args_is_help=True,
    epilog="\b\nExamples:\n  sale models pull laptop\n  sale models list --pool laptop\n",
)


@app.callback()
def models() -> None:
    """The models of a pool: list, pull from a model hub, verify, remove; fit into memory, measure."""


@app.command("list", epilog="\b\nExamples:\n  sale models list\n  sale models list --pool mine.toml --json\n")
def list_(
    pool: Pool = None,
    json: Json = False,
) -> None:
    """List a pool's agents: model file, size, memory when loaded, price, context, verified or not."""
    from salecli.adapters.machine import free_memory
    from salecli.adapters.modellock import ModelLock
    from salecli.checks import looked, weights_told
    from salecli.cli.output import Output
    from salecli.cli.where import repository_root
    from salecli.config import load_settings
    from salecli.core.words import amount, milliseconds, rate
    from salecli.pool import load_pool
    from salecli.pricing import measuring

    output = Output(lines=json)
    settings = load_settings(repository_root(Path()), {"pool": pool})
    spec = load_pool(settings.pool, settings.models.folder)
    rows = looked(settings, spec)
    lock = ModelLock(settings.models.folder)
    rows = [row | {"verified": lock.state(Path(row["file"])) == "verified"} for row in rows]
    if json:
        for row in rows:
            output.record({"pool": spec.name, **row})
        return
    timed = any(row["seconds"] for row in rows)
    output.table(
        ["agent", "USD/Mt", *(["ms/token"] if timed else []), "context", "file", "size", "memory", "state"],
        [
            [
                row["agent"],
                "-" if row["price"] is None else rate(row["price"]),
                *([milliseconds(row["seconds"]) if row["seconds"] else "-"] if timed else []),
                row["context"],
                row["file"],
                amount(row["bytes"]),
                amount(row["memory"]),
                "verified" if row["verified"] and row["state"] == "found" else row["state"],
            ]
            for row in rows
        ],
        right={"USD/Mt", "ms/token", "context", "size", "memory"},
    )
    free = free_memory()
    taken = [row["memory"] for row in rows if not row.get("remote")]
    loaded = f"{amount(sum(taken))} with all loaded; " if taken and None not in taken else ""
    budget = amount(settings.models.budget_bytes(free))
    output.story(f"pool {spec.name} ({spec.file}): {loaded}budget {budget} of {amount(free)} free")
    for line in weights_told(settings, spec):
        output.story(f"weights: {line}")
    unmeasured = [row["agent"] for row in rows if row["price"] is None]
    if unmeasured:
        output.story(f"{', '.join(unmeasured)}: priced by time: {measuring(settings.pool)}")
    for hint in dict.fromkeys(row["hint"] for row in rows if row["hint"]):
        output.story(f"{', '.join(row['agent'] for row in rows if row['hint'] == hint)}: {hint}")


app.command(epilog="\b\nExamples:\n  sale models pull laptop\n  sale models pull ./mine.toml --update\n")(
    modelfiles.pull
)
app.command(epilog="\b\nExample:\n  sale models verify laptop\n")(modelfiles.verify)
app.command(epilog="\b\nExample:\n  sale models rm paper\n")(modelfiles.rm)
app.command("plan", epilog="\b\nExamples:\n  sale models plan\n  sale models plan --pool mine.toml --json\n")(
    models_plan.plan
)
app.command("bench", epilog="\b\nExample:\n  sale models bench --pool mine.toml\n")(models_bench.bench)
