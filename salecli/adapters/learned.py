"""Weights that `sale learn` saved: a file of the user's own for each pool and its prompts.

They stand in for the weights of the pool's file, as long as those are what they were at the time: whoever
changes the file means it. No repository has a say: the folder is the user's.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from salecli import resources
from salecli.core.values import Weights
from salecli.errors import ConfigError

FORMAT, VERSION = "sale-weights", 1


@dataclass(frozen=True, slots=True)
class Saved:
    """Weights, and where they come from."""

    pool: str
    objective: str
    weights: Weights
    instead_of: Weights
    """The pool file's at the time."""
    at: str
    """UTC, ISO 8601."""
    auctions: int
    """That they were learned from."""
    solved: tuple[float, float]
    """Share of held-out tasks: with the weights before, and with these."""


def store(pool_hash: str, prompts_hash: str) -> Path:
    """The file of one pool and prompts."""
    return resources.data_folder() / "weights" / f"{pool_hash}-{prompts_hash[:16]}.json"


def read(pool_hash: str, prompts_hash: str) -> Saved | None:
    """What was learned for this pool and these prompts; None where nothing was.

    Raises:
        ConfigError: the file is there and cannot be read, or is not what was saved.
    """
    path = store(pool_hash, prompts_hash)
    hint = "forget them: sale learn --forget"
    try:
        return _saved(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", hint) from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ConfigError(f"{path} does not hold learned weights", hint) from error


def in_use(own: Weights, pool_hash: str, prompts_hash: str, thrift: float | None) -> Weights:
    """The learned weights where there are any for a pool file's `own`, with the user's dial `thrift` on top.

    Raises:
        ConfigError: as `read`.
    """
    found = read(pool_hash, prompts_hash)
    weights = found.weights if found is not None and found.instead_of == own else own
    return weights if thrift is None else replace(weights, cost=thrift)


def write(pool_hash: str, prompts_hash: str, saved: Saved) -> Path:
    """Save weights in place of those that were saved before; they count from the next start on.

    Raises:
        ConfigError: the data folder cannot be written.
    """
    path = store(pool_hash, prompts_hash)
    values = {"format": FORMAT, "version": VERSION, **asdict(saved)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        growing = path.with_suffix(".part")
        growing.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
        growing.replace(path)
    except OSError as error:
        place = error.filename or path
        raise ConfigError(f"{place}: {error.strerror}", "make it writable, or set XDG_DATA_HOME") from error
    return path


def forget(pool_hash: str, prompts_hash: str) -> bool:
    """Remove what was learned for this pool and these prompts; whether there was anything.

    Raises:
        ConfigError: it cannot be removed.
    """
    path = store(pool_hash, prompts_hash)
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", "make its folder writable") from error
    return True


def _saved(row: dict[str, Any]) -> Saved:
    """A file's content as a value; ValueError and its like where it is none."""
    if row.pop("format") != FORMAT or row.pop("version") != VERSION:
        raise ValueError("another format")
    before, after = map(_number, row.pop("solved"))
    weights, own = _weights(row.pop("weights")), _weights(row.pop("instead_of"))
    saved = Saved(**row, weights=weights, instead_of=own, solved=(before, after))
    texts = (saved.pool, saved.objective, saved.at)
    anchor = abs(weights.entropy) + sum(weights.judges.values())
    if not all(isinstance(text, str) for text in texts) or not math.isclose(anchor, 1, abs_tol=1e-3):
        raise ValueError("not what was saved")
    if weights.cost < 0 or min(weights.judges.values(), default=0.0) < 0:
        raise ValueError("a weight is less than 0")
    _number(saved.auctions)
    return saved


def _weights(row: dict[str, Any]) -> Weights:
    judges = {str(name): _number(value) for name, value in row["judges"].items()}
    return Weights(_number(row["cost"]), _number(row["entropy"]), judges)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("not a number")
    return value
