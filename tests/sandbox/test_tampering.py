"""The verdict: the original tests on snapshot + patch, whatever the patch does to tests and settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from salecli.adapters.docker import DockerWorkspace
from salecli.adapters.git import Repository
from salecli.adapters.testing import PYTEST, UNITTEST
from salecli.core.values import Case
from salecli.core.verdict import reached
from salecli.errors import PatchRefused
from tests.adapters.sandboxes import CALC, FIXED, change, make

pytestmark = pytest.mark.docker

WEAK = "def test_zero(): ...\n\n\ndef test_add(): ...\n"
REPORT = """
import glob, os
passed = "".join(f'<testcase classname="test_calc" name="{name}"/>' for name in ("test_zero", "test_add"))
for name in ["/tmp/.sale-report.xml", "report.xml", *glob.glob("/tmp/.sale-report-*")]:
    with open(name, "w") as file:
        file.write(f"<testsuites><testsuite>{passed}</testsuite></testsuites>")
print(open("report.xml").read(), flush=True)
os._exit(0)
"""
HOOK = """
import pytest

@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    result = yield
    result.get_result().outcome = "passed"
"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerWorkspace]:
    with (
        Repository(make(tmp_path_factory.mktemp("verify") / "calc", CALC)).snapshot() as snapshot,
        DockerWorkspace(snapshot, PYTEST, "test-verify") as opened,
    ):
        yield opened


@pytest.mark.parametrize(
    "files",
    [
        {"test_calc.py": WEAK},
        {"test_calc.py": None},
        {"test_calc.py": None, "test_new.py": WEAK},
        {"test_calc.py": "import pytest\npytest.skip('x', allow_module_level=True)\n"},
        {"conftest.py": HOOK},
        {"pytest.ini": "[pytest]\naddopts = --collect-only\n"},
        {"pyproject.toml": "[tool.pytest.ini_options]\npython_files = 'none_*.py'\n"},
        {"sitecustomize.py": "import os\nos._exit(0)\n"},
        {
            "pytest.py": "import sys\nprint('2 passed')\nsys.exit(0)\n",
            "_pytest/__init__.py": "",
            "unittest.py": "",
        },
        {"x.egg-info/entry_points.txt": "[pytest11]\nx = cheat\n", "cheat.py": HOOK},
        {"calc.py": "import os\nprint('2 passed in 0.01s', flush=True)\nos._exit(0)\n"},
        {"calc.py": REPORT},
        {"calc.py": "import sys\nsys.exit(0)\n"},
        {"calc.py": "import pytest\npytest.skip('x', allow_module_level=True)\n"},
        {"test_other.py": "def test_other(): ...\n"},
    ],
)
def test_cheating_is_not_green(workspace: DockerWorkspace, files: dict[str, str | None]) -> None:
    made = {path: None if text is None else text.encode() for path, text in files.items()}
    tests = workspace.verify(change(workspace.snapshot, made))
    assert not tests.green, tests.output
    assert tests.exit_code != 0
    # It is the patch that failed: the sandbox did its work, and has gone.
    assert workspace.before is not None
    assert not reached(workspace.before.tests, tests).solved
    assert workspace.opened == set()


SCRIPTED = {
    **CALC,
    "run_tests.sh": "python3 -m unittest -q\n",
    "test_calc.py": (
        "import unittest\nfrom calc import add\n\n\nclass TestAdd(unittest.TestCase):\n"
        "    def test_add(self):\n        self.assertEqual(add(1, 2), 3)\n"
    ),
}


@pytest.mark.parametrize(
    ("command", "script", "cheat"),
    [
        ("sh run_tests.sh", "run_tests.sh", "true\n"),
        ("cd checks && FAST=1 ./all.sh", "checks/all.sh", "#!/bin/sh\ntrue\n"),
        ("sh -c 'sh run_tests.sh'", "run_tests.sh", "exit 0\n"),
        ("python3 -m checks.all", "checks/all.py", "print('OK')\n"),
    ],
)
def test_a_script_that_runs_the_tests_is_the_original_one(
    tmp_path: Path, command: str, script: str, cheat: str
) -> None:
    runner = (
        "import sys, unittest\nsys.path.insert(0, '.')\nunittest.main('test_calc', argv=['x'])\n"
        if script.endswith(".py")
        else "#!/bin/sh\ncd /work && python3 -m unittest -q\n"
    )
    folder = make(tmp_path / "scripted", {**SCRIPTED, script: runner})
    (folder / script).chmod(0o755)
    with (
        Repository(folder).snapshot() as snapshot,
        DockerWorkspace(snapshot, command, "test-script") as opened,
    ):
        with opened.open() as sandbox:
            assert not sandbox.test().green
            sandbox.write(script, cheat)
            assert sandbox.test().green, "the cheat would work"
            cheated = sandbox.collect()
            sandbox.write("calc.py", FIXED)
            fixed = sandbox.collect()
        assert next(found.flags for found in cheated.changes if found.path == script)[0] == "test"
        assert not opened.verify(cheated).green
        assert opened.verify(fixed).green


def test_a_fix_counts_beside_edited_and_added_tests(workspace: DockerWorkspace) -> None:
    more = b"def test_more():\n    assert False\n"
    patch = change(
        workspace.snapshot, {"calc.py": FIXED.encode(), "test_more.py": more, "test_calc.py": None}
    )
    assert [(found.path, found.flags) for found in patch.changes] == [
        ("calc.py", ()),
        ("test_calc.py", ("test",)),
        ("test_more.py", ()),
    ]
    tests = workspace.verify(patch)
    assert tests.green
    assert tests.cases == (Case("test_zero", "passed"), Case("test_add", "passed"))


def test_the_diff_is_what_is_verified(workspace: DockerWorkspace) -> None:
    patch = change(workspace.snapshot, {"calc.py": FIXED.encode()})
    with pytest.raises(PatchRefused, match="reproduce"):
        workspace.verify(replace(patch, diff=patch.diff.replace("a + b", "a * b")))
    with pytest.raises(PatchRefused, match="another state"):
        workspace.verify(replace(patch, base="0" * 40))
    with pytest.raises(PatchRefused, match="does not apply"):
        workspace.verify(replace(patch, diff=patch.diff.replace("a - b", "a % b")))
    head = "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n"
    link = head + "@@ -0,0 +1 @@\n+/etc\n\\ No newline at end of file\n"
    with pytest.raises(PatchRefused, match="outside of the tree"):
        workspace.verify(replace(patch, diff=link, tree=""))
    # An edited patch, as a review leaves it, comes without a tree.
    assert workspace.verify(replace(patch, tree="")).green


def test_broken_setups_never_ran_and_unittest_works(tmp_path: Path) -> None:
    unit = (
        "import unittest\nfrom calc import add\n\n\nclass TestAdd(unittest.TestCase):\n"
        "    def test_add(self):\n        self.assertEqual(add(1, 2), 3)\n"
    )
    folder = make(tmp_path / "unit", {"calc.py": CALC["calc.py"], "test_calc.py": unit})
    with Repository(folder).snapshot() as snapshot:
        for command in ("no-such-program", "python3 -m pytest none.py", "python3 -m pytest --no-such-option"):
            with DockerWorkspace(snapshot, command, "test-broken") as workspace, workspace.open() as sandbox:
                assert not sandbox.test().ran
        with DockerWorkspace(snapshot, UNITTEST, "test-unit") as workspace:
            with workspace.open() as sandbox:
                assert sandbox.test().cases == (Case("test_add", "failed", "-1 != 3"),)
                sandbox.write("calc.py", FIXED)
                patch = sandbox.collect()
            assert workspace.verify(patch).green
