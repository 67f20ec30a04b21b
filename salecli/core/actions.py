"""Parses the one action of a reply, and applies edits.

A reply holds exactly one fenced block whose info string names the action:

    ```write PATH     the block is the whole file
    ```edit PATH      <<<<<<< SEARCH / ======= / >>>>>>> REPLACE, one or several
    ```run            the block is a shell command
    ```done           the work is finished

A longer fence may hold shorter ones, so a file may itself hold fenced blocks.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

_OPEN = re.compile(r"(`{3,})[ \t]*(write|edit|run|done)\b(.*)")
_LONE = re.compile("[\ud800-\udfff]")
_LONGEST, _MOST = 200, 5_000
"""Characters of a line, and lines, among which the nearest one to a passage is looked for."""
_SEARCH, _MIDDLE, _REPLACE = "<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE"


@dataclass(frozen=True, slots=True)
class Write:
    """Replace a whole file."""

    path: str
    content: str


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace passages of a file: (search, replacement) pairs, each found exactly once."""

    path: str
    replacements: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Run:
    """Run a shell command."""

    command: str


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing is left to do."""


Action = Write | Edit | Run | Done


class FormatError(ValueError):
    """A reply that holds no valid action; the message says what to write instead."""


def parse(reply: str) -> Action:
    """The one action of a reply.

    Raises:
        FormatError: no block, several blocks, a block that never closes, a missing path or a broken edit.
    """
    blocks = _blocks(reply)
    if not blocks:
        raise FormatError(
            "no action found: answer with one fenced block, ```write PATH, ```edit PATH, ```run or ```done"
        )
    if len(blocks) > 1:
        raise FormatError(f"{len(blocks)} actions found: answer with exactly one")
    kind, argument, body = blocks[0]
    if kind == "done":
        return Done()
    if kind == "run":
        command = body.strip() or argument
        if not command:
            raise FormatError("```run holds no command")
        return Run(command)
    path = _path(argument)
    if kind == "write":
        return Write(path, body)
    return Edit(path, _replacements(body))


def _blocks(reply: str) -> list[tuple[str, str, str]]:
    """(kind, argument, body) of every action block."""
    found = []
    lines = reply.replace("\r\n", "\n").split("\n")
    index = 0
    while index < len(lines):
        opened = _OPEN.fullmatch(lines[index])
        index += 1
        if not opened:
            continue
        fence, kind, argument = opened.groups()
        body = []
        while index < len(lines) and not _closes(lines[index], fence):
            body.append(lines[index])
            index += 1
        if index == len(lines):
            raise FormatError(f"the ```{kind} block never closes: end it with a line {fence}")
        index += 1
        found.append((kind, argument.strip(" \t"), "".join(line + "\n" for line in body)))
    return found


def _closes(line: str, fence: str) -> bool:
    line = line.rstrip()
    return len(line) >= len(fence) and set(line) == {"`"}


def _path(argument: str) -> str:
    path = argument.strip().strip("`'\"")
    if not path:
        raise FormatError("the action names no path: write ```write PATH")
    if path.startswith(("/", "~")) or ".." in path.split("/") or "\0" in path:
        raise FormatError(f"{path!r} leaves the repository: name a path below its root")
    return path.removeprefix("./")


def _replacements(body: str) -> tuple[tuple[str, str], ...]:
    pairs: list[tuple[str, str]] = []
    search: list[str] | None = None
    replacement: list[str] | None = None
    for line in body.splitlines(keepends=True):
        mark = line.rstrip()
        if mark == _SEARCH and search is None:
            search = []
        elif mark == _MIDDLE and search is not None and replacement is None:
            replacement = []
        elif mark == _REPLACE and search is not None and replacement is not None:
            pairs.append(("".join(search), "".join(replacement)))
            search = replacement = None
        elif replacement is not None:
            replacement.append(line)
        elif search is not None:
            search.append(line)
        elif mark:
            raise FormatError(f"an edit holds only {_SEARCH} ... {_MIDDLE} ... {_REPLACE} passages")
    if search is not None or not pairs:
        raise FormatError(f"an edit needs {_SEARCH}, {_MIDDLE} and {_REPLACE}, each on a line of its own")
    return tuple(pairs)


def edited(text: str, edit: Edit) -> str:
    """`text` with the edit's replacements made, its own line ends kept.

    A passage is whole lines; CRLF or LF makes no difference to whether it is found.

    Raises:
        FormatError: a passage that is empty, not found, or found more than once.
    """
    mark, text = ("\ufeff", text[1:]) if text.startswith("\ufeff") else ("", text)
    usual = "\r\n" if 2 * text.count("\r\n") > text.count("\n") else "\n"
    lines = _lines(text)
    for search, replacement in edit.replacements:
        if not search.strip():
            raise FormatError("an empty SEARCH passage: use ```write for a new file")
        wanted = [line for line, _ in _lines(search)]
        bare = [line for line, _ in lines]
        # Every line stands between two line ends. Lists compared at every line would take the square of time.
        whole, passage = ("\n".join(["", *part, ""]) for part in (bare, wanted))
        found = whole.find(passage)
        if found < 0:
            raise FormatError(f"the SEARCH passage is not in {edit.path}{_nearest(bare, wanted)}")
        if whole.find(passage, found + 1) >= 0:
            raise FormatError(f"the SEARCH passage stands more than once in {edit.path}: add lines around it")
        first = whole.count("\n", 0, found)
        replaced = slice(first, first + len(wanted))
        ends = [end for _, end in lines[replaced]]
        new = [(line, ends[0] or usual) for line, _ in _lines(replacement)]
        if new and not ends[-1]:
            new[-1] = (new[-1][0], "")  # a file whose last line had no end keeps it so
        lines[replaced] = new
    return mark + "".join(line + end for line, end in lines)


def _lines(text: str) -> list[tuple[str, str]]:
    """Each line and its end: LF, CRLF, or nothing at the end of the text."""
    *whole, rest = text.split("\n")
    found = [(line[:-1], "\r\n") if line.endswith("\r") else (line, "\n") for line in whole]
    return [*found, (rest, "")] if rest else found


def _nearest(lines: list[str], wanted: list[str]) -> str:
    """The lines of the file that come closest to a passage that was not found, as text that can be shown."""
    first = next(line for line in wanted if line.strip())
    # The time of a comparison grows with the square of the lines' lengths.
    known = list(dict.fromkeys(lines))[:_MOST]
    near = difflib.get_close_matches(first, known, n=1, cutoff=0.5) if len(first) <= _LONGEST else []
    if not near:
        return ""
    at = lines.index(near[0])
    passage = "\n".join(lines[at : at + len(wanted)])
    # Bytes that are no UTF-8 stand in the text as lone surrogates.
    return f"; did you mean these lines?\n{_LONE.sub(chr(0xFFFD), passage)}"
