"""Whether the tests can say anything before a patch: a suite that cannot start is a broken setup."""

from __future__ import annotations

import re
from collections.abc import Sequence

from salecli.core.values import Task, Tests
from salecli.errors import BrokenTests, RepositoryError

_MISSING = re.compile(r"No module named '([\w.]+)'")
_TELLING = re.compile(r"error|not found|no such|cannot|denied|not installed", re.IGNORECASE)
_FOUND_NONE = 5
"""Exit code of pytest and of unittest where they found no test."""
_NO_COMMAND = (126, 127)
"""Exit codes of a shell that could not run the command."""


def check_before(task: Task, before: Tests) -> None:
    """Refuse tests that cannot judge any patch.

    A module that the tests import and that is nowhere to be found is the task itself where the task names
    it; where it names none of them, something has to be installed first.

    Raises:
        RepositoryError: there is no test.
        BrokenTests: the tests cannot start.
    """
    if before.ran and not before.green and before.cases:
        messages = [case.message for case in before.cases if case.outcome == "error"]
        found = [_MISSING.search(message) for message in messages]
        # One test that runs, or one that is broken in another way, is enough to judge by.
        if len(messages) < len(before.cases) or not all(found):
            return
        missing = [match[1] for match in found if match]
        if not any(_concerns(task, module) for module in missing):
            raise _lacking(task, before.cases[0].name, missing[0])
    if before.ran:
        return
    if before.exit_code == _FOUND_NONE:
        raise RepositoryError(
            f"`{task.test_command}` finds no test in {task.repository}",
            'add tests that say when the task is done, or name how they are run: --test-cmd "make test"',
        )
    said = telling(before.output)
    match = _MISSING.search(said)
    if match and _concerns(task, match[1]):
        return
    if match and before.exit_code not in _NO_COMMAND:
        raise _lacking(task, f"`{task.test_command}`", match[1])
    hint = (
        'name a command that is there: --test-cmd "python3 -m pytest", or test_command in sale.toml; or'
        if before.exit_code in _NO_COMMAND
        else "mend that, set --test-cmd (test_command in sale.toml), or"
    )
    raise BrokenTests(
        f"the tests cannot start in the sandbox: `{task.test_command}` says: {said}",
        f"{hint} build an image that holds what they need: sale sandbox build --base IMAGE",
    )


def telling(output: str) -> str:
    """The line of a failed start that says most: the last one that speaks of an error, else the last."""
    lines = [line.strip().removeprefix("E  ").strip() for line in output.splitlines() if line.strip()]
    return next((line for line in reversed(lines) if _TELLING.search(line)), (lines or ["nothing"])[-1])[:300]


def _concerns(task: Task, module: str) -> bool:
    """Whether the task may be what `module` is missing for: it names it, or its package is at the top."""
    top, last = module.partition(".")[0], module.rpartition(".")[2]
    if f"{top}.py" in task.files or any(path.startswith(f"{top}/") for path in task.files):
        return True
    return re.search(rf"(?<!\w){re.escape(last)}(?!\w)", task.text) is not None


def _lacking(task: Task, who: str, module: str) -> BrokenTests:
    """The error for a module that is neither written nor asked for nor installed."""
    top = module.partition(".")[0]
    folder = _holding(top, task.files)
    if folder:
        return BrokenTests(
            f"the tests cannot start in the sandbox: {who} does not find the module {top}, "
            f"which lies in {folder}/",
            f'say so: --test-cmd "PYTHONPATH={folder} python3 -m pytest -q", or test_command in sale.toml',
        )
    return BrokenTests(
        f"the tests cannot start in the sandbox: {who} imports {module}, which is neither in the repository "
        "nor in the sandbox image",
        "build an image that holds it: sale sandbox build --base IMAGE; "
        f"or, where the task is to write {module}, name it in the task",
    )


def _holding(top: str, files: Sequence[str]) -> str:
    """The folder below the root that holds a module, empty where none does."""
    for path in files:
        parts = path.split("/")
        for at, part in enumerate(parts):
            if at and part in (top, f"{top}.py"):
                return "/".join(parts[:at])
    return ""
