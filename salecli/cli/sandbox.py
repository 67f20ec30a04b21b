"""`sale sandbox`: the image that tasks are worked on in, a check of what it promises, and cleaning up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from salecli.cli.exits import Exit
from salecli.errors import SaleError

if TYPE_CHECKING:
    from docker import DockerClient

app = typer.Typer(no_args_is_help=True, epilog="\b\nExample:\n  sale sandbox build\n")

_PATIENCE = 10
"""Seconds to wait for an answer of the engine."""
_WIDEST = 43
"""Characters of the longest promise."""


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


@app.command(epilog="\b\nExamples:\n  sale sandbox check\n  sale sandbox check --json\n")
def check(
    json: Annotated[bool, typer.Option("--json", help="One JSON line per promise on stdout.")] = False,
) -> None:
    """Prove every promise of the sandbox on this engine and image: one line each, or what to type.

    Exit code 0 where all hold, 3 where something needs fixing.
    """
    from salecli.cli.output import Output

    output = Output(lines=json)
    fine = True
    for found in _checked():
        fine = fine and found.state != "fix"
        if json:
            output.record(
                {
                    "check": found.name,
                    "state": found.state,
                    "promise": found.promise,
                    "found": found.seen,
                    "fix": found.fix,
                }
            )
            continue
        typed = f"; type: {found.fix}" if found.fix else ""
        output.result(f"{found.state:<4}  {found.name:<10}  {found.promise:<{_WIDEST}}  {found.seen}{typed}")
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


@dataclass(frozen=True, slots=True)
class _Found:
    """One line of the check: what is promised, what was seen, and what to type where it does not hold."""

    name: str
    promise: str
    seen: str
    fix: str = ""
    state: Literal["fine", "warn", "fix"] = "fine"


def _checked() -> Iterator[_Found]:
    """Every line of the check; the last may be the failure that ended it."""
    from salecli.adapters.engine import connect
    from salecli.cli.where import repository_root
    from salecli.config import load_settings

    try:
        image = load_settings(repository_root(Path())).sandbox.image
        with closing(connect(timeout=_PATIENCE)) as client:
            yield from _proved(client, image)
    except SaleError as error:
        yield _Found("sandbox", "it can be opened and used", error.message, error.hint, "fix")


def _proved(client: DockerClient, image: str) -> Iterator[_Found]:
    from salecli.adapters.engine import described, speaking
    from salecli.adapters.image import pinned
    from salecli.adapters.promises import proved

    found, old = described(client)
    if old:
        found += "; before 25 sandboxes can reach vsock and io_uring"
    yield _Found("engine", "new enough to be trusted", found, state="warn" if old else "fine")
    name = pinned(client, image)
    with speaking("look at the sandbox image"):
        size = client.images.get(name).attrs.get("Size", 0)
    yield _Found("image", "holds this version's test runner", f"{image}, {size / 1e6:.0f} MB")
    for promise, seen, holds in proved(client, image):
        fix = "" if holds else "sale sandbox build --force"
        yield _Found(promise.name, promise.text, seen, fix, "fine" if holds else "fix")
