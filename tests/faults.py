"""`make faults`: every attack and fault that is tried, promise by promise, with its result and time.

    python -m tests.faults [PATTERN ...]    only the promises whose name holds a pattern
    python -m tests.faults FILE.xml ...     of a run that was made: make test PYTEST_ARGS=--junitxml=FILE.xml

Prints the table and writes it to tests/faults.md, which the README's section on security links to.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "tests" / "faults.md"

PROMISES: dict[str, tuple[str, ...]] = {
    "A command in the sandbox is bounded": ("tests/sandbox/test_resources.py",),
    "Nothing gets out of the sandbox": (
        "tests/sandbox/test_escape.py",
        "tests/adapters/test_docker_sandbox.py",
    ),
    "What comes out is checked byte by byte": (
        "tests/sandbox/test_coming_out.py",
        "tests/adapters/test_archive.py",
        "tests/fuzz/test_archive.py",
        "tests/fuzz/test_policy.py",
        "tests/fuzz/test_diff.py",
    ),
    "The original tests decide": (
        "tests/sandbox/test_tamper*.py",
        "tests/sandbox/test_verdict*.py",
        "tests/adapters/test_docker_reports.py",
    ),
    "A failing engine is nobody's fault": ("tests/sandbox/test_blame.py", "tests/sandbox/test_engine.py"),
    "A failing server puts out its own agent alone": ("tests/endpoints/test_bad_answers.py",),
    "Servers and keys are yours to name": ("tests/endpoints/test_configuration.py",),
    "The sandbox's other promises": ("tests/sandbox/test_*.py",),
    "Your files change only as you said, and can be taken back": (
        "tests/adapters/test_apply.py",
        "tests/adapters/test_part.py",
        "tests/adapters/test_undo.py",
        "tests/e2e/test_repositories.py",
    ),
    "Nothing is lost, whenever it ends": (
        "tests/e2e/test_crash_points.py",
        "tests/e2e/test_left_behind.py",
        "tests/adapters/test_journal.py",
    ),
    "What is remembered stays": (
        "tests/adapters/test_sqlite_*.py",
        "tests/cli/test_memory_faults.py",
        "tests/fuzz/test_interchange.py",
        "tests/fuzz/test_events.py",
    ),
    "A model takes nothing with it": (
        "tests/adapters/test_llama_broken.py",
        "tests/adapters/test_llama_children.py",
        "tests/adapters/test_llama_files.py",
        "tests/adapters/test_llama_process.py",
        "tests/adapters/test_gguf_header.py",
        "tests/e2e/test_faults.py",
    ),
    "Foreign text is shown, never obeyed": (
        "tests/e2e/test_hostile_text.py",
        "tests/fuzz/test_text.py",
        "tests/core/test_text.py",
    ),
    "Whatever is wrong is said in a line": (
        "tests/e2e/test_bad_input.py",
        "tests/fuzz/test_config.py",
        "tests/fuzz/test_actions.py",
    ),
    "A file from a hub is whole, or not there": ("tests/hub/test_*.py",),
    "A batch accounts for every task once": (
        "tests/e2e/test_batch*.py",
        "tests/e2e/test_kills.py",
        "tests/cli/test_batch.py",
        "tests/core/test_batch.py",
    ),
}
"""What is promised -> the tests that try to break it; a file belongs to the first promise that names it."""

Result = Literal["passed", "failed", "skipped"]


@dataclass
class Case:
    """One attack or fault: how it ended, in seconds of all its parts."""

    name: str
    result: Result = "passed"
    seconds: float = 0.0


@dataclass(eq=False)
class Recorder:
    """A plug-in for pytest that keeps every test's result."""

    cases: dict[str, Case] = field(default_factory=dict)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        case = self.cases.setdefault(report.nodeid, Case(named(report.nodeid)))
        case.seconds += report.duration
        if report.outcome != "passed":
            case.result = report.outcome


def named(nodeid: str) -> str:
    """A test's name in words: `test_fork_bombs_end[shell]` is "fork bombs end: shell"."""
    plain, _, parameter = nodeid.partition("::")[2].removeprefix("test_").partition("[")
    parameter = parameter.removesuffix("]")
    parameter = parameter if len(parameter) <= 50 else f"{parameter[:47]}..."
    return plain.replace("_", " ") + (f": {parameter}" if parameter else "")


def recorded(reports: Iterable[Path]) -> Recorder:
    """What pytest wrote down of whole runs, as JUnit XML."""
    recorder = Recorder()
    for one in reports:
        for found in ElementTree.parse(one).iter("testcase"):
            nodeid = f"{found.get('classname', '').replace('.', '/')}.py::{found.get('name', '')}"
            case = recorder.cases.setdefault(nodeid, Case(named(nodeid)))
            case.seconds += float(found.get("time", 0))
            outcomes = {part.tag for part in found}
            if outcomes & {"failure", "error"}:
                case.result = "failed"
            elif "skipped" in outcomes:
                case.result = "skipped"
    return recorder


