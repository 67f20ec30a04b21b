"""`make bench-shapes`: a whole auction of models that do not fit into memory together, and what it takes.

Files of the true shapes are written into a folder first (36 GB for 4B to 32B), then `sale solve` has four
bids of 24 tokens written and marked. Exit code 0 where every bar is met.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from salecli.adapters.machine import free_memory
from salecli.bench.bars.__main__ import figure, mark
from salecli.bench.bars.shapes import SHAPES, shaped
from salecli.cli.exits import code_of
from salecli.cli.output import Output
from salecli.errors import SaleError, UsageError
from salecli.practice import repository
from salecli.practice.tasks.curriculum import practice

if TYPE_CHECKING:
    from salecli.core.events import Event

_PLAN, _CONTEXT = 24, 2_048
_POOL = """name = "shapes"
plan_tokens = {plan}
[prompts]
profile = "compact"
[limits]
deadline = 14400
reply_tokens = 8
"""
_AGENT = """[[agents]]
name = "{size}"
model = "{file}"
price = {price}
context = {context}
"""
_KEPT = 0.95
"""Part of the free memory from before that is free again after."""


@dataclass
class Watch:
    """The most bytes that a process and its children held together."""

    pid: int
    most: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watching(self) -> Iterator[Watch]:
        thread = threading.Thread(target=self._look, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._over.set()
            thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.25):
            self.most = max(self.most, _tree(self.pid))


def _tree(pid: int) -> int:
    """Resident bytes of a process and all below it; what they share is counted for each."""
    try:
        held = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        children = [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except OSError:
        return 0
    return held + sum(map(_tree, children))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the auction over the sizes named, and print what it took."""
    sizes = list(sys.argv[1:] if arguments is None else arguments) or ["4B", "8B", "14B", "32B"]
    output = Output()
    return told(output, lambda: _report(output, pool_of(sizes, output)))


def told(output: Output, run: Callable[[], int]) -> int:
    """What `run` returns; an expected failure is one message, and its own exit code."""
    try:
        return run()
    except SaleError as error:
        output.failure(error.message, error.hint)
        return code_of(error)


def pool_of(sizes: Sequence[str], output: Output) -> Path:
    """The pool file of some sizes; their models are written where they are not there yet.

    Raises:
        UsageError: there is no such size.
    """
    folder = Path(os.environ.get("SHAPES_FOLDER") or Path("build") / "shapes").absolute()
    text = _POOL.format(plan=_PLAN)
    for place, size in enumerate(sizes):
        if size not in SHAPES:
            raise UsageError(f"there is no shape {size!r}", f"name some of {', '.join(SHAPES)}")
        output.story(f"{size}: in {folder}")
        file = shaped(size, folder)
        text += _AGENT.format(size=size, file=file, price=0.05 * 2**place, context=_CONTEXT)
    pool = folder / f"{'-'.join(sizes)}.toml"
    pool.write_text(text)
    return pool


def _report(output: Output, file: Path) -> int:
    """Have `sale solve` sell a task to a pool file's agents, and print its figures beside their bars."""
    from salecli.config import load_settings
    from salecli.core import events
    from salecli.fitted import residency_of
    from salecli.pool import load_pool

    count, budget = len(load_pool(str(file)).agents), residency_of(load_settings()).budget
    before, began, loads = free_memory(), time.monotonic(), list[tuple[str, float]]()
    bids, marks, bids_done, marks_done = 0, 0, 0.0, 0.0
    with (
        tempfile.TemporaryDirectory() as folder,
        _solving(file, Path(folder), budget) as process,
        Watch(process.pid).watching() as watch,
    ):
        for event in _events(process):
            at = time.monotonic() - began
            match event:
                case events.ModelLoaded(agent=agent, loaded=loaded) if not marks_done:
                    loads.append((agent, loaded.seconds))
                    output.story(f"{at:8.1f} s  {agent} loaded in {loaded.seconds:.1f} s")
                case events.BidMade(bid=bid):
                    bids, bids_done = bids + 1, at
                    output.story(f"{at:8.1f} s  {bid.agent} bid: {bid.usage.prompt} + {bid.tokens} tokens")
                case events.Marked(mark=given):
                    marks += 1
                    output.story(f"{at:8.1f} s  {given.judge} marked {given.agent}")
                case events.AgentOut(agent=agent, reason=reason):
                    output.story(f"{at:8.1f} s  {agent} is out: {reason}")
                case events.WinnerChosen(agent=agent):
                    marks_done = at
                    output.story(f"{at:8.1f} s  {agent} wins")
                case events.WorkEnded(end=end):
                    output.story(f"{at:8.1f} s  its work ends: {end}")
        code = process.wait()
    after = free_memory()
    rows: list[Row] = [
        ("exit code: a market whose random winner solves nothing", code, "", 1, code == 1),
        ("bids", bids, "", count, bids == count),
        ("marks", marks, "", count**2, marks == count**2),
        ("loads for bids and marks", len(loads), "", 2 * count - 1, len(loads) <= 2 * count - 1),
        ("most memory, all processes", watch.most / 1e9, "GB", budget / 1e9, watch.most <= budget),
        ("free again after, of before", after / before, "x", _KEPT, after >= _KEPT * before),
        ("loading", sum(seconds for _, seconds in loads), "s", None, None),
        ("bids with their loads", bids_done, "s", None, None),
        ("marks with their loads", marks_done - bids_done, "s", None, None),
    ]
    return shown(output, rows)


@contextmanager
def _solving(pool: Path, folder: Path, budget: int) -> Iterator[subprocess.Popen[str]]:
    """`sale solve` on a small repository, with folders of its own; its events come as lines."""
    shop, config = folder / "shop", folder / "config" / "sale" / "config.toml"
    repository.write(practice(1, 1), shop)
    config.parent.mkdir(parents=True)
    config.write_text(f'[models]\nbudget = "{budget}"\n[work]\nsteps = 1\nseconds = 14400\n')
    own = {f"XDG_{name}_HOME": str(folder / name.lower()) for name in ("CONFIG", "DATA")}
    command = [sys.executable, "-m", "salecli", "solve", "issue.md", "--json", "--pool", str(pool)]
    with subprocess.Popen(
        command,
        cwd=shop,
        env={**os.environ, **own},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def _events(process: subprocess.Popen[str]) -> Iterator[Event]:
    from salecli.core.events import from_dict

    assert process.stdout is not None
    for line in process.stdout:
        yield from_dict(json.loads(line))


Row = tuple[str, object, str, object, bool | None]
"""What was measured, its value and unit, the bar, and whether it was met."""


def shown(output: Output, rows: Sequence[Row]) -> int:
    """Print the rows as a table; 0 where every bar was met."""
    output.table(
        ["what", "value", "unit", "bar", "ok"],
        [
            [name, figure(value), unit, figure(bar) if bar is not None else "-", mark(ok)]
            for name, value, unit, bar, ok in rows
        ],
        right={"value", "bar"},
    )
    return 0 if all(ok is not False for *_, ok in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
