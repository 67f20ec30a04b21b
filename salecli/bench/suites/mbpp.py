"""MBPP: one sentence and three assertions, a function is to be written."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from salecli.bench.suites import Suite, SuiteTask, spread
from salecli.bench.suites.records import Record, broken, check_asserts, parsed, records, text

FILE = "mbpp.jsonl"
KNOWN = dict.fromkeys(
    ("367", "927"), "its tests' setup uses a class Node, which only the reference solution defines"
)
MINUTES = "0.1-2.5"
"""What people take for one, all in all; single tasks were not timed."""


@dataclass(frozen=True, slots=True)
class Mbpp:
    """Read from `mbpp.jsonl`: task_id, text, code, test_list, test_setup_code."""

    data: Path | None
    name: str = "mbpp"

    def tasks(self, most: int | None = None) -> Sequence[SuiteTask]:
        return spread([_task(self.name, record) for record in records(self.name, self.data, FILE)], most)


def open_suite(data: Path | None) -> Suite:
    """MBPP, read from the folder `data`."""
    return Mbpp(data)


def _task(suite: str, record: Record) -> SuiteTask:
    name = str(record.get("task_id", "without a task_id"))
    wanted = text(suite, name, record, "text").strip()
    code = text(suite, name, record, "code")
    tree = parsed(suite, name, code)
    given = record.get("test_list")
    asserts = [one.replace("\r\n", "\n").strip() for one in given] if isinstance(given, list) else []
    tests = parsed(suite, name, "\n".join(asserts), "test")
    check_asserts(suite, name, tests)
    setup = str(record.get("test_setup_code") or "").replace("\r\n", "\n").strip()
    used = {node.id for node in ast.walk(tests) if isinstance(node, ast.Name)}
    # What a name means is what its last definition says.
    known = {one.name: one for one in tree.body if isinstance(one, ast.FunctionDef | ast.ClassDef)}
    named = [one for key, one in known.items() if key in used]
    functions = [one for one in named if isinstance(one, ast.FunctionDef)]
    if not functions:
        raise broken(suite, name, "has tests that call no function of its reference solution")
    issue = (
        f"# Write {functions[0].name} in solution.py\n\n{wanted}\n\n"
        "It must satisfy, for example:\n\n" + textwrap.indent(asserts[0], "    ") + "\n"
    )
    names = ", ".join(one.name for one in named)
    # Imported inside: some functions are called test_..., and pytest would take them for tests.
    cases = "".join(
        f"\n\ndef test_{number}():\n    from solution import {names}\n\n{textwrap.indent(one, '    ')}\n"
        for number, one in enumerate(asserts, 1)
    )
    head = "\n".join([*_imports(tree, used), *([setup] if setup else [])])
    return SuiteTask(
        name=f"mbpp-{name}",
        level=MINUTES,
        issue=issue,
        files={
            "issue.md": issue,
            "solution.py": "\n\n\n".join(map(_stub, named)) + "\n",
            "test_solution.py": f"{head}\n{cases}".lstrip(),
        },
        solution={"solution.py": code.rstrip() + "\n"},
        known=KNOWN.get(name, ""),
    )


def _imports(tree: ast.Module, used: set[str]) -> list[str]:
    """The reference's imports of names that its tests use without importing them."""
    return [
        ast.unparse(one)
        for one in tree.body
        if isinstance(one, ast.Import | ast.ImportFrom)
        and used & {(name.asname or name.name).partition(".")[0] for name in one.names}
    ]


def _stub(one: ast.FunctionDef | ast.ClassDef) -> str:
    """A function without its body; a class as it is, for the tests make objects of it."""
    if isinstance(one, ast.ClassDef):
        return ast.unparse(one)
    body: list[ast.stmt] = [ast.Raise(exc=ast.Name(id="NotImplementedError"))]
    bare = ast.FunctionDef(one.name, one.args, body, [], one.returns, lineno=1)
    return ast.unparse(ast.fix_missing_locations(bare))
