"""What this machine did with each model file, as `sale models bench` measured it: one file of the user's.

A file is known by its identity (`salecli.pool.model_identity`), so that another file in its place counts as
not measured.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from salecli import resources


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
    """Most bytes that its process held."""
    estimate: int
    """Bytes that it was estimated at."""
    context: int
    threads: int
    threads_prefill: int


def store() -> Path:
    """The file that all of them are in."""
    return resources.data_folder() / "measured.json"


def read(identity: str) -> Measured | None:
    """What was measured of the model file with this identity; None where nothing was, or it is unreadable."""
    with suppress(TypeError):
        return Measured(**_held().get(identity, {}))
    return None


def write(identity: str, measured: Measured) -> None:
    """Keep what was measured, in place of what was measured before."""
    store().parent.mkdir(parents=True, exist_ok=True)
    store().write_text(json.dumps({**_held(), identity: asdict(measured)}), encoding="utf-8")


def _held() -> dict[str, Any]:
    with suppress(OSError, ValueError):
        held = json.loads(store().read_text(encoding="utf-8"))
        if isinstance(held, dict):
            return held
    return {}
