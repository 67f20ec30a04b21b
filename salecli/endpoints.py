"""The servers that the user's configuration names, and the models that a pool's agents have on them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

from salecli.adapters.endpoint import EndpointModel
from salecli.adapters.endpoint_line import Address, Line
from salecli.config import EndpointSettings, Settings
from salecli.errors import ConfigError, SaleError
from salecli.pool import AgentSpec
from salecli.resources import user_file
from salecli.toml import nearest

KEPT_UNDER = "sale"
"""What keys are kept under in the system's keyring."""


class Endpoints:
    """A line to each server that agents name; agents of one server share it."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is connected yet."""
        self._known = settings.endpoints
        self._lines: dict[str, Line] = {}

    def model(self, agent: AgentSpec) -> EndpointModel:
        """The model of `agent` on its server.

        Raises:
            ConfigError: the user's configuration does not have the endpoint, or its key is not there.
        """
        name = agent.endpoint
        line = self._lines.get(name)
        if line is None:
            line = self._lines[name] = Line(self._address(agent))
        chosen = self._known[name]
        return EndpointModel(
            line,
            agent.model,
            name=agent.name,
            context=agent.context,
            top=chosen.logprobs,
            vocabulary=chosen.vocabulary,
        )

    def close(self) -> None:
        """Close every line."""
        for line in self._lines.values():
            line.close()

    def _address(self, agent: AgentSpec) -> Address:
        name = agent.endpoint
        chosen = self._known.get(name)
        if chosen is None:
            near = nearest(name, self._known)
            meant = f"did you mean {near!r}? " if near else ""
            raise ConfigError(
                f"agent {agent.name} names the endpoint {name!r}, which {user_file()} does not have",
                f"{meant}add to it: [endpoints.{name}] base_url = ...",
            )
        return Address(
            name=name,
            url=chosen.base_url.rstrip("/"),
            key=_key(name, chosen),
            connect=chosen.connect_seconds,
            seconds=chosen.seconds,
            retries=chosen.retries,
            failures=chosen.failures,
            pause=chosen.pause,
        )


def _key(name: str, chosen: EndpointSettings) -> str:
    """The key of an endpoint, from the environment or the keyring; empty where it has none."""
    table = f"[endpoints.{name}]"
    if chosen.key_env and chosen.keyring:
        raise ConfigError(f"{table} names its key twice: by key_env and by keyring", "leave one of them out")
    if chosen.key_env:
        key = os.environ.get(chosen.key_env, "").strip()
        if not key:
            raise ConfigError(
                f"{table} key_env: the variable {chosen.key_env} is not set", f"export {chosen.key_env}=..."
            )
    elif chosen.keyring:
        key = _kept(table, chosen.keyring)
    else:
        return ""
    if not key.isascii() or not key.isprintable():
        raise ConfigError(f"the key of {table} holds characters that no key has", "set it anew")
    return key


def _kept(table: str, user: str) -> str:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        raise ConfigError(
            f"{table} keyring: the package keyring is not installed", "pip install 'sale[keyring]'"
        ) from None
    try:
        key = keyring.get_password(KEPT_UNDER, user)
    except KeyringError as error:
        raise ConfigError(f"{table} keyring: {error}", "unlock it, or use key_env") from None
    if not key:
        raise ConfigError(f"{table} keyring holds no key for {user}", f"keyring set {KEPT_UNDER} {user}")
    return key.strip()


def look(settings: Settings, agents: Sequence[AgentSpec], ask: bool) -> list[dict[str, Any]]:
    """What can be said of agents' models on servers, in rows as of model files; `ask` asks the servers.

    All at the same time: a server that is down keeps nobody waiting for the others.
    """
    with closing(Endpoints(settings)) as endpoints, ThreadPoolExecutor(max(len(agents), 1)) as threads:
        return list(threads.map(lambda agent: _row(endpoints, agent, ask), agents))


def _row(endpoints: Endpoints, agent: AgentSpec, ask: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "agent": agent.name,
        "price": agent.price,
        "seconds": None,
        "context": agent.context,
        "file": f"{agent.model} at {agent.endpoint}",
        "bytes": None,
        "memory": None,
        "state": "on a server",
        "hint": "",
        "remote": True,
        "fine": True,
    }
    try:
        model = endpoints.model(agent)
        if ask:
            loaded = model.load()
            assert loaded is not None
            assert model.server is not None
            row |= {"context": loaded.context, "state": model.server.describe()}
            row["hint"] = "; ".join(model.told())
    except SaleError as error:
        row |= {"state": error.message, "hint": error.hint, "fine": False}
    return row
