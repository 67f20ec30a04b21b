"""Reads the records of public task sets, and refuses those that no repository can be made of."""

from __future__ import annotations

import ast
import gzip
import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from salecli.errors import UsageError

Record = Mapping[str, Any]


def records(suite: str, data: Path | None, name: str) -> Iterator[Record]:
    """The records of a file of JSON lines, `name` or `name`.gz in the folder `data`.

    Raises:
        UsageError: no folder was named, there is no such file, or a line is no record.
    """
    if data is None:
        raise UsageError(
            f"the suite {suite} is read from a folder that you name",
            f"sale bench run {suite} --data FOLDER, which holds {name}",
        )
    file = next((one for one in (data / name, data / f"{name}.gz") if one.is_file()), None)
    if file is None:
        raise UsageError(
            f"{data} holds no {name}", f"ls {shlex.quote(str(data))}; name another: --data FOLDER"
        )
    try:
        with (
            gzip.open(file, "rt", encoding="utf-8")
            if file.suffix == ".gz"
            else file.open(encoding="utf-8") as opened
        ):
            for number, line in enumerate(opened, 1):
                record = json.loads(line)
                if not isinstance(record, dict):
                    raise UsageError(f"{file}, line {number}, is no record", "one JSON object a line")
                yield record
    except ValueError as error:  # not UTF-8, or no JSON
        raise UsageError(f"{file} is no file of JSON lines: {error}", "fetch it anew") from error
    except (OSError, EOFError) as error:
        raise UsageError(f"{file} cannot be read: {error}", "fetch it anew") from error


def text(suite: str, task: str, record: Record, key: str) -> str:
    """One text of a record, with line ends as Python writes them.

    Raises:
        UsageError: there is none, or it is empty; the task is named.
    """
    found = record.get(key)
    if not isinstance(found, str) or not found.strip():
        raise broken(suite, task, f"has no {key}")
    return found.replace("\r\n", "\n").replace("\r", "\n")


def broken(suite: str, task: str, what: str) -> UsageError:
    """The error for a task that cannot be posed."""
    return UsageError(f"{suite}: task {task} {what}", "mend its record, or take it out of the file")


def parsed(suite: str, task: str, source: str, what: str = "reference solution") -> ast.Module:
    """A program's syntax tree.

    Raises:
        UsageError: it is none; the task is named.
    """
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise broken(suite, task, f"has a {what} that is no program: {error}") from error


def check_asserts(suite: str, task: str, tests: ast.AST) -> None:
    """Refuse tests that assert nothing.

    Raises:
        UsageError: the task is named.
    """
    if not any(isinstance(node, ast.Assert) for node in ast.walk(tests)):
        raise broken(suite, task, "has no tests")
