"""The settings of one run, merged from defaults, the user's file, the repository's files and options.

Later ones win: defaults, `config.toml` in the user's configuration folder, `[tool.sale]` in the repository's
pyproject.toml, `sale.toml` at its root, options. No setting holds text that a shell of the host would run:
`test_command` is for the sandbox alone. What decides about the user's own files, screen and keys (OWNERS)
is not the repository's to set.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from salecli import toml
from salecli.adapters.machine import default_budget
from salecli.checked import Section, check
from salecli.core.decisions import Accept
from salecli.errors import ConfigError, UsageError
from salecli.resources import data_folder, user_file
from salecli.toml import Document, Key

HOUR = 0.10
"""USD of an hour of the machine by default: about 300 W at 0.33 USD per kWh."""
_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def size(text: str) -> int:
    """Bytes of "512m", "2g" or "1048576".

    Raises:
        ValueError: anything else.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", text.strip().lower())
    amount = float(match[1]) * _UNITS[match[2]] if match else 0
    if not 1 <= amount < 2**63:
        raise ValueError(f'must be a size such as "512m" or "2g", not {text[:80]!r}')
    return int(amount)


def _is_size(text: str) -> str:
    size(text)
    return text


def _is_budget(text: str) -> str:
    if text == "auto":
        return text
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", text)
    if match is None:
        return _is_size(text)
    if not 0 < float(match[1]) <= 100:
        raise ValueError(f"must be a share from 1% to 100%, not {text[:80]!r}")
    return text


def _is_on_disk(path: Path) -> Path:
    if "\0" in str(path):
        raise ValueError("must be a path, which holds no NUL")
    return path


def _is_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or not text.isascii():
        raise ValueError(f'must be an address such as "http://localhost:8080/v1", not {text[:80]!r}')
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must be an address alone: a key goes by key_env or keyring")
    return text


