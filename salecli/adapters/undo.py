"""Takes an applied patch back, and finishes or rolls back what a killed process left half done."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from salecli.adapters import backup
from salecli.adapters.archive import printable
from salecli.adapters.backup import Backup
from salecli.adapters.git import Repository
from salecli.adapters.objects import Difference, ObjectFolder
from salecli.adapters.owner import reap_folders, temporary_folder
from salecli.adapters.swap import drop_empty, free, on_disk, swap
from salecli.core.words import plural
from salecli.errors import PatchRefused, UsageError


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What an undo did."""

    files: tuple[str, ...]
    """Those that hold again what they held before the patch."""
    left: tuple[str, ...]
    """Those that changed since, and were left as they are."""
    ways: tuple[str, ...]
    """Commands that print what those held before the patch."""
    more: bool
    """Whether another part of the run's patch is still applied."""


@contextmanager
def private_store(repository: Repository) -> Iterator[ObjectFolder]:
    """A private object folder that goes at the end of the block, and those of the dead with it."""
    reap_folders()
    place = temporary_folder()
    try:
        yield repository.private(place)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def carry_out(repository: Repository, store: ObjectFolder, change: Backup, *, whole: bool = True) -> None:
    """Change the user's files, journalled: wholly, or not at all. Needs the lock.

    `whole` is whether an undo takes back all of its backup, which then goes.

    Raises:
        PatchRefused: a file changed meanwhile, or cannot be written; everything was put back.
    """
    change = backup.begin(repository, store, change)
    try:
        _swap(repository, store, change, change.changed)
    except BaseException as error:
        back = all(item.before == now for item, now in _states(repository, store, change))
        if back:
            backup.end(repository, change, keep=False)
        if isinstance(error, OSError):
            place = f"{error.filename}: " if error.filename else ""
            done = (
                "everything was put back"
                if back
                else "not everything was put back: the next `sale` here will"
            )
            raise PatchRefused(f"{place}{error.strerror or error}; {done}", "make it writable") from error
        raise
    backup.end(repository, change, keep=whole)


def take_back(repository: Repository, run: str) -> TakenBack:
    """Bring the files that a run's patch changed back to what they were; those changed since are left alone.

    Raises:
        UsageError: nothing of this run is applied to these files.
        PatchRefused: a file changed while it was at work; nothing was taken back.
    """
    with private_store(repository) as store, backup.locked(repository):
        recover_locked(repository, store)
        applied = backup.newest(repository, run)
        if applied is None:
            raise _not_applied(repository, run)
        change = applied.reversed()
        todo, left = _sorted_out(repository, store, change)
        part = replace(change, changed=tuple(todo), bits={one.path: change.bits[one.path] for one in todo})
        if todo or not left:
            carry_out(repository, store, part, whole=not left)
        return TakenBack(
            tuple(item.path for item in todo),
            tuple(item.path for item in left),
            tuple(_way(repository, applied.ref, item.path) for item in left if item.after),
            not left and backup.newest(repository, run) is not None,
        )


def _not_applied(repository: Repository, run: str) -> UsageError:
    top = shlex.quote(str(repository.top))
    branch = f"sale/{run}"
    if repository.git.run("rev-parse", "--quiet", "--verify", f"refs/heads/{branch}", expect=(0, 1)).strip():
        return UsageError(
            f"run {run} was applied to branch {branch}, not to your files", f"git -C {top} branch -D {branch}"
        )
    return UsageError(f"no patch of run {run} is applied in {repository.top}", f"sale apply {run}")


def recover(repository: Repository) -> list[str]:
    """Finish or roll back what was cut short in this repository; says what was done, a line each.

    Raises:
        RepositoryError: another process is applying a patch here.
    """
    with private_store(repository) as store, backup.locked(repository):
        return recover_locked(repository, store)


def recover_locked(repository: Repository, store: ObjectFolder) -> list[str]:
    """Like `recover`, for those who hold the lock."""
    change = backup.under_way(repository)
    if change is None:
        return []
    top = repository.top
    shutil.rmtree(top / change.staging, ignore_errors=True)
    what = f"{'taking back' if change.undoes else 'applying'} run {change.run} had been cut short"
    states = _states(repository, store, change)
    for item, now in states:
        if item.after is None and now is None:
            drop_empty(top, item.path, change.drops)
    todo, left = _sorted_out(repository, store, change)
    if left and not change.undoes:
        # Half a patch helps nobody: what of it is there goes, but for what is not ours any more.
        _roll_back(repository, store, change)
        ref = backup.end(repository, change, keep=True)
        ways = (_way(repository, ref, item.path) for item in left if item.before)
        return [
            f"{what}: it was rolled back, but {_names(left)} changed meanwhile and was left as it is",
            *(f"what it held before: {way}" for way in ways),
        ]
    if todo and not any(now == item.after for item, now in states):
        _roll_back(repository, store, change)
        backup.end(repository, change, keep=False)
        return [f"{what} before any file was changed: they are as they were"]
    _swap(repository, store, change, todo)
    backup.end(repository, change, keep=not left)
    said = [f"{what}: it is finished now ({_names(change.changed)})"]
    if left:
        said.append(f"{_names(left)} changed meanwhile and was left as it is")
        said += [
            f"what it held before: {_way(repository, change.undoes, item.path)}"
            for item in left
            if item.after
        ]
    elif not change.undoes:
        said.append(f"undo: sale apply --undo {change.run}")
    return said


def _roll_back(repository: Repository, store: ObjectFolder, change: Backup) -> None:
    back = replace(change.reversed(), commit=change.commit)
    todo, _ = _sorted_out(repository, store, back)
    _swap(repository, store, back, todo)
    for item in back.changed:
        if item.after is None:
            # The folders for a file that never came.
            drop_empty(repository.top, item.path, back.drops)


def _swap(repository: Repository, store: ObjectFolder, change: Backup, todo: Sequence[Difference]) -> None:
    staging = repository.top / change.staging
    swap(repository.top, store, todo, change.permissions, staging, change.drops)


def _states(repository: Repository, store: ObjectFolder, change: Backup) -> list[tuple[Difference, object]]:
    """What each file of a change holds now."""
    own = {item.path for item in change.changed}
    return [(item, on_disk(repository.top, store, item.path, own)) for item in change.changed]


def _sorted_out(
    repository: Repository, store: ObjectFolder, change: Backup
) -> tuple[list[Difference], list[Difference]]:
    """What is still to be done of a change, and what is not ours to do any more: somebody changed it."""
    states = _states(repository, store, change)
    todo = [item for item, now in states if now == item.before]
    left = [item for item, now in states if now not in (item.before, item.after)]
    gone = {item.path for item in todo if item.after is None}
    blocked = [item for item in todo if item.before is None and not free(repository.top, item.path, gone)]
    return [item for item in todo if item not in blocked], left + blocked


def _way(repository: Repository, ref: str, path: str) -> str:
    """The command that prints what a file held before a patch."""
    blob = shlex.quote(f"{ref}:before/{printable(path)}")
    return f"git -C {shlex.quote(str(repository.top))} cat-file blob {blob}"


def _names(changed: Sequence[Difference]) -> str:
    shown = ", ".join(printable(item.path) for item in changed[:3])
    return shown + (f" and {plural(len(changed) - 3, 'file')} more" if len(changed) > 3 else "")
