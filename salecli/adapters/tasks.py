"""Reads a folder of tasks: issue files, or sub-folders with an issue.md and an optional task.toml."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from salecli import toml
from salecli.adapters.issues import read_issue
from salecli.checked import Section, check
from salecli.errors import ConfigError, UsageError

ISSUE, FILE = "issue.md", "task.toml"
_EXPLAINS = "readme.md"
"""A file of this name says something of the folder; it is no issue."""

Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1)]


def _is_size(text: str) -> str:
    if not re.fullmatch(r"\d*[1-9]\d*(\.\d+)?\s*[kmgt]?(i?b)?", text.strip(), re.IGNORECASE):
        raise ValueError(f'must be a size such as "512m" or "2g", not {text!r}')
    return text


def _is_name(pool: str) -> str:
    # A pool file names model files that llama.cpp would read, and a task may be a stranger's.
    if "/" in pool or pool.endswith(".toml"):
        raise ValueError(f"must be a pool's name, not a path; for all tasks: --pool {pool}")
    return pool


class TaskLimits(Section):
    """[limits]: what the settings of the same names say for all tasks."""

    steps: Count | None = None
    tokens: Count | None = None
    seconds: Seconds | None = None
    """Of one work."""
    command_seconds: Seconds | None = None
    """Of one command in the sandbox, test runs included."""
    memory: Annotated[Text, AfterValidator(_is_size)] | None = None
    """Of the sandbox."""


class TaskFile(Section):
    """A whole task.toml."""

    repository: Text | None = None
    """A git repository, or a folder inside it; the default is the one that the issue lies in."""
    path: Text | None = None
    """A folder that need not be a git repository: what it holds is all there is."""
    base: Text | None = None
    """The commit to begin with; the default is HEAD and uncommitted changes."""
    test_command: Text | None = None
    pool: Annotated[Text, AfterValidator(_is_name)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**32)] | None = None
    attempts: Count | None = None
    skip: Text | None = None
    """Why the task is left out for now."""
    limits: TaskLimits = Field(default_factory=TaskLimits)


@dataclass(frozen=True, slots=True)
class Listed:
    """One task of a batch, as its files describe it."""

    name: str
    text: str
    issue: Path
    place: Path
    """The repository, or a folder inside it."""
    bare: bool = False
    """Whether `place` is taken as it is, git or not."""
    base: str = ""
    skip: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)
    """Settings by dotted name."""

    @property
    def digest(self) -> str:
        """Tells whether the task is still the one that it was."""
        said = [self.text, str(self.place), self.bare, self.base, self.skip, dict(self.settings)]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def tasks_in(folder: Path, repository: Path | None = None) -> list[Listed]:
    """The tasks of a folder, by name, numbers in their order.

    `repository` is that of tasks which name none; by default the one that the issue lies in.

    Raises:
        UsageError: no folder, no task in it, two of one name, an issue that is empty or cannot be read.
        ConfigError: what is wrong with a task.toml, with file and line.
    """
    if not folder.exists():
        raise UsageError(f"there is no folder {folder}", "name a folder of issue files")
    if not folder.is_dir():
        raise UsageError(f"{folder} is a file, not a folder of tasks", f"for one task: sale solve {folder}")
    found: dict[str, Listed] = {}
    for name, issue in sorted(_issues(folder), key=lambda one: _order(one[0])):
        if name in found:
            raise UsageError(
                f"two tasks are called {name!r}: {found[name].issue} and {issue}", "rename one of them"
            )
        found[name] = _listed(name, issue, repository)
    if not found:
        raise UsageError(
            f"there is no task in {folder}",
            f"put issues there as NAME.md, or as NAME/{ISSUE}; for a try: sale practice new {folder}/first",
        )
    return list(found.values())


def _issues(folder: Path) -> Iterator[tuple[str, Path]]:
    """(name, issue file) of every task."""
    for path in _entries(folder):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            issue = path / ISSUE
            if os.path.lexists(issue):
                yield path.name, issue
            elif (path / FILE).exists():
                raise UsageError(f"{path} has a {FILE} and no {ISSUE}", f"write {issue}")
        elif path.suffix.lower() == ".md" and path.name.lower() != _EXPLAINS:
            yield path.stem, path


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be read: {error.strerror}", "name a folder that you may read"
        ) from None


def _order(name: str) -> tuple[list[tuple[bool, int, str]], str]:
    """task-2 before task-10."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name.lower())
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts], name


def _listed(name: str, issue: Path, repository: Path | None) -> Listed:
    try:
        text, _ = read_issue(issue)
    except UsageError as error:
        said = error.message.removeprefix(f"{issue} ").removeprefix(f"{issue.name} ")
        raise UsageError(f"task {name}: {issue} {said}", error.hint) from None
    file = issue.parent / FILE
    if issue.name != ISSUE or not os.path.lexists(file):
        return Listed(name, text, issue, _in_repository(repository or issue.parent, name))
    document = toml.read(file)
    told = check(TaskFile, document.values, document.where)
    where = document.where
    if told.path is not None and (told.repository is not None or told.base is not None):
        other = "repository" if told.repository is not None else "base"
        raise ConfigError(
            f"{where(('path',))}: path is a folder without history, and {other} asks for a repository",
            f"leave path or {other} out",
        )
    if told.path is not None:
        place = _folder(file, told.path, where(("path",)))
    elif told.repository is not None:
        line = where(("repository",))
        place = _in_repository(_folder(file, told.repository, line), name, line)
    else:
        place = _in_repository(repository or issue.parent, name)
    return Listed(
        name,
        text,
        issue,
        place,
        bare=told.path is not None,
        base=told.base or "",
        skip=told.skip or "",
        settings=_settings(told),
    )


def _folder(file: Path, said: str, line: str) -> Path:
    """The folder that a task.toml names: relative to itself."""
    place = file.parent / Path(said).expanduser()
    if not place.is_dir():
        raise ConfigError(f"{line}: there is no folder {place}", "mend the path; it begins at the task.toml")
    return place


def _in_repository(place: Path, name: str, line: str = "") -> Path:
    resolved = place.resolve()
    if not any((above / ".git").exists() for above in (resolved, *resolved.parents)):
        raise ConfigError(
            f"{line or f'task {name}'}: {place} is not in a git repository",
            f"name one: --repo DIR for all tasks, repository = ... in its {FILE} for one; path = ... takes a "
            "folder without git",
        )
    return place


def _settings(told: TaskFile) -> dict[str, object]:
    """What a task.toml says of the run, as settings by dotted name."""
    limits = told.limits
    named: dict[str, Any] = {
        "test_command": told.test_command,
        "pool": told.pool,
        "seed": told.seed,
        "attempts": told.attempts,
        "work.steps": limits.steps,
        "work.tokens": limits.tokens,
        "work.seconds": limits.seconds,
        "sandbox.command_seconds": limits.command_seconds,
        "sandbox.memory": limits.memory,
    }
    return {name: value for name, value in named.items() if value is not None}
