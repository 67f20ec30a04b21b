"""Suites: task sets whose every task is a small repository with an issue, tests and a reference solution."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from salecli.errors import UsageError

SUITES = ("practice", "humaneval", "mbpp", "leetcode")
"""Each a module of this package with a function `open(data) -> Suite`."""
UNKNOWN = "unknown"
"""The level of a task of which nobody measured how long people take."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class SuiteTask:
    """One task: what the repository holds, and what the reference solution puts in its place."""

    name: str
    level: str
    """A level of the suite, or the minutes that people take, as "2.5-12.5"."""
    issue: str
    files: Mapping[str, str]
    """The repository: text by path, issue.md and the tests included."""
    solution: Mapping[str, str]
    """Text by path."""
    known: str = ""
    """Why the reference solution is known to fail, empty where it passes."""
    elo: float | None = None
    """Contest rating of the problem: a proxy for human time, not a measurement of it."""

    @property
    def hash(self) -> str:
        """Identity of all that an agent works with and is judged by."""
        text = json.dumps([self.issue, dict(self.files), dict(self.solution)], sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class Suite(Protocol):
    """A set of tasks, always the same in the same order."""

    @property
    def name(self) -> str:
        """What `sale bench run` calls it."""

    def tasks(self, most: int | None = None) -> Sequence[SuiteTask]:
        """Its tasks, or `most` of them from all over the suite.

        Raises:
            UsageError: a task without tests, or with a reference solution that is no program; it is named.
        """


def open_suite(name: str, data: Path | None = None) -> Suite:
    """The suite of that name; all but `practice` are read from the folder `data`.

    Raises:
        UsageError: no such suite, or its data is not there.
    """
    if name not in SUITES:
        raise UsageError(f"there is no suite {name!r}", f"the suites are {', '.join(SUITES)}")
    suite: Suite = importlib.import_module(f"salecli.bench.suites.{name}").open_suite(data)
    return suite


def spread(items: Sequence[Item], most: int | None) -> list[Item]:
    """At most `most` items at even distances, the first one among them."""
    if most is None or most >= len(items):
        return list(items)
    return [items[place * len(items) // most] for place in range(most)]


def content(tasks: Iterable[SuiteTask]) -> str:
    """Identity of a list of tasks."""
    return hashlib.sha256("\n".join(f"{one.name} {one.hash}" for one in tasks).encode()).hexdigest()[:16]
