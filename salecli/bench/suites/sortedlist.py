"""A list that stays sorted, as far as solutions on the problems' own site use it.

Its text goes into a task's repository as sortedcontainers.py: the sandbox has no such package.
"""

from bisect import bisect_left, bisect_right, insort


class SortedList(list):  # type: ignore[type-arg]  # as plain as a task's own files
    """Sorted by the values' own order, or by `key`; adding is a binary search and one move of memory."""

    def __init__(self, values=(), key=None):  # type: ignore[no-untyped-def]
        super().__init__(sorted(values, key=key))
        self.key = key

    def _rank(self, value):  # type: ignore[no-untyped-def]
        return self.key(value) if self.key else value

    def add(self, value):  # type: ignore[no-untyped-def]
        insort(self, value, key=self.key)

    def update(self, values):  # type: ignore[no-untyped-def]
        super().extend(values)
        super().sort(key=self.key)

    def bisect_left(self, value):  # type: ignore[no-untyped-def]
        return bisect_left(self, self._rank(value), key=self.key)

    def bisect_right(self, value):  # type: ignore[no-untyped-def]
        return bisect_right(self, self._rank(value), key=self.key)

    bisect = bisect_right

    def __contains__(self, value):  # type: ignore[no-untyped-def]
        return value in self[self.bisect_left(value) : self.bisect_right(value)]

    def discard(self, value):  # type: ignore[no-untyped-def]
        for place in range(self.bisect_left(value), self.bisect_right(value)):
            if self[place] == value:
                del self[place]
                return

    def remove(self, value):  # type: ignore[no-untyped-def]
        if value not in self:
            raise ValueError(f"{value!r} is not in the list")
        self.discard(value)

    def irange(self, least=None, most=None, inclusive=(True, True), reverse=False):  # type: ignore[no-untyped-def]
        begin = 0 if least is None else self.bisect_left(least) if inclusive[0] else self.bisect_right(least)
        end = (
            len(self) if most is None else self.bisect_right(most) if inclusive[1] else self.bisect_left(most)
        )
        found = self[begin:end]
        return iter(found[::-1] if reverse else found)
