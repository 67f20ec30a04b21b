"""`sale models plan`: how a pool fits into this machine, before anything is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from salecli.cli.options import Pool

if TYPE_CHECKING:
    from salecli.adapters.fit import Phase, Place, Room
    from salecli.cli.output import Output


def plan(
    pool: Pool = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON line per agent and phase.")] = False,
) -> None:
    """Show how a pool fits into memory: bytes, KV cache, GPU layers, and which phase loads what."""
    from salecli.adapters.fit import phases
    from salecli.cli.output import Output
    from salecli.cli.where import repository_root
    from salecli.config import load_settings
    from salecli.errors import ModelError
    from salecli.fitted import check_pulled, placed, room
    from salecli.pool import load_pool

    output = Output(lines=json)
    settings = load_settings(repository_root(Path()), {"pool": pool})
    spec = load_pool(settings.pool, settings.models.folder)
    if not spec.local:
        output.story(
            f"pool {spec.name} ({spec.file}): all its agents are on servers: no memory is taken here"
        )
        return
    check_pulled(spec)
    have = room(settings)
    places, faults = [], []
    for agent in spec.local:
        try:
            places.append(placed(settings, agent, have))
        except ModelError as error:
            faults.append((agent.name, error.message, error.hint))
    faults += [(one.wish.name, _short(one, have), one.advice) for one in places if one.advice]
    served = [agent.name for agent in spec.served]
    loads = phases(places, have, served=bool(served))
    files = {agent.name: agent.path.name for agent in spec.local}
    (_records if json else _tables)(output, places, loads, files)
    output.story(f"pool {spec.name} ({spec.file}): {_machine(have.memory)}")
    if served:
        output.story(f"on servers, and not in this plan: {', '.join(served)}")
    for name, why, hint in faults:
        output.failure(f"{name}: {why}", hint)
    if faults:
        names = ", ".join(name for name, _, _ in faults)
        raise ModelError(f"{len(faults)} of {len(spec.local)} models of pool {spec.name} cannot run: {names}")


def _short(one: Place, have: Room) -> str:
    from salecli.core.words import amount

    taken = one.footprint
    much = f"{amount(taken.vram)} on the GPU" if taken.vram > have.vram else amount(taken.memory)
    return f"needs {much} at a context of {one.context:,}, more than models may take"


def _machine(budget: int) -> str:
    """What there is to fit into."""
    from salecli.adapters import machine
    from salecli.core.words import amount

    said = f"models may take {amount(budget)} of {amount(machine.free_memory())} free"
    devices = machine.devices()
    if devices:
        found = ", ".join(
            f"{one.name} with {amount(one.free)} of {amount(one.total)} free" for one in devices
        )
        return f"{said}; {found}"
    return f"{said}; no GPU that the installed llama.cpp can use"


def _records(output: Output, places: list[Place], loads: list[Phase], files: dict[str, str]) -> None:
    for one in places:
        taken = one.footprint
        output.record(
            {
                "agent": one.wish.name,
                "file": files[one.wish.name],
                "weights": taken.weights,
                "cache": taken.cache,
                "buffers": taken.buffers,
                "process": taken.process,
                "memory": taken.memory,
                "vram": taken.vram,
                "context": one.context,
                "kv": one.kv,
                "gpu_layers": one.gpu_layers,
                "fits": not one.advice,
            }
        )
    for phase in loads:
        output.record({"phase": phase.name, "loads": list(phase.loads)})


def _tables(output: Output, places: list[Place], loads: list[Phase], files: dict[str, str]) -> None:
    from salecli.core.words import amount

    gpu = any(one.gpu_layers for one in places)
    output.table(
        [
            "agent",
            "file",
            "weights",
            "KV cache",
            "buffers",
            "memory",
            *(["GPU", "GPU layers"] if gpu else []),
            "context",
            "KV",
            "fits",
        ],
        [
            [
                one.wish.name,
                files[one.wish.name],
                amount(one.footprint.weights),
                amount(one.footprint.cache),
                amount(one.footprint.buffers + one.footprint.process),
                amount(one.footprint.memory),
                *(
                    [
                        amount(one.footprint.vram) if one.footprint.vram else "-",
                        f"{one.gpu_layers} of {one.wish.header.blocks + 1}" if one.gpu_layers else "-",
                    ]
                    if gpu
                    else []
                ),
                f"{one.context:,}" + (f" of {one.wish.context:,}" if one.context < one.wish.context else ""),
                one.kv,
                "no" if one.advice else "yes",
            ]
            for one in places
        ],
        right={"weights", "KV cache", "buffers", "memory", "GPU", "context"},
    )
    output.result("")
    output.table(
        ["phase", "loads", ""],
        [[phase.name, len(phase.loads), ", ".join(phase.loads)] for phase in loads],
        right={"loads"},
    )
