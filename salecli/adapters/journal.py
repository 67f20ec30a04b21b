"""Run folders: every run's events as JSON lines, so that it can be shown, applied and played again."""

from __future__ import annotations

import json
import secrets
import shutil
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from salecli.adapters import points
from salecli.adapters.owner import this_process
from salecli.core import events
from salecli.errors import EnvironmentFault, UsageError
from salecli.resources import data_folder

JOURNAL = "journal.jsonl"
ABOUT = "run.json"
APPLIED = "applied"
"""There where the run's patch, or a part of it, was applied."""
_STREAMED = (events.PlanToken, events.WorkToken)
"""Events that come by the hundred: they wait for the next other event to be flushed."""


def runs_folder() -> Path:
    """Where runs are kept."""
    return data_folder() / "runs"


@dataclass(frozen=True, slots=True)
class Run:
    """One run's folder: its journal, its private object folder, what it was about."""

    folder: Path

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def begun(self) -> bool:
        """Whether anything happened in this run."""
        journal = self.folder / JOURNAL
        return journal.exists() and journal.stat().st_size > 0

    @property
    def about(self) -> dict[str, Any]:
        """What was noted at the start: repository, issue, pool.

        Raises:
            UsageError: the run's folder holds no such note.
        """
        try:
            about: dict[str, Any] = json.loads((self.folder / ABOUT).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"run {self.id} is damaged: {error}", "`sale solve` makes a new one") from error
        return about

    def note(self, **values: Any) -> None:
        """Write down what the run is about, and which process it is of."""
        noted = json.dumps({**values, "owner": this_process().labels()}, indent=1)
        try:
            (self.folder / ABOUT).write_text(noted + "\n", encoding="utf-8")
        except OSError as error:
            raise _unwritten(self.folder, error) from error

    def read(self) -> Iterator[events.Event]:
        """The run's events in order; a last line that a killed process left unfinished is skipped."""
        return (event for _, event in self.stamped())

    def stamped(self) -> Iterator[tuple[float, events.Event]]:
        """Like `read`, each event with the seconds since 1970 at which it was written, 0 without them."""
        try:
            file = (self.folder / JOURNAL).open("rb")
        except OSError as error:
            raise UsageError(f"run {self.id} has no journal", "`sale solve` makes a new run") from error
        with file:
            for number, line in enumerate(file, 1):
                try:
                    record = json.loads(line)
                    if not isinstance(record, dict):
                        raise ValueError("no event")
                    at, event = record.get("_at", 0.0), events.from_dict(record)
                    yield at if isinstance(at, float) else 0.0, event
                except (ValueError, RecursionError) as error:
                    if not file.read(1):
                        return
                    raise UsageError(f"{self.folder / JOURNAL}, line {number}: {error}") from error

    def last(self, kind: type[events.Event]) -> events.Event | None:
        """The last event of a kind."""
        found = None
        for event in self.read():
            if isinstance(event, kind):
                found = event
        return found


class Journal:
    """Appends a run's events to its journal, each with the time it was written."""

    def __init__(self, run: Run) -> None:
        self.run = run
        try:
            self._file: IO[str] = (run.folder / JOURNAL).open("a", encoding="utf-8", errors="surrogateescape")
        except OSError as error:
            raise _unwritten(run.folder, error) from error

    def write(self, event: events.Event) -> None:
        """Append one event."""
        record = {**events.to_dict(event), "_at": round(time.time(), 3)}
        try:
            self._file.write(json.dumps(record, separators=(",", ":"), default=str) + "\n")
            if not isinstance(event, _STREAMED):
                self._file.flush()
        except OSError as error:
            raise _unwritten(self.run.folder, error) from error

    def close(self) -> None:
        """Close the file; safe to call twice."""
        # A full disk was reported when it was written to.
        with suppress(OSError):
            self._file.close()


def _unwritten(folder: Path, error: OSError) -> EnvironmentFault:
    return EnvironmentFault(
        f"the run cannot be written down in {folder}: {error.strerror}",
        "make room there, or set XDG_DATA_HOME to another place",
    )


def recorded(run: Run, stream: Generator[events.Event, None, object]) -> events.Stream:
    """The same events, each written to the run's journal before it is handed on; closes both at the end."""
    with closing(stream), closing(Journal(run)) as journal:
        for event in stream:
            points.passed(event)
            journal.write(event)
            yield event


def new_run(folder: Path | None = None) -> Run:
    """A fresh run folder with a short id of its own."""
    parent = folder or runs_folder()
    try:
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        while True:
            with suppress(FileExistsError):
                made = parent / secrets.token_hex(3)
                made.mkdir(mode=0o700)
                return Run(made)
    except OSError as error:
        raise EnvironmentFault(
            f"no run folder can be made in {parent}: {error.strerror}",
            "set XDG_DATA_HOME to a writable folder",
        ) from error


@contextmanager
def fresh_run() -> Iterator[Run]:
    """A new run; where it never comes to an event, its folder is removed again."""
    run = new_run()
    try:
        yield run
    except BaseException:
        if not run.begun:
            shutil.rmtree(run.folder, ignore_errors=True)
        raise


def find_run(name: str, folder: Path | None = None) -> Run:
    """The run whose id begins with `name`.

    Raises:
        UsageError: no such run, or several.
    """
    parent = folder or runs_folder()
    known = sorted(path.name for path in parent.iterdir() if Run(path).begun) if parent.is_dir() else []
    found = [one for one in known if name and one.startswith(name)]
    if name in known:
        found = [name]
    if not found:
        latest = sorted(known, key=lambda one: (parent / one / JOURNAL).stat().st_mtime)[-5:]
        hint = f"the latest runs: {' '.join(reversed(latest))}" if latest else "`sale solve ISSUE` makes one"
        raise UsageError(f"no run {name!r}", hint)
    if len(found) > 1:
        raise UsageError(f"{name!r} begins several runs: {' '.join(found)}", "name more of its id")
    return Run(parent / found[0])
