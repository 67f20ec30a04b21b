"""The lines of a diff as they are shown, and the rows that they fill: unified or split, wrapped or not."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import accumulate

from rich.cells import cell_len, get_character_cell_size

from salecli.core.diff import FileDiff, Spans, paired, words
from salecli.core.text import clean

_UNSEEN = re.compile("[\u00ad\u200b-\u200d\u2028\u2029\u2060-\u2064\ufeff]")
"""What the cleaning gate lets pass and a reader of code must see all the same."""
_BLOCK = 400
"""Lines of a run of changes up to which its words are compared."""
TAB = 4
LONGEST = 10_000
"""Characters shown of a line."""


class Kind(IntEnum):
    """What a row shows."""

    FILE, NOTE, HUNK, LINE, GAP = range(5)


Row = tuple[Kind, int, int, int, int]
"""(kind, file, hunk, left, right): numbers of lines, -1 for none; left of a note is its number."""


@dataclass(slots=True)
class Lines:
    """The lines of all files, numbered through from 0."""

    files: Sequence[FileDiff]
    signs: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    """Without signs, cleaned, tabs as spaces."""
    old: list[int] = field(default_factory=list)
    new: list[int] = field(default_factory=list)
    """Line numbers in the old and the new file; 0 where the line is not in it."""
    hunks: list[list[range]] = field(default_factory=list)
    """The lines of each hunk, by file."""
    notes: list[list[str]] = field(default_factory=list)
    """What is said of each file above its hunks."""
    widest: list[int] = field(default_factory=list)
    """Cells of each file's longest line."""
    counts: list[tuple[int, int]] = field(default_factory=list)
    """Lines added to and removed from each file."""
    digits: int = 1
    """Columns that the largest line number takes."""
    _words: dict[int, Spans] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for file in self.files:
            self._take(file)
        self.digits = len(str(max((*self.old, *self.new), default=0)))

    def _take(self, file: FileDiff) -> None:
        raw = [line for hunk in file.hunks for line in hunk.lines]
        crlf = bool(raw) and all(line.endswith("\r") for line in raw if line[:1] != "\\")
        texts = shown(line[1:].removesuffix("\r") if crlf else line[1:] for line in raw)
        self.notes.append([*_notes(file), *(["line ends are CR LF"] if crlf else [])])
        self.widest.append(max(map(len if "".join(texts).isascii() else cell_len, texts), default=0))
        self.hunks.append([])
        start = len(self.signs)
        for hunk in file.hunks:
            first, old, new = len(self.signs), hunk.old_start, hunk.new_start
            for line in hunk.lines:
                sign = line[:1] or " "
                self.signs.append(sign)
                before, after = sign in " -", sign in " +"
                self.old.append(old if before else 0)
                self.new.append(new if after else 0)
                old, new = old + before, new + after
            self.hunks[-1].append(range(first, len(self.signs)))
        signs = self.signs[start:]
        self.counts.append((signs.count("+"), signs.count("-")))
        self.texts += texts

    def words(self, hunk: range, line: int) -> Spans:
        """The parts of a changed line in which it differs from the line it was or became."""
        if line not in self._words:
            self._words[line] = ()
            self._compare(hunk, line)
        return self._words[line]

    def _compare(self, hunk: range, line: int) -> None:
        """Compare the words of the whole run of changes around a line."""
        start = end = line
        while start > hunk.start and self.signs[start - 1] != " " and line - start < _BLOCK:
            start -= 1
        while end + 1 < hunk.stop and self.signs[end + 1] != " " and end - line < _BLOCK:
            end += 1
        run = range(start, end + 1)
        removed = [one for one in run if self.signs[one] == "-"]
        added = [one for one in run if self.signs[one] == "+"]
        if not removed or not added or len(run) > _BLOCK:
            return
        pairs = paired([self.texts[one] for one in removed], [self.texts[one] for one in added])
        for left, right in pairs:
            old, new = removed[left], added[right]
            self._words[old], self._words[new] = words(self.texts[old], self.texts[new])

    def find(self, wanted: str) -> list[tuple[int, int, int]]:
        """(line, from, to) of every place; capitals count where `wanted` has some."""
        if not wanted:
            return []
        found, texts = [], self.texts
        if wanted == wanted.lower():
            texts = [text.lower() for text in texts]
        for line, text in enumerate(texts):
            at = text.find(wanted) if wanted in text else -1
            while at >= 0:
                found.append((line, at, at + len(wanted)))
                at = text.find(wanted, at + len(wanted))
        return found


