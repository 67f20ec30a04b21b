"""Runs what an agent wrote against a task's checks, in a process of its own.

This is for measuring practice models: names with two underscores and all builtins but the harmless ones are
refused, time and memory are limited. Real tasks are worked on in the sandbox.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from typing import Any

from salecli.core.values import Tests
from salecli.practice.tasks import trial
from salecli.practice.tasks.curriculum import Practice
from salecli.practice.tasks.trial import Raised

_SECONDS = 10
_CHILD = """
import builtins, json, resource, sys, types
resource.setrlimit(resource.RLIMIT_CPU, (5, 5))
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
asked = json.load(sys.stdin)
allowed = (
    "abs all any bin bool dict divmod enumerate filter float int len list map max min pow range reversed "
    "round set sorted str sum tuple zip Exception NotImplementedError ValueError IndexError __build_class__"
).split()
modules = {}
def load(name, *rest):
    if name not in modules:
        raise ImportError(f"No module named {name!r}")
    return modules[name]
def defined(code):
    if "__" in code.replace("def __init__(self", ""):
        raise NameError("names with two underscores are refused")
    known = {name: getattr(builtins, name) for name in allowed}
    space = {"__builtins__": {**known, "__import__": load}, "__name__": "module"}
    exec(compile(code, "module", "exec"), space)
    return space
def said(error):
    return ["error", f"{type(error).__name__}: {error}".removesuffix(": ")]
found = []
try:
    for name, code in asked["modules"].items():
        modules[name] = types.SimpleNamespace(**defined(code))
    space, broken = defined(asked["code"]), None
    space[asked["function"]]
except BaseException as error:
    broken = said(error)
for script, call in asked["checks"]:
    if broken:
        found.append(broken)
        continue
    try:
        local = dict(space)
        exec(script, local)
        found.append(["value", repr(eval(call, local))])
    except BaseException as error:
        found.append(said(error))
print(json.dumps(found))
"""


def attempt(practice: Practice, content: str) -> Tests:
    """The task's tests with `content` as its module."""
    asked = {
        "code": content,
        "function": practice.function,
        "modules": dict(practice.draft.modules),
        "checks": [("\n".join(one.script), one.call) for one in practice.checks],
    }
    found = _apart(_CHILD, asked)
    if found is None:
        return Tests(1, timed_out=True)
    got = [Raised(text) if kind == "error" else _value(text) for kind, text in found]
    return trial.outcome(practice.function.lower(), got, practice.checks)


def _apart(program: str, asked: object) -> Any:
    """What a program that got `asked` printed, both as JSON; None where it ran out of time or memory."""
    try:
        # -I: no user site, no environment, no current folder on the path.
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", program],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )
        return json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):  # it ended before it could say anything
        return None


def _value(text: str) -> object:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return Raised(f"gave {text}")
