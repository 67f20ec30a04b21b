"""A diff as git prints it, in parts: files and hunks, some of which can be chosen; and words within lines."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

_FILE = re.compile("^diff --git ", re.MULTILINE)
# Inside of a hunk every line begins with a sign of its own, so that no line of a file can look like these.
_HUNK = re.compile(
    r"^@@ -([0-9]{1,18})(?:,([0-9]{1,18}))? \+([0-9]{1,18})(?:,([0-9]{1,18}))? @@ ?(.*)\n", re.MULTILINE
)
_WORD = re.compile(r"\w+|\s+|.", re.DOTALL)
_ESCAPED = re.compile(rb"\\([0-7]{3}|.)", re.DOTALL)
_PLAIN = {b"a": b"\a", b"b": b"\b", b"t": b"\t", b"n": b"\n", b"v": b"\v", b"f": b"\f", b"r": b"\r"}


@dataclass(frozen=True, slots=True)
class Hunk:
    """A run of changed lines with the lines around them. Line numbers count from 1; see git-diff for 0."""

    old_start: int
    old_count: int
    new_start: int
    new_count: int
    section: str
    """What git found above it: the function that it lies in."""
    lines: tuple[str, ...]
    """With their sign (" ", "-", "+", or "\\" for the missing line end), without the line's end."""

    @property
    def added(self) -> int:
        return sum(line.startswith("+") for line in self.lines)

    @property
    def removed(self) -> int:
        return sum(line.startswith("-") for line in self.lines)


@dataclass(frozen=True, slots=True)
class FileDiff:
    """What a diff does to one file."""

    path: str
    """The new path; the old one of a deleted file."""
    old_path: str
    head: str
    """Everything above the first hunk, a binary patch included, as it stands in the diff."""
    hunks: tuple[Hunk, ...]
    binary: bool = False

    @property
    def choices(self) -> range:
        """The numbers that `select` knows: one a hunk, and 0 for a file without hunks."""
        return range(max(1, len(self.hunks)))

    @property
    def status(self) -> Literal["added", "deleted", "modified"]:
        if "\nnew file mode " in self.head:
            return "added"
        return "deleted" if "\ndeleted file mode " in self.head else "modified"


def parse(diff: str) -> tuple[FileDiff, ...]:
    """The files of a unified diff as `git diff` prints it; text above the first one is left out.

    A path comes twice where a file became a link: once deleted, once added.
    """
    starts = [found.start() for found in _FILE.finditer(diff)]
    return tuple(_file(diff[start:end]) for start, end in zip(starts, [*starts[1:], len(diff)], strict=False))


def _file(text: str) -> FileDiff:
    found = list(_HUNK.finditer(text))
    head = text[: found[0].start()] if found else text
    ends = [one.start() for one in found[1:]] + [len(text)]
    hunks = tuple(
        Hunk(
            int(one[1]),
            int(one[2] or 1),
            int(one[3]),
            int(one[4] or 1),
            one[5],
            tuple(text[one.end() : end].removesuffix("\n").split("\n")),
        )
        for one, end in zip(found, ends, strict=False)
    )
    old, new = _paths(head)
    binary = "\nGIT binary patch\n" in head or "\nBinary files " in head
    return FileDiff(new, old, head, hunks, binary)


