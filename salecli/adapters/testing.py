"""How a repository's tests are found, run by our own runner, and read back as cases. Pure."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree

from salecli.core.text import clean
from salecli.core.values import Case, Tests

PYTEST, UNITTEST = "python3 -m pytest -q", "python3 -m unittest discover"
RUNNER = "/opt/sale/runner.py"
MAX_REPORT = 16 << 20
"""Bytes of a test report; a longer one was not written by a test framework."""

_PLAIN = re.compile(r"(?:(?:\S*/)?python[\d.]*\s+-m\s+)?(pytest|py\.test|unittest)(?:\s|$)")
_SHELL = re.compile(r"[|&;<>()$`\\\n*?~#!{}]")
_NO_FRAMEWORK = 97

Kind = Literal["pytest", "unittest", "custom"]


def detect_test_command(files: Iterable[str], read: Callable[[str], str | None]) -> str | None:
    """The command that runs a repository's tests, None where there are none to be seen."""
    names = list(files)
    settings = {
        "pytest.ini": "[pytest]",
        "pyproject.toml": "[tool.pytest",
        "setup.cfg": "[tool:pytest]",
        "tox.ini": "[pytest]",
    }
    for name, heading in settings.items():
        if name in names and heading in (read(name) or ""):
            return PYTEST
    modules = [path for path in names if re.search(r"(^|/)(test_[^/]*|[^/]*_test)\.py$", path)]
    if any(path.rsplit("/", 1)[-1] == "conftest.py" for path in names):
        return PYTEST
    # Discovery from the top reaches only modules in packages; where one is out of reach, pytest runs all.
    if modules and all(
        _plain_unittest(read(path) or "") and _discovered(path, set(names)) for path in modules
    ):
        return UNITTEST
    return PYTEST if modules else None


def _plain_unittest(text: str) -> bool:
    ours = re.search(r"^\s*(import pytest|from pytest )|^(async )?def test", text, re.MULTILINE)
    return not ours and bool(re.search(r"\bunittest\b", text))


def _discovered(path: str, names: set[str]) -> bool:
    *folders, name = path.split("/")
    packages = ("/".join([*folders[:depth], "__init__.py"]) for depth in range(1, len(folders) + 1))
    return name.startswith("test") and all(package in names for package in packages)


@dataclass(frozen=True, slots=True)
class Invocation:
    """How a test command is run: by our runner where it is plain pytest or unittest, else as it stands."""

    kind: Kind
    command: str
    environment: dict[str, str]
    report: str
    """Where the JUnit XML will be, outside of the tree."""


def invocation(test_command: str, nonce: str) -> Invocation:
    """The shell command that runs `test_command` and leaves a report."""
    report = f"/tmp/.sale-report-{nonce}.xml"
    plain = _PLAIN.match(test_command.strip())
    words = _words(test_command) if plain and not _SHELL.search(test_command) else []
    if plain and words:
        at = next(index for index, word in enumerate(words) if word in ("pytest", "py.test", "unittest"))
        python = words[0] if at else "python3"
        kind: Kind = "unittest" if plain[1] == "unittest" else "pytest"
        line = shlex.join([python, RUNNER, kind, report, *words[at + 1 :]])
        return Invocation(kind, line, {}, report)
    options = f"-p no:cacheprovider --junitxml={report} -o junit_family=xunit2"
    return Invocation("custom", test_command, {"PYTEST_ADDOPTS": options}, report)


def _words(command: str) -> list[str]:
    """The words of a plain command, none where its quotes do not close."""
    try:
        return shlex.split(command)
    except ValueError:
        return []


@dataclass(frozen=True, slots=True)
class Outcome:
    """A test run together with each case's full name, which stays the same whatever else runs."""

    tests: Tests
    ids: tuple[tuple[str, str], ...] = ()
    """(class or module, name), in the order of the cases."""


def _without_notice(output: str, run: Invocation) -> str:
    """The output without pytest's line about the report, whose name differs from run to run."""
    return re.sub(rf"^.*{re.escape(run.report)}.*\n?", "", output, flags=re.MULTILINE)


def outcome(run: Invocation, exit_code: int, output: str, report: bytes, timed_out: bool) -> Outcome:
    """What a finished run says, with an exit code that cannot be better than its report."""
    output = _without_notice(output, run)
    if timed_out:
        return Outcome(Tests(exit_code, (), output, timed_out=True))
    cases = read_report(report) if report else None
    if cases is None:
        return Outcome(_without_report(run, exit_code, output))
    pytest = run.kind == "pytest" or (run.kind == "custom" and b"<testsuite" in report)
    ran = not (pytest and exit_code in (3, 4, 5)) and not (run.kind == "unittest" and exit_code == 5)
    tests = Tests(exit_code, tuple(_named(cases)), output, ran)
    if exit_code == 0 and (tests.failed or not cases):
        tests = Tests(1, tests.cases, output, ran and bool(cases))
    return Outcome(tests, tuple((case.group, case.name) for case in cases))


