"""Who owns a container or a temporary folder, and whether that process still lives."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Owner:
    """A process, told apart from a later one with the same number."""

    pid: int
    started: str
    """Clock ticks after the start of the machine."""
    boot: str
    """Which start of the machine, and which process namespace."""

    def alive(self) -> bool | None:
        """Whether the process still lives; None where that cannot be seen from here."""
        if self.boot != _boot():
            return None
        return _started(self.pid) == self.started

    def labels(self) -> dict[str, str]:
        """The owner as container labels."""
        return {"sale.owner": str(self.pid), "sale.started": self.started, "sale.boot": self.boot}


def this_process() -> Owner:
    """The process that runs now."""
    return Owner(os.getpid(), _started(os.getpid()), _boot())


def from_labels(labels: Mapping[str, str]) -> Owner | None:
    """The owner that `labels` name, None where they name none."""
    pid = labels.get("sale.owner", "")
    if not pid.isdigit():
        return None
    return Owner(int(pid), labels.get("sale.started", ""), labels.get("sale.boot", ""))


def _started(pid: int) -> str:
    try:
        # The program's name, in brackets, may hold spaces and brackets itself.
        fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        )
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def _boot() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        # In a container of its own the same numbers mean other processes.
        space = str(Path("/proc/self/ns/pid").readlink()).strip("pid:[]")
    except OSError:
        return "unknown"
    return f"{boot[:8]}.{space}"


def temporary_folder() -> Path:
    """A new temporary folder whose name says who owns it."""
    me = this_process()
    return Path(tempfile.mkdtemp(prefix=f"sale-{me.pid}-{me.started}-{me.boot}-"))


def reap_folders() -> int:
    """Remove the temporary folders of processes that ended without doing so; returns how many."""
    return _remove(lambda owner: owner.alive() is False)


def own_folders_removed() -> int:
    """Remove this process's own temporary folders, for an end without tidying up; returns how many."""
    return _remove(this_process().__eq__)


def _remove(chosen: Callable[[Owner], bool]) -> int:
    removed = 0
    for folder in Path(tempfile.gettempdir()).glob("sale-*-*-*-*"):
        parts = folder.name.split("-")
        if len(parts) != 5 or not parts[1].isdigit() or folder.is_symlink() or not folder.is_dir():
            continue
        if chosen(Owner(int(parts[1]), parts[2], parts[3])) and folder.stat().st_uid == os.getuid():
            shutil.rmtree(folder, ignore_errors=True)
            removed += not folder.exists()
    return removed
