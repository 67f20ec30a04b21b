"""The journal of a batch: every finished task is on the disk before anybody is told, and a batch goes on
where it was left.

A file of JSON lines in the user's data folder: what the batch is, a line for each run that was begun and for
each finished task, an end. A line that a killed process left unfinished is dropped; of two lines for one task
the last one counts.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from salecli.adapters import jsonlines
from salecli.core.batch import Result
from salecli.errors import EnvironmentFault, UsageError
from salecli.resources import data_folder

VERSION = 1
_FIELDS = {one.name for one in fields(Result)}


def batches_folder() -> Path:
    """Where the journals of batches are kept."""
    return data_folder() / "batches"


@dataclass(frozen=True, slots=True)
class Finished:
    """A task's result, and which state of the task it is of."""

    result: Result
    digest: str


class Results:
    """One batch's journal, held by this process alone until it is closed."""

    def __init__(self, file: Path, lock: int, descriptor: int) -> None:
        self.file = file
        self.finished: dict[str, Finished] = {}
        """By task, in the order in which they ended."""
        self.begun: dict[str, tuple[str, str]] = {}
        """(id, digest of the task) of the last run that was begun, by task."""
        self.tasks: list[str] = []
        self.terms: dict[str, Any] = {}
        """The options that decide what comes out."""
        self.resumed = False
        self._lock = lock
        self._descriptor = descriptor

    @property
    def id(self) -> str:
        """The batch's id."""
        return self.file.stem.partition("-")[2]

    @property
    def frozen(self) -> Path:
        """Where a memory that this batch alone reads may lie."""
        return self.file.with_suffix(".sqlite3")

    def begin(self, task: str, run: str, digest: str) -> None:
        """Write down which run a task is in: should this process die, what came of it is found there.

        Raises:
            EnvironmentFault: it cannot be written.
        """
        self._write({"kind": "begun", "task": task, "run": run, "digest": digest})
        self.begun[task] = run, digest

    def add(self, result: Result, digest: str) -> None:
        """Write a task's result down; when this returns, it is on the disk.

        Raises:
            EnvironmentFault: it cannot be written.
        """
        self._write({"kind": "task", "digest": digest, **asdict(result)})
        self.finished.pop(result.task, None)
        self.finished[result.task] = Finished(result, digest)

    def end(self) -> None:
        """Write down that nothing is left to do: the next batch over this folder begins anew."""
        self._write({"kind": "end"})
        self._thaw()

    def close(self) -> None:
        """Let go of the file; safe to call twice."""
        for descriptor in (self._descriptor, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._descriptor = self._lock = -1

    def __enter__(self) -> Results:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _thaw(self) -> None:
        for path in self.frozen.parent.glob(f"{self.frozen.name}*"):  # with what SQLite and we keep beside it
            path.unlink(missing_ok=True)

    def _write(self, record: Mapping[str, Any]) -> None:
        try:
            jsonlines.append(self._descriptor, record)
        except OSError as error:
            raise EnvironmentFault(
                f"the batch's results cannot be written down in {self.file}: {error.strerror}",
                f"make room: df -h {shlex.quote(str(self.file.parent))}; then the same command goes on",
            ) from error


def open_results(
    folder: Path,
    tasks: Iterable[str],
    terms: Mapping[str, Any],
    resume: bool = True,
    place: Path | None = None,
) -> Results:
    """The journal of the unfinished batch over `folder`, or of a new one.

    Raises:
        UsageError: another process is at it, the unfinished batch had other terms, or its journal is damaged
            or another version's.
        EnvironmentFault: it cannot be written.
    """
    place = place or batches_folder()
    key = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:12]
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(place / f"{key}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise EnvironmentFault(
            f"no journal of a batch can be made in {place}: {error.strerror}",
            "set XDG_DATA_HOME to a writable folder",
        ) from error
    try:
        _hold(lock, folder)
        # One at a time is written, so the newest is the last.
        known = sorted(place.glob(f"{key}-*.jsonl"), key=lambda one: one.stat().st_mtime_ns)
        if resume and known:
            found = _reopened(known[-1], lock, folder, terms)
            if found is not None:
                return found
        return _begun(place, key, lock, folder, list(tasks), terms)
    except BaseException:
        os.close(lock)
        raise


def _hold(lock: int, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.pread(lock, 32, 0).decode("ascii", "replace").strip()
        raise UsageError(
            f"a batch over {folder} is under way already (process {holder})", "wait for its end, or end it"
        ) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)


def _begun(
    place: Path, key: str, lock: int, folder: Path, tasks: list[str], terms: Mapping[str, Any]
) -> Results:
    file = place / f"{key}-{secrets.token_hex(3)}.jsonl"
    try:
        descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise EnvironmentFault(
            f"no journal of a batch can be made in {place}: {error.strerror}",
            "set XDG_DATA_HOME to a writable folder",
        ) from error
    results = Results(file, lock, descriptor)
    results.tasks, results.terms = tasks, dict(terms)
    try:
        results._write(
            {
                "kind": "batch",
                "version": VERSION,
                "folder": str(folder.resolve()),
                "terms": results.terms,
                "tasks": tasks,
            }
        )
        _sync(place)
    except BaseException:
        os.close(descriptor)
        file.unlink(missing_ok=True)
        raise
    return results


def _reopened(file: Path, lock: int, folder: Path, terms: Mapping[str, Any]) -> Results | None:
    """The batch in `file`, None where it has ended or never began."""
    anew = f"begin anew: sale batch {shlex.quote(str(folder))} --no-resume"
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
    except OSError as error:
        raise EnvironmentFault(f"{file} cannot be opened: {error.strerror}", anew) from error
    try:
        known = jsonlines.whole(descriptor)
        results = Results(file, lock, descriptor)
        ended = _read(results, known, anew)
        if ended or not results.finished:
            os.close(descriptor)
            if not ended:
                results._thaw()
                file.unlink()
            return None
        if results.terms != terms:
            raise UsageError(_other(results.terms, dict(terms), folder), anew)
        os.ftruncate(descriptor, len(known))
        results.resumed = True
        return results
    except BaseException:
        os.close(descriptor)
        raise


def _read(results: Results, text: bytes, anew: str) -> bool:
    """Take in what a journal holds; returns whether the batch has ended."""
    ended = False
    for number, line in enumerate(text.splitlines(), 1):
        try:
            record = json.loads(line)
            if number == 1:
                version = record["version"]
                if version != VERSION:
                    raise UsageError(
                        f"{results.file} is of another version of sale (its format is {version}, this one's "
                        f"{VERSION})",
                        anew,
                    )
                results.tasks, results.terms = list(record["tasks"]), dict(record["terms"])
            elif record["kind"] == "task":
                values = {name: value for name, value in record.items() if name in _FIELDS}
                result = Result(**{**values, "details": tuple(values.get("details", ()))})
                results.finished.pop(result.task, None)
                results.finished[result.task] = Finished(result, str(record["digest"]))
            elif record["kind"] == "begun":
                results.begun[record["task"]] = str(record["run"]), str(record["digest"])
            else:
                ended = record["kind"] == "end"
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(f"{results.file}, line {number}, is damaged ({error})", anew) from None
    return ended


def _other(before: dict[str, Any], now: dict[str, Any], folder: Path) -> str:
    """Which option of an unfinished batch is another now."""
    name = next(name for name in {**before, **now} if before.get(name) != now.get(name))
    was, given = before.get(name, "its default"), now.get(name, "its default")
    return f"the unfinished batch over {folder} was begun with --{name} at {was}, not at {given}"


def _sync(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
