"""Reads TOML files so that every complaint can name the file and the line."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salecli.errors import ConfigError

LARGEST = 256_000
"""Bytes; a configuration beyond this is a mistake."""
_DEEP = re.compile(r"""(?<![\w"'-])(?:[\w"'-]+[ \t]*\.[ \t]*){200}""")
"""Two hundred names with dots between them: tomllib takes the square of their number."""
_SEARCHED = 4_000_000
"""Characters parsed again in search of a key's line, after which a message does without the line."""

Key = tuple[str | int, ...]
"""Where a value stands: names of tables and keys, indices of arrays."""


@dataclass(frozen=True)
class Document:
    """A parsed TOML file that remembers its text."""

    path: Path
    text: str
    values: dict[str, Any]

    def where(self, key: Key) -> str:
        """The file, and the line of `key` or of the nearest table above it, for a message."""
        for length in range(len(key), 0, -1):
            line = line_of(self.text, key[:length])
            if line is not None:
                return f"{self.path}, line {line}"
        return str(self.path)


def read(path: Path) -> Document:
    """The document in `path`.

    Raises:
        ConfigError: unreadable, too large, not UTF-8, or not TOML (with the line).
    """
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}", "name a file that can be read") from error
    if len(raw) > LARGEST:
        raise ConfigError(
            f"{path}: more than {LARGEST:,} bytes are too many for a configuration", "name another file"
        )
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}, line {line}: not UTF-8 text", "save the file as UTF-8") from error
    if deep := _DEEP.search(text):
        line = text.count("\n", 0, deep.start()) + 1
        raise ConfigError(f"{path}, line {line}: a name of more than 200 parts", "mend that line")
    # tomllib takes CRLF; the line search below counts "\n" alone, which both kinds of file have.
    try:
        return Document(path, text, tomllib.loads(text))
    except (ValueError, RecursionError) as error:  # a ValueError that is none of TOML's: a number too long
        at = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        line = int(at[1]) if at else text.count("\n") + 1
        what = re.sub(r" \(at .*\)$", "", str(error))
        raise ConfigError(f"{path}, line {line}: not TOML: {what}", "mend that line") from error


def mentions(path: Path, pattern: bytes) -> bool:
    """Whether a file has a line of this pattern; a file that cannot be read has none."""
    try:
        with path.open("rb") as file:
            return re.search(pattern, file.read(16 * LARGEST), re.MULTILINE) is not None
    except OSError:
        return False


def line_of(text: str, key: Key) -> int | None:
    """The line (from 1) on which `key` begins, None where it has no line of its own.

    There is no second parser here to disagree with the first: a key begins on line n when the lines up to
    n, and as many further ones as its value needs, parse and hold it, while those before n do not.
    """
    names = [part for part in key if isinstance(part, str)]
    if not names:
        return None
    lines = text.split("\n")
    left = _SEARCHED

    def parsed(count: int) -> dict[str, Any] | None:
        nonlocal left
        part = "\n".join(lines[:count])
        left -= len(part)
        return _parse(part) if left > 0 else None

    for start, line in enumerate(lines):
        if names[-1] not in line:
            continue
        before = parsed(start)
        if left <= 0:
            return None
        if before is None or _holds(before, key):  # inside a longer value, or a later mention
            continue
        for end in range(start + 1, len(lines) + 1):
            after = parsed(end)
            if left <= 0:
                return None
            if after is not None:
                if _holds(after, key):
                    return start + 1
                break
    return None


def _parse(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text.removesuffix("\r"))
    except (ValueError, RecursionError):
        return None


def _holds(values: object, key: Key) -> bool:
    for part in key:
        if isinstance(part, int):
            if not isinstance(values, list) or part >= len(values):
                return False
            values = values[part]
        else:
            if not isinstance(values, Mapping) or part not in values:
                return False
            values = values[part]
    return True


def nearest(name: str, known: Iterable[str]) -> str:
    """The known key that was probably meant: same last part first, then the closest spelling; or ""."""
    known = sorted(known)
    last = name.rpartition(".")[2]
    for candidate in known:
        if candidate.rpartition(".")[2] == last:
            return candidate
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return close[0]
    tails = {candidate.rpartition(".")[2]: candidate for candidate in reversed(known)}
    close = difflib.get_close_matches(last, tails, n=1, cutoff=0.6)
    return tails[close[0]] if close else ""


def dotted(key: Key) -> str:
    """`agents[0].price`: a key as people write it."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
