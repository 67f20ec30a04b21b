"""`sale models`: the models of a pool, and whether they are there."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from salecli.errors import ModelError

if TYPE_CHECKING:
    from salecli.pool import AgentSpec

app = typer.Typer(no_args_is_help=True, epilog="\b\nExample:\n  sale models list\n")


@app.callback()
def models() -> None:
    """List the models of a pool."""


@app.command("list", epilog="\b\nExamples:\n  sale models list\n  sale models list --pool mine.toml --json\n")
def list_(
    pool: Annotated[str | None, typer.Option(help="A pool's name or the path of a pool file.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON line per model on stdout.")] = False,
) -> None:
    """List a pool's agents: model file, size, memory when loaded, price, context."""
    from salecli.adapters.residency import free_memory
    from salecli.cli.output import Output
    from salecli.cli.where import repository_root
    from salecli.config import load_settings
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


def look(agent: AgentSpec) -> dict[str, Any]:
    """What can be said of an agent's model without loading it; sizes are None where it is missing."""
    from salecli.adapters.llama import LlamaModel

    row: dict[str, Any] = {
        "agent": agent.name,
        "price": agent.price,
        "context": agent.context,
        "file": str(agent.path),
        "bytes": None,
        "memory": None,
        "state": "found",
        "hint": "",
    }
    if not agent.path.exists():
        return row | {"state": "missing", "hint": _fetch(agent.path)}
    model = LlamaModel(agent.path, name=agent.name, context=agent.context)
    try:
        return row | {"bytes": model.header.bytes, "memory": model.bytes}
    except ModelError as error:
        return row | {"bytes": agent.path.stat().st_size, "state": error.message, "hint": error.hint}


def _fetch(path: Path) -> str:
    """What to type for a model that is missing: those that come with sale can be made again."""
    from salecli import resources

    if path.parent == resources.pools():
        return f"sale practice train --out {shlex.quote(str(path.parent))} --minutes 60"
    return f"cp MODEL.gguf {shlex.quote(str(path))}"


def amount(count: int | None) -> str:
    """Bytes for people: "4.1 MB"."""
    if count is None:
        return "-"
    number, units = float(count), ["B", "kB", "MB", "GB"]
    while number >= 1000 and len(units) > 1:
        number /= 1000
        units.pop(0)
    return f"{number:.1f} {units[0]}" if units[0] != "B" else f"{count} B"
