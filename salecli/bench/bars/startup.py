"""What the command line costs before it does anything: `sale --help` against a two-command Typer app."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from typing import Any

_ROUNDS = 15
_TYPER = """
import typer
app = typer.Typer()

@app.command()
def first(name: str = "x", count: int = 1) -> None:
    "The first command."

@app.command()
def second(name: str = "y", loud: bool = False) -> None:
    "The second command."

app()
"""
_SALE = "import sys; from salecli.cli import main; sys.exit(main())"


def rows() -> list[dict[str, Any]]:
    """CPU of `sale --help` as a ratio, taken in turns so that a busy machine burdens both alike."""
    ours, theirs = [], []
    for number in range(_ROUNDS + 1):
        pair = cpu(_TYPER), cpu(_SALE)
        if number:  # the first round writes bytecode and warms the page cache
            theirs.append(pair[0])
            ours.append(pair[1])
    ratio = statistics.median(ours) / statistics.median(theirs)
    return [
        {
            "name": "startup: CPU of `sale --help` over a two-command Typer app's",
            "value": round(ratio, 3),
            "unit": "ratio",
            "bar": 1.3,
            "ok": ratio <= 1.3,
        }
    ]


def cpu(program: str) -> float:
    """Seconds of CPU that a fresh interpreter spends on `program --help`, its children's left out."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, "--help"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"--help ended with exit code {process.returncode}")
    return used.ru_utime + used.ru_stime
