"""A list that stays sorted, as far as solutions on the problems' own site use it.

Its text goes into a task's repository as sortedcontainers.py: the sandbox has no such package.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator
from typing import Any


class SortedList(list[Any]):
    """Sorted by the values' own order, or by `key`; adding is a binary search and one move of memory."""

    def __init__(self, values: Iterable[Any] = (), key: Callable[[Any], Any] | None = None) -> None:
        """Sort `values`."""
        super().__init__(sorted(values, key=key or _itself))
        self.key = key or _itself

    def add(self, value: Any) -> None:
        """Put one value in its place."""
        insort(self, value, key=self.key)

    def update(self, values: Iterable[Any]) -> None:
        """Put several values in their places."""
        super().extend(values)
        super().sort(key=self.key)

    def bisect_left(self, value: Any) -> int:
        """How many come before this value."""
        return bisect_left(self, self.key(value), key=self.key)

    def bisect_right(self, value: Any) -> int:
        """How many come before this value, or are equal to it."""
        return bisect_right(self, self.key(value), key=self.key)

    bisect = bisect_right

    def __contains__(self, value: Any) -> bool:
        return value in self[self.bisect_left(value) : self.bisect_right(value)]

    def discard(self, value: Any) -> None:
        """Take a value out, if it is there."""
        for place in range(self.bisect_left(value), self.bisect_right(value)):
            if self[place] == value:
                del self[place]
                return

    def remove(self, value: Any) -> None:
        """Take a value out; ValueError where it is not there."""
        if value not in self:
            raise ValueError(f"{value!r} is not in the list")
        self.discard(value)

    def irange(
        self,
        least: Any = None,
        most: Any = None,
        inclusive: tuple[bool, bool] = (True, True),
        reverse: bool = False,
    ) -> Iterator[Any]:
        """The values between two, the ends among them or not."""
        low, high = inclusive
        begin = 0 if least is None else self.bisect_left(least) if low else self.bisect_right(least)
        end = len(self) if most is None else self.bisect_right(most) if high else self.bisect_left(most)
        found = self[begin:end]
        return iter(found[::-1] if reverse else found)


def _itself(value: Any) -> Any:
    return value
