"""How long the sandbox takes: to its first command, over a further one, and for a 50 MB repository."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

_TIMES = 5
_FILES, _FILE_BYTES = 2_500, 20_000


def rows() -> list[dict[str, Any]]:
    """The rows of the sandbox; needs an engine and the image."""
    from salecli.adapters.container import SandboxLimits
    from salecli.adapters.docker import DockerWorkspace
    from salecli.adapters.git import Repository

    with tempfile.TemporaryDirectory(prefix="sale-bench-") as place:
        small = _repository(Path(place) / "small", 3, 100)
        with (
            Repository(small).snapshot() as snapshot,
            DockerWorkspace(snapshot, "python3 -m pytest -q", "bench", SandboxLimits()) as workspace,
        ):
            firsts, furthers = [], []
            for _ in range(_TIMES):
                started = time.perf_counter()
                with workspace.open() as sandbox:
                    sandbox.run("true")
                    firsts.append(time.perf_counter() - started)
                    for _ in range(_TIMES):
                        started = time.perf_counter()
                        sandbox.run("sleep 0.2")
                        furthers.append(time.perf_counter() - started - 0.2)
        large = _repository(Path(place) / "large", _FILES, _FILE_BYTES)
        started = time.perf_counter()
        with (
            Repository(large).snapshot() as snapshot,
            DockerWorkspace(snapshot, "python3 -m pytest -q", "bench", SandboxLimits()) as workspace,
            workspace.open() as sandbox,
        ):
            sandbox.run("echo 'x = 2' >> file_0.py")
            tests = sandbox.test()
            patch = sandbox.collect()
            whole = time.perf_counter() - started
    if not tests.green or [change.path for change in patch.changes] != ["file_0.py"]:
        raise RuntimeError(f"the 50 MB repository was not worked on as asked: {tests}, {patch.changes}")
    return [
        _row("sandbox: create to first command", statistics.median(firsts), "s", 1.0),
        _row(
            "sandbox: a further command, over its own time", statistics.median(furthers) * 1000, "ms", 100.0
        ),
        _row("sandbox: 50 MB repository in, tested and out", whole, "s", 5.0),
    ]


def _row(name: str, value: float, unit: str, bar: float) -> dict[str, Any]:
    return {"name": name, "value": round(value, 3), "unit": unit, "bar": bar, "ok": value <= bar}


def _repository(folder: Path, files: int, size: int) -> Path:
    """A git repository of so many files of random text, with one test."""
    folder.mkdir()
    for number in range(files):
        text = os.urandom(size // 2).hex()
        (folder / f"file_{number}.py").write_text(f"x = 1\n# {text}\n")
    (folder / "test_one.py").write_text("from file_0 import x\n\n\ndef test_x():\n    assert x\n")
    for command in ("init -q", "add -A", "-c user.name=bench -c user.email=bench@localhost commit -qm start"):
        subprocess.run(["git", *command.split()], cwd=folder, check=True, capture_output=True)
    return folder
