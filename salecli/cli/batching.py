"""What `sale batch` does once its options are read."""

from __future__ import annotations

import fnmatch
import gc
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import Any

from salecli import build
from salecli.adapters.frozen import freeze
from salecli.adapters.git import Repository
from salecli.adapters.journal import find_run, fresh_run
from salecli.adapters.plainfolder import as_repository
from salecli.adapters.results import Finished, Results, open_results
from salecli.adapters.tasks import Listed, tasks_in
from salecli.cli.exits import Exit
from salecli.cli.interrupts import Terminated
from salecli.cli.junit import write_junit
from salecli.cli.oneshot import check_target
from salecli.cli.output import Output
from salecli.cli.tasklines import TaskLines
from salecli.cli.where import recovered, repository_root
from salecli.config import Settings, load_settings
from salecli.core import batch, events
from salecli.core.batch import Batch, Result, Terms
from salecli.core.decisions import Decisions
from salecli.core.words import plural
from salecli.errors import SaleError, UsageError
from salecli.pool import load_pool


@dataclass(frozen=True, slots=True)
class Wishes:
    """The options of one `sale batch`."""

    folder: Path
    overrides: Mapping[str, object] = field(default_factory=dict)
    repository: Path | None = None
    jobs: int = 1
    fail_fast: bool = False
    only: str = ""
    resume: bool = True
    frozen: bool = False
    usd: float | None = None
    minutes: float | None = None
    patches: Path | None = None
    junit: Path | None = None
    json: bool = False
    plain: bool = False


def carry_out(wishes: Wishes) -> Exit:
    """Play the tasks of a folder that are not finished yet.

    Raises:
        SaleError: bad input, a broken setup, or what every task needs has gone; it can be resumed then.
    """
    output = Output(plain=wishes.plain, lines=wishes.json)
    tasks = _chosen(tasks_in(wishes.folder, wishes.repository), wishes)
    settings = _checked(tasks, wishes)
    for place in dict.fromkeys(task.place for task in tasks if not task.bare):
        for line in recovered(place):
            output.story(line)
    with ExitStack() as stack:
        results = stack.enter_context(
            open_results(wishes.folder, [task.name for task in tasks], _terms(wishes), wishes.resume)
        )
        overrides = dict(wishes.overrides)
        if wishes.frozen:
            if not results.resumed:
                freeze(settings.memory.path, results.frozen)
            overrides["memory.path"] = results.frozen
        shared = stack.enter_context(build.Shared(records=not wishes.frozen))
        lines = stack.enter_context(TaskLines(output, [task.name for task in tasks], wishes.json))
        return _Sitting(wishes, tasks, overrides, results, shared, output, lines).hold()


def _terms(wishes: Wishes) -> dict[str, Any]:
    """The options that decide what comes out of a task: the same all through a batch."""
    settings = load_settings(None, wishes.overrides)
    given = {
        "pool": settings.pool,
        "attempts": settings.attempts,
        "seed": settings.seed,
        "thrift": settings.thrift,
        "calibration": settings.calibration,
        "memory": str(settings.memory.path),
        "no-refine": True,
    }
    named = {name.partition(".")[0].replace("refine", "no-refine") for name in wishes.overrides}
    terms = {name: value for name, value in given.items() if name in named}
    if wishes.repository is not None:
        terms["repo"] = str(wishes.repository.resolve())
    if wishes.frozen:
        terms["frozen-memory"] = True
    return terms


def _chosen(tasks: Sequence[Listed], wishes: Wishes) -> list[Listed]:
    """The tasks whose names fit the filter."""
    wanted = wishes.only
    if any(sign in wanted for sign in "*?["):
        chosen = [task for task in tasks if fnmatch.fnmatchcase(task.name, wanted)]
    else:
        chosen = [task for task in tasks if wanted in task.name]
    if not chosen:
        some = ", ".join(task.name for task in tasks[:5]) + (", ..." if len(tasks) > 5 else "")
        raise UsageError(f"no task of {wishes.folder} fits --filter {wanted}", f"there are: {some}")
    return chosen


