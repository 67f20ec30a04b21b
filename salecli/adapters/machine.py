"""What the machine has for models: free memory, control groups' limits, GPUs as llama.cpp reports them."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

RESERVE, MOST_RESERVED = 0.2, 2 << 30
"""Part of the free memory that models leave to others by default, and the most bytes of it."""
_GPU_BUILDS = ("cuda", "metal", "vulkan", "hip", "sycl", "musa", "cann", "opencl")
_ANSWER = 30.0
"""Seconds in which a GPU's driver says what it has."""


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU."""

    name: str
    free: int
    """Bytes."""
    total: int
    shared: bool = False
    """Whether its memory is the processor's."""


def default_budget(free: int) -> int:
    """Bytes that models may take by default of `free` ones."""
    return free - min(int(free * RESERVE), MOST_RESERVED)


def gpu_build() -> bool:
    """Whether the installed llama.cpp was built for a GPU; nothing is loaded to find out."""
    spec = find_spec("llama_cpp")
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    files = [file.name for folder in folders for file in (Path(folder) / "lib").glob("*ggml-*")]
    return any(f"ggml-{kind}" in file for file in files for kind in _GPU_BUILDS)


@functools.cache
def devices() -> tuple[Device, ...]:
    """The GPUs that llama.cpp can use, as they were when this process first asked; none without such a build.

    Asked in a process of its own: a driver keeps memory for as long as its process lives.
    """
    if not gpu_build():
        return ()
    command = [sys.executable, "-P", "-m", "salecli.adapters.llama_devices"]
    try:
        done = subprocess.run(command, capture_output=True, check=True, timeout=_ANSWER)
        return tuple(Device(**row) for row in json.loads(done.stdout))
    except (OSError, subprocess.SubprocessError, ValueError, TypeError):
        return ()  # a driver that does not answer is no GPU to count on


def free_memory(root: Path = Path("/")) -> int:
    """Bytes that this process could still take: of the machine's, and of every control group around it."""
    found = [*_machine(root), *_groups(root)]
    if found:
        return max(0, min(found))
    # Not Linux: half of what is built in is a careful guess.
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def _machine(root: Path) -> Iterator[int]:
    for line in _lines(root / "proc/meminfo"):
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024


def _groups(root: Path) -> Iterator[int]:
    """What is left below the limit of each memory control group that holds this process (version 1 or 2)."""
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            top, limit, usage, kind = root / "sys/fs/cgroup", "memory.max", "memory.current", ""
        elif "memory" in controllers.split(","):
            top, kind = root / "sys/fs/cgroup/memory", "total_"
            limit, usage = "memory.limit_in_bytes", "memory.usage_in_bytes"
        else:
            continue
        # Inside a container the path may be the host's; the container's own group is then at the top.
        group = top / path.lstrip("/")
        for folder in (group, *group.parents):
            most, now = _number(folder / limit), _number(folder / usage)
            if most is not None and now is not None:
                # Copies of files count as used, but give way.
                files = (
                    _statistic(folder / "memory.stat", f"{kind}{age}_file") for age in ("active", "inactive")
                )
                yield most - now + sum(files)
            if folder == top:
                break


def _number(file: Path) -> int | None:
    """The number in a file; None where there is none, or the word `max`."""
    text = "".join(_lines(file)).strip()
    return int(text) if text.isdigit() else None


def _statistic(file: Path, name: str) -> int:
    for line in _lines(file):
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []


def cores() -> int:
    """Physical cores that this process may use: a second thread on a core slows llama.cpp down."""
    if not hasattr(os, "sched_getaffinity"):
        return max(1, (os.cpu_count() or 2) // 2)
    cores = set()
    for cpu in os.sched_getaffinity(0):
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        try:
            cores.add(siblings.read_text())
        except OSError:
            cores.add(str(cpu))
    return max(1, min(len(cores), quota()))


def quota(groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Whole cores that the container's CPU limit leaves, 0xFFFF where there is none."""
    for names in (("cpu.max",), ("cpu/cpu.cfsquota_us", "cpu/cpu.cfs_period_us")):
        try:
            quota, period = " ".join((groups / name).read_text() for name in names).split()
        except (OSError, ValueError):
            continue
        if quota.isdigit() and int(period):
            return int(quota) // int(period)
    return 0xFFFF
