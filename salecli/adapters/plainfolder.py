"""A folder without git as a repository: a copy of it with one commit, for as long as a run needs it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from salecli.adapters.git import MAX_BYTES, Repository
from salecli.adapters.owner import reap_folders, temporary_folder
from salecli.adapters.plumbing import Git
from salecli.errors import RepositoryError

_LEFT_OUT = (".git", "__pycache__")
_MOST_FILES = 100_000


@contextmanager
def as_repository(folder: Path) -> Iterator[Repository]:
    """A repository of what lies below `folder` now, links as they are, `.git` and compiled Python left out.

    Raises:
        RepositoryError: nothing there, too much, or something that cannot be read.
    """
    _check_size(folder)
    reap_folders()
    place = temporary_folder()
    try:
        top = place / (folder.resolve().name or "folder")
        try:
            shutil.copytree(folder, top, symlinks=True, ignore=shutil.ignore_patterns(*_LEFT_OUT))
        except (shutil.Error, OSError) as error:
            said = error.args[0][0][2] if isinstance(error, shutil.Error) else error.strerror
            raise RepositoryError(
                f"{folder} cannot be copied: {said}", "name a folder of plain files that you may read"
            ) from error
        Git(None, top).run("init", "--quiet", "--template=", ".")
        git = Git(top / ".git", top)
        git.run("add", "--all", "--force")
        who = {f"GIT_{role}_{what}": "sale" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        git.run("commit", "--quiet", "--no-verify", "--no-gpg-sign", "-m", "start", extra=who)
        yield Repository(top)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _check_size(folder: Path) -> None:
    files = total = 0
    for above, folders, names in os.walk(folder, onerror=_unread):
        folders[:] = [name for name in folders if name not in _LEFT_OUT]
        files += len(names)
        total += sum(_size(Path(above, name)) for name in names)
        if total > MAX_BYTES or files > _MOST_FILES:
            raise RepositoryError(
                f"{folder} holds more than {MAX_BYTES >> 20} MB, or {_MOST_FILES:,} files",
                "name the folder of the code alone",
            )
    if not files:
        raise RepositoryError(f"{folder} is empty", "put the code there that the task is about")


def _size(file: Path) -> int:
    try:
        return file.lstat().st_size
    except OSError:
        return 0


def _unread(error: OSError) -> None:
    raise RepositoryError(f"{error.filename}: {error.strerror}", "make it readable") from error
