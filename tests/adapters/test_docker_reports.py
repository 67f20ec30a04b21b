"""Test commands and reports: detected, run by our runner, read back as cases. No container is needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from salecli import resources
from salecli.adapters.testing import (
    PYTEST,
    UNITTEST,
    Outcome,
    compared,
    detect_test_command,
    invocation,
    outcome,
    read_report,
)
from salecli.core.values import Case, Tests

UNIT = "import unittest\n\n\nclass TestX(unittest.TestCase):\n    def test_x(self):\n        pass\n"


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({"a.py": "", "test_a.py": "def test_a(): ..."}, PYTEST),
        ({"a.py": "", "sub/a_test.py": "import pytest"}, PYTEST),
        ({"pyproject.toml": "[tool.pytest.ini_options]\n"}, PYTEST),
        ({"setup.cfg": "[tool:pytest]\n"}, PYTEST),
        ({"pyproject.toml": "[project]\n", "a.py": ""}, None),
        ({"conftest.py": "", "checks/a.py": ""}, PYTEST),
        ({"test_a.py": UNIT}, UNITTEST),
        ({"tests/__init__.py": "", "tests/test_a.py": UNIT}, UNITTEST),
        ({"tests/test_a.py": UNIT}, PYTEST),  # discovery would not find it
        ({"test_a.py": UNIT, "test_b.py": "def test_b(): ..."}, PYTEST),
        ({"a.py": "", "README.md": ""}, None),
        ({}, None),
    ],
)
def test_test_commands_are_detected(files: dict[str, str], command: str | None) -> None:
    assert detect_test_command(files, files.get) == command


@pytest.mark.parametrize(
    ("command", "kind", "line"),
    [
        (PYTEST, "pytest", "python3 /opt/sale/runner.py pytest /tmp/.sale-report-n.xml -q"),
        (
            "pytest tests/a.py",
            "pytest",
            "python3 /opt/sale/runner.py pytest /tmp/.sale-report-n.xml tests/a.py",
        ),
        (UNITTEST, "unittest", "python3 /opt/sale/runner.py unittest /tmp/.sale-report-n.xml discover"),
        ("make test", "custom", "make test"),
        ("pytest -q | tee out", "custom", "pytest -q | tee out"),
        ("FOO=1 python3 -m pytest", "custom", "FOO=1 python3 -m pytest"),
        ("pytest 'unbalanced", "custom", "pytest 'unbalanced"),
    ],
)
def test_plain_commands_run_by_our_runner_and_others_as_they_are(command: str, kind: str, line: str) -> None:
    run = invocation(command, "n")
    assert (run.kind, run.command) == (kind, line)
    assert ("--junitxml" in run.environment.get("PYTEST_ADDOPTS", "")) == (kind == "custom")


def ran(folder: Path, command: str) -> Outcome:
    """Run a test command by the real runner, outside of a container."""
    run = invocation(command, "n")
    report = folder.parent / "report.xml"
    line = run.command.replace("/opt/sale/runner.py", str(resources.sandbox() / "runner.py"))
    line = line.replace(run.report, str(report)).replace("python3", sys.executable, 1)
    report.unlink(missing_ok=True)
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(line, shell=True, cwd=folder, capture_output=True, text=True, env=environment)
    content = report.read_bytes() if report.exists() else b""
    return outcome(run, done.returncode, done.stdout + done.stderr, content, False)


def write(folder: Path, **files: str) -> Path:
    folder.mkdir()
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def test_pytest_cases_carry_names_and_first_lines(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "tree",
        calc="def f(x):\n    return [2]\n",
        test_calc=(
            "import pytest\nfrom calc import f\n\n"
            "def test_same():\n    assert f(1) == [3]\n\n"
            "def test_value():\n    raise ValueError('bad\\nworse')\n\n"
            "def test_said():\n    assert not f(1), 'said'\n\n"
            "def test_skip():\n    pytest.skip('why')\n\n"
            "class TestA:\n    def test_twin(self): ...\n\n"
            "class TestB:\n    def test_twin(self): ...\n"
        ),
    )
    tests = ran(folder, PYTEST).tests
    assert tests.cases == (
        Case("test_same", "failed", "assert [2] == [3]"),
        Case("test_value", "failed", "ValueError: bad"),
        Case("test_said", "failed", "said"),
        Case("test_skip", "skipped", "why"),
        Case("TestA.test_twin", "passed"),
        Case("TestB.test_twin", "passed"),
    )
    assert (tests.exit_code, tests.ran, tests.green) == (1, True, False)


def test_a_module_that_cannot_be_imported_is_an_error_case(tmp_path: Path) -> None:
    tests = ran(write(tmp_path / "tree", test_a="from nowhere import x\n"), PYTEST).tests
    assert tests.ran
    assert [(case.outcome, case.message) for case in tests.cases] == [
        ("error", "ModuleNotFoundError: No module named 'nowhere'")
    ]


def test_no_tests_and_no_command_never_ran(tmp_path: Path) -> None:
    folder = write(tmp_path / "tree", a="x = 1\n")
    for command in (PYTEST, UNITTEST, "no-such-program", "pytest --no-such-option", "make-no-such"):
        assert not ran(folder, command).tests.ran, command


@pytest.mark.parametrize("end", ["import os; os._exit(0)", "import sys; sys.exit(0)", "raise SystemExit"])
def test_ending_early_with_exit_code_zero_is_not_green(tmp_path: Path, end: str) -> None:
    tests = ran(write(tmp_path / "tree", a=end, test_a="def test_a():\n    import a\n"), PYTEST).tests
    assert not tests.green
    assert tests.exit_code != 0


def test_modules_in_the_tree_do_not_stand_in_for_the_framework(tmp_path: Path) -> None:
    fake = "import sys\nprint('1 passed')\nsys.exit(0)\n"
    failing = "def test_a():\n    assert False\n"
    folder = write(tmp_path / "tree", pytest=fake, sitecustomize=fake, unittest=fake, test_a=failing)
    tests = ran(folder, PYTEST).tests
    assert [case.outcome for case in tests.cases] == ["failed"]
    assert not tests.green


def test_unittest_cases_are_read_from_our_own_report(tmp_path: Path) -> None:
    text = (
        "import unittest\n\nclass TestX(unittest.TestCase):\n"
        "    def test_fine(self): ...\n"
        "    def test_bad(self): self.assertEqual([2], [3])\n"
        "    def test_error(self): {}['x']\n"
        "    @unittest.skip('why')\n    def test_skip(self): ...\n"
        "    @unittest.expectedFailure\n    def test_expected(self): self.fail()\n"
        "    def test_parts(self):\n"
        "        for n in (1, 2):\n            with self.subTest(n=n): self.assertEqual(n, 1)\n"
    )
    tests = ran(write(tmp_path / "tree", test_x=text), UNITTEST).tests
    assert {case.name: (case.outcome, case.message) for case in tests.cases} == {
        "test_fine": ("passed", ""),
        "test_bad": ("failed", "Lists differ: [2] != [3]"),
        "test_error": ("error", "KeyError: 'x'"),
        "test_skip": ("skipped", "why"),
        "test_expected": ("skipped", "expected failure"),
        "test_parts": ("failed", "2 != 1"),
    }
    assert tests.exit_code == 1
    broken = ran(write(tmp_path / "broken", test_y="from nowhere import x\n"), UNITTEST).tests
    assert broken.ran
    assert broken.cases[0].outcome == "error"
    assert "nowhere" in broken.cases[0].message


def test_custom_commands_give_cases_by_pytest_or_one_by_exit_code(tmp_path: Path) -> None:
    folder = write(tmp_path / "tree", test_a="def test_a(): ...\n")
    assert ran(folder, "test -f test_a.py").tests.cases == (Case("tests", "passed"),)
    failed = ran(folder, "echo first; echo 'last line'; false").tests
    assert failed.cases == (Case("tests", "failed", "last line"),)
    run = invocation(f"{sys.executable} -m pytest -q; true", "m")
    options = run.environment["PYTEST_ADDOPTS"].replace(run.report, str(tmp_path / "m.xml"))
    subprocess.run(
        run.command, shell=True, cwd=folder, env={**os.environ, "PYTEST_ADDOPTS": options}, check=True
    )
    found = outcome(run, 0, "", (tmp_path / "m.xml").read_bytes(), False)
    assert found.tests.cases == (Case("test_a", "passed"),)


@pytest.mark.parametrize(
    "report",
    [
        b"",
        b"<testsuite",
        b"\x00\x01",
        b'<!DOCTYPE x [<!ENTITY a "b">]><testsuite><testcase name="a"/></testsuite>',
    ],
)
def test_reports_that_are_none_are_not_believed(report: bytes) -> None:
    assert read_report(report) is None
    assert not outcome(invocation(PYTEST, "n"), 0, "1 passed", report, False).tests.green


def test_a_good_exit_code_with_failing_cases_is_not_green() -> None:
    report = b'<testsuite><testcase classname="m" name="a"><failure message="no"/></testcase></testsuite>'
    assert outcome(invocation(PYTEST, "n"), 0, "", report, False).tests.exit_code == 1
    assert not outcome(invocation(PYTEST, "n"), 0, "", b"<testsuite/>", False).tests.green


def test_the_report_leaves_no_trace_in_the_output() -> None:
    run = invocation(PYTEST, "n")
    said = f"..F\n---- generated xml file: {run.report} ----\n2 passed\n"
    assert outcome(run, 1, said, b"", False).tests.output == "..F\n2 passed\n"


def test_names_and_messages_of_cases_are_one_line() -> None:
    report = (
        b'<testsuite><testcase classname="m" name="a&#10;verdict solved&#8232;b"/>'
        b'<testcase classname="m&#10;x" name="twin"/><testcase classname="m" name="twin">'
        b'<failure message="&#10; one&#133;two"/></testcase></testsuite>'
    )
    found = outcome(invocation(PYTEST, "n"), 1, "", report, False)
    shown = [f"{case.name} {case.message}" for case in found.tests.cases]
    assert [len(text.splitlines()) for text in shown] == [1, 1, 1]
    assert shown[0].startswith("a\\nverdict solved")


def result(code: int, **cases: str) -> Outcome:
    named = tuple(Case(name, kind) for name, kind in cases.items())  # type: ignore[arg-type]
    return Outcome(Tests(code, named), tuple(("m", name) for name in cases))


def test_a_patch_may_not_lose_or_skip_a_case() -> None:
    before = result(1, a="passed", b="failed", c="skipped")
    assert compared(before, result(0, a="passed", b="passed", c="skipped")).green
    lost = compared(before, result(0, a="passed"))
    assert (lost.green, [case.name for case in lost.cases if case.outcome == "error"]) == (False, ["b", "c"])
    assert not compared(before, result(0, a="passed", b="skipped", c="skipped")).green
    assert compared(before, result(0, a="passed", b="passed", c="passed", d="passed")).green
    silent = Outcome(Tests(0, (Case("tests", "passed"),)))
    assert not compared(before, silent).green
    assert compared(silent, silent).green


def test_a_module_that_could_not_be_imported_before_need_not_come_back() -> None:
    before = Outcome(Tests(2, (Case("test_m", "error", "no"),)), (("", "test_m"),))
    assert compared(before, result(0, a="passed")).green
