"""The sandbox image: found, or built from a registry's Python image or from this machine's own packages."""

from __future__ import annotations

import hashlib
import queue
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salecli import resources
from salecli.adapters.engine import speaking
from salecli.errors import SandboxError

if TYPE_CHECKING:
    from docker import DockerClient

IMAGE = "sale-sandbox:latest"
REGISTRY_BASE = "python:3.12-slim"
LOCAL_BASE = "sale-base:latest"
_FIRST_WORD, _SILENCE = 8.0, 120.0
"""Seconds to wait for a registry's first answer, and for each further one."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Built:
    """The image that a build ended with."""

    id: str
    base: str
    fresh: bool
    """False where the image was there already."""


def content_hash(folder: Path | None = None) -> str:
    """Hash of the build context: what decides whether an image is still the right one."""
    folder = folder or resources.sandbox()
    digest = hashlib.sha256()
    for name in ("Dockerfile", "make-base.sh", "runner.py"):
        digest.update(name.encode() + b"\0" + (folder / name).read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def pinned(client: DockerClient, name: str) -> str:
    """Id of the image of this name, for a run to hold on to.

    Raises:
        SandboxError: there is none, or it does not hold the test runner of this version.
    """
    with speaking("look for the sandbox image"):
        image = client.images.get(name)
    if (image.labels or {}).get("sale.context") != content_hash():
        own = (
            "sale sandbox build"
            if name == IMAGE
            else f"sale sandbox build --base {name}, and leave [sandbox] image out"
        )
        raise SandboxError(f"the image {name} does not hold the test runner of this version of sale", own)
    return str(image.id)


def current(client: DockerClient) -> str | None:
    """Id of the sandbox image where it was built from this build context, else None."""
    from docker.errors import ImageNotFound

    with speaking("look for the sandbox image"):
        try:
            image = client.images.get(IMAGE)
        except ImageNotFound:
            return None
        return str(image.id) if (image.labels or {}).get("sale.context") == content_hash() else None


def build(client: DockerClient, base: str | None, force: bool, say: Say) -> Built:
    """Make sure that the sandbox image is there, and return it; `base` names another image to build on.

    Raises:
        SandboxError: no base can be had here, or a step of the build failed.
    """
    found = current(client)
    if found and not force and (base is None or _base_of(client) == base):
        return Built(found, _base_of(client), False)
    if base is not None:
        if not _has(client, base):
            _pull(client, base, say)
        return _build_on(client, base, say)
    if not _has(client, LOCAL_BASE) or force:
        try:
            if not _has(client, REGISTRY_BASE):
                _pull(client, REGISTRY_BASE, say)
            return _build_on(client, REGISTRY_BASE, say)
        except SandboxError as error:
            say(f"{error.message}; making a base from this machine's packages")
            _make_base(client, say)
    return _build_on(client, LOCAL_BASE, say)


def _has(client: DockerClient, name: str) -> bool:
    return bool(_id(client, name))


def _base_of(client: DockerClient) -> str:
    with speaking("look at the sandbox image"):
        return str((client.images.get(IMAGE).labels or {}).get("sale.base", ""))


def _pull(client: DockerClient, name: str, say: Say) -> None:
    """Pull an image; a registry that does not answer at once is given up."""
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    say(f"pulling {name}")
    heard: queue.Queue[dict[str, Any] | str | None] = queue.Queue()
    repository, _, tag = name.rpartition(":") if ":" in name.rsplit("/", 1)[-1] else (name, "", "latest")

    def listen() -> None:
        try:
            for event in client.api.pull(repository, tag=tag, stream=True, decode=True):
                heard.put(event)
            heard.put(None)
        except (DockerException, RequestException, OSError) as error:
            heard.put(str(getattr(error, "explanation", None) or error))

    # The engine cannot be asked to stop trying; the thread ends with the process.
    threading.Thread(target=listen, daemon=True).start()
    patience = _FIRST_WORD
    while True:
        try:
            event = heard.get(timeout=patience)
        except queue.Empty:
            raise SandboxError(
                f"no registry answers for {name}", "name an image that is here: --base IMAGE"
            ) from None
        patience = _SILENCE
        if event is None:
            return
        problem = event if isinstance(event, str) else str(event.get("error", ""))
        if problem:
            raise SandboxError(
                f"{name} cannot be pulled ({_short(problem)})", "name an image that is here: --base IMAGE"
            )


def _make_base(client: DockerClient, say: Say) -> None:
    """Import what make-base.sh writes as the local base image."""
    script = resources.sandbox() / "make-base.sh"
    with subprocess.Popen(
        ["/bin/sh", str(script)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as made:
        assert made.stdout is not None
        assert made.stderr is not None
        lines: list[str] = []
        listener = threading.Thread(target=_follow, args=(made.stderr, lines, say), daemon=True)
        listener.start()
        first = made.stdout.read(512)
        if first:
            with speaking("import the base image"):
                name, _, tag = LOCAL_BASE.partition(":")
                before = _id(client, LOCAL_BASE)
                client.api.import_image_from_stream(_rest(first, made.stdout), repository=name, tag=tag)
                _forget(client, before, _id(client, LOCAL_BASE))
        listener.join()
        code = made.wait()
    if code or not first:
        why = lines[-1] if lines else f"make-base.sh ended with exit code {code}"
        raise SandboxError(
            why.removeprefix("base: "), "name an image that is here: sale sandbox build --base IMAGE"
        )


def _rest(first: bytes, stream: Any) -> Any:
    yield first
    while piece := stream.read(1 << 20):
        yield piece


def _follow(stream: Any, lines: list[str], say: Say) -> None:
    for raw in stream:
        line = raw.decode("utf-8", "replace").rstrip()
        lines.append(line)
        say(line)


def _build_on(client: DockerClient, base: str, say: Say) -> Built:
    """Build the image from a base that is here already."""
    from docker.errors import BuildError

    say(f"building {IMAGE} on {base}")
    before = _id(client, IMAGE)
    with speaking("build the sandbox image"):
        # The network is for pip alone; a base that holds pytest is built without.
        network = "none" if base == LOCAL_BASE else "host"
        try:
            image, _ = client.images.build(
                path=str(resources.sandbox()),
                tag=IMAGE,
                buildargs={"BASE_IMAGE": base},
                labels={"sale.context": content_hash(), "sale.base": base},
                network_mode=network,
                use_config_proxy=network == "host",
                pull=False,
                rm=True,
                forcerm=True,
            )
        except BuildError as error:
            log = [
                str(entry.get("stream", "")).strip() for entry in error.build_log if isinstance(entry, dict)
            ]
            said = next((line for line in reversed(log) if line), "")
            raise SandboxError(
                f"the image cannot be built on {base}: {_short(error.msg)} {_short(said)}",
                "sale sandbox build --base IMAGE",
            ) from error
    _forget(client, before, str(image.id))
    return Built(str(image.id), base, True)


def _id(client: DockerClient, name: str) -> str:
    from docker.errors import ImageNotFound

    with speaking("look for an image"), suppress(ImageNotFound):
        return str(client.images.get(name).id)
    return ""


def _forget(client: DockerClient, before: str, now: str) -> None:
    """Remove the image that a build replaced, unless something else still uses it."""
    from docker.errors import APIError

    if before and before != now:
        with suppress(APIError):
            client.api.remove_image(before)


def _short(text: object) -> str:
    return " ".join(str(text).split())[-300:]


def remove_image(client: DockerClient) -> bool:
    """Remove the sandbox image and its local base; False where there was none."""
    from docker.errors import APIError, ImageNotFound

    removed = False
    for name in (IMAGE, LOCAL_BASE):
        try:
            client.images.remove(name)
            removed = True
        except ImageNotFound:
            continue
        except APIError as error:
            raise SandboxError(
                f"{name} cannot be removed: {_short(error.explanation)}", "sale sandbox clean"
            ) from error
    return removed
