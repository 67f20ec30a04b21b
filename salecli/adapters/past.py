"""The earlier runs of a repository, told apart in a line each."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from salecli.adapters.journal import JOURNAL, Run, runs_folder
from salecli.errors import UsageError

Outcome = Literal["solved", "not solved", "failed", "unfinished"]

_SOLVED = re.compile(rb'"solved":(true|false)')


@dataclass(frozen=True, slots=True)
class PastRun:
    """One earlier run."""

    id: str
    title: str
    at: float
    """When its last event was written, in seconds since 1970."""
    outcome: Outcome


def past_runs(repository: Path, most: int = 50, folder: Path | None = None) -> list[PastRun]:
    """The newest runs in the repository whose top is `repository`, newest first."""
    found: list[PastRun] = []
    for run, at in _newest(folder or runs_folder()):
        if len(found) == most:
            break
        try:
            about = run.about
        except UsageError:
            continue
        if isinstance(about, dict) and about.get("repository") == str(repository):
            title = str(about.get("title") or about.get("issue") or "")
            found.append(PastRun(run.id, title, at, _outcome(run.folder / JOURNAL)))
    return found


def _newest(folder: Path) -> Iterator[tuple[Run, float]]:
    times = []
    try:
        paths = list(folder.iterdir())
    except OSError:
        return
    for path in paths:
        try:
            state = (path / JOURNAL).stat()
        except OSError:
            continue
        if state.st_size:
            times.append((state.st_mtime, path))
    for at, path in sorted(times, reverse=True):
        yield Run(path), at


def _outcome(journal: Path) -> Outcome:
    """How a run ended, found from its journal's end: reading a long one event by event takes seconds."""
    try:
        with journal.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            ended = text.rfind(b'{"event":"RunEnded"')
            if ended < 0:
                return "failed" if text.rfind(b'{"event":"RunFailed"') >= 0 else "unfinished"
            # Quotes in a foreign text are escaped there, so the first match is the event's own field.
            solved = _SOLVED.search(text, ended)
            return "solved" if solved and solved[1] == b"true" else "not solved"
    except (OSError, ValueError):
        return "unfinished"
