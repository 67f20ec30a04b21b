"""What this machine did with each model file, as `sale models bench` measured it: one file of the user's.

A file is known by its identity (`salecli.pool.model_identity`), so that another file in its place counts as
not measured.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from salecli import resources
from salecli.adapters import wholefile
from salecli.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Measured:
    """How one model file ran here."""

    file: str
    """Name of the file, for people."""
    prefill: float
    """Seconds per token of a prompt."""
    decode: float
    """Seconds per token that is written."""
    load: float
    """Seconds."""
    peak: int
    """Most bytes that its process held; 0 where the system did not say."""
    estimate: int
    """Bytes that it was estimated at."""
    context: int
    threads: int
    threads_prefill: int

    @property
    def prefill_rate(self) -> float:
        """Tokens of a prompt per second."""
        return 1 / self.prefill

    @property
    def decode_rate(self) -> float:
        """Written tokens per second."""
        return 1 / self.decode

    @property
    def seconds_per_token(self) -> tuple[float, float]:
        """(prefill, decode)."""
        return self.prefill, self.decode


def store() -> Path:
    """The file that all of them are in."""
    return resources.data_folder() / "measured.json"


def read(identity: str) -> Measured | None:
    """What was measured of the model file with this identity; None where nothing was, or it is unreadable."""
    return _measured(_held().get(identity))


def write(identity: str, measured: Measured) -> None:
    """Keep what was measured, in place of what was measured before; other processes may write as well.

    Raises:
        ConfigError: the data folder cannot be written.
    """
    try:
        with _alone():
            held = {known: row for known, row in _held().items() if _measured(row) is not None}
            held[identity] = asdict(measured)
            wholefile.write(store(), json.dumps(held, indent=1) + "\n")
    except OSError as error:
        place = error.filename or store()
        raise ConfigError(f"{place}: {error.strerror}", "make it writable, or set XDG_DATA_HOME") from error


@contextmanager
def _alone() -> Iterator[None]:
    """No other process writes meanwhile."""
    store().parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(store().with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _held() -> dict[str, Any]:
    """The rows as they stand; a damaged file holds none: they can be measured again."""
    with suppress(OSError, ValueError, RecursionError):
        held = json.loads(store().read_text(encoding="utf-8"))
        if isinstance(held, dict):
            return held
    return {}


def _measured(row: object) -> Measured | None:
    """A row of the file as a value; None where it is no such row."""
    if not isinstance(row, dict) or row.keys() != {one.name for one in fields(Measured)}:
        return None
    numbers = [value for name, value in row.items() if name not in ("file", "peak")]
    if not isinstance(row["file"], str) or not all(map(_sane, [*numbers, row["peak"] or 1])):
        return None
    return Measured(**row)


def _sane(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1 << 62
