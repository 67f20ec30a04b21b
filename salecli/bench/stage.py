"""A suite's task as every run begins: a repository, its snapshot, a workspace, the tests before."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from salecli.adapters.docker import DockerWorkspace
from salecli.adapters.owner import temporary_folder
from salecli.adapters.plainfolder import as_repository
from salecli.adapters.testing import Outcome, detect_test_command
from salecli.bench.suites import SuiteTask
from salecli.build import sandbox_limits
from salecli.config import Settings
from salecli.core.before import check_before
from salecli.core.tasks import make_task
from salecli.core.values import Task, Tests
from salecli.errors import BrokenTests, RepositoryError

if TYPE_CHECKING:
    from docker import DockerClient


@dataclass(slots=True)
class Stage:
    """One task, ready to be worked on; several threads may open sandboxes on it."""

    posed: SuiteTask
    task: Task
    workspace: DockerWorkspace
    _before: Tests | None = None
    _once: threading.Lock = field(default_factory=threading.Lock)

    def before(self) -> Tests:
        """The tests of the untouched repository; they are run once.

        Raises:
            BrokenTests: they cannot judge any patch.
        """
        with self._once:
            if self._before is None:
                known = self.workspace.before
                if known is not None:
                    found = known.tests
                else:
                    with self.workspace.open() as sandbox:
                        found = sandbox.test()
                try:
                    check_before(self.task, found)
                except (BrokenTests, RepositoryError) as error:
                    raise BrokenTests(f"task {self.posed.name}: {error.message}", error.hint) from error
                self._before = found
            return self._before


def task_of(posed: SuiteTask, settings: Settings, base: str = "") -> Task:
    """The task as an agent sees it; `base` is the tree id of its snapshot.

    Raises:
        RepositoryError: it has no tests.
    """
    files = tuple(sorted(posed.files))
    command = settings.test_command or detect_test_command(files, posed.files.get)
    if not command:
        raise RepositoryError(f"task {posed.name} has no tests", "mend its record")
    return make_task(posed.issue, posed.name, posed.name, base, files, posed.files.get, command)


@contextmanager
def staged(
    posed: SuiteTask, settings: Settings, client: DockerClient, before: Outcome | None = None
) -> Iterator[Stage]:
    """The task as a repository in a temporary folder, removed at the end.

    `before`: what its tests said before any work, where they ran already.

    Raises:
        RepositoryError: it has no tests, or git refuses.
        SandboxError: no image.
    """
    place = temporary_folder()
    try:
        folder = place / posed.name
        folder.mkdir()
        for path, text in posed.files.items():
            (folder / path).write_text(text, encoding="utf-8")
        with as_repository(folder) as repository, repository.snapshot() as snapshot:
            task = task_of(posed, settings, snapshot.tree)
            limits = sandbox_limits(settings)
            with DockerWorkspace(
                snapshot, task.test_command, "bench", limits, settings.sandbox.image, client
            ) as workspace:
                workspace.before = before
                yield Stage(posed, task, workspace)
    finally:
        shutil.rmtree(place, ignore_errors=True)
