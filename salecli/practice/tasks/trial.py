"""Runs the curriculum's own code against checks, and words the outcome as pytest does.

Only code that this package made is run here; what an agent wrote runs in a process of its own.
"""

from __future__ import annotations

import builtins
import functools
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import CodeType, SimpleNamespace
from typing import Any

from salecli.core.values import Case, Tests

_SHORT, _LONG = 30, 240
"""Characters of a value in a message: where pytest compares in detail, and where it does not."""


@dataclass(frozen=True, slots=True)
class Check:
    """One unit test: statements, then a call and the value that it must give."""

    script: tuple[str, ...]
    call: str
    wanted: object = None


def space(text: str, modules: Mapping[str, str]) -> dict[str, Any]:
    """The names that a module of ours defines; `modules` can be imported by it."""
    kept = dict(modules)
    return _defined(text, lambda name, *_: _module(kept[name]))


@functools.lru_cache(maxsize=256)
def _module(text: str) -> SimpleNamespace:
    return SimpleNamespace(**_defined(text, __import__))


def _defined(text: str, load: Any) -> dict[str, Any]:
    names: dict[str, Any] = {"__builtins__": {**vars(builtins), "__import__": load}, "__name__": "made"}
    exec(compile(text, "made", "exec"), names)  # our own code only
    return names


def compiled(checks: Sequence[Check]) -> list[tuple[CodeType, CodeType]]:
    """Checks ready to run many times."""
    return [
        (compile("\n".join(one.script), "check", "exec"), compile(one.call, "check", "eval"))
        for one in checks
    ]


def values(text: str, modules: Mapping[str, str], made: Sequence[tuple[CodeType, CodeType]]) -> list[object]:
    """What each check gives, an exception where it raises one."""
    try:
        names = space(text, modules)
    except Exception as error:  # whatever wrong code raises is its outcome
        return [error] * len(made)
    found: list[object] = []
    for script, call in made:
        local = dict(names)
        try:
            exec(script, local)
            found.append(eval(call, local))
        except Exception as error:
            found.append(error)
    return found


class Raised(Exception):
    """What code in another process raised, as that process said it."""


def message(got: object, wanted: object) -> str:
    """First line of what the tests say of a value, empty where it is right."""
    if isinstance(got, Raised):
        return str(got)
    if isinstance(got, BaseException):
        return f"{type(got).__name__}: {got}".removesuffix(": ")
    if got == wanted:
        return ""
    size = _SHORT if _in_detail(got, wanted) else _LONG
    return f"assert {shown(got, size)} == {shown(wanted, size)}"


def _in_detail(got: object, wanted: object) -> bool:
    if isinstance(got, str) or isinstance(wanted, str):
        return isinstance(got, str) and isinstance(wanted, str)
    return hasattr(got, "__iter__") and hasattr(wanted, "__iter__")


class _Short(reprlib.Repr):
    """Shortens as pytest does: a dictionary keeps its order."""

    def repr_dict(self, x: dict[Any, Any], level: int) -> str:
        if not x or level <= 0:
            return "{...}" if x else "{}"
        pieces = [
            f"{self.repr1(key, level - 1)}: {self.repr1(x[key], level - 1)}"
            for key in list(x)[: self.maxdict]
        ]
        return "{" + ", ".join([*pieces, *(["..."] if len(x) > self.maxdict else [])]) + "}"


def shown(value: object, size: int) -> str:
    """A value within `size` characters, its middle left out where it is longer."""
    short = _Short()
    short.maxstring = size
    text = short.repr(value)
    if len(text) <= size:
        return text
    head = (size - 3) // 2
    return f"{text[:head]}...{text[len(text) - (size - 3 - head) :]}"


def outcome(stem: str, got: Sequence[object], checks: Sequence[Check]) -> Tests:
    """The test run in which the checks gave `got`."""
    said = [message(value, one.wanted) for value, one in zip(got, checks, strict=True)]
    cases = tuple(
        Case(f"test_{stem}_{number}", "failed" if line else "passed", line)
        for number, line in enumerate(said, 1)
    )
    return Tests(int(any(said)), cases)
