"""results.json: what a matrix came to, task by task, for people, plots and comparisons."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from salecli import __version__
from salecli.adapters import wholefile
from salecli.bench.cells import RESULTS, RESULTS_SCHEMA, Cell, Header
from salecli.bench.matrix import Matrix
from salecli.bench.suites import content
from salecli.core.agent import Pool
from salecli.errors import EnvironmentFault, UsageError


def check_earlier(folder: Path, header: Header) -> None:
    """Refuse to write over what another suite, pool or version of `sale` came to.

    Raises:
        UsageError: the first difference is named.
    """
    file = folder / RESULTS
    try:
        known = json.loads(file.read_bytes())
        if not isinstance(known, dict):
            raise ValueError("no JSON object")
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read: {error}", "name another folder: --out DIR") from error
    replace(header, schema=RESULTS_SCHEMA).check(known, file)


def outcomes(matrix: Matrix, pool: Pool | None = None) -> dict[str, Any]:
    """Everything of results.json but the routers; a proof has no pool, and no routers."""
    header = matrix.ledger.header
    prices = pool.prices if pool is not None else {}
    names = [one.name for one in matrix.contestants]
    return {
        **asdict(header),
        "schema": RESULTS_SCHEMA,
        "sale": __version__,
        "content": content(matrix.tasks),
        "agents": {name: {"usd_per_million": prices.get(name, 0.0)} for name in names},
        **({"weights": _weights(pool), "plan_tokens": pool.plan_tokens} if pool is not None else {}),
        "tasks": [
            {
                "name": task.name,
                "level": task.level,
                "hash": task.hash,
                **({"elo_proxy": task.elo} if task.elo is not None else {}),
                **({"known_to_fail": task.known} if task.known else {}),
                "agents": {
                    one.name: _shown(cell, prices.get(one.name, 0.0))
                    for one in matrix.contestants
                    if (cell := matrix.ledger.cells.get(matrix.key(task, one))) is not None
                },
            }
            for task in matrix.tasks
        ],
    }


def _weights(pool: Pool) -> dict[str, Any]:
    """The weights of the pool, which count marks as they are given, and where they come from."""
    return asdict(pool.weights) | {"source": pool.source}


def _shown(cell: Cell, price: float) -> dict[str, Any]:
    """One cell: its tokens by phase, those of the prefix cache left out, and what they cost."""
    plan = cell.bid.usage if cell.bid is not None else cell.lost
    spent = cell.usage
    return {
        "outcome": cell.outcome,
        "reason": cell.reason,
        "bid_tokens": plan.evaluated + plan.generated,
        "tokens": spent.evaluated + spent.generated,
        "model_seconds": round(spent.seconds, 3),
        "seconds": round(cell.seconds, 3),
        "usd": (spent.evaluated + spent.generated) * price / 1e6,
        "steps": len(cell.worked.steps) if cell.worked is not None else 0,
    }


def write(folder: Path, found: Mapping[str, Any]) -> Path:
    """Write results.json, whole or not at all.

    Raises:
        EnvironmentFault: it cannot be written.
    """
    file = folder / RESULTS
    try:
        wholefile.write(file, json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        raise EnvironmentFault(
            f"{file} cannot be written: {error.strerror}", "name another: --out DIR"
        ) from error
    return file


def by_level(matrix: Matrix) -> list[tuple[str, int, Sequence[int]]]:
    """(level, tasks, solved by each contestant), all levels together last."""
    levels = list(dict.fromkeys(task.level for task in matrix.tasks))
    groups = [(level, [task for task in matrix.tasks if task.level == level]) for level in levels]
    if len(groups) > 1:
        groups.append(("all", list(matrix.tasks)))
    return [
        (
            level,
            len(tasks),
            [
                sum(
                    (cell := matrix.cell(task, one)) is not None and cell.outcome == "passed"
                    for task in tasks
                )
                for one in matrix.contestants
            ],
        )
        for level, tasks in groups
    ]
