"""Makes a Task of an issue's text and a snapshot."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence

from salecli.core.values import Task

MOST_NAMED = 6
"""Files that a prompt shows, however many the text names."""
_WORD = re.compile(r"[\w./\\-]+")


def make_task(
    text: str,
    fallback: str,
    repository: str,
    base: str,
    files: Sequence[str],
    read: Callable[[str], str | None],
    test_command: str,
) -> Task:
    """The task that `text` describes; `fallback` is its title where the text has no heading.

    `read` gives a file's text, None where it is not a text. The id is a content hash: the same text on the
    same snapshot is the same task.
    """
    text = text.strip()
    named = []
    for path in named_files(text, files):
        content = read(path)
        if content is not None:
            named.append((path, content))
        if len(named) == MOST_NAMED:
            break
    digest = hashlib.sha256(f"{base}\0{text}".encode("utf-8", "surrogateescape"))
    return Task(
        id=digest.hexdigest()[:12],
        title=title_of(text) or fallback,
        text=text,
        repository=repository,
        base=base,
        test_command=test_command,
        files=tuple(sorted(files)),
        named=tuple(named),
    )


def title_of(text: str) -> str:
    """The first Markdown heading of a text, empty where it has none."""
    for line in text.splitlines():
        if line.startswith("#"):
            return line.strip("# \t")
    return ""


def named_files(text: str, files: Sequence[str]) -> list[str]:
    """The files that a text names by path, or by a file name that only one of them has, as they come."""
    by_name: dict[str, list[str]] = {}
    for path in files:
        by_name.setdefault(path.rsplit("/", 1)[-1], []).append(path)
    known = set(files)
    found: dict[str, None] = {}
    for word in _WORD.findall(text):
        word = word.replace("\\", "/").strip("./-") if word not in known else word
        if word in known:
            found[word] = None
        elif len(by_name.get(word, ())) == 1:
            found[by_name[word][0]] = None
    return list(found)
