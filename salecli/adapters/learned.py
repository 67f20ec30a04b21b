"""Files of learned weights: what `sale learn` saves for its user, and what a pool may bring along.

The user's own lie in the data folder, one for each pool and its prompts. A pool file NAME.toml may have
NAME.weights.json beside it. Which of them counts is said in salecli.weighing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from salecli import resources
from salecli.adapters import wholefile
from salecli.core.calibration import Correction
from salecli.core.scoring import TOP_MARK
from salecli.core.text import clean
from salecli.core.values import Weights
from salecli.core.words import plural
from salecli.errors import ConfigError

FORMAT, VERSION = "sale-weights", 2
_READ = (1, 2)
"""Version 1 knew nothing of corrected marks, and of no file but the user's own."""


@dataclass(frozen=True, slots=True)
class Calibrated:
    """Weights for marks that past verdicts put right, and what puts them right."""

    weights: Weights
    corrections: Mapping[str, Correction]
    """By judge."""
    helps: bool
    """Whether they did better on held-out tasks, and not by chance."""


@dataclass(frozen=True, slots=True)
class Saved:
    """Weights, and where they come from."""

    pool: str
    objective: str
    weights: Weights
    """For marks as they are given."""
    instead_of: Weights
    """The pool file's at the time."""
    at: str
    """UTC, ISO 8601."""
    auctions: int
    """That they were learned from."""
    solved: tuple[float, float]
    """Share of held-out tasks: with the weights before, and with these."""
    pool_hash: str = ""
    """Empty, as the next four, in files of version 1."""
    prompts_hash: str = ""
    suite: str = ""
    """Of the bench that they were learned from; empty where it was a memory."""
    tasks: int = 0
    sale: str = ""
    """Version of `sale`."""
    calibrated: Calibrated | None = field(default=None, kw_only=True)

    @property
    def origin(self) -> str:
        """From what they were learned, when, and by which `sale`."""
        past = plural(self.auctions, "auction")
        if self.suite:
            past = f"{plural(self.tasks, 'task')} of the suite {self.suite}"
        by = f" by sale {self.sale}" if self.sale else ""
        return clean(f"{past} on {self.at[:10]}{by}", newlines=False)


def store(pool_hash: str, prompts_hash: str) -> Path:
    """The user's own file for one pool and prompts."""
    return resources.data_folder() / "weights" / f"{pool_hash}-{prompts_hash[:16]}.json"


def beside(pool_file: Path) -> Path:
    """The file that a pool may bring along."""
    return pool_file.with_name(f"{pool_file.stem}.weights.json")


def read(path: Path, hint: str = "forget them: sale learn --forget") -> Saved | None:
    """What a file of weights holds; None where there is none.

    Raises:
        ConfigError: the file is there and cannot be read, or is not what was saved.
    """
    try:
        return _saved(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", hint) from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ConfigError(f"{path} does not hold learned weights", hint) from error


def write(path: Path, saved: Saved) -> None:
    """Save weights, whole or not at all, in place of what the file held.

    Raises:
        ConfigError: it cannot be written.
    """
    values = {"format": FORMAT, "version": VERSION, **asdict(saved)}
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(value)}" for name, value in values.items())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        wholefile.write(path, f"{{\n{lines}\n}}\n")
    except OSError as error:
        place = error.filename or path
        raise ConfigError(f"{place}: {error.strerror}", "make it writable, or name another place") from error


def forget(path: Path) -> bool:
    """Remove a file of weights; whether there was one.

    Raises:
        ConfigError: it cannot be removed.
    """
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", "make its folder writable") from error
    return True


def _saved(row: dict[str, Any]) -> Saved:
    """A file's content as a value; ValueError and its like where it is none."""
    if row.pop("format") != FORMAT or row.pop("version") not in _READ:
        raise ValueError("another format")
    before, after = map(_number, row.pop("solved"))
    weights, own = _weights(row.pop("weights")), _weights(row.pop("instead_of"))
    known = row.pop("calibrated", None)
    calibrated = None
    if known is not None:
        corrections = {str(judge): _correction(one) for judge, one in known["corrections"].items()}
        calibrated = Calibrated(_weights(known["weights"]), corrections, known["helps"] is True)
    saved = Saved(**row, weights=weights, instead_of=own, solved=(before, after), calibrated=calibrated)
    texts = (
        saved.pool,
        saved.objective,
        saved.at,
        saved.pool_hash,
        saved.prompts_hash,
        saved.suite,
        saved.sale,
    )
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("not what was saved")
    for one in (weights, *([calibrated.weights] if calibrated is not None else [])):
        _anchored(one)
    for count in (saved.auctions, saved.tasks):
        _number(count)
    return saved


def _weights(row: dict[str, Any]) -> Weights:
    judges = {str(name): _number(value) for name, value in row["judges"].items()}
    return Weights(_number(row["cost"]), _number(row["entropy"]), judges)


def _anchored(weights: Weights) -> None:
    if not math.isclose(abs(weights.entropy) + sum(weights.judges.values()), 1, abs_tol=1e-3):
        raise ValueError("the weights do not add up to 1")
    if weights.cost < 0 or min(weights.judges.values(), default=0.0) < 0:
        raise ValueError("a weight is less than 0")


def _correction(row: dict[str, Any]) -> Correction:
    points = tuple((_number(mark), _number(right)) for mark, right in row["points"])
    falls = any(mark >= after or right > higher for (mark, right), (after, higher) in pairwise(points))
    if not points or falls or not all(0 <= value <= TOP_MARK for point in points for value in point):
        raise ValueError("a correction is none")
    return Correction(points, int(_number(row["plans"])))


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("not a number")
    return value
