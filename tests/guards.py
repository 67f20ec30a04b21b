"""`make guards`: every guard is taken away, one by one, and its test has to fail.

    python -m tests.guards [PATTERN ...]    only the guards whose file or test holds a pattern

It works on a copy of the tree. The tests run there with all guards first, and have to pass.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from tests.guard_endpoints import ENDPOINTS
from tests.guard_hub import HUB
from tests.guard_memory import MEMORY
from tests.guard_table import GUARDS, Guard

ALL = (*GUARDS, *MEMORY, *HUB, *ENDPOINTS)
ROOT = Path(__file__).parents[1]
COPIED = ("salecli", "tests", "prompts", "sandbox", "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE",
          "constraints.txt", "Makefile")  # fmt: skip
PATIENCE = 600


def main(patterns: Iterable[str]) -> int:
    """Take the guards away; 1 where a test did not notice, or a guard is not there."""
    wanted = list(patterns)
    chosen = [
        guard
        for guard in ALL
        if not wanted or any(pattern in f"{guard.what} {guard.file} {guard.test}" for pattern in wanted)
    ]
    say = sys.stdout.write
    bad = 0
    with tempfile.TemporaryDirectory(prefix="sale-guards-") as place:
        copy = Path(place)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
            else:
                shutil.copy(source, copy / name)
        tests = sorted({guard.test for guard in chosen})
        say(f"{len(chosen)} guards, {len(tests)} tests; all there first: ")
        sys.stdout.flush()
        code, seconds, said = ran(copy, *tests)
        say(f"{'passed' if code == 0 else 'FAILED'} in {seconds:.0f} s\n")
        if code:
            say(said)
            return 1
        for guard in chosen:
            result, seconds = without(copy, guard)
            bad += result != "noticed"
            say(f"{result:<14} {seconds:6.1f} s  {guard.file:<36} {guard.what:<38} {guard.test}\n")
            sys.stdout.flush()
    say(f"{len(chosen) - bad} of {len(chosen)} noticed\n")
    return min(bad, 1)


def without(copy: Path, guard: Guard) -> tuple[str, float]:
    """Whether the test notices that the guard has gone, and seconds."""
    file = copy / guard.file
    text = file.read_text(encoding="utf-8")
    if text.count(guard.old) != 1:
        return "NOT THERE", 0.0
    file.write_text(text.replace(guard.old, guard.new), encoding="utf-8")
    try:
        compile(file.read_text(encoding="utf-8"), str(file), "exec")
        code, seconds, _ = ran(copy, guard.test)
    except SyntaxError:
        return "NO PROGRAM", 0.0
    finally:
        file.write_text(text, encoding="utf-8")
    return {0: "NOT NOTICED", 1: "noticed"}.get(code, f"EXIT CODE {code}"), seconds


def ran(copy: Path, *tests: str) -> tuple[int, float, str]:
    """pytest's exit code in the copy, its seconds, and what it said. A test that hangs has noticed."""
    began = time.monotonic()
    # Without bytecode, which would outlive a change within the same second.
    env = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "--timeout",
        "90",
        *tests,
    ]
    try:
        done = subprocess.run(
            command,
            cwd=copy,
            env=env,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE * max(1, len(tests) // 10),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 1, time.monotonic() - began, "it hangs"
    return done.returncode, time.monotonic() - began, done.stdout[-3000:]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
