"""A pool's files from the hub into the models folder: listed once, the disk asked, several at a time."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from salecli.adapters import hub
from salecli.adapters.download import (
    Changed,
    Download,
    Transfer,
    drop,
    held,
    linked,
    part_of,
    parts_of,
    renamed,
)
from salecli.adapters.hub import Patience, Remote, Stopped, Wanted
from salecli.adapters.modellock import Locked, ModelLock, digest, on_disk
from salecli.core.words import amount
from salecli.errors import EnvironmentFault, SaleError, UsageError

AT_ONCE = 3
"""Files that are worked on at a time."""
_CHANGES = 3
"""Times that a file may change on the hub while it is pulled."""


class Crew:
    """Threads that work through transfers; the caller's own thread looks on."""

    def __init__(
        self, work: Callable[[Transfer], None], transfers: Sequence[Transfer], stop: threading.Event
    ) -> None:
        self._work = work
        self._left = list(transfers)
        self._stop = stop
        self._turn = threading.Lock()
        self.failed: list[tuple[Transfer, Exception]] = []
        # Daemons: one that waits for a silent server must not hold up the end of the process.
        self._threads = [
            threading.Thread(target=self._run, daemon=True) for _ in range(min(AT_ONCE, len(transfers)))
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    @property
    def busy(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def end(self, patience: float = 2.0) -> None:
        """Stop what still goes on; what has arrived stays for the next time."""
        self._stop.set()
        for thread in self._threads:
            thread.join(patience)

    def _run(self) -> None:
        while not self._stop.is_set():
            with self._turn:
                if not self._left:
                    return
                transfer = self._left.pop(0)
            try:
                self._work(transfer)
            except Stopped:
                return
            except Exception as error:  # the caller raises it; in a thread it would be lost
                transfer.doing = "failed"
                self.failed.append((transfer, error))
            finally:
                transfer.ended = True


@dataclass(slots=True)
class Pull:
    """One run of `sale models pull`; `say` hears what goes on, from several threads."""

    lock: ModelLock
    pool: str
    """The name under which the files are held."""
    say: Callable[[str], None]
    update: bool = False
    """Look for newer files under the revisions that the pool names."""
    tries: int = 5
    stop: threading.Event = field(default_factory=threading.Event)
    _remotes: dict[Path, Remote] = field(default_factory=dict)
    _asked: dict[Path, str] = field(default_factory=dict)

    def prepare(self, wanted: Sequence[Wanted]) -> list[Transfer]:
        """List what is not verified already, and ask the disk for it; one transfer for each file to work on.

        Raises:
            SaleError: a file cannot be had, or the disk does not hold them all.
        """
        entries = self.lock.read()
        transfers: list[Transfer] = []
        known: dict[tuple[str, str], Any] = {}
        for one in {each.path: each for each in wanted}.values():
            entry = entries.get(self.lock.name(one.path))
            if entry is not None and entry.repository != one.repository:
                entry = None  # another repository's file of the same name
            if entry is not None and one.revision in (entry.asked, entry.revision) and not self.update:
                if self.lock.state(one.path) == "verified":
                    self._keep(one.path)
                    continue
                at = replace(one, revision=entry.revision)  # what was pulled once is pulled again
            else:
                at = one
            remote = hub.listed(at, self._patience(), known)
            if entry is None:
                _owned(one, remote)
            self._remotes[one.path], self._asked[one.path] = remote, one.revision
            done = _size(part_of(one.path, remote.sha256))
            transfers.append(Transfer(at, remote.bytes, min(done, remote.bytes), min(done, remote.bytes)))
        self._ask_disk(transfers)
        return transfers

    def _ask_disk(self, transfers: Sequence[Transfer]) -> None:
        """Raises EnvironmentFault where the disk has no place for what is missing."""
        need = sum(
            one.bytes - one.done
            for one in transfers
            if _size(one.wanted.path) != one.bytes and self._remotes[one.wanted.path].cached is None
        )
        folder = next(one for one in (self.lock.folder, *self.lock.folder.parents) if one.exists())
        free = shutil.disk_usage(folder).free
        if need > free:
            raise EnvironmentFault(
                f"{amount(need)} are to be pulled, and {self.lock.folder} has {amount(free)} free",
                f"free {amount(need - free)} there, or name another place: [models] folder in config.toml",
            )

    def one(self, transfer: Transfer) -> None:
        """Bring one file to its place, verified and locked.

        Raises:
            SaleError: why that cannot be.
            Stopped: by the user.
        """
        for _ in range(_CHANGES):
            remote = self._remotes[transfer.wanted.path]
            try:
                self._fetch(transfer, remote)
                return
            except Changed:
                drop(part_of(transfer.wanted.path, remote.sha256))
                transfer.done = transfer.began = 0
                fresh = hub.listed(transfer.wanted, self._patience(), {})
                if fresh.sha256 == remote.sha256:
                    break
                self.say(f"{transfer.wanted.file} has changed on the hub: starting anew")
                self._remotes[transfer.wanted.path], transfer.bytes = fresh, fresh.bytes
        raise EnvironmentFault(
            f"{hub.host()} sends other bytes of {transfer.wanted.file} than it lists", "try again in a while"
        )

    def _fetch(self, transfer: Transfer, remote: Remote) -> None:
        path = transfer.wanted.path
        part = part_of(path, remote.sha256)
        if self._adopted(transfer, remote, path):
            return
        for old in parts_of(path):
            if old != part and drop(old):
                self.say(f"{transfer.wanted.file} has changed on the hub since it was begun: starting anew")

        def waiting(holder: int | None) -> None:
            who = f"process {holder}" if holder else "another process"
            transfer.doing = "waiting"
            self.say(f"{transfer.wanted.file} is being pulled by {who}: waiting for it")

        with held(part, self.stop, waiting) as descriptor:
            if self._there(transfer, remote):  # who held it has finished it
                part.unlink()
                return
            if remote.cached is not None and self._from_cache(transfer, remote, remote.cached):
                part.unlink()
                return
            Download(remote, transfer, descriptor, self._patience(), self.stop).run()
            self._enter(transfer, remote, lambda: renamed(part, path))

    def _there(self, transfer: Transfer, remote: Remote) -> bool:
        """Whether another process has put these very bytes in place and verified them."""
        path = transfer.wanted.path
        entry = self.lock.read().get(self.lock.name(path))
        if entry is None or entry.sha256 != remote.sha256 or self.lock.state(path) != "verified":
            return False
        self._keep(path)
        transfer.done, transfer.doing = transfer.bytes, "verified"
        return True

    def _adopted(self, transfer: Transfer, remote: Remote, path: Path) -> bool:
        """Whether the file in place turns out to be the right one; a user's own file is never replaced."""
        if _size(path) != remote.bytes:
            return False
        try:
            if self._hash(transfer, path, "checking") == remote.sha256:
                self._enter(transfer, remote, lambda: None)
                return True
        except OSError as error:
            raise on_disk(error, path) from error
        entry = self.lock.read().get(self.lock.name(path))
        if entry is None or entry.repository != transfer.wanted.repository:
            raise _foreign(transfer.wanted)
        self.say(f"{transfer.wanted.file} is damaged: pulling it again")
        transfer.done = transfer.began = 0
        return False

    def _from_cache(self, transfer: Transfer, remote: Remote, cached: Path) -> bool:
        """Whether the hub's own cache had the file, and it has its name here now too."""
        path = transfer.wanted.path
        with suppress(OSError):
            right = cached.stat().st_size == remote.bytes
            if right and self._hash(transfer, cached, "from cache") == remote.sha256:
                self._enter(transfer, remote, lambda: linked(cached, path))
                return True
        transfer.done = transfer.began = 0
        if hub.offline():
            raise EnvironmentFault(
                f"HF_HUB_OFFLINE is set, and the hub's cache holds a damaged {transfer.wanted.file}",
                "unset HF_HUB_OFFLINE",
            )
        return False

    def _hash(self, transfer: Transfer, path: Path, doing: str) -> str:
        transfer.doing = doing

        def at(done: int) -> None:
            transfer.done = transfer.began = done
            if self.stop.is_set():
                raise Stopped

        return digest(path, at)

    def _enter(self, transfer: Transfer, remote: Remote, place: Callable[[], object]) -> None:
        """Put a file in place, and write down what it is, both while nobody else does."""
        path = transfer.wanted.path

        def entry(old: Locked | None) -> Locked:
            place()
            return Locked(
                repository=transfer.wanted.repository,
                asked=self._asked[path],
                revision=remote.revision,
                bytes=remote.bytes,
                sha256=remote.sha256,
                changed_ns=path.stat().st_mtime_ns,
                pools=tuple(sorted({*(old.pools if old else ()), self.pool})),
            )

        try:
            self.lock.put(path, entry)
        except OSError as error:
            raise on_disk(error, path) from error
        transfer.doing = "verified"

    def _keep(self, path: Path) -> None:
        """Note that this pool wants a file that is there already."""

        def noted(old: Locked | None) -> Locked | None:
            return replace(old, pools=tuple(sorted({*old.pools, self.pool}))) if old else None

        entry = self.lock.read().get(self.lock.name(path))
        if entry is not None and self.pool not in entry.pools:
            with suppress(EnvironmentFault):  # a folder that many read and few write
                self.lock.put(path, noted)

    def _patience(self) -> Patience:
        return Patience(self.tries, self.stop, self.say)


def check(lock: ModelLock, transfer: Transfer, stop: threading.Event) -> str:
    """Hash a file again: "verified", "damaged", or "not verified" where the lock knows it no more."""
    path = transfer.wanted.path
    state = "not verified"

    def at(done: int) -> None:
        transfer.done = done
        if stop.is_set():
            raise Stopped

    transfer.doing = "checking"
    try:
        changed = path.stat().st_mtime_ns
        sha256 = digest(path, at)
    except OSError as error:
        raise on_disk(error, path) from error

    def noted(old: Locked | None) -> Locked | None:
        nonlocal state
        if old is None:
            return None
        state = "verified" if sha256 == old.sha256 else "damaged"
        # A damaged file is never taken for a verified one, even if its time has not changed.
        return replace(old, changed_ns=changed if state == "verified" else 0)

    with suppress(EnvironmentFault):  # a folder that many read and few write
        lock.put(path, noted)
    transfer.doing = state
    return state


def spared(lock: ModelLock, path: Path, pool: str) -> str | None:
    """Why a file stays when `pool` is removed; "" where there is nothing, None where it goes."""
    entry = lock.read().get(lock.name(path))
    if entry is None:
        if path.exists():
            return "sale has not pulled it"
        return None if parts_of(path) else ""
    others = [one for one in entry.pools if one != pool]
    return f"pool {', '.join(others)} needs it" if others else None


def remove(lock: ModelLock, paths: Sequence[Path], pool: str) -> int:
    """Remove the files that `pool` alone was pulled with, and parts of files; returns the bytes freed."""
    freed = 0

    def without(path: Path, old: Locked | None) -> Locked | None:
        nonlocal freed
        others = tuple(one for one in old.pools if one != pool) if old else ()
        if old is not None and not others:
            freed += _size(path)
            path.unlink(missing_ok=True)
        return replace(old, pools=others) if old is not None and others else None

    for path in dict.fromkeys(paths):
        for part in parts_of(path):
            size = _size(part)
            freed += size if drop(part) else 0
        try:
            lock.put(path, partial(without, path))
        except OSError as error:
            raise on_disk(error, path) from error
    return freed


def failed(errors: Sequence[tuple[Transfer, Exception]]) -> Exception:
    """What to raise for several failures: one stands for all, the others are counted."""
    first = next((error for _, error in errors if not isinstance(error, SaleError)), errors[0][1])
    if isinstance(first, SaleError) and len(errors) > 1:
        others = ", ".join(transfer.wanted.file for transfer, error in errors if error is not first)
        return type(first)(f"{first.message} (and not pulled either: {others})", first.hint)
    return first


def _size(path: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _owned(wanted: Wanted, remote: Remote) -> None:
    """Raises UsageError where a file of the user's own stands in the way."""
    if wanted.path.exists() and _size(wanted.path) != remote.bytes:
        raise _foreign(wanted)


def _foreign(wanted: Wanted) -> UsageError:
    return UsageError(
        f"{wanted.path} is there, and is not the file that {wanted.repository} has",
        "move it away, then pull again",
    )
