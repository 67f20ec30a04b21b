"""Runs what a practice agent wrote against its task's cases, in a process of its own.

This is for measuring the practice models, whose programs are pipelines over a list: names with two
underscores and all builtins but the harmless ones are refused, time and memory are limited. Real tasks
are worked on in the sandbox.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from salecli.core.values import Case, Tests
from salecli.practice.curriculum import Practice, run

SECONDS = 10
_CHILD = """
import builtins, json, resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (5, 5))
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
asked = json.load(sys.stdin)
allowed = (
    "abs all any bin bool dict divmod enumerate filter float int len list map max min pow range reversed "
    "round set sorted str sum tuple zip Exception NotImplementedError ValueError IndexError"
).split()
found = []
try:
    if "__" in asked["code"]:
        raise NameError("names with two underscores are refused")
    space = {"__builtins__": {name: getattr(builtins, name) for name in allowed}}
    exec(compile(asked["code"], "module", "exec"), space)
    function, broken = space[asked["function"]], ""
except BaseException as error:
    function, broken = None, f"{type(error).__name__}: {error}"
for given, wanted in asked["cases"]:
    if broken:
        found.append(broken)
        continue
    try:
        got = function(list(given))
        found.append("" if got == wanted else f"assert {got!r} == {wanted!r}")
    except BaseException as error:
        found.append(f"{type(error).__name__}: {error}")
print(json.dumps(found))
"""


def attempt(practice: Practice, content: str) -> Tests:
    """The task's tests with `content` as its module."""
    wanted = [(given, run(practice.pipeline.expressions, given)) for given in practice.inputs]
    messages = apart(_CHILD, {"code": content, "function": practice.function, "cases": wanted})
    return Tests(1, timed_out=True) if messages is None else outcomes(practice, messages)


def apart(program: str, asked: object) -> Any:
    """What a program that got `asked` printed, both as JSON; None where it ran out of time or memory."""
    try:
        # -I: no user site, no environment, no current folder on the path.
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", program],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        return json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):  # it ended before it could say anything
        return None


def outcomes(practice: Practice, messages: list[str]) -> Tests:
    """Case results from one message per case, empty for a passed one."""
    cases = tuple(
        Case(f"test_{practice.function}_{number}", "failed" if message else "passed", message)
        for number, message in enumerate(messages, 1)
    )
    return Tests(int(any(messages)), cases)
