"""`sale memory`: look into the memory of past auctions, copy it out and bring it in."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from salecli.cli.options import MemoryFile
from salecli.core.text import clean
from salecli.errors import MemoryFault, UsageError

if TYPE_CHECKING:
    from salecli.adapters.overview import Remembered
    from salecli.cli.output import Output

EPILOG = """\b
Examples:
  sale memory list
  sale memory search --like "add a discount to the invoice"
  sale memory export memory.jsonl
  sale memory check
"""

app = typer.Typer(no_args_is_help=True, epilog=EPILOG)

Json = Annotated[bool, typer.Option("--json", help="JSON lines on stdout.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1_000_000, help="How many auctions at most.")]


@app.callback()
def memory() -> None:
    """Look into the memory of past auctions."""


def memory_path(option: Path | None) -> Path:
    """The memory file that a command means."""
    if option is not None:
        return option
    from salecli.cli.where import repository_root
    from salecli.config import load_settings

    return load_settings(repository_root(Path())).memory.path


@app.command("list", epilog="\b\nExample:\n  sale memory list --limit 50\n")
def list_(limit: Limit = 20, json: Json = False, memory: MemoryFile = None) -> None:
    """List past auctions, the newest first."""
    from salecli.adapters import overview
    from salecli.cli.remembered import tell_lines

    output = _output(json)
    with _opened(memory, output) as db:
        tell_lines(output, overview.newest(db, limit) if db else [])


@app.command(epilog="\b\nExample:\n  sale memory show 12\n")
def show(
    name: Annotated[str, typer.Argument(metavar="ID", help="An auction's number, or its run's id.")],
    json: Json = False,
    memory: MemoryFile = None,
) -> None:
    """Show one auction from its task to its verdict."""
    from salecli.adapters import overview, records
    from salecli.cli.remembered import tell_auction

    output = _output(json)
    with _opened(memory, output) as db:
        number = _number(db, name)
        auction = records.load(db, number)
        created = overview.recorded_at(db, number)
    if json:
        output.record({"id": number, "created_at": created, **records.plain(auction)})
    else:
        tell_auction(output, number, created, auction)


@app.command(
    epilog="\b\nExamples:\n  sale memory search discount\n  sale memory search --like 'round a price'\n"
)
def search(
    text: Annotated[str, typer.Argument(help="What to look for in tasks and plans.")],
    like: Annotated[
        bool, typer.Option("--like", help="Find tasks of like meaning, the most alike first.")
    ] = False,
    limit: Limit = 20,
    json: Json = False,
    memory: MemoryFile = None,
) -> None:
    """Search tasks and plans, by words or by likeness."""
    from salecli.adapters import overview
    from salecli.cli.remembered import tell_lines

    output = _output(json)
    if not text.strip():
        raise UsageError("there is nothing to search for", "sale memory search WORDS")
    with _opened(memory, output) as db:
        if db is None:
            found: list[Remembered] = []
        elif like:
            from salecli.adapters.embedder import MiniLM

            embedder = MiniLM()
            try:
                found = overview.alike(db, text, embedder, limit)
            finally:
                embedder.close()
        else:
            found = overview.containing(db, text, limit)
        if db is not None and not found:
            output.story("nothing found")
        tell_lines(output, found)


@app.command(epilog="\b\nExamples:\n  sale memory delete 12\n  sale memory delete 12 13 --yes\n")
def delete(
    names: Annotated[list[str], typer.Argument(metavar="ID...", help="Auctions' numbers, or runs' ids.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without a question.")] = False,
    json: Json = False,
    memory: MemoryFile = None,
) -> None:
    """Delete auctions for good, after a question; the recorded runs stay.

    No agent learns from them any more. The exit code is 1 where the answer is no.
    """
    from salecli.adapters import overview
    from salecli.adapters.forget import forget
    from salecli.cli.exits import Exit
    from salecli.cli.output import terminal
    from salecli.core.words import plural

    output = _output(json)
    with _opened(memory, output) as db:
        numbers = list(dict.fromkeys(_number(db, name) for name in names))
        titles = overview.titles(db, numbers)
    for number in numbers:
        output.story(f"auction {number}: {clean(titles.get(number, ''), newlines=False)}")
    if not yes:
        if not (terminal(sys.stdin) and terminal(sys.stderr)):
            raise UsageError("nothing is deleted without a yes", "in scripts: add --yes")
        what = "it" if len(numbers) == 1 else f"these {plural(len(numbers), 'auction')}"
        output.story(f"Delete {what} for good? Type yes, or Enter to keep:")
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            output.story("nothing was deleted")
            raise typer.Exit(Exit.NOT_SOLVED)
    done = forget(memory_path(memory), numbers)
    if json:
        output.record({"deleted": numbers})
    else:
        output.result(f"{plural(done, 'auction')} deleted")


@app.command(epilog="\b\nExample:\n  sale memory stats\n")
def stats(json: Json = False, memory: MemoryFile = None) -> None:
    """Count auctions, wins, refinements and money."""
    from dataclasses import asdict

    from salecli.adapters import overview
    from salecli.cli.remembered import tell_sums

    output = _output(json)
    path = memory_path(memory)
    with _opened(memory, output) as db:
        if db is None:
            return
        sums = overview.sums(db)
    if json:
        output.record({"path": str(path), "bytes": path.stat().st_size, **asdict(sums)})
    else:
        tell_sums(output, path, sums)


@app.command(
    epilog="\b\nExamples:\n  sale memory export memory.jsonl\n  sale memory export - | gzip > memory.gz\n"
)
def export(
    target: Annotated[str, typer.Argument(metavar="FILE|-", help="A new file, or - for stdout.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    memory: MemoryFile = None,
) -> None:
    """Write all auctions as JSON lines, one auction a line."""
    from salecli.adapters import interchange
    from salecli.adapters.sqlitefile import prepare
    from salecli.core.words import plural

    output = _output(False)
    path = _existing(memory)
    prepare(path)
    with _sink(target, path, force, output) as write:
        good, damaged = interchange.write_all(path, write)
    output.story(f"{plural(good, 'auction')} written to {'stdout' if target == '-' else target}")
    if damaged:
        raise MemoryFault(
            f"{plural(len(damaged), 'auction')} left out: {damaged[0]}", "the others were written"
        )


@app.command("import", epilog="\b\nExample:\n  sale memory import memory.jsonl\n")
def import_(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="What `sale memory export` wrote.")],
    json: Json = False,
    memory: MemoryFile = None,
) -> None:
    """Add the auctions of an export.

    Those that are there already, by their run, are skipped. A file with a wrong line is refused as a whole.
    """
    from salecli.adapters import interchange
    from salecli.adapters.sqlitefile import prepare
    from salecli.core.words import plural

    output = _output(json)
    path = memory_path(memory)
    if not source.is_file():
        raise UsageError(f"there is no file {source}", "sale memory import FILE")
    fault = prepare(path)
    if fault is not None:
        raise fault
    done = interchange.imported(path, source)
    if json:
        output.record({"added": done.added, "known": done.known})
    else:
        output.result(f"{plural(done.added, 'auction')} added, {done.known} there already")


def _number(db: Any, name: str) -> int:
    """The id of the auction that is named; UsageError where there is none."""
    from salecli.adapters import overview

    number = overview.find(db, name) if db else None
    if number is None:
        raise UsageError(f"memory holds no auction {name!r}", "see which there are: sale memory list")
    return number


@app.command(epilog="\b\nExamples:\n  sale memory check\n  sale memory check --json\n")
def check(json: Json = False, memory: MemoryFile = None) -> None:
    """Check the whole memory file: pages, references, checksums, and its copy."""
    from salecli.adapters.examine import examine
    from salecli.adapters.restore import copied
    from salecli.adapters.sqlitefile import prepare
    from salecli.cli.remembered import tell_examined

    output = _output(json)
    path = _existing(memory)
    prepare(path)
    tell_examined(output, path, examine(path), copied(path))


@app.command(epilog="\b\nExamples:\n  sale memory restore\n  sale memory restore --memory old.sqlite3\n")
def restore(json: Json = False, memory: MemoryFile = None) -> None:
    """Restore a damaged memory file from its copy and from what of it can be read.

    The damaged file is set aside; nothing is overwritten. A sound file is left alone.
    """
    from salecli.adapters.restore import needed
    from salecli.adapters.restore import restore as restored
    from salecli.cli.remembered import tell_restored

    output = _output(json)
    path = _existing(memory)
    why = needed(path)
    done = restored(path, why) if why else None
    tell_restored(output, path, done)


def _existing(option: Path | None) -> Path:
    from salecli.adapters.sqlitefile import copy_of

    path = memory_path(option)
    if not os.path.lexists(path) and not copy_of(path).exists():
        raise UsageError(f"there is no memory file {path}", "name one with --memory PATH")
    return path


def _output(json: bool) -> Output:
    from salecli.cli.output import Output

    return Output(lines=json)


@contextmanager
def _opened(option: Path | None, output: Output) -> Iterator[Any]:
    """A consistent view of the memory file; None, with a word about it, where there is none yet."""
    from salecli.adapters.sqlitefile import copy_of, prepare, reading

    path = memory_path(option)
    if not os.path.lexists(path) and not copy_of(path).exists():
        output.story(f"nothing is remembered yet: there is no file {path}")
        yield None
        return
    prepare(path)
    with reading(path) as db:
        yield db


@contextmanager
def _sink(target: str, memory: Path, force: bool, output: Output) -> Iterator[Any]:
    """Where an export goes: stdout, or a new file that appears when it is complete."""
    if target == "-":
        yield output.exact
        return
    from salecli.adapters.interchange import new_file

    with new_file(Path(target), memory, force) as write:
        yield write
