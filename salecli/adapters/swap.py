"""Brings files from one state to another, each of them whole; what they held is kept beside until the end."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from salecli.adapters.archive import printable
from salecli.adapters.git import content_on_disk
from salecli.adapters.objects import EXECUTABLE, LINK, Difference, Entry, ObjectFolder
from salecli.adapters.points import reached
from salecli.errors import PatchRefused

FOREIGN = Entry("", "")
"""What is on the disk where it is neither a file nor a link of the tree, or lies behind a link."""
AGAIN = "put your changes aside (git stash), sale apply RUN --to branch, or start a new run"


def meanwhile(path: str) -> PatchRefused:
    """The refusal of a patch whose file somebody else changed."""
    return PatchRefused(f"{printable(path)} has changed since the run started; nothing was applied", AGAIN)


def on_disk(top: Path, store: ObjectFolder, path: str, own: Collection[str]) -> Entry | None:
    """What a path holds now; None for nothing, or a folder. `own` are paths whose links do not count."""
    parts = path.split("/")[:-1]
    for depth in range(1, len(parts) + 1):
        above = "/".join(parts[:depth])
        if (top / above).is_symlink():
            return None if above in own else FOREIGN
    found = content_on_disk(top, path)
    if found:
        return Entry(found[0], store.name(found[1]))
    target = top / path
    return FOREIGN if os.path.lexists(target) and not target.is_dir() else None


def free(top: Path, path: str, gone: Collection[str]) -> bool:
    """Whether a file can be put here: nothing is in the way but what `gone` takes away."""
    parts = path.split("/")
    for depth in range(1, len(parts)):
        above = "/".join(parts[:depth])
        if above not in gone and os.path.lexists(top / above) and not (top / above).is_dir():
            return False
    target = top / path
    if not os.path.lexists(target):
        return True
    if target.is_symlink() or not target.is_dir():
        return False
    below = (file for file in target.rglob("*") if file.is_symlink() or not file.is_dir())
    return all(str(file.relative_to(top)) in gone for file in below)


def swap(
    top: Path,
    store: ObjectFolder,
    changed: Sequence[Difference],
    bits: Mapping[str, int],
    staging: Path,
    drops: Callable[[str], bool],
) -> None:
    """Replace files by prepared ones; on any error or interrupt, everything is put back.

    `bits` are the permissions of the new files; `drops` says which folders go once they are empty. `staging`,
    a folder at the top that nobody has, holds what is prepared and what was replaced.

    Raises:
        PatchRefused: a file changed meanwhile.
    """
    own = {item.path for item in changed}
    # What goes comes first: a file may become a folder.
    ordered = sorted(changed, key=lambda item: item.after is not None)
    done: list[tuple[Path, Path, int]] = []
    made: list[Path] = []

    def check(item: Difference, path: str | Path, wanted: Entry | None) -> None:
        if on_disk(top, store, str(path), own) != wanted:
            raise meanwhile(item.path)

    def replace(item: Difference, new: Path | None, kept: Path) -> None:
        target = top / item.path
        # Again: of many files the last is replaced seconds after the first was looked at.
        check(item, item.path, item.before)
        done.append((target, kept, new.lstat().st_ino if new else 0))
        reached("apply")
        if new is None:
            target.rename(kept)
            check(item, kept.relative_to(top), item.before)
            drop_empty(top, item.path, drops)
            return
        _make_folders(target.parent, made)
        if item.before:
            _keep(target, kept)
            check(item, kept.relative_to(top), item.before)
        reached("apply")
        _place(new, target, item)

    reached("apply")
    staging.mkdir(mode=0o700)
    try:
        prepared = _prepare(staging, store, ordered, bits)
        for item in ordered:
            check(item, item.path, item.before)
        for number, item in enumerate(ordered):
            replace(item, prepared.get(item.path), staging / f"old-{number}")
        for number, item in enumerate(ordered):
            check(item, item.path, item.after)
            if item.before:
                # Somebody may have written into the old file in the moment of its replacement.
                check(item, f"{staging.name}/old-{number}", item.before)
    except BaseException:
        _put_back(done, made)
        raise
    finally:
        reached("apply")
        shutil.rmtree(staging, ignore_errors=True)


def _put_back(done: Sequence[tuple[Path, Path, int]], made: Sequence[Path]) -> None:
    for target, kept, placed in reversed(done):
        # One file that cannot be put back must not keep the others from it.
        with suppress(OSError):
            _restore(target, kept, placed)
    for folder in reversed(made):
        with suppress(OSError):
            folder.rmdir()


def _place(new: Path, target: Path, item: Difference) -> None:
    if item.before:
        new.replace(target)
        return
    try:
        # Unlike a renaming, this never takes the place of a file that came in between.
        os.link(new, target, follow_symlinks=False)
    except FileExistsError:
        raise meanwhile(item.path) from None
    except OSError:  # a file system without hard links
        new.replace(target)


def drop_empty(top: Path, path: str, drops: Callable[[str], bool]) -> None:
    """Remove the folders that a file lay in, innermost first, as far as they are empty and may go."""
    parts = path.split("/")[:-1]
    for depth in range(len(parts), 0, -1):
        above = "/".join(parts[:depth])
        folder = top / above
        if not os.path.lexists(folder):
            continue  # the last time got as far as this
        if folder.is_symlink() or not folder.is_dir() or any(folder.iterdir()) or not drops(above):
            return
        reached("apply")
        folder.rmdir()


def _prepare(
    staging: Path, store: ObjectFolder, changed: Sequence[Difference], bits: Mapping[str, int]
) -> dict[str, Path]:
    """The new files, complete and on the disk, beside the tree."""
    coming = [(item, item.after) for item in changed if item.after is not None]
    prepared = {}
    contents = store.blobs([after.id for _, after in coming])
    for number, ((item, after), content) in enumerate(zip(coming, contents, strict=True)):
        place = prepared[item.path] = staging / f"new-{number}"
        reached("apply")
        if after.mode == LINK:
            place.symlink_to(content.decode("utf-8", "surrogateescape"))
            continue
        with place.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        place.chmod(bits[item.path])
    return prepared


def permissions(top: Path, item: Difference) -> tuple[int, int]:
    """The permission bits of a file as it is, and as it will be: kept, but for who may execute it."""
    plain = item.before is not None and item.before.mode != LINK
    before = (top / item.path).stat().st_mode & 0o777 if plain else 0o666 & ~_umask()
    executable = item.after is not None and item.after.mode == EXECUTABLE
    return before, before | (before & 0o444) >> 2 if executable else before & ~0o111


def _umask() -> int:
    current = os.umask(0o077)
    os.umask(current)
    return current


def _keep(target: Path, kept: Path) -> None:
    """A second name for the old file, so that it survives its replacement."""
    if target.is_symlink():
        kept.symlink_to(target.readlink())
    else:
        try:
            os.link(target, kept)
        except OSError:  # a file system without hard links
            shutil.copy2(target, kept)


def _restore(target: Path, kept: Path, placed: int) -> None:
    """Put back what a path held before; `placed` is the inode of what was put there instead."""
    if target.is_dir() and not target.is_symlink():
        target.rmdir()
    if os.path.lexists(target):
        if target.lstat().st_ino != placed:
            return  # not replaced yet, or somebody else's by now
        if not os.path.lexists(kept):
            target.unlink()
    if os.path.lexists(kept):
        target.parent.mkdir(parents=True, exist_ok=True)
        kept.replace(target)


def _make_folders(folder: Path, made: list[Path]) -> None:
    """Make a folder and those above it; the new ones are added to `made`, outermost first."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        made.append(new)
        reached("apply")
        new.mkdir()
