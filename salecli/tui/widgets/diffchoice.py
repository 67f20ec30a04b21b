"""What of a patch is taken and what is left: by hunk and by file, with a sign for each."""

from __future__ import annotations

from collections.abc import Sequence

from salecli.core.diff import FileDiff

Key = frozenset[tuple[str, int]]
"""A choice as a value: what was verified counts for an equal one alone."""


class Choice:
    """The chosen hunks of some files; everything, at first. A path that comes twice is one file."""

    def __init__(self, files: Sequence[FileDiff]) -> None:
        self._all: dict[str, set[int]] = {file.path: set(file.choices) for file in files}
        self.chosen = {path: set(numbers) for path, numbers in self._all.items()}

    def has(self, path: str, hunk: int) -> bool:
        """Whether a hunk is taken."""
        return hunk in self.chosen[path]

    def turn(self, path: str, hunk: int) -> None:
        """Take a hunk, or leave it."""
        self.chosen[path] ^= {hunk}

    def turn_file(self, path: str) -> None:
        """Take a whole file; where it is taken whole, leave it."""
        self.chosen[path] = set() if self.chosen[path] == self._all[path] else set(self._all[path])

    def sign(self, path: str, hunk: int | None = None) -> str:
        """[x] taken, [ ] left, [-] in part."""
        chosen, there = self.chosen[path], self._all[path]
        if hunk is not None:
            return "[x]" if hunk in chosen else "[ ]"
        return "[x]" if chosen == there else "[-]" if chosen else "[ ]"

    @property
    def key(self) -> Key:
        return frozenset((path, hunk) for path, numbers in self.chosen.items() for hunk in numbers)

    @property
    def whole(self) -> bool:
        return self.chosen == self._all

    @property
    def count(self) -> tuple[int, int]:
        """Hunks taken, and all."""
        return sum(map(len, self.chosen.values())), sum(map(len, self._all.values()))

    @property
    def paths(self) -> list[str]:
        """The files of which something is taken."""
        return [path for path, numbers in self.chosen.items() if numbers]

    def selection(self) -> dict[str, frozenset[int]]:
        """A copy, for `Control.part`."""
        return {path: frozenset(numbers) for path, numbers in self.chosen.items() if numbers}
