"""What `sale solve` does once its options are read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from salecli import build
from salecli.adapters.git import Repository
from salecli.adapters.journal import Run, fresh_run
from salecli.cli.applying import apply_run
from salecli.cli.exits import Exit
from salecli.cli.issue import read_issue
from salecli.cli.output import Output
from salecli.cli.story import Story
from salecli.cli.where import recovered
from salecli.config import load_settings
from salecli.core import events
from salecli.core.decisions import Accept, Decisions
from salecli.core.values import Override
from salecli.errors import SaleError, UsageError


@dataclass(frozen=True, slots=True)
class OneShot:
    """The options of one `sale solve`."""

    issue: str
    folder: Path
    overrides: Mapping[str, object]
    agent: str | None = None
    reason: str = ""
    patch: Path | None = None
    json: bool = False
    plain: bool = False


def carry_out(shot: OneShot) -> Exit:
    """Run one task from its issue to its patch.

    Raises:
        SaleError: bad input or a broken setup.
    """
    output = Output(plain=shot.plain, lines=shot.json)
    text, name = read_issue(shot.issue)
    if shot.patch is not None:
        check_target("--patch", shot.patch)
    for line in recovered(shot.folder):
        output.story(line)
    repository = Repository(shot.folder)
    settings = load_settings(repository.top, shot.overrides)
    override = Override(shot.agent, shot.reason) if shot.agent else None
    decisions = Decisions(override, accept=settings.apply)
    with (
        _fresh_run(output) as run,
        build.house(settings, repository, run, decisions) as built,
    ):
        ended, failed = _tell(built.play(run, text, name), output, shot)
    if failed or ended is None:
        return Exit.ENVIRONMENT
    return _finish(ended, run, repository, decisions.accepted(), output, shot)


def check_target(option: str, file: Path) -> None:
    """Refuse a place where no file can be written, before hours of work go into what shall stand there."""
    folder = file.absolute().parent
    if file.is_dir():
        example = "results.xml" if option == "--junit" else "my.patch"
        raise UsageError(f"{option} {file} is a folder", f"name a file in it: {option} {file / example}")
    if not folder.is_dir():
        raise UsageError(f"{option} {file}: there is no folder {folder}", f"mkdir -p {quote(str(folder))}")
    if not os.access(file if file.exists() else folder, os.W_OK):
        raise UsageError(f"{option} {file} may not be written", "name another file")


@contextmanager
def _fresh_run(output: Output) -> Iterator[Run]:
    """A new run, of which it is said where it was cut short."""
    with fresh_run() as run:
        try:
            yield run
        except BaseException as error:
            if run.begun and not isinstance(error, Exception):  # Ctrl-C, SIGTERM
                output.story(f"run {run.id} was cut short; what was done until then: sale show {run.id}")
            raise


def _tell(stream: events.Stream, output: Output, shot: OneShot) -> tuple[events.RunEnded | None, bool]:
    """Play a run that is already being written down: the story, then the JSON line."""
    ended, failed = None, False
    with Story(output) as story, closing(stream):
        for event in stream:
            story.tell(event)
            if shot.json:
                output.record(events.to_dict(event))
            if isinstance(event, events.RunEnded):
                ended = event
            failed = failed or isinstance(event, events.RunFailed)
    return ended, failed


def _finish(
    ended: events.RunEnded, run: Run, repository: Repository, apply: Accept, output: Output, shot: OneShot
) -> Exit:
    """Hand the patch over, and say what to type next."""
    diff = ended.patch.diff if ended.patch is not None else ""
    if not ended.solved:
        output.story(
            f"look: sale show {run.id}"
            + ("    the patch so far: sale show --patch " + run.id if diff else "")
        )
        return Exit.NOT_SOLVED
    if not shot.json:
        output.exact(diff)
    if shot.patch is not None:
        try:
            shot.patch.write_bytes(diff.encode("utf-8", "surrogateescape"))
        except OSError as error:
            output.failure(
                f"--patch {shot.patch} could not be written: {error.strerror}",
                f"it is not lost: sale show {run.id} --patch",
            )
            return Exit.USAGE
    if apply != "none":
        try:
            apply_run(run, repository, apply, output)
        except SaleError as error:
            # Solved all the same: the patch is safe in the run's folder.
            output.failure(error.message, error.hint)
            return Exit.USAGE
        output.story(f"look: sale show {run.id}")
    else:
        output.story(f"apply: sale apply {run.id}    look: sale show {run.id}")
    return Exit.SOLVED