def shown(lines: Iterable[str]) -> list[str]:
    """Foreign lines made safe, all at once: line by line it would take a second for 5 MB."""
    lines = list(lines)
    if not lines:
        return []
    text = clean("\n".join(lines))
    if not text.isascii():
        text = _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    found = text.expandtabs(TAB).split("\n")
    if max(map(len, found)) > LONGEST:
        found = [
            f"{one[:LONGEST]} [{len(one) - LONGEST:,} more characters]" if len(one) > LONGEST else one
            for one in found
        ]
    return found


def _notes(file: FileDiff) -> list[str]:
    """What a file's head says beyond its hunks, in words."""
    modes = dict(re.findall(r"^(old|new|new file|deleted file) mode (\d+)$", file.head, re.MULTILINE))
    found = []
    if "new file" in modes:
        found.append(
            "new file" + {"120000": ", a symbolic link", "100755": ", executable"}.get(modes["new file"], "")
        )
    if "deleted file" in modes:
        found.append("deleted")
    if "new" in modes and "old" in modes:
        found.append(
            {"100755": "made executable", "100644": "no longer executable"}.get(modes["new"], "new mode")
        )
    if file.binary:
        found.append("binary: shown by its size alone, " + (_sizes(file.head) or "unknown"))
    elif not file.hunks and file.status != "modified":
        found.append("empty")
    return found


def _sizes(head: str) -> str:
    """Bytes of a binary file after and before, as git's patch has them."""
    sizes = re.findall(r"^(literal|delta) (\d+)$", head, re.MULTILINE)
    return " > ".join(
        f"{int(size):,} bytes" if kind == "literal" else "a part" for kind, size in reversed(sizes[:2])
    )


@dataclass(slots=True)
class Layout:
    """Which row stands where."""

    lines: Lines
    width: int
    rows: list[Row]
    split: frozenset[int]
    """The files that stand split."""
    wrap: bool
    hunk_rows: dict[tuple[int, int], int]
    file_rows: list[int]
    tops: list[int]
    """Where each row begins, and the end; empty without wrap, where rows are one high."""
    _of_line: list[int] = field(default_factory=list)

    @property
    def height(self) -> int:
        return self.tops[-1] if self.tops else len(self.rows)

    def at(self, y: int) -> tuple[int, int]:
        """(row, which of its lines) at a height."""
        if not self.tops:
            return y, 0
        row = bisect_right(self.tops, y) - 1
        return row, y - self.tops[row]

    def top(self, row: int) -> int:
        """The height at which a row begins."""
        return self.tops[row] if self.tops else row

    def row_of(self, line: int) -> int:
        """The row that shows a line."""
        if not self._of_line:
            self._of_line = [0] * len(self.lines.signs)
            for row, (kind, _, _, left, right) in enumerate(self.rows):
                if kind is Kind.LINE:
                    for one in (left, right):
                        if one >= 0:
                            self._of_line[one] = row
        return self._of_line[line]

    def rows_of(self, file: int, hunk: int) -> range:
        """The rows of a hunk, its head first; the first one has its file's head as well."""
        first = self.hunk_rows[file, hunk]
        following = self.next_hunk(file, hunk, 1)
        end = len(self.rows) if following == (file, hunk) else self.hunk_rows[following]
        start = self.file_rows[file] if hunk == 0 else first
        return range(start, end if following[0] == file else self.end_of(file))

    def end_of(self, file: int) -> int:
        """The row after a file's last one, the gap left out."""
        following = self.file_rows[file + 1] if file + 1 < len(self.file_rows) else len(self.rows)
        return following - 1

    def next_hunk(self, file: int, hunk: int, step: int) -> tuple[int, int]:
        """The hunk before or after; the same one at the ends."""
        files = self.lines.files
        if 0 <= hunk + step < len(files[file].choices):
            return file, hunk + step
        if not 0 <= file + step < len(files):
            return file, hunk
        return file + step, 0 if step > 0 else len(files[file + step].choices) - 1


