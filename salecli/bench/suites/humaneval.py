"""HumanEval: a function's signature and docstring are given, its body is to be written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from salecli.bench.suites import UNKNOWN, Suite, SuiteTask, spread
from salecli.bench.suites.records import Record, broken, check_asserts, parsed, records, text

FILE = "humaneval.jsonl"
_CALL = re.compile(r"^check\((\w+)\)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class HumanEval:
    """Read from `humaneval.jsonl`: task_id, prompt, canonical_solution, test."""

    data: Path | None
    name: str = "humaneval"

    def tasks(self, most: int | None = None) -> Sequence[SuiteTask]:
        return spread([_task(self.name, record) for record in records(self.name, self.data, FILE)], most)


def open_suite(data: Path | None) -> Suite:
    """HumanEval, read from the folder `data`."""
    return HumanEval(data)


def _task(suite: str, record: Record) -> SuiteTask:
    name = str(record.get("task_id", "without a task_id")).rpartition("/")[2]
    prompt = text(suite, name, record, "prompt")
    checks = text(suite, name, record, "test")
    solution = prompt + text(suite, name, record, "canonical_solution")
    parsed(suite, name, solution)
    check_asserts(suite, name, parsed(suite, name, checks, "test"))
    called = _CALL.search(checks)
    if called is None:
        raise broken(suite, name, "has tests that check no function")
    function = called[1]
    issue = (
        f"# Write {function} in solution.py\n\n"
        f"Complete the function `{function}` in solution.py as its docstring says.\n"
    )
    tests = (
        f"from solution import *\nfrom solution import {function}\n{_CALL.sub('', checks).rstrip()}\n\n\n"
        f"def test_{function}():\n    check({function})\n"
    )
    stub = f"{prompt.rstrip()}\n    raise NotImplementedError\n"
    return SuiteTask(
        name=f"humaneval-{name}",
        level=UNKNOWN,
        issue=issue,
        files={"issue.md": issue, "solution.py": stub, "test_solution.py": tests},
        solution={"solution.py": solution},
    )