def files() -> dict[str, list[str]]:
    """The test files of each promise."""
    taken: set[str] = set()
    found: dict[str, list[str]] = {}
    special = {path for patterns in PROMISES.values() for path in patterns if "*" not in path}
    for promise, patterns in PROMISES.items():
        paths = [
            str(path.relative_to(ROOT))
            for pattern in patterns
            for path in sorted(ROOT.glob(pattern))
            if "*" not in pattern or str(path.relative_to(ROOT)) not in special
        ]
        found[promise] = [path for path in dict.fromkeys(paths) if path not in taken]
        taken.update(found[promise])
    return found


def said(*command: str) -> str:
    """What a program prints, "absent" where it is not there or says nothing."""
    if not shutil.which(command[0]):
        return "absent"
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "absent"


def machine() -> list[str]:
    """What it was run on."""
    asked = "{{.ServerVersion}}, cgroup v{{.CgroupVersion}}, {{.Driver}}, kernel {{.KernelVersion}}"
    packages = ", ".join(f"{name} {version(name)}" for name in ("docker", "llama-cpp-python", "textual"))
    return [
        f"Docker engine {said('docker', 'info', '--format', asked)}",
        f"{said('git', '--version')}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}",
        packages,
        f"{os.cpu_count()} cores, {platform.machine()}, {time.strftime('%Y-%m-%d', time.gmtime())}",
    ]


def row(*cells: object) -> str:
    return "| " + " | ".join(re.sub(r"([|\\`*_<>\[\]])", r"\\\1", str(cell)) for cell in cells) + " |"


def report(found: dict[str, list[Case]]) -> str:
    """The table as Markdown: a summary, what is not promised, every case."""
    from salecli.adapters.promises import NOT_PROMISED

    every = [case for cases in found.values() for case in cases]
    lines = [
        "# What was tried, and how it ended",
        "",
        "Written by `make faults`. " + "; ".join(machine()) + ".",
        "",
        "| promise | cases | passed | failed | skipped | seconds |",
        "|---|---:|---:|---:|---:|---:|",
        *(row(name, *counted(cases)) for name, cases in [*found.items(), ("all", every)]),
        "",
        "## Not promised",
        "",
        *(f"- {one}" for one in NOT_PROMISED),
    ]
    for promise, cases in found.items():
        lines += ["", f"## {promise}", "", "| case | result | seconds |", "|---|---|---:|"]
        lines += [row(case.name, case.result, f"{case.seconds:.2f}") for case in cases]
    return "\n".join(lines) + "\n"


def counted(cases: list[Case]) -> tuple[object, ...]:
    count = [case.result for case in cases].count
    seconds = sum(case.seconds for case in cases)
    return len(cases), count("passed"), count("failed"), count("skipped"), f"{seconds:.0f}"


def show(found: dict[str, list[Case]]) -> None:
    """The table on stdout."""
    say = sys.stdout.write
    widest = max((len(case.name) for cases in found.values() for case in cases), default=0)
    for promise, cases in found.items():
        say(f"\n{promise}\n")
        for case in cases:
            say(f"  {case.name:<{widest}}  {case.result:<7}  {case.seconds:8.2f} s\n")
    say("\n")
    for promise, cases in found.items():
        say(f"{promise:<60} ")
        say("{:>4} tried {:>4} passed {:>3} failed {:>3} skipped {:>5} s\n".format(*counted(cases)))


def ran(paths: Sequence[str]) -> tuple[Recorder, int]:
    """Run test files; what came of them, and pytest's exit code."""
    recorder = Recorder()
    return recorder, pytest.main(["-q", "--no-header", "-p", "no:cacheprovider", *paths], plugins=[recorder])


def main(patterns: Sequence[str]) -> int:
    """Run the tests of the promises asked for; not 0 where one failed. A report is written of all alone."""
    reports = [Path(one).resolve() for one in patterns if one.endswith(".xml")]
    wanted = [] if reports else list(patterns)
    known = {
        promise: paths
        for promise, paths in files().items()
        if not wanted or any(pattern.lower() in promise.lower() for pattern in wanted)
    }
    os.chdir(ROOT)
    asked = [path for paths in known.values() for path in paths]
    if not asked:
        sys.stderr.write(f"no promise holds {' or '.join(wanted)}; there are: {', '.join(PROMISES)}\n")
        return 2
    recorder, ended = (recorded(reports), 0) if reports else ran(asked)
    found: dict[str, list[Case]] = {
        promise: [case for nodeid, case in recorder.cases.items() if nodeid.partition("::")[0] in paths]
        for promise, paths in known.items()
    }
    show(found)
    if not wanted and ended in (0, 1):
        REPORT.write_text(report(found), encoding="utf-8")
        sys.stdout.write(f"\nwritten to {REPORT.relative_to(ROOT)}\n")
    if any(case.result == "failed" for cases in found.values() for case in cases):
        return int(ended) or 1
    return int(ended)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
