"""Which models are in memory: the sum of their sizes stays under a byte budget.

A model asks before it loads; the least recently used idle one is closed to make room. A model that is
in use is never closed.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from salecli.errors import ModelError

SHARE = 0.8
"""Part of the free memory that models may take by default."""
PATIENCE = 600.0
"""Seconds to wait for a model that another thread is using."""
TICK = 0.05
"""Seconds after which a wait looks whether it is still wanted."""


class Tenant(Protocol):
    """Something that takes memory while it is loaded."""

    name: str

    def unload(self) -> None:
        """Free the memory; it is loaded again at its next use."""


@dataclass(eq=False)
class _Place:
    tenant: Tenant
    size: int
    users: list[int] = field(default_factory=list)
    """The threads that use it now."""
    last: float = 0.0


class Residency:
    """The byte budget of all loaded models, shared by the threads of one process."""

    def __init__(self, budget_bytes: int | None = None, patience: float = PATIENCE) -> None:
        """`budget_bytes`: by default 80 % of the memory that is free when the first model loads."""
        self._budget = budget_bytes
        self._patience = patience
        self._places: dict[int, _Place] = {}
        self._changed = threading.Condition()

    @property
    def budget(self) -> int:
        """Bytes that the loaded models may take together."""
        if self._budget is None:
            self._budget = int(free_memory() * SHARE)
        return self._budget

    @property
    def used(self) -> int:
        """Bytes that are taken or promised."""
        with self._changed:
            return sum(place.size for place in self._places.values())

    @property
    def resident(self) -> tuple[str, ...]:
        """Names of the models that hold a place, the least recently used first."""
        with self._changed:
            places = sorted(self._places.values(), key=lambda place: place.last)
            return tuple(place.tenant.name for place in places)

    @contextmanager
    def use(
        self,
        tenant: Tenant,
        size: int,
        timeout: float | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> Iterator[None]:
        """Hold a place of `size` bytes for `tenant`; while the block runs nobody else gets it.

        Idle models are unloaded until there is room; where all are in use, waits for one, at most
        `timeout` seconds and as long as `check` raises nothing. The place stays taken after the block, until
        room is wanted or `leave` is called.

        Raises:
            ModelError: it can never fit, or no room became free in time.
        """
        user = threading.get_ident()  # the block may end in another thread: generators travel
        place = self._enter(tenant, size, user, self._patience if timeout is None else timeout, check)
        try:
            yield
        finally:
            with self._changed:
                place.users.remove(user)
                place.last = time.monotonic()
                self._changed.notify_all()

    def leave(self, tenant: Tenant) -> None:
        """Give up the place of a tenant that has unloaded itself."""
        with self._changed:
            self._places.pop(id(tenant), None)
            self._changed.notify_all()

    def close_all(self) -> None:
        """Unload every model, also those in use: for the end of the program."""
        with self._changed:
            places = list(self._places.values())
            self._places.clear()
            self._changed.notify_all()
        for place in places:
            place.tenant.unload()

    def __enter__(self) -> Residency:
        return self

    def __exit__(self, *_: object) -> None:
        self.close_all()

    def _enter(
        self, tenant: Tenant, size: int, user: int, patience: float, check: Callable[[], None]
    ) -> _Place:
        until = time.monotonic() + patience
        with self._changed:
            while (place := self._places.get(id(tenant))) is None:
                if size > self.budget:
                    raise ModelError(
                        f"{tenant.name} needs about {_gib(size)}, and models may take {_gib(self.budget)}",
                        "free memory, choose a smaller model or a smaller context, or raise the budget",
                    )
                if self._make_room(size):
                    place = self._places[id(tenant)] = _Place(tenant, size)
                    break
                busy = [place for place in self._places.values() if place.users]
                left = until - time.monotonic()
                # Waiting for a model that this very thread holds would wait for ever.
                if left <= 0 or all(user in place.users for place in busy):
                    names = ", ".join(place.tenant.name for place in busy)
                    raise ModelError(
                        f"no room for {tenant.name} ({_gib(size)} of {_gib(self.budget)}): {names} in use",
                        "run fewer models at once, or raise the memory budget",
                    )
                self._changed.wait(min(left, TICK))
                check()
            place.users.append(user)
            return place

    def _make_room(self, size: int) -> bool:
        """Unload idle models, the least recently used first, until `size` bytes are free."""
        places = self._places.values()
        if sum(place.size for place in places if place.users) + size > self.budget:
            return False
        while sum(place.size for place in places) + size > self.budget:
            oldest = min((place for place in places if not place.users), key=lambda place: place.last)
            del self._places[id(oldest.tenant)]
            oldest.tenant.unload()
        return True


def free_memory(root: Path = Path("/")) -> int:
    """Bytes that this process could still take: of the machine's, and of every control group around it."""
    found = [*_machine(root), *_groups(root)]
    if found:
        return max(0, min(found))
    # Not Linux: half of what is built in is a careful guess.
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def _machine(root: Path) -> Iterator[int]:
    for line in _lines(root / "proc/meminfo"):
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024


def _groups(root: Path) -> Iterator[int]:
    """What is left below the limit of each memory control group that holds this process (version 1 or 2)."""
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            top, limit, usage, cached = (
                root / "sys/fs/cgroup",
                "memory.max",
                "memory.current",
                "inactive_file",
            )
        elif "memory" in controllers.split(","):
            top, limit, usage = (
                root / "sys/fs/cgroup/memory",
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
            )
            cached = "total_inactive_file"
        else:
            continue
        # Inside a container the path may be the host's; the container's own group is then at the top.
        group = top / path.lstrip("/")
        for folder in (group, *group.parents):
            most, now = _number(folder / limit), _number(folder / usage)
            if most is not None and now is not None:
                yield most - now + _statistic(folder / "memory.stat", cached)
            if folder == top:
                break


def _number(file: Path) -> int | None:
    """The number in a file; None where there is none, or the word `max`."""
    text = "".join(_lines(file)).strip()
    return int(text) if text.isdigit() else None


def _statistic(file: Path, name: str) -> int:
    for line in _lines(file):
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 100 << 20 else f"{size / 2**20:.1f} MiB"
