"""A results.json of a made-up run, as `sale bench run` writes it: its numbers follow from who solved what."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

AGENTS = {"xs": 0.05, "s": 0.09, "m": 0.16, "l": 0.36}
STRENGTH = {"xs": 0.25, "s": 0.45, "m": 0.6, "l": 0.72}
ORDERS = 3
ROUTERS = {  # kind, its strength beside that of l, and its cost beside l's
    "SALE": ("market", 0.06, 0.7),
    "SALE without memory": ("market", 0.02, 0.78),
    "SALE with retry": ("market", 0.1, 1.0),
    "random (SALE's shares)": ("router", -0.16, 0.55),
    "WTP": ("router", -0.05, 0.62),
    "CARROT": ("router", -0.02, 0.86),
    "TO-Router": ("router", 0.0, 0.97),
    "FrugalGPT": ("router", -0.08, 1.3),
    "oracle": ("bound", 0.15, 0.5),
    "no price": ("ablation", 0.01, 0.99),
    "no entropy": ("ablation", -0.03, 0.8),
    "no jury": ("ablation", -0.1, 0.7),
}


def example(tasks: int = 60, seed: int = 1, **header: Any) -> dict[str, Any]:
    """Results of so many tasks; `header` replaces keys of the top."""
    chance = random.Random(seed)
    listed = [
        {"name": f"practice-{at:03}", "level": str(at % 5 + 1), "hash": f"{at:08x}", "agents": {}}
        for at in range(tasks)
    ]
    levels = [str(one["level"]) for one in listed]
    luck = [[chance.random() for _ in listed] for _ in range(ORDERS)]
    shown: dict[str, tuple[str, float, float]] = {
        **{name: ("agent", STRENGTH[name], AGENTS[name] / AGENTS["l"]) for name in AGENTS},
        **{name: (kind, STRENGTH["l"] + more, cost) for name, (kind, more, cost) in ROUTERS.items()},
    }
    played = {}
    for name, (kind, strength, cost) in shown.items():
        solved = [
            [
                float(one < strength + 0.3 - 0.15 * int(level))
                for one, level in zip(order, levels, strict=True)
            ]
            for order in (luck if kind != "agent" else [luck[0]] * ORDERS)
        ]
        usd = [float(f"{chance.uniform(0.8, 1.2) * cost * 4e-4:.3g}") for _ in listed]
        played[name] = (kind, solved, usd)
    largest = played["l"]
    return {
        "suite": "practice",
        "pool": "practice",
        "pool_hash": "0a1b2c3d",
        "prompts_hash": "4e5f6a7b",
        "seed": 7,
        "schema": 2,
        "sale": "0.1.0",
        "content": "99aa88bb",
        "agents": {name: {"usd_per_million": price} for name, price in AGENTS.items()},
        "weights": {
            "cost": 0.02,
            "entropy": -0.95,
            "judges": {"xs": 0.005, "s": 0.01, "m": 0.015, "l": 0.02},
            "source": "the pool's file",
        },
        "plan_tokens": 192,
        "tasks": listed,
        "rows": [_row(name, *one, largest, levels) for name, one in played.items()],
        "paired": {
            name: {
                "solved": ["".join(str(int(one)) for one in order) for order in solved],
                "usd_per_task_by_task": usd,
            }
            for name, (kind, solved, usd) in played.items()
            if kind != "ablation"
        },
        **_rest(chance),
        **header,
    }


def saved(folder: Path, values: Mapping[str, Any]) -> Path:
    """Write them as a run would; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(values, indent=1))
    return folder


