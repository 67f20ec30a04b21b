"""A pool as its file describes it: the agents of one market, their models and prices, and the weights."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from salecli import resources, toml
from salecli.adapters.footprint import Kv
from salecli.checked import Section, check, formed
from salecli.core.calls import Limits
from salecli.core.limits import Phase
from salecli.core.values import Weights
from salecli.errors import ConfigError
from salecli.sampling import Sampling, Share
from salecli.toml import Key, nearest

_SAMPLED = 1 << 20
"""Bytes at the head of a model file that identify it, together with its size."""

_HUB = r"|[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*"
Count = Annotated[int, Field(ge=1)]


class Jury(Section):
    """[jury]"""

    size: Count
    """Judges of each bid, its author always among them."""


class Shown(Section):
    """[prompts]: which prompts, and how much of a repository they are shown, in characters."""

    profile: Literal["full", "compact"] = "full"
    files: Count = 4_000
    """Budget of the file listing."""
    named: Count = 12_000
    """Budget of each file that the task names."""
    observation: Count = 10_000
    """Budget of what a command or a test run printed."""
    output: bool = True
    """Whether a test run's observation carries what the tests printed."""
    pairs: Count = 8
    """Most (lost, won) pairs in a refinement."""


class PoolLimits(Section):
    """[limits]"""

    reply_tokens: Count = 4_096
    """Most tokens of one reply while working."""
    steps: Count | None = None
    """Most steps of one work; None leaves it to the settings. The smaller of both counts."""
    deadline: Annotated[float, Field(gt=0)] = 1_200.0
    """Seconds for one call of a model."""


class PoolWeights(Section):
    """[weights]: w_c, w_h and w_j; |w_h| and the judges' together are 1."""

    cost: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.5
    entropy: Annotated[float, Field(ge=-1, le=1)] = 0.0
    judges: dict[str, Share] = Field(default_factory=dict)


def _is_price(value: object) -> object:
    number = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf
    if number or value == "time":
        return value
    raise ValueError('must be a number of more than 0, in USD per million tokens, or "time"')


class AgentTable(Section):
    """One [[agents]] table."""

    name: Annotated[
        str, Field(min_length=1, max_length=24), formed(r"[A-Za-z0-9._-]+", "of letters, digits and . _ -")
    ]
    model: Annotated[str, Field(min_length=1, max_length=4_096, pattern="^[^\\x00]+$")]
    """Path of a GGUF file: beside the pool file, else in the models folder. With `hub`: its name there; on an
    endpoint: its name there."""
    hub: Annotated[str, Field(max_length=96), formed(_HUB, '"OWNER/NAME", as in "Qwen/Qwen3-4B-GGUF"')] = ""
    """The repository on a model hub that `sale models pull` gets the file from: "Qwen/Qwen3-4B-GGUF"."""
    revision: Annotated[str, Field(max_length=128), formed(r"[\w./-]+", "a branch, a tag or a commit")] = (
        "main"
    )
    """A branch, a tag or a commit of that repository."""
    backend: Literal["llama", "openai"] = "llama"
    """Where the model runs: in a process of ours, or on a server with OpenAI's API."""
    endpoint: str = ""
    """The server: the NAME of a table [endpoints.NAME] in the user's own configuration."""
    price: Annotated[float | Literal["time"], BeforeValidator(_is_price)]
    """USD per million tokens; "time": those of the machine time that they take here, as it was measured."""
    context: Annotated[int, Field(ge=256)] = 8_192
    """Tokens."""
    kv: Kv | None = None
    """Type of the KV cache's numbers; None takes f16, and q8_0 where that does not fit."""
    gpu_layers: Annotated[int, Field(ge=0)] | None = None
    """Layers on a GPU; None puts as many there as fit."""
    sampling: Sampling | None = None
    """None takes the pool's."""

    @property
    def remote(self) -> bool:
        """Whether its model runs on a server."""
        return self.backend == "openai"


class PoolTable(Section):
    """A whole pool file."""

    name: Annotated[str, Field(min_length=1)]
    plan_tokens: Annotated[int, Field(ge=8)] = 512
    """L: most tokens of a plan."""
    at_once: Count = 1
    """Models that may run at the same time."""
    prompts: Shown = Field(default_factory=Shown)
    limits: PoolLimits = Field(default_factory=PoolLimits)
    jury: Jury | None = None
    """None lets every agent mark every bid, which from six agents on costs more than it tells."""
    calibration: bool | None = None
    """Whether marks count as past verdicts put them right; None: where that did better on held-out tasks."""
    sampling: Sampling = Field(default_factory=Sampling)
    weights: PoolWeights = Field(default_factory=PoolWeights)
    agents: Annotated[tuple[AgentTable, ...], Field(strict=False, min_length=1)]


class AgentSpec(AgentTable):
    """One agent of a loaded pool."""

    path: Path
    """Where the model file is, or should be; on an endpoint there is none."""
    pull: str = ""
    """What to type to get the file; empty where it comes from no hub."""