OnDisk = Annotated[Path, AfterValidator(_is_on_disk)]
Size = Annotated[str, AfterValidator(_is_size)]
Budget = Annotated[str, AfterValidator(_is_budget)]
Count = Annotated[int, Field(ge=1)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class MemorySettings(Section):
    """[memory]"""

    path: OnDisk = Field(default_factory=lambda: data_folder() / "memory.sqlite3")
    k: Count = 8
    """Past tasks that a refinement may read."""


class WorkSettings(Section):
    """[work]"""

    steps: Count = 30
    tokens: Count = 16_000
    seconds: Seconds = 600.0


class SandboxSettings(Section):
    """[sandbox]"""

    image: Annotated[str, Field(min_length=1)] = "sale-sandbox"
    memory: Size = "2g"
    cpus: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 2.0
    pids: Annotated[int, Field(ge=16)] = 256
    command_seconds: Seconds = 120.0
    output_bytes: Annotated[int, Field(ge=1_000)] = 65_536
    size: Size = "1g"
    """Of the tree inside."""

    @property
    def memory_bytes(self) -> int:
        return size(self.memory)

    @property
    def size_bytes(self) -> int:
        return size(self.size)


class ModelSettings(Section):
    """[models]"""

    folder: OnDisk = Field(default_factory=lambda: data_folder() / "models")
    """Where model files are looked for that do not lie beside their pool file."""
    budget: Budget = "auto"
    """Most memory for models: a size, a share of what is free, or "auto": all but a fifth, 2g at most."""
    threads: Annotated[int, Field(ge=0)] = 0
    """Per model; 0 takes the machine's cores."""
    gpu_layers: Annotated[int, Field(ge=-1)] = -1
    """Layers on a GPU where llama.cpp was built for one; -1 puts as many there as fit."""

    hour: Annotated[float, Field(gt=0, allow_inf_nan=False)] = HOUR
    """USD that an hour of this machine costs you: agents with price = "time" are priced by it."""

    def budget_bytes(self, free: int) -> int:
        """The budget in bytes where `free` bytes of memory are free."""
        if self.budget == "auto":
            return default_budget(free)
        if self.budget.endswith("%"):
            return int(free * float(self.budget[:-1]) / 100)
        return size(self.budget)


class EndpointSettings(Section):
    """[endpoints.NAME]: a server with OpenAI's API that agents of a pool may name."""

    base_url: Annotated[str, AfterValidator(_is_url)]
    """Up to and with the version: http://gpu:8080/v1."""
    key_env: str = ""
    """The environment variable that holds its key; empty for none."""
    keyring: str = ""
    """The user name under which the system's keyring holds its key, for the service "sale"."""
    connect_seconds: Seconds = 10.0
    seconds: Seconds = 120.0
    """Most seconds without a byte of an answer."""
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    failures: Count = 3
    """In a row, after which it is left alone for `pause` seconds."""
    pause: Seconds = 30.0
    logprobs: Annotated[int, Field(ge=0)] = 0
    """Per token, to ask for; 0 takes what its kind of server tells well."""
    vocabulary: Annotated[int, Field(ge=0)] = 0
    """Tokens of the vocabulary, where the server does not say."""


class TuiSettings(Section):
    """[tui]"""

    theme: Annotated[str, Field(min_length=1)] = "sale-dark"
    auto: Amount = 0.0
    """Seconds after which an auction that waits for the user's "go" goes on by itself; 0 waits."""


class Settings(Section):
    """Everything that can be set. Field order is the order of `sale init`."""

    pool: Annotated[str, Field(min_length=1)] = "practice"
    """A pool's name, or the path of a pool file."""
    thrift: Amount | None = None
    """The weight of cost, w_c; None leaves it to the pool."""
    calibration: bool | None = None
    """Whether marks count as past verdicts put them right; None leaves it to the pool."""
    attempts: Count = 2
    """Bidders that may work on one task, one after another."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    refine: bool = True
    """Whether cheaper agents may rewrite their bids from memory."""
    apply: Accept = "none"
    keep_runs: Annotated[int, Field(ge=0)] = 200
    """Recorded runs that are kept, the newest; 0 keeps all."""
    test_command: str = ""
    """Run in the sandbox; empty detects pytest or unittest."""
    memory: MemorySettings = Field(default_factory=MemorySettings)
    work: WorkSettings = Field(default_factory=WorkSettings)
    sandbox: SandboxSettings = Field(default_factory=SandboxSettings)
    models: ModelSettings = Field(default_factory=ModelSettings)
    endpoints: dict[Annotated[str, Field(min_length=1, max_length=40)], EndpointSettings] = Field(
        default_factory=dict
    )
    tui: TuiSettings = Field(default_factory=TuiSettings)
    keys: dict[str, str | dict[str, str]] = Field(default_factory=dict)
    """Keys by binding id (auction.go, quoted or not) where others are wanted; the screens know the ids."""


_PATHS = (("memory", "path"), ("models", "folder"))
OWNERS: tuple[Key, ...] = (
    ("apply",), ("keep_runs",), *_PATHS, ("models", "hour"), ("endpoints",), ("tui",), ("keys",),
)  # fmt: skip
"""What decides about the user's own files, servers, screen and keys: a repository may be a stranger's, and
has no say.

The same holds for the path of a pool file, which names model files that llama.cpp would read."""


def load_settings(repository: Path | None = None, overrides: Mapping[str, object] | None = None) -> Settings:
    """The settings for `repository` (None: the user's alone), with `overrides` from the command line on top.

    `overrides` has dotted names ("work.steps") or plain ones; a value of None leaves a setting as it is.

    Raises:
        ConfigError: an unreadable file, an unknown key, a value of the wrong kind, with file and line.
        UsageError: an override of the wrong kind.
    """
    merged: dict[str, Any] = {}
    for document, above in _documents(repository):
        part = _part(document, above)
        if part is None:
            continue
        if document.path != user_file():
            _check_strangers(part, partial(_where, document, above))
        part = _resolved(part, document.path.parent)
        # Each file by itself: every setting has a default, and a later file must not hide a fault.
        check(Settings, part, partial(_where, document, above))
        _merge(merged, part)
    given: dict[str, Any] = {}
    for name, value in (overrides or {}).items():
        if value is not None:
            _merge(given, _nested(name, value))
    given = _resolved(given, Path.cwd())
    try:
        check(Settings, given, lambda key: "command line")
    except ConfigError as error:
        raise UsageError(error.message, error.hint) from None
    _merge(merged, given)
    return Settings.model_validate(merged)


def _documents(repository: Path | None) -> Iterator[tuple[Document, Key]]:
    """The files that exist, the weakest first, each with the table in it that is about sale."""
    user = user_file()
    if user.is_file():
        yield toml.read(user), ()
    if repository is None:
        return
    project = repository / "pyproject.toml"
    # A project file that says nothing about sale may even be broken: that is not our business.
    if project.is_file() and toml.mentions(project, rb"^[ \t]*\[[ \t]*tool\b[^\n]*\bsale\b"):
        yield toml.read(project), ("tool", "sale")
    own = repository / "sale.toml"
    if own.is_file():
        yield toml.read(own), ()


def _check_strangers(values: Mapping[str, Any], where: Callable[[Key], str]) -> None:
    """Refuse what a repository's own file may not set.

    Raises:
        ConfigError: with file and line, and where the setting belongs.
    """
    for key in OWNERS:
        section = values if len(key) == 1 else values.get(str(key[0]))
        if isinstance(section, Mapping) and key[-1] in section:
            raise ConfigError(
                f"{where(key)}: {toml.dotted(key)} is yours to set, not a repository's",
                f"move it to {user_file()}, or give it as an option",
            )
    if _is_path(values.get("pool")):
        raise ConfigError(
            f"{where(('pool',))}: a repository names a pool by its name, not by a path",
            f"move it to {user_file()}, or give it as an option: --pool {values['pool']}",
        )


def _is_path(pool: object) -> bool:
    return isinstance(pool, str) and ("/" in pool or pool.endswith(".toml"))


def _part(document: Document, above: Key) -> dict[str, Any] | None:
    """The table at `above`, None where the document has none."""
    values: Any = document.values
    for name in above:
        if not isinstance(values, dict) or name not in values:
            return None
        values = values[name]
    return values if isinstance(values, dict) else None


def _where(document: Document, above: Key, key: Key) -> str:
    return document.where((*above, *key))


def _resolved(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """`values` with paths made absolute: `~` is the user's home, relative ones start at `folder`."""
    values = {name: dict(value) if isinstance(value, dict) else value for name, value in values.items()}
    for section, name in _PATHS:
        table = values.get(section)
        if isinstance(table, dict) and isinstance(table.get(name), str | Path):
            table[name] = _absolute(folder, str(table[name]))
    if _is_path(values.get("pool")):
        values["pool"] = str(_absolute(folder, values["pool"]))
    return values


def _absolute(folder: Path, path: str) -> Path:
    # Not Path.resolve: symbolic links stay as the user wrote them.
    # os.path.expanduser leaves the home of a user who is not there as it stands.
    return Path(os.path.abspath(folder / os.path.expanduser(path)))  # noqa: PTH100, PTH111


def _nested(name: str, value: object) -> dict[str, Any]:
    head, _, rest = name.partition(".")
    return {head: _nested(rest, value) if rest else value}


def _merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = dict(value) if isinstance(value, dict) else value