def _checked(tasks: Sequence[Listed], wishes: Wishes) -> Settings:
    """What can be said before the first task: bad options, unknown pools, files that cannot be written."""
    settings = load_settings(None, wishes.overrides)
    load_pool(settings.pool, settings.models.folder)
    for task in tasks:
        name = task.settings.get("pool")
        if isinstance(name, str) and "pool" not in wishes.overrides:
            try:
                load_pool(name, settings.models.folder)
            except SaleError as error:
                raise UsageError(f"task {task.name}: {error.message}", error.hint) from error
    if wishes.junit is not None:
        check_target("--junit", wishes.junit)
    if wishes.patches is not None:
        try:
            wishes.patches.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"--patches {wishes.patches}: no such folder can be made: {error.strerror}", "name another"
            ) from error
        if not os.access(wishes.patches, os.W_OK):
            raise UsageError(f"--patches {wishes.patches} may not be written", "name another folder")
    return settings


@dataclass(slots=True)
class _Sitting:
    """One call of `sale batch`: what is not finished yet of a batch, or as much as there is time for."""

    wishes: Wishes
    tasks: Sequence[Listed]
    overrides: Mapping[str, object]
    results: Results
    shared: build.Shared
    output: Output
    lines: TaskLines
    _open: dict[str, build.Built] = field(default_factory=dict)
    """The houses of the tasks under way."""
    _patches: dict[str, str] = field(default_factory=dict)
    _unwritten: bool = False

    def hold(self) -> Exit:
        """Play what is left to play, and sum it up; Ctrl-C and SIGTERM too leave a summary."""
        earlier = self._earlier()
        named = {task.name: task for task in self.tasks}
        waiting = [name for name in named if name not in earlier]
        self._begin(earlier)
        play = Batch(
            waiting,
            lambda name: self._play(named[name]),
            self._check,
            self._cancel,
            {task.name: task.skip for task in self.tasks if task.skip},
            Terms(
                self.wishes.jobs,
                self.wishes.fail_fast,
                self.wishes.usd,
                None if self.wishes.minutes is None else 60 * self.wishes.minutes,
            ),
            spent=sum(one.result.usd for one in self.results.finished.values()),
        )
        if any(name not in play.skips for name in waiting):
            self.shared.ready(self._first(named, waiting))
        try:
            with closing(play.run()) as stream:
                for item in stream:
                    self._take(item, named)
            for name in play.left if play.stopped != "fail-fast" else ():
                self.lines.unbegun(name, play.stopped)
            if not play.left:
                self._end()
        except (KeyboardInterrupt, Terminated, SaleError):
            self._sum_up("")
            raise
        return self._sum_up(play.stopped)

    def _earlier(self) -> dict[str, Result]:
        """What is finished already, and still the task that it was."""
        found = {}
        for task in self.tasks:
            known = self.results.finished.get(task.name) or self._unsaid(task)
            if known is None or known.result.outcome == "error":
                continue
            if known.digest != task.digest:
                self.output.story(f"{task.name} has changed since it was run: it is run again")
                continue
            found[task.name] = known.result
        return found

    def _unsaid(self, task: Listed) -> Finished | None:
        """What came of a run that ended just before its process was killed: it is remembered already."""
        run, digest = self.results.begun.get(task.name, ("", ""))
        result = None
        with suppress(SaleError):  # damaged, or removed since
            stamped = list(find_run(run).stamped()) if run else []
            seconds = stamped[-1][0] - stamped[0][0] if stamped else 0.0
            result = batch.account_of(task.name, (event for _, event in stamped), max(seconds, 0.0))
        if result is None or digest != task.digest:
            return None
        self.results.add(result, digest)
        return self.results.finished[task.name]

    def _begin(self, earlier: Mapping[str, Result]) -> None:
        self.lines.begin(self.results.id, earlier)
        for result in earlier.values():
            if self.wishes.patches is not None and result.outcome == "passed":
                file = self._patch_file(result.task)
                if not file.exists():
                    self._copy_patch(result, file)

    def _copy_patch(self, result: Result, file: Path) -> None:
        """The patch of an earlier sitting, from its run's journal."""
        try:
            ended = find_run(result.run).last(events.RunEnded)
        except SaleError as error:
            self.output.failure(f"the patch of {result.task} is lost: {error.message}", error.hint)
            return
        if isinstance(ended, events.RunEnded) and ended.patch is not None:
            self._write_patch(result, ended.patch.diff)

    def _play(self, task: Listed) -> events.Stream:
        """One task's run, from its repository to its end."""
        with ExitStack() as stack:
            repository = (
                stack.enter_context(as_repository(task.place)) if task.bare else Repository(task.place)
            )
            settings = self._settings_of(task)
            run = stack.enter_context(fresh_run())
            built = stack.enter_context(self.shared.house(settings, repository, run, Decisions(), task.base))
            self._open[task.name] = built
            stack.callback(self._open.pop, task.name)
            yield from built.play(run, task.text, task.name)

    def _settings_of(self, task: Listed) -> Settings:
        root = None if task.bare else repository_root(task.place)
        return load_settings(root, {**task.settings, **self.overrides})

    def _first(self, named: Mapping[str, Listed], waiting: Sequence[str]) -> Settings:
        """The settings of the first task that has any."""
        for name in waiting:
            with suppress(SaleError):
                return self._settings_of(named[name])
        return load_settings(None, self.overrides)

    def _check(self, name: str) -> None:
        self.shared.check(self._settings_of(next(task for task in self.tasks if task.name == name)))

    def _cancel(self, name: str) -> None:
        built = self._open.get(name)
        if built is not None:
            built.cancel()

    def _take(self, item: batch.Item, named: Mapping[str, Listed]) -> None:
        match item:
            case batch.Began(task=task):
                self.lines.began(task)
            case batch.Happened(task=task, event=event):
                if isinstance(event, events.RunStarted):
                    self.results.begin(task, event.run, named[task].digest)
                if isinstance(event, events.RunEnded) and event.solved and event.patch is not None:
                    self._patches[task] = event.patch.diff
                self.lines.happened(task, event)
            case batch.Away(task=task, reason=reason):
                self.lines.away(task, reason)
            case batch.Again(task=task, reason=reason):
                self.lines.again(task, reason)
            case batch.Ended(result=result):
                diff = self._patches.pop(result.task, "")
                if self.wishes.patches is not None and result.outcome == "passed":
                    self._write_patch(result, diff)
                self.results.add(result, named[result.task].digest)
                self.lines.ended(result)
                # GitPython and docker-py leave circles that live through hundreds of tasks otherwise.
                gc.collect()

    def _patch_file(self, task: str) -> Path:
        assert self.wishes.patches is not None
        return self.wishes.patches / f"{task}.patch"

    def _write_patch(self, result: Result, diff: str) -> None:
        file = self._patch_file(result.task)
        try:
            file.write_bytes(diff.encode("utf-8", "surrogateescape"))
        except OSError as error:
            self._unwritten = True
            self.output.failure(
                f"{file} could not be written: {error.strerror}",
                f"it is not lost: sale show {result.run} --patch",
            )

    def _end(self) -> None:
        """Close the batch where nothing of it is left to do."""
        present = {task.name for task in tasks_in(self.wishes.folder, self.wishes.repository)}
        finished = self.results.finished
        open_ones = [
            name
            for name in {*self.results.tasks, *(task.name for task in self.tasks)}
            if name in present and (name not in finished or finished[name].result.outcome == "error")
        ]
        if not open_ones:
            self.results.end()

    def _sum_up(self, stopped: str) -> Exit:
        """The last lines, and the exit code."""
        found = {
            task.name: one.result
            for task in self.tasks
            if (one := self.results.finished.get(task.name)) is not None
        }
        left = [task.name for task in self.tasks if task.name not in found]
        self.lines.sum_up(found.values(), left, stopped)
        if self.wishes.junit is not None:
            self._write_junit(found, left, stopped)
        errors = [one for one in found.values() if one.outcome == "error"]
        if left or errors:
            again = " ".join(
                ["sale batch", quote(str(self.wishes.folder)), *map(_option, self.results.terms.items())]
            )
            what = [plural(len(left), "task")] if left else []
            what += [plural(len(errors), "error")] if errors else []
            self.output.story(f"go on with {' and '.join(what)}: {again}")
        if any(one.bug for one in found.values()):
            return Exit.BUG
        if self._unwritten:
            return Exit.USAGE
        solved = not left and all(one.outcome in ("passed", "skipped") for one in found.values())
        return Exit.SOLVED if solved else Exit.NOT_SOLVED

    def _write_junit(self, found: Mapping[str, Result], left: Sequence[str], stopped: str) -> None:
        assert self.wishes.junit is not None
        try:
            write_junit(self.wishes.junit, self.wishes.folder.resolve().name, found.values(), left, stopped)
        except OSError as error:
            self._unwritten = True
            self.output.failure(
                f"--junit {self.wishes.junit} could not be written: {error.strerror}",
                f"the results are not lost: {self.results.file}",
            )


def _option(term: tuple[str, Any]) -> str:
    name, value = term
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no-{name}"
    return f"--{name} {quote(str(value))}"
