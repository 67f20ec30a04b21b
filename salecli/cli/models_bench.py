"""`sale models bench`: how fast a pool's models run on this machine, kept for later."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from salecli.cli.options import Pool

if TYPE_CHECKING:
    from salecli.adapters.fit import Place, Room
    from salecli.pool import AgentSpec


def bench(
    pool: Pool = None,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Measurements; the median counts.")] = 3,
    json: Annotated[bool, typer.Option("--json", help="One JSON line per model on stdout.")] = False,
) -> None:
    """Measure a pool's models here: tokens per second beside bare llama.cpp, memory, time to load."""
    from salecli.cli.output import Output
    from salecli.cli.where import repository_root
    from salecli.config import load_settings
    from salecli.fitted import check_pulled, placed, room
    from salecli.pool import load_pool

    output = Output(lines=json)
    settings = load_settings(repository_root(Path()), {"pool": pool})
    spec = load_pool(settings.pool, settings.models.folder)
    check_pulled(spec)
    served = [agent.name for agent in spec.served]
    if served:
        output.story(f"on servers, and not measured here: {', '.join(served)}")
    have = room(settings)
    places = [placed(settings, agent, have) for agent in spec.local]
    rows = []
    for agent, one in zip(spec.local, places, strict=True):
        if one.advice:
            output.story(f"{agent.name}: does not fit; {one.advice}")
            continue
        output.story(f"measuring {agent.name}")
        rows.append(_measured(agent, one, have, rounds))
        if json:
            output.record(rows[-1])
    if json or not rows:
        return
    output.table(
        ["agent", "load", "prefill", "of bare", "decode", "of bare", "most memory", "estimate", "threads"],
        [
            [
                row["agent"],
                f"{row['load']:.1f} s",
                f"{1 / row['prefill']:,.1f} tok/s",
                f"{row['prefill_ratio']:.3f}",
                f"{1 / row['decode']:,.1f} tok/s",
                f"{row['decode_ratio']:.3f}",
                f"{row['peak'] / 1e9:.2f} GB" if row["peak"] else "-",
                f"{row['estimate'] / 1e9:.2f} GB",
                f"{row['threads']}, {row['threads_prefill']}",
            ]
            for row in rows
        ],
        right={"load", "prefill", "of bare", "decode", "most memory", "estimate"},
    )


def _measured(agent: AgentSpec, one: Place, have: Room, rounds: int) -> dict[str, Any]:
    """One model's figures, kept in the data folder as well."""
    from dataclasses import fields

    from salecli.adapters.measured import Measured, write
    from salecli.bench.bars.speed import Subject, speed
    from salecli.pool import model_identity

    twice = not one.gpu_layers and 2 * one.footprint.memory <= have.memory
    found = speed(Subject(agent.path, one.context, one.kv, one.gpu_layers, twice), rounds)
    figures = {field.name: found[field.name] for field in fields(Measured) if field.name != "file"}
    write(model_identity(agent.path), Measured(file=agent.path.name, **figures))
    return {"agent": agent.name, "file": str(agent.path), **found}