class PoolSpec(PoolTable):
    """A loaded pool: what its file says, with every judge's weight and every model's place."""

    agents: tuple[AgentSpec, ...]
    file: Path

    @property
    def names(self) -> tuple[str, ...]:
        """The agents' names, in pool order."""
        return tuple(agent.name for agent in self.agents)

    @property
    def local(self) -> tuple[AgentSpec, ...]:
        """The agents whose models run on this machine, in pool order."""
        return tuple(agent for agent in self.agents if not agent.remote)

    @property
    def served(self) -> tuple[AgentSpec, ...]:
        """The agents whose models run on servers, in pool order."""
        return tuple(agent for agent in self.agents if agent.remote)

    def agent(self, name: str) -> AgentSpec:
        """The agent called `name`.

        Raises:
            ConfigError: there is none.
        """
        for agent in self.agents:
            if agent.name == name:
                return agent
        near = nearest(name, self.names)
        raise ConfigError(
            f"pool {self.name!r} has no agent {name!r}; it has {', '.join(self.names)}",
            f"did you mean {near!r}?" if near else "name one of them",
        )

    def limits_of(self, agent: AgentSpec, phase: Phase = "bid") -> Limits:
        """How `agent`'s model generates in a phase."""
        own = (agent.sampling or self.sampling).of(phase)
        return Limits(max_tokens=self.plan_tokens, deadline=self.limits.deadline, **own)

    def market_weights(self, thrift: float | None = None) -> Weights:
        """The weights of the pool file, with the user's cost dial in place of its own where there is one."""
        cost = self.weights.cost if thrift is None else thrift
        return Weights(cost, self.weights.entropy, {name: self.weights.judges[name] for name in self.names})

    def prompt_folder(self) -> Path:
        """The folder of the templates that this pool's agents are prompted with."""
        folder = resources.prompts()
        return folder / "compact" if self.prompts.profile == "compact" else folder

    def hash(self) -> str:
        """Identity of what makes bids comparable: agents, prices, models, sampling, prompts profile.

        16 hex digits. Weights and the jury's size are left out: they judge bids, they do not shape them. A
        price of "time" counts as that word, whatever was measured. A model counts by its size and its first
        megabyte, so that hashing a pool of large models costs milliseconds.
        """
        identity = {
            "plan_tokens": self.plan_tokens,
            "prompts": self.prompts.model_dump(mode="json"),
            "agents": [
                {
                    "name": agent.name,
                    "price": agent.price,
                    "context": agent.context,
                    "sampling": (agent.sampling or self.sampling).identity(),
                    "model": f"{agent.endpoint}:{agent.model}"
                    if agent.remote
                    else model_identity(agent.path),
                    **({"kv": agent.kv} if agent.kv else {}),
                }
                for agent in self.agents
            ],
        }
        canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def model_identity(path: Path) -> str:
    """Size and digest of the first megabyte of a model file; "missing" where there is none."""
    try:
        with path.open("rb") as file:
            head = file.read(_SAMPLED)
            size = file.seek(0, 2)
    except OSError:
        return "missing"
    return f"{size}:{hashlib.sha256(head).hexdigest()}"


def known_pools() -> dict[str, Path]:
    """The pools that are shipped, by name."""
    return {path.stem: path for path in sorted(resources.pools().glob("*.toml"))}


def load_pool(name_or_path: str, models: Path | None = None) -> PoolSpec:
    """The pool called `name_or_path`, or the one in that file.

    `models` is a second folder for model files.

    Raises:
        ConfigError: no such pool (with those that exist), or a file that says something impossible.
    """
    document = toml.read(_find(name_or_path))
    _no_addresses(document.values, document.where)
    table = check(PoolTable, document.values, document.where)
    _sensible(table, document.where)
    folder = document.path.parent
    pull = f"sale models pull {shlex.quote(held_as(name_or_path, document.path))}"
    agents = tuple(
        AgentSpec(
            **dict(agent),
            path=_model_path(agent.model, folder, models, bool(agent.hub)),
            pull=pull if agent.hub else "",
        )
        for agent in table.agents
    )
    weights = table.weights.model_copy(update={"judges": _judges(table)})
    return PoolSpec(**{**dict(table), "agents": agents, "weights": weights, "file": document.path})


def _find(name_or_path: str) -> Path:
    pools = known_pools()
    if name_or_path in pools:
        return pools[name_or_path]
    path = Path(os.path.expanduser(name_or_path))  # noqa: PTH111
    # A repository's settings may name a pool, not a file: a bare name is never one.
    with suppress(OSError):  # of a name too long for a path
        if ("/" in name_or_path or name_or_path.endswith(".toml")) and path.is_file():
            return path.resolve()
    near = nearest(name_or_path, pools)
    meant = f"did you mean `--pool {near}`? " if near else ""
    if "/" in name_or_path or name_or_path.endswith(".toml"):
        raise ConfigError(f"there is no pool file {path}", f"{meant}known pools: {', '.join(pools)}")
    raise ConfigError(
        f"there is no pool {name_or_path!r}; known pools: {', '.join(pools)}",
        f"{meant}a pool file of your own goes by its path: ./NAME",
    )


