"""The Docker engine: reached, its errors put into our words, containers of dead owners removed."""

from __future__ import annotations

import errno
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from salecli.adapters.owner import from_labels
from salecli.core.words import plural
from salecli.errors import DockerGone, SandboxError

if TYPE_CHECKING:
    from docker import DockerClient


RESTART = "sudo systemctl restart docker"
LOG = "sudo journalctl -u docker -n 20"
"""Where an engine that systemd runs says why it could not do something."""
PATIENCE, LAST_PATIENCE = 60.0, 5.0
"""Seconds to wait for an answer of the engine, and once it has failed to give one."""


def connect(timeout: float = PATIENCE) -> DockerClient:
    """A client of the engine that DOCKER_HOST names, else of the local one.

    Raises:
        SandboxError: no engine answers, or this user may not speak to it.
    """
    try:
        _knock(os.environ.get("DOCKER_HOST", ""), timeout)
        return _client(timeout)
    except OSError as error:
        said = str(error)
    if "Permission denied" in said or "PermissionError" in said:
        raise SandboxError(
            "this user may not speak to the Docker engine", "sudo usermod -aG docker $USER, then log in again"
        )
    host = os.environ.get("DOCKER_HOST", "")
    where = f" at DOCKER_HOST={host}" if host else ""
    if "timed out" in said:
        raise DockerGone(f"the Docker engine{where} does not answer within {timeout:g} s", RESTART)
    start = "start it: sudo systemctl start docker; or install it: sudo apt-get install docker.io"
    raise SandboxError(
        f"no Docker engine answers{where} ({_plainly(said)})",
        f"unset DOCKER_HOST to use this machine's engine, or {start}" if host else start,
    )


def _knock(host: str, timeout: float) -> None:
    """OSError where nobody listens at a local engine's socket: docker-py would leave its own end open."""
    if host.startswith("unix://") or not host:
        with socket.socket(socket.AF_UNIX) as ours:
            ours.settimeout(timeout)
            ours.connect(host.removeprefix("unix://") or "/var/run/docker.sock")


def _client(timeout: float) -> DockerClient:
    import docker  # takes a fifth of a second, and only sandboxes need it
    from docker.errors import DockerException

    client = None
    try:
        client = docker.from_env(timeout=timeout)
        client.ping()
        return client
    except (DockerException, OSError) as error:
        if client is not None:
            client.close()
        raise OSError(str(error)) from error


def _plainly(said: str) -> str:
    """What the innermost of nested errors says: docker-py shows their Python forms."""
    found = re.search(r"Error\(-?\d+, ['\"](.+?)['\"]\)|\[Errno -?\d+\] ([^'\")]+)", said)
    if found:
        return found[1] or found[2]
    if "timed out" in said:
        return "no answer in time"
    return "it closed the connection" if "Connection aborted" in said else said[:200]


@contextmanager
def speaking(what: str) -> Iterator[None]:
    """Turn what docker-py raises into SandboxError: a dead engine, a container that has gone."""
    from docker.errors import APIError, DockerException, ImageNotFound, NotFound
    from requests.exceptions import RequestException

    try:
        yield
    except ImageNotFound as error:
        name = str(error.explanation).rpartition(": ")[2]
        raise SandboxError(
            f"the sandbox image {name} is missing",
            "sale sandbox build; one of your own is named by image under [sandbox] in sale.toml",
        ) from error
    except NotFound as error:
        raise gone(what) from error
    except APIError as error:
        if error.status_code == 409 or "is not running" in str(error.explanation):
            raise gone(what) from error
        raise SandboxError(f"the Docker engine could not {what}: {error.explanation}", LOG) from error
    except (DockerException, RequestException, OSError) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise SandboxError(
                f"this machine's disk is full (it was to {what})", "sale sandbox clean, or make room: df -h"
            ) from error
        said = _plainly(str(error))
        raise DockerGone(
            f"the Docker engine does not answer any more: {said} (it was to {what})", RESTART
        ) from error


def gone(what: str) -> SandboxError:
    """The error of a container that is not there any more."""
    return SandboxError(
        f"the sandbox's container has gone: it was removed or ended from outside (while trying to {what})",
        "run it again; nothing of the repository was touched",
    )


def described(client: DockerClient) -> tuple[str, bool]:
    """The engine in words (version, cgroups, runtime, cores), and whether it is an old one."""
    with speaking("say its version"):
        info = client.info()
    version = str(info.get("ServerVersion", "?"))
    runtime = "runsc" if "runsc" in (info.get("Runtimes") or {}) else info.get("DefaultRuntime", "?")
    groups, cores = info.get("CgroupVersion", "1"), plural(int(info.get("NCPU") or 1), "core")
    return f"Docker {version}, cgroup v{groups}, runtime {runtime}, {cores}", is_old(version)


def is_old(version: str) -> bool:
    """Whether this version's filter of system calls lets vsock and io_uring through."""
    major = version.partition(".")[0]
    return major.isdigit() and int(major) < 25


_owed: set[str] = set()
"""Containers of ours that an engine may still hold: it did not answer when they were to come or to go."""


def owe(name: str) -> None:
    """Note that a container of this name may be there, or come to be: `settle` removes it."""
    _owed.add(name)


def settle(client: DockerClient) -> None:
    """Remove what an engine that did not answer has kept of this process's containers."""
    for name in tuple(_owed):
        remove(client, name)


def remove(client: DockerClient, name: str) -> bool:
    """End and remove a container, and wait until it has gone.

    False where there was none, or where the engine would not: then it is owed.
    """
    from docker.errors import APIError, DockerException, NotFound
    from requests.exceptions import RequestException

    removed = True
    try:
        client.api.remove_container(name, force=True, v=True)
    except NotFound:
        _owed.discard(name)
        return False
    except APIError as error:
        removed = error.status_code == 409 and _gone_by_itself(client, name)
    except (DockerException, RequestException, OSError):
        removed = False
    (_owed.discard if removed else _owed.add)(name)
    return removed


def _gone_by_itself(client: DockerClient, name: str) -> bool:
    """Wait for a container that is being removed already: by its own end, or by another process."""
    from docker.errors import DockerException, NotFound
    from requests.exceptions import RequestException

    try:
        for _ in range(100):
            client.api.inspect_container(name)
            time.sleep(0.05)
    except NotFound:
        return True
    except (DockerException, RequestException, OSError):
        pass
    return False


def reap(client: DockerClient) -> int:
    """Remove containers whose owner is dead; returns how many.

    Those of other machines or process namespaces on the same engine are left until their lifetime is over.
    """
    removed = 0
    with speaking("list containers"):
        listed = client.api.containers(all=True, filters={"label": "sale"})
    for found in listed:
        labels = found.get("Labels") or {}
        owner = from_labels(labels)
        if owner is None:
            continue
        overdue = labels.get("sale.until", "").isdigit() and time.time() > int(labels["sale.until"]) + 60
        if owner.alive() is False or overdue:
            removed += remove(client, found["Id"])
    return removed