def _without_report(run: Invocation, exit_code: int, output: str) -> Tests:
    if exit_code in (126, 127):
        return Tests(exit_code, (), output, ran=False)
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    last = lines[-1][:300] if lines else ""
    if run.kind == "custom":
        # Where the framework is unknown, its exit code is the one case. A pytest that could not start says
        # so by its own codes.
        started = not (exit_code in (3, 4, 5) and re.search(r"\bpytest\b|\bpy\.test\b", run.command))
        case = Case("tests", "failed", last) if exit_code else Case("tests", "passed")
        return Tests(exit_code, (case,) if started else (), output, ran=started)
    if exit_code in (_NO_FRAMEWORK, *((3, 4, 5) if run.kind == "pytest" else (2, 5))):
        return Tests(exit_code, (), output, ran=False)
    said = f"ended by signal {exit_code - 128}" if exit_code > 128 else f"ended with exit code {exit_code}"
    case = Case("tests", "error", f"{said} before a report was written")
    # Exit code 0 without a report is what `os._exit(0)` in the tree looks like.
    return Tests(exit_code or 1, (case,), output)


@dataclass(frozen=True, slots=True)
class Reported:
    """One test case as the report has it."""

    group: str
    name: str
    outcome: Literal["passed", "failed", "error", "skipped"]
    message: str


_WORST = ("passed", "skipped", "failed", "error")


def read_report(report: bytes) -> list[Reported] | None:
    """The cases of a JUnit XML report, None where it is not one."""
    if len(report) > MAX_REPORT or b"<!DOCTYPE" in report or b"<!ENTITY" in report:
        return None
    try:
        root = ElementTree.fromstring(report)
    except ElementTree.ParseError:
        return None
    found: dict[tuple[str, str], Reported] = {}
    for element in root.iter("testcase"):
        case = _reported(element)
        key = (case.group, case.name)
        known = found.get(key)
        if known is None or _WORST.index(case.outcome) > _WORST.index(known.outcome):
            found[key] = case
    return list(found.values())


def _reported(element: ElementTree.Element) -> Reported:
    # What the tree calls its tests is anybody's text, and is read line by line.
    group, name = (clean(element.get(key, ""), newlines=False) for key in ("classname", "name"))
    for tag, result in (("error", "error"), ("failure", "failed"), ("skipped", "skipped")):
        child = element.find(tag)
        if child is not None:
            return Reported(group, name, result, _message(child))  # type: ignore[arg-type]
    return Reported(group, name, "passed", "")


def _message(child: ElementTree.Element) -> str:
    """First line of a failure; for a module that could not be imported, what Python said."""
    message = (child.get("message") or "").strip()
    if not message or message.startswith("collection failure"):
        text = (child.text or "").strip().splitlines()
        said = [line[1:].strip() for line in text if line.startswith("E ")] or [
            line for line in text if line.strip()
        ]
        message = said[-1] if said else message
    first = message.splitlines()[0] if message else ""
    return clean(first.removeprefix("AssertionError: ").strip(), newlines=False)[:500]


def _named(cases: list[Reported]) -> list[Case]:
    """Cases under the shortest name that tells them apart: function, class and function, module as well."""
    bare = Counter(case.name for case in cases)
    longer = Counter(f"{case.group.rpartition('.')[2]}.{case.name}" for case in cases)
    named = []
    for case in cases:
        name = case.name
        if bare[name] > 1:
            short = f"{case.group.rpartition('.')[2]}.{name}"
            name = short if longer[short] == 1 else f"{case.group}.{name}"
        named.append(Case(name, case.outcome, case.message))
    return named


def compared(before: Outcome, after: Outcome) -> Tests:
    """The run after a patch, held against the one before: a case may not vanish or start to be skipped."""
    tests = after.tests
    if not tests.ran or tests.timed_out:
        return tests
    now = dict(zip(after.ids, tests.cases, strict=False))
    cases = dict(now)
    for identity, case in zip(before.ids, before.tests.cases, strict=False):
        if not identity[0] and case.outcome == "error":
            continue  # a module that could not be imported, not a test
        if identity not in now:
            cases[identity] = Case(case.name, "error", "did not run after the patch")
        elif now[identity].outcome == "skipped" and case.outcome != "skipped":
            cases[identity] = Case(now[identity].name, "failed", "skipped after the patch, not before it")
    if not after.ids:
        lost = Case("tests", "error", "ended without the report that was there before the patch")
        return Tests(tests.exit_code or 1, (lost,), tests.output) if before.ids and tests.green else tests
    code = tests.exit_code or int(any(case.outcome in ("failed", "error") for case in cases.values()))
    return Tests(code, tuple(cases.values()), tests.output)
