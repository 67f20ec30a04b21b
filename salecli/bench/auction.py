"""One practice task from issue to verdict, as a user runs it."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

RUNS = 3
LEVEL, SEED = 2, 11
BAR = 15.0
"""Seconds."""


def rows() -> list[dict[str, Any]]:
    """Wall time of `sale solve` on one practice task, warm: auction, work and verdict; median of three."""
    with tempfile.TemporaryDirectory() as folder:
        home, shop = Path(folder, "home"), Path(folder, "shop")
        environment = {**os.environ, "XDG_DATA_HOME": str(home)}
        new = ["practice", "new", str(shop), "--level", str(LEVEL), "--seed", str(SEED)]
        _sale(new, Path(folder), environment)
        _sale(["solve", "issue.md"], shop, environment)  # warms the page cache, and fills the memory
        seconds = statistics.median(_sale(["solve", "issue.md"], shop, environment) for _ in range(RUNS))
    return [
        {
            "name": "practice task, warm: auction, work, verdict",
            "value": round(seconds, 2),
            "unit": "s",
            "bar": BAR,
            "ok": seconds <= BAR,
        }
    ]


def _sale(arguments: list[str], folder: Path, environment: dict[str, str]) -> float:
    """Seconds that a run of `sale` took; a run that ended for any other reason than the tests is an error."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "salecli", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(f"sale {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}")
    return time.perf_counter() - began