def _paths(head: str) -> tuple[str, str]:
    """(old, new); a file that is new or deleted has the same path twice."""
    old = new = ""
    first, *rest = head.split("\n")
    for line in rest:
        if line.startswith("GIT binary patch"):
            break
        if line.startswith("--- a/") or line.startswith('--- "a/'):
            old = _name(line[4:])[2:]
        elif line.startswith("+++ b/") or line.startswith('+++ "b/'):
            new = _name(line[4:])[2:]
        elif line.startswith(("rename from ", "copy from ")):
            old = _name(line.partition(" from ")[2])
        elif line.startswith(("rename to ", "copy to ")):
            new = _name(line.partition(" to ")[2])
    if not old and not new:
        both = first.removeprefix("diff --git ")
        # Without renames it is the same name twice; quoted it ends at its first quote that is not escaped.
        quoted = re.match(r'"((?:[^"\\]|\\.)*)"', both)
        old = new = _name(quoted[0] if quoted else both[: len(both) // 2])[2:]
    return old or new, new or old


def _name(written: str) -> str:
    """A path as git writes it: in C's quotes where it is odd, with a tab behind it where it holds a space."""
    written = written.removesuffix("\t")
    if not written.startswith('"'):
        return written
    raw = written[1:].removesuffix('"').encode("utf-8", "surrogateescape")
    return _ESCAPED.sub(_unescaped, raw).decode("utf-8", "surrogateescape")


def _unescaped(found: re.Match[bytes]) -> bytes:
    code = found[1]
    return bytes([int(code, 8) & 0xFF]) if len(code) == 3 else _PLAIN.get(code, code)


def select(files: Sequence[FileDiff], chosen: Mapping[str, Collection[int]]) -> str:
    """The diff of the chosen hunks alone, by path and number from 0, for `git apply` on the same base.

    A file of which nothing is chosen is left out; a file without hunks is chosen by {0}.

    Raises:
        ValueError: a path or a number that is not there.
    """
    known = {file.path: file.choices for file in files}
    for path, numbers in chosen.items():
        if path not in known or not set(numbers) <= set(known[path]):
            raise ValueError(f"no such hunk: {path} {sorted(numbers)}")
    return "".join(_chosen(file, chosen[file.path]) for file in files if chosen.get(file.path))


def _chosen(file: FileDiff, numbers: Collection[int]) -> str:
    head = file.head
    if len(set(numbers)) < len(file.choices):
        # Its ids name the whole file as the full patch leaves it.
        head = re.sub(r"^index [0-9a-f]+\.\.[0-9a-f]+.*\n", "", head, flags=re.MULTILINE)
    written, shift = [head], 0
    for number, hunk in enumerate(file.hunks):
        if number not in numbers:
            continue
        # An empty side is numbered by the line before it.
        start = hunk.old_start + (hunk.old_count == 0) + shift - (hunk.new_count == 0)
        old, new = _span(hunk.old_start, hunk.old_count), _span(start, hunk.new_count)
        section = f" {hunk.section}" if hunk.section else ""
        written.append(f"@@ -{old} +{new} @@{section}\n" + "\n".join(hunk.lines) + "\n")
        shift += hunk.new_count - hunk.old_count
    return "".join(written)


def _span(start: int, count: int) -> str:
    return str(start) if count == 1 else f"{start},{count}"


Spans = tuple[tuple[int, int], ...]
"""Parts of a line, from and to, in characters."""
_LONGEST = 1000
"""Characters of a line up to which its words are compared: the comparison's time grows with their square."""
_MANY = 400
"""Pairs of lines up to which it is looked for the likest ones."""


def words(removed: str, added: str) -> tuple[Spans, Spans]:
    """What differs between two lines, word by word; empty where they have too little in common."""
    if max(len(removed), len(added)) > _LONGEST:
        return (), ()
    old, new = _WORD.findall(removed), _WORD.findall(added)
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    blocks = matcher.get_matching_blocks()
    alike = sum(len("".join(old[block.a : block.a + block.size]).strip()) for block in blocks)
    if 3 * alike < len(removed.strip()) + len(added.strip()) - alike:
        return (), ()
    return (
        _between(old, [(block.a, block.size) for block in blocks]),
        _between(new, [(block.b, block.size) for block in blocks]),
    )


def _between(parts: Sequence[str], same: Sequence[tuple[int, int]]) -> Spans:
    """The spans of the characters outside of the parts that are the same."""
    at, ends = 0, [0]
    for part in parts:
        at += len(part)
        ends.append(at)
    found, last = [], 0
    for start, size in same:
        if ends[start] > last:
            found.append((last, ends[start]))
        last = ends[start + size]
    return tuple(found)


def paired(removed: Sequence[str], added: Sequence[str]) -> list[tuple[int, int]]:
    """Which removed line became which added one, by number, in order; without a likeness none."""
    if len(removed) == len(added):
        return [(number, number) for number in range(len(removed))]
    if len(removed) * len(added) > _MANY:
        return [(number, number) for number in range(min(len(removed), len(added)))]
    old, new = ([set(_WORD.findall(line)) - {" "} for line in lines] for lines in (removed, added))
    # best[i][j]: the highest sum of likenesses among the first i and the first j lines.
    best = [[0.0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for i, left in enumerate(old, 1):
        for j, right in enumerate(new, 1):
            best[i][j] = max(best[i - 1][j], best[i][j - 1], best[i - 1][j - 1] + _likeness(left, right))
    found, i, j = [], len(old), len(new)
    while i and j:
        if best[i][j] == best[i - 1][j]:
            i -= 1
        elif best[i][j] == best[i][j - 1]:
            j -= 1
        else:
            i, j = i - 1, j - 1
            found.append((i, j))
    return found[::-1]


def _likeness(left: set[str], right: set[str]) -> float:
    """Share of words that two lines have in common; 0 where it is under a third."""
    share = len(left & right) / max(1, len(left | right))
    return share if share > 0.3 else 0.0