def gutter(lines: Lines, width: int) -> int:
    """Columns left of a unified line's sign: the mark, and both numbers where there is room."""
    return 1 + (2 if width >= 60 else 1) * (lines.digits + 1)


def text_width(lines: Lines, width: int, split: bool) -> int:
    """Columns for the text of a line."""
    if split:
        return max(1, (width - 3) // 2 - lines.digits - 2)
    return max(1, width - gutter(lines, width) - 1)


def fits_split(lines: Lines, file: int, width: int) -> bool:
    """Whether both versions of a file have room side by side."""
    return lines.widest[file] <= text_width(lines, width, True)


def splittable(lines: Lines, width: int, wrap: bool) -> frozenset[int]:
    """The files that can stand split in a view of this width: both versions exist, and their lines fit."""
    room = wrap and text_width(lines, width, True) >= 30
    return frozenset(
        number
        for number, file in enumerate(lines.files)
        if file.status == "modified" and file.hunks and (room or fits_split(lines, number, width))
    )


def laid_out(lines: Lines, width: int, split: bool, wrap: bool) -> Layout:
    """All rows for a view of this width; split are files with two sides whose longest line fits."""
    rows: list[Row] = []
    hunk_rows: dict[tuple[int, int], int] = {}
    file_rows: list[int] = []
    side = splittable(lines, width, wrap) if split else frozenset()
    for number, file in enumerate(lines.files):
        file_rows.append(len(rows))
        rows.append((Kind.FILE, number, -1, -1, -1))
        rows += [(Kind.NOTE, number, 0, note, -1) for note in range(len(lines.notes[number]))]
        for hunk in file.choices:
            hunk_rows[number, hunk] = len(rows)
            rows.append((Kind.HUNK, number, hunk, -1, -1))
            if not file.hunks:
                continue
            span = lines.hunks[number][hunk]
            if number in side:
                rows += [(Kind.LINE, number, hunk, *pair) for pair in _beside(lines.signs, span)]
            else:
                rows += [(Kind.LINE, number, hunk, line, -1) for line in span]
        rows.append((Kind.GAP, number, -1, -1, -1))
    tops: list[int] = []
    if wrap:
        narrow, wide = text_width(lines, width, True), text_width(lines, width, False)
        heights = (_height(lines.texts, row, narrow if row[1] in side else wide) for row in rows)
        tops = [0, *accumulate(heights)]
    return Layout(lines, width, rows, side, wrap, hunk_rows, file_rows, tops)


def _beside(signs: Sequence[str], span: range) -> list[tuple[int, int]]:
    """Old and new lines side by side: each run of changes begins on both sides at the same height."""
    found: list[tuple[int, int]] = []
    left: list[int] = []
    right: list[int] = []
    last = ""

    def flush() -> None:
        for place in range(max(len(left), len(right))):
            found.append(
                (
                    left[place] if place < len(left) else -1,
                    right[place] if place < len(right) else -1,
                )
            )
        left.clear()
        right.clear()

    for line in span:
        sign = signs[line]
        if sign == "-":
            if right:
                flush()
            left.append(line)
        elif sign == "+":
            right.append(line)
        elif sign == "\\" and last == "-":
            left.append(line)
        elif sign == "\\" and last == "+":
            right.append(line)
        else:
            flush()
            found.append((line, line))
        last = sign
    flush()
    return found


def _height(texts: Sequence[str], row: Row, width: int) -> int:
    kind, _, _, left, right = row
    if kind is not Kind.LINE:
        return 1
    return max(len(cuts(texts[line], width)) for line in (left, right) if line >= 0)


def cuts(text: str, width: int) -> Sequence[tuple[int, int]]:
    """Where a text is cut into lines of at most `width` cells: (from, to) of each."""
    if len(text) <= width and (text.isascii() or cell_len(text) <= width):
        return ((0, len(text)),)
    if text.isascii():
        return [(at, min(at + width, len(text))) for at in range(0, len(text), width)]
    found, start, cells = [], 0, 0
    for at, letter in enumerate(text):
        size = get_character_cell_size(letter)
        if cells + size > width and at > start:
            found.append((start, at))
            start, cells = at, 0
        cells += size
    return [*found, (start, len(text))]