def held_as(name_or_path: str, file: Path) -> str:
    """What a pool is called where its files are kept: a shipped one by its name, others by their file."""
    return name_or_path if name_or_path in known_pools() else str(file)


def _model_path(model: str, folder: Path, models: Path | None, hub: bool) -> Path:
    """Beside the pool file, else in the models folder; where it should be otherwise: there, if from a hub."""
    beside = folder / os.path.expanduser(model)  # noqa: PTH111
    with suppress(OSError):
        if models is not None and not beside.exists() and (hub or (models / model).exists()):
            return models / model
    return beside


def _no_addresses(values: Mapping[str, Any], where: Callable[[Key], str]) -> None:
    """Refuse what says where prompts go, or with which key: a pool file may be a stranger's."""
    agents = values.get("agents")
    tables: list[tuple[Key, Any]] = [((), values)]
    tables += [(("agents", at), one) for at, one in enumerate(agents if isinstance(agents, list) else ())]
    for above, table in tables:
        for key in ("base_url", "key_env", "keyring", "api_key", "endpoints"):
            if isinstance(table, dict) and key in table:
                raise ConfigError(
                    f"{where((*above, key))}: a pool file says nothing of servers and keys: {key}",
                    f"put it into {resources.user_file()} under [endpoints.NAME], and here write "
                    'backend = "openai", endpoint = "NAME"',
                )


def _sensible(table: PoolTable, where: Callable[[Key], str]) -> None:
    """What no single value shows: names given twice, weights for nobody, weights off their anchor."""
    names = [agent.name for agent in table.agents]
    for index, agent in enumerate(table.agents):
        wrong = _wrong_with(agent, names[:index])
        if wrong is not None:
            key, fault, hint = wrong
            raise ConfigError(f"{where(('agents', index, key))}: agents[{index}].{key} {fault}", hint)
    if table.jury is not None and table.jury.size > len(names):
        raise ConfigError(
            f"{where(('jury', 'size'))}: jury.size is {table.jury.size}, the pool has {len(names)} agents",
            f"jury = {{size = {max(len(names) // 2, 1)}}}, or leave it out: then every agent marks every bid",
        )
    for judge in table.weights.judges:
        if judge not in names:
            near = nearest(judge, names)
            raise ConfigError(
                f"{where(('weights', 'judges', judge))}: a weight for {judge!r}, who is not in the pool",
                f"did you mean {near!r}?" if near else f"the agents are {', '.join(names)}",
            )
    if table.weights.judges:
        total = abs(table.weights.entropy) + sum(table.weights.judges.values())
        if not math.isclose(total, 1, abs_tol=1e-3):
            raise ConfigError(
                f"{where(('weights', 'judges'))}: |entropy| + the sum of weights.judges is {total:g}, not 1",
                "scale them; weights.cost stands outside of that sum",
            )


def _wrong_with(agent: AgentTable, names: Sequence[str]) -> tuple[str, str, str] | None:
    """(key, what is wrong with it, what to do) of an agent after those of `names`."""
    if agent.name in names:
        return "name", f"{agent.name!r} is given twice", "rename one"
    if agent.remote != bool(agent.endpoint):
        both = 'a model on a server takes both: backend = "openai", endpoint = "NAME"'
        return ("endpoint" if agent.remote else "backend"), "is missing", both
    if "/" in agent.endpoint:
        hint = f"its base_url goes into {resources.user_file()}"
        return "endpoint", "is the NAME of a table [endpoints.NAME], not an address", hint
    ours = {"hub", "kv", "gpu_layers"} & agent.model_fields_set if agent.remote else ()
    for key in sorted(ours):
        return key, "says nothing of a model on a server", "leave it out"
    if not agent.hub and "revision" in agent.model_fields_set:
        return "revision", "is of no repository", 'name it: hub = "OWNER/NAME"'
    if agent.remote and agent.price == "time":
        return "price", "is of a server, whose time is not measured here", "give it in USD per million tokens"
    if agent.hub and (agent.model.startswith(("/", "~")) or ".." in agent.model.split("/")):
        hint = "with hub, model is the file's name there"
        return "model", f"{agent.model!r} is no file of a repository", hint
    return None


def _judges(table: PoolTable) -> dict[str, float]:
    """A weight for every agent on the jury; without any in the file, all judges count the same."""
    given = table.weights.judges
    names = [agent.name for agent in table.agents]
    if not given:
        return dict.fromkeys(names, (1 - abs(table.weights.entropy)) / len(names))
    return {name: given.get(name, 0.0) for name in names}