def _row(
    name: str,
    kind: str,
    solved: Sequence[Sequence[float]],
    usd: Sequence[float],
    largest: tuple[str, Sequence[Sequence[float]], Sequence[float]],
    levels: Sequence[str],
) -> dict[str, Any]:
    means = [fmean(order) for order in zip(*solved, strict=True)]
    theirs = [fmean(order) for order in zip(*largest[1], strict=True)]
    ratio = sum(usd) / sum(largest[2]) - 1
    shares = {name: 1.0} if kind == "agent" else {"xs": 0.1, "s": 0.2, "m": 0.3, "l": 0.4}
    return {
        "name": name,
        "kind": kind,
        "pass": interval(means),
        "usd_per_task": interval(usd),
        "usd_per_solved": [one / max(0.01, fmean(means)) for one in interval(usd)],
        "usd_per_million": [0.2, 0.19, 0.21],
        "tokens_by_phase": {
            "bid": 300.0,
            "mark": 800.0 if kind == "market" else 0.0,
            "refine": 120.5,
            "work": 900.0,
        },
        "auction_share": [0.575, 0.55, 0.6] if kind == "market" else [0.0, 0.0, 0.0],
        "task_share": shares,
        "token_share": shares,
        "over": 0.21,
        "under": 0.13,
        "levels": {
            level: {
                "pass": interval([one for one, at in zip(means, levels, strict=True) if at == level]),
                "usd_per_task": interval([one for one, at in zip(usd, levels, strict=True) if at == level]),
                "tasks": levels.count(level),
            }
            for level in sorted(set(levels))
        },
        "against_largest": {
            "pass": interval([one - other for one, other in zip(means, theirs, strict=True)]),
            "usd": [ratio, ratio - 0.03, ratio + 0.03],
        },
    }


def interval(values: Sequence[float]) -> list[float]:
    """Mean and 95 % interval by the normal approximation."""
    mean, arm = fmean(values), 1.96 * pstdev(values) / math.sqrt(len(values))
    return [mean, mean - arm, mean + arm]


def _rest(chance: random.Random) -> dict[str, Any]:
    def fifths(step: float) -> list[dict[str, Any]]:
        shares = [{"xs": 0.1 + step * at, "s": 0.2 + step * at, "m": 0.3 - step * at} for at in range(5)]
        return [
            {"fifth": at + 1, "shares": {**one, "l": 1 - sum(one.values())}} for at, one in enumerate(shares)
        ]

    def opinions(shift: float) -> dict[str, Any]:
        return {
            name: {
                "brier": 0.2 - shift * at,
                "ece": 0.12 - shift * at,
                "spearman": 0.4 + shift * at,
                "curve": [[0.1 + 0.2 * x, min(1.0, 0.15 + 0.2 * x - shift * at), 40] for x in range(5)],
            }
            for at, name in enumerate(AGENTS)
        }

    return {
        "win_share": {
            "with memory": fifths(0.03),
            "without memory": fifths(0.0),
            "smallest_two": {
                "with memory": {"last_minus_first": [0.24, 0.11, 0.36]},
                "without memory": {"last_minus_first": [0.0, -0.08, 0.07]},
            },
        },
        "shapley": {
            plays: {
                name: [value + more, value, value + 0.1] for name, value in zip(AGENTS, values, strict=True)
            }
            for plays, more, values in (
                ("with memory", 0.05, (0.11, 0.15, 0.2, 0.26)),
                ("without memory", 0.03, (0.08, 0.14, 0.21, 0.29)),
            )
        },
        "calibration": {"marks": opinions(0.03), "corrected marks": opinions(0.01)},
        "plan_and_work": [
            [chance.randint(20, 90), chance.randint(200, 900), chance.choice(list(AGENTS))] for _ in range(80)
        ],
        "plan_work_spearman": {"xs": 0.31, "s": None, "m": 0.4, "l": 0.45},
        "auction_at_real_lengths": [
            {
                "work_tokens": 48_400,
                "source": "agents on repository issues",
                "auction_share": 0.031,
                "usd_against_largest": [-0.31, -0.36, -0.25],
            },
            {"work_tokens": 900_000, "source": "long search", "auction_share": 0.0019},
        ],
    }
