"""What a pull or a check of files shows: bars with rate and time left on a terminal, else plain lines."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from salecli.cli.output import Output
from salecli.core.text import clean
from salecli.core.words import amount, lasting

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from salecli.adapters.download import Transfer
    from salecli.adapters.pull import Crew

_FRAME = 0.1
"""Seconds between two looks at the transfers."""
_LINE = 10.0
"""Seconds between two plain lines."""


def carried_out(
    output: Output,
    transfers: Sequence[Transfer],
    work: Callable[[Transfer], None],
    stop: threading.Event,
    quiet: bool = False,
) -> list[tuple[Transfer, Exception]]:
    """Do `work` for every transfer, several at a time, and show how far it is; returns what failed.

    `quiet` leaves out the plain line that each file ends with.
    """
    from salecli.adapters.pull import Crew

    crew = Crew(work, transfers, stop)
    crew.start()
    try:
        if output.live:
            _bars(output, transfers, crew)
        else:
            _lines(output, transfers, crew, quiet)
    finally:
        crew.end()
    return crew.failed


def _bars(output: Output, transfers: Sequence[Transfer], crew: Crew) -> None:
    from rich import progress
    from rich.table import Column

    wide = output.console().width
    columns: list[progress.ProgressColumn] = [
        progress.TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
        progress.TaskProgressColumn(table_column=Column(no_wrap=True)),
        progress.TransferSpeedColumn(table_column=Column(no_wrap=True)),
        progress.TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
    ]
    if wide >= 60:  # a narrow terminal keeps name, share, rate and time left
        columns.insert(2, progress.DownloadColumn(table_column=Column(no_wrap=True)))
    if wide >= 90:
        columns.insert(1, progress.BarColumn(bar_width=min(40, wide - 80)))
    with progress.Progress(*columns, console=output.console(), speed_estimate_period=10) as shown:
        tasks = [shown.add_task(_name(one), total=one.bytes, completed=one.done) for one in transfers]
        done = sum(one.done for one in transfers)
        total = shown.add_task("all", completed=done) if len(transfers) > 1 else None
        begun = [one.began for one in transfers]
        going = True
        while going:
            going = crew.busy
            for place, (one, task) in enumerate(zip(transfers, tasks, strict=True)):
                if one.began != begun[place]:  # what was there before is no speed of ours
                    begun[place] = one.began
                    shown.reset(task, completed=one.done)
                shown.update(task, description=_name(one), total=one.bytes, completed=one.done)
            _sum(shown, total, transfers)
            time.sleep(_FRAME if going else 0)


def _sum(shown: Progress, total: TaskID | None, transfers: Sequence[Transfer]) -> None:
    if total is not None:
        shown.update(
            total, total=sum(one.bytes for one in transfers), completed=sum(one.done for one in transfers)
        )


def _lines(output: Output, transfers: Sequence[Transfer], crew: Crew, quiet: bool) -> None:
    began = said = time.monotonic()
    whole = amount(sum(one.bytes for one in transfers))
    told: set[int] = set()
    while True:
        busy = crew.busy
        for place, one in enumerate(transfers):
            if one.ended and place not in told and not quiet:
                told.add(place)
                output.story(f"{one.wanted.file}: {one.doing}, {amount(one.bytes)}")
        if not busy:
            return
        now = time.monotonic()
        if now - said >= _LINE:
            said = now
            done = sum(one.done for one in transfers)
            rate = sum(one.done - one.began for one in transfers) / (now - began)
            left = sum(one.bytes for one in transfers) - done
            rest = f", {lasting(left / rate)} left" if rate > 0 else ""
            output.story(f"{amount(done)} of {whole}, {amount(int(rate))}/s{rest}")
        time.sleep(_FRAME)


def _name(transfer: Transfer) -> str:
    name = clean(transfer.wanted.file, newlines=False)
    return name if transfer.doing in ("", "pulling", "verified") else f"{name} ({transfer.doing})"
