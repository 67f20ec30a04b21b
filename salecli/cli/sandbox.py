"""`sale sandbox`: the image that tasks are worked on in, a check that it closes tight, and cleaning up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from salecli.cli.exits import Exit
from salecli.errors import SaleError, SandboxError

if TYPE_CHECKING:
    from docker import DockerClient

    from salecli.adapters.container import Container

app = typer.Typer(no_args_is_help=True, epilog="\b\nExample:\n  sale sandbox build\n")

_FIRST_COMMAND = 1.0
"""Seconds from nothing to a finished first command."""


@app.callback()
def sandbox() -> None:
    """Build, check and clean up the sandbox."""


@app.command(epilog="\b\nExamples:\n  sale sandbox build\n  sale sandbox build --base my-project:latest\n")
def build(
    base: Annotated[
        str | None, typer.Option(help="Build on this image; it needs Python 3 and GNU tar.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Build it again, the base too.")] = False,
) -> None:
    """Build the image that tasks are worked on in; done at once where it is there already.

    The base comes from a registry where one answers, else from this machine's own package mirror.
    """
    from salecli.adapters import image
    from salecli.adapters.engine import connect
    from salecli.cli.output import Output

    output = Output()
    started = time.monotonic()
    with closing(connect()) as client:
        built = image.build(client, base, force, output.story)
    if built.fresh:
        output.story(f"{image.IMAGE} built on {built.base} in {time.monotonic() - started:.0f} s")
    else:
        output.story(f"{image.IMAGE} is there already, built on {built.base}")


@app.command(epilog="\b\nExample:\n  sale sandbox check\n")
def check() -> None:
    """Open a sandbox of the configured image, try its walls, and say for each check: fine, or what to type.

    Exit code 0 where all is fine, 3 where something needs fixing.
    """
    from salecli.cli.output import Output

    output = Output()
    fine = True
    try:
        for name, found, fix in _checks():
            fine = fine and not fix
            output.result(f"{'fix ' if fix else 'fine'}  {name:<9} {found}{f'; type: {fix}' if fix else ''}")
    except SaleError as error:
        fine = False
        output.result(f"fix   {'sandbox':<9} {error.message}{f'; type: {error.hint}' if error.hint else ''}")
    raise typer.Exit(Exit.SOLVED if fine else Exit.ENVIRONMENT)


@app.command(epilog="\b\nExamples:\n  sale sandbox clean\n  sale sandbox clean --image\n")
def clean(
    image: Annotated[
        bool, typer.Option("--image", help="Remove the sandbox image and its local base too.")
    ] = False,
) -> None:
    """Remove containers and temporary folders that runs left behind; those of living runs stay."""
    from salecli.adapters.engine import connect, reap
    from salecli.adapters.image import remove_image
    from salecli.adapters.owner import reap_folders
    from salecli.cli.output import Output

    output = Output()
    # Without an engine there may be folders all the same.
    output.story(f"removed {_counted(reap_folders(), 'temporary folder')}")
    with closing(connect()) as client:
        output.story(f"removed {_counted(reap(client), 'container')}")
        if image:
            output.story("removed the sandbox image" if remove_image(client) else "there is no sandbox image")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


Found = tuple[str, str, str]
"""What was looked at, what was found, and what to type where it needs fixing."""


def _checks() -> Iterator[Found]:
    from salecli.adapters.engine import connect
    from salecli.cli.where import repository_root
    from salecli.config import load_settings

    image = load_settings(repository_root(Path())).sandbox.image
    with closing(connect(timeout=20)) as client:
        yield from _tried(client, image)


def _tried(client: DockerClient, image: str) -> Iterator[Found]:
    from salecli.adapters.container import Container, SandboxLimits
    from salecli.adapters.engine import speaking
    from salecli.adapters.image import pinned

    yield _engine(client)
    try:
        name = pinned(client, image)
    except SandboxError as error:
        yield "image", error.message, error.hint
        return
    with speaking("look at the sandbox image"):
        size = client.images.get(name).attrs.get("Size", 0)
    yield "image", f"{image}, {size / 1e6:.0f} MB", ""
    started = time.monotonic()
    container = Container(client, name, "check", SandboxLimits(seconds=20))
    try:
        container.alive()
        first = time.monotonic() - started
        yield (
            "speed",
            f"{first:.2f} s to the first command",
            "" if first <= _FIRST_COMMAND * 5 else "sale sandbox clean",
        )
        yield from _walls(container)
    finally:
        started = time.monotonic()
        container.remove()
    yield "removal", f"gone after {time.monotonic() - started:.2f} s", ""


def _engine(client: DockerClient) -> Found:
    from salecli.adapters.engine import speaking

    with speaking("say its version"):
        info = client.info()
    gvisor = ", gVisor is used" if "runsc" in (info.get("Runtimes") or {}) else ""
    return "engine", f"{info.get('ServerVersion', '?')}, {info.get('NCPU', '?')} cores{gvisor}", ""


def _walls(container: Container) -> Iterator[Found]:
    """Try what a sandbox must not allow."""

    def said(command: str) -> str:
        text = bytearray()
        container.execute(command, out=text.extend, err=text.extend)
        return text.decode("utf-8", "replace").strip()

    closed = "CapEff:0000000000000000 CapBnd:0000000000000000 NoNewPrivs:1"
    status = "grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status | tr -d '\\t' | tr '\\n' ' '"
    version = 'python3 -c "import pytest; print(pytest.__version__)"'
    tries: list[tuple[str, str, Callable[[str], bool], str]] = [
        ("user", "id -u; id -g", lambda text: text == "1000\n1000", "commands run as user 1000"),
        ("network", "ls /sys/class/net", lambda text: text == "lo", "there is none"),
        ("root", "touch /probe 2>&1", lambda text: "Read-only" in text, "the file system is read-only"),
        ("rights", status, lambda text: text == closed, "no capabilities, and none to be had"),
        ("keeper", "kill -9 1 2>&1 || echo kept", lambda text: "kept" in text, "commands cannot end it"),
        ("pytest", version, lambda text: text[:1].isdigit(), "is there"),
    ]
    for name, command, holds, fine in tries:
        text = said(command)
        if not holds(text):
            raise SandboxError(
                f"{name}: the sandbox does not hold ({text[:200]!r})", "sale sandbox build --force"
            )
        yield name, f"{text} {fine}" if name == "pytest" else fine, ""
