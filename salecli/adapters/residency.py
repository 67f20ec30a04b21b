"""Which models are in memory: the sum of their sizes stays under a byte budget.

A model asks before it loads; the least recently used idle one is closed to make room. A model that is
in use is never closed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from salecli.adapters.machine import default_budget, free_memory
from salecli.errors import ModelError

PATIENCE = 600.0
"""Seconds to wait for a model that another thread is using."""
SETTLING = 2.0
"""Seconds in which the kernel counts the memory of a process that has ended as free."""
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
    vram: int = 0
    settled: bool = False
    """Whether what it takes shows in the free memory."""


class Residency:
    """The byte budget of all loaded models, shared by the threads of one process."""

    def __init__(
        self,
        budget_bytes: int | None = None,
        patience: float = PATIENCE,
        vram: int | None = None,
        free: Callable[[], int] = free_memory,
    ) -> None:
        """A budget for memory and one for GPUs; None for `vram` leaves that to the processes themselves.

        `budget_bytes` is by default most of what is free when the first model loads. `free` is asked again
        before each load.
        """
        self._budget = budget_bytes
        self._vram = vram
        self._free = free
        self._patience = patience
        self._places: dict[int, _Place] = {}
        self._changed = threading.Condition()
        self.closed = False
        """Whether `close_all` was called: then nothing loads ahead of time any more."""

    @property
    def budget(self) -> int:
        """Bytes of memory that the loaded models may take together."""
        if self._budget is None:
            self._budget = default_budget(self._free())
        return self._budget

    @property
    def vram(self) -> int:
        """Bytes of GPUs that they may take together."""
        return self._vram or 0

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
        vram: int = 0,
        beside: bool = False,
    ) -> Iterator[None]:
        """Hold a place of `size` bytes, and `vram` on GPUs, for `tenant`; while the block runs it stays.

        Idle models are unloaded until there is room; where all are in use, waits for one, at most
        `timeout` seconds and as long as `check` raises nothing. The place stays taken after the block, until
        room is wanted or `leave` is called. Where it may only come in `beside` the others, nobody is unloaded
        or waited for.

        Raises:
            ModelError: it can never fit, no room became free in time, or somebody else has taken the memory.
        """
        user = threading.get_ident()  # the block may end in another thread: generators travel
        until = time.monotonic() + (self._patience if timeout is None else timeout)
        place = self._enter(_Place(tenant, size, vram=vram), user, until, check, beside)
        try:
            yield
        finally:
            with self._changed:
                place.users.remove(user)
                place.last = time.monotonic()
                self._changed.notify_all()

    def settle(self, tenant: Tenant) -> None:
        """Say that a tenant is loaded: what it takes is no longer free."""
        with self._changed:
            if (place := self._places.get(id(tenant))) is not None:
                place.settled = True
                self._changed.notify_all()

    def leave(self, tenant: Tenant) -> None:
        """Give up the place of a tenant that has unloaded itself."""
        with self._changed:
            self._places.pop(id(tenant), None)
            self._changed.notify_all()

    def close_all(self) -> None:
        """Unload every model, also those in use: for the end of the program."""
        with self._changed:
            self.closed = True
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
        self, wanted: _Place, user: int, until: float, check: Callable[[], None], beside: bool
    ) -> _Place:
        key = id(wanted.tenant)
        with self._changed:
            while (place := self._places.get(key)) is None:
                self._check_possible(wanted)
                if beside and not self._has_room(wanted):
                    raise ModelError(f"no room for {wanted.tenant.name} beside the others")
                if self._make_room(wanted) and self._is_free(wanted):
                    place = self._places[key] = wanted
                    break
                busy = [place for place in self._places.values() if place.users]
                left = until - time.monotonic()
                # Waiting for a model that this very thread holds would wait for ever.
                if left <= 0 or all(user in place.users for place in busy):
                    names = ", ".join(place.tenant.name for place in busy)
                    raise ModelError(
                        f"no room for {wanted.tenant.name} ({gib(wanted.size)} of {gib(self.budget)}): "
                        f"{names} in use",
                        "run fewer models at once, or raise the memory budget",
                    )
                self._changed.wait(min(left, TICK))
                check()
            place.users.append(user)
            return place

    def _check_possible(self, wanted: _Place) -> None:
        for size, most, where in (
            (wanted.size, self.budget, ""),
            (wanted.vram, self._vram, " on the GPU"),
        ):
            if most is not None and size > most:
                raise ModelError(
                    f"{wanted.tenant.name} needs about {gib(size)}{where}, and models may take {gib(most)}",
                    "`sale models plan` shows what would fit: a smaller quantisation, a shorter context, "
                    "more free memory or a higher budget",
                )

    def _make_room(self, wanted: _Place) -> bool:
        """Unload idle models, the least recently used first, until there is room within the budgets."""
        if not self._within(wanted, [place for place in self._places.values() if place.users]):
            return False
        while not self._within(wanted, list(self._places.values())):
            self._evict()
        return True

    def _has_room(self, wanted: _Place) -> bool:
        """Whether it fits as things are."""
        fits = self._within(wanted, list(self._places.values()))
        return fits and not self.closed and wanted.size <= self._unclaimed()

    def _within(self, wanted: _Place, others: list[_Place]) -> bool:
        if sum(place.size for place in others) + wanted.size > self.budget:
            return False
        return self._vram is None or sum(place.vram for place in others) + wanted.vram <= self._vram

    def _evict(self) -> bool:
        """Unload the least recently used idle model; its process has ended when this returns."""
        idle = [place for place in self._places.values() if not place.users]
        if not idle:
            return False
        oldest = min(idle, key=lambda place: place.last)
        del self._places[id(oldest.tenant)]
        oldest.tenant.unload()
        return True

    def _unclaimed(self) -> int:
        """Bytes of free memory, less what those take that are still loading."""
        loading = (place.size for place in self._places.values() if not place.settled)
        return self._free() - sum(loading)

    def _is_free(self, wanted: _Place) -> bool:
        """Whether the memory is there; False where that shows only when another model has finished loading.

        Raises:
            ModelError: it is gone. The budget was set earlier, and others take theirs whenever they like.
        """
        until = time.monotonic() + SETTLING
        while True:
            free = self._unclaimed()
            if wanted.size <= free:
                return True
            if self._evict():
                until = time.monotonic() + SETTLING
            elif any(not place.settled for place in self._places.values()):
                return False  # it holds a part already, which is counted twice here
            elif time.monotonic() > until:
                raise ModelError(
                    f"{wanted.tenant.name} needs about {gib(wanted.size)}, and {gib(max(0, free))} of memory "
                    f"is free now, though models may take {gib(self.budget)}: something else has taken it",
                    "close other programs, or lower [models] budget; `sale models plan` shows what would fit",
                )
            else:
                time.sleep(TICK)


def gib(size: int) -> str:
    """Bytes for people."""
    return f"{size / 2**30:.1f} GiB" if size >= 100 << 20 else f"{size / 2**20:.1f} MiB"
