"""Reads the issues that tasks are made of, and finds those that lie in a repository."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from salecli.errors import RepositoryError, UsageError

MOST_BYTES = 200_000
"""No model reads more, and a log pasted by mistake is caught here."""
MOST_FILES = 300
"""Files that a list for people offers."""


def read_issue(path: Path) -> tuple[str, str]:
    """(text, name) of an issue file.

    Raises:
        UsageError: missing, a folder, empty, binary or too large.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise UsageError(f"no issue file {path}", "name a text file, or - for standard input") from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a folder", "name the issue file inside it") from None
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}", "name a text file that you may read"
        ) from None
    return decoded(data, path.name), path.name


def decoded(data: bytes, name: str) -> str:
    """The text that an issue's bytes hold.

    Raises:
        UsageError: empty, binary or too large.
    """
    if len(data) > MOST_BYTES:
        raise UsageError(
            f"{name} is larger than {MOST_BYTES:,} bytes",
            "say in a page what is to be done, and leave logs out",
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{name} is not a UTF-8 text (byte {error.start})", "save the issue as UTF-8 text"
        ) from None
    if "\0" in text:
        raise UsageError(f"{name} is a binary file", "name a text that says what is to be done")
    if not text.strip():
        raise UsageError(f"{name} is empty", "say in a sentence what is to be done")
    return text


@dataclass(frozen=True, slots=True)
class Listed:
    """A file that may hold an issue."""

    path: Path
    shown: str
    """Relative to the folder that was listed; a task folder ends in "/"."""


def issues_in(folder: Path, most: int = MOST_FILES) -> list[Listed]:
    """Files in `folder` that may hold an issue: issue files and task folders first, then other Markdown.

    Ignored files and those in ignored folders are left out; without git it is the folder's own files alone.
    """
    markdown = [name for name in _names(folder, ":(icase,glob)**/*.md") if name.lower().endswith(".md")]
    found = []
    for name in sorted(markdown, key=_rank):
        path = folder / name
        if _is_plain(path):
            found.append(Listed(path, _shown(name)))
        if len(found) == most:
            break
    return found


def files_named(folder: Path, words: str = "") -> list[Listed]:
    """Files of any kind in `folder` whose path holds `words`, in either case, those nearest to it first."""
    names = [name for name in _names(folder) if words.lower() in name.lower()]
    return [Listed(folder / name, name) for name in sorted(names, key=_rank) if _is_plain(folder / name)]


def _names(folder: Path, pattern: str = "*") -> list[str]:
    """Paths in `folder` that git does not ignore; without git the names of its own files."""
    from salecli.adapters.plumbing import Git, split

    options = ("--cached", "--others", "--exclude-standard", "-z", "--", pattern)
    try:
        # An index lists a file in conflict once a side.
        return list(dict.fromkeys(split(Git(None, folder, trusted=True).run("ls-files", *options))))
    except (RepositoryError, OSError):
        return _own(folder)


def _own(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208  names as they are
    except OSError:
        return []


def _is_plain(path: Path) -> bool:
    """Whether it is a file: not a link, which may lead out of the repository, nor a pipe to wait for."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _is_issue(name: str) -> bool:
    return PurePosixPath(name).name.lower() == "issue.md"


def _rank(name: str) -> tuple[bool, int, str]:
    return not _is_issue(name), name.count("/"), name.lower()


def _shown(name: str) -> str:
    folder = PurePosixPath(name).parent
    return f"{folder}/" if _is_issue(name) and folder.name else name
