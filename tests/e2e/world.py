"""The command line as a user has it: a process of its own, real models, a real sandbox."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SALE = [sys.executable, "-m", "salecli"]


def sale(
    *arguments: str | Path, cwd: Path, stdin: str | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    """A finished run of `sale`."""
    return subprocess.run(
        [*SALE, *map(str, arguments)],
        cwd=cwd,
        input=stdin if stdin is not None else "",
        capture_output=True,
        text=True,
        env={**os.environ, **env},
        timeout=240,
        check=False,
    )


def started(*arguments: str | Path, cwd: Path) -> subprocess.Popen[str]:
    """A run of `sale` under way, its streams open."""
    return subprocess.Popen(
        [*SALE, *map(str, arguments)],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )


def practice(folder: Path, level: int, seed: int) -> Path:
    """A practice repository in `folder`."""
    done = sale("practice", "new", folder, "--level", str(level), "--seed", str(seed), cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    return folder


def records(stdout: str) -> list[dict[str, Any]]:
    """The JSON lines of a run."""
    return [json.loads(line) for line in stdout.splitlines()]


def contents(folder: Path) -> dict[str, bytes]:
    """Every byte below a folder, `.git` included."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def containers(run: str | None = None) -> list[str]:
    """Names of our containers, running or not; those of one run where it is named."""
    label = f"label=sale={run}" if run else "label=sale"
    command: Sequence[str] = ("docker", "ps", "-a", "--filter", label, "--format", "{{.Names}}")
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def processes(parent: int) -> list[int]:
    """Process ids whose parent is `parent`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            if int(stat.rpartition(")")[2].split()[1]) == parent:
                found.append(int(entry.name))
    return found


def alive(pid: int) -> bool:
    """Whether a process still runs; a zombie does not."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def model_process(parent: int, file: str) -> int:
    """Process id of the child of `parent` that the model file of this name was given to."""
    for pid in processes(parent):
        try:
            if file.encode() in (Path("/proc") / str(pid) / "cmdline").read_bytes():
                return pid
        except OSError:
            continue
    raise AssertionError(f"no child of {parent} has {file}")


def below(home: Path) -> list[int]:
    """Running processes that were started with this home folder, children of children included."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            mine = entry.name.isdigit() and f"\0HOME={home}\0".encode() in (
                b"\0" + (entry / "environ").read_bytes() + b"\0"
            )
        except OSError:
            continue
        if mine and alive(int(entry.name)):
            found.append(int(entry.name))
    return found


def owned_containers(pid: int, begun: bool = False) -> list[str]:
    """Names of the containers that the process `pid` opened, running or not; or of those that ever began."""
    command = (
        "docker",
        "ps",
        "-a",
        "--filter",
        f"label=sale.owner={pid}",
        "--format",
        "{{.Names}} {{.State}}",
    )
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    states = dict(line.split() for line in lines)
    return [name for name, state in states.items() if not (begun and state == "created")]
