"""The models folder's lock file: where each pulled file came from, what it holds, which pools want it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from salecli.errors import ConfigError, EnvironmentFault

NAME = "sale.lock.json"
VERSION = 1
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Locked:
    """One pulled file."""

    repository: str
    asked: str
    """The revision that was asked for: a branch, a tag or a commit."""
    revision: str
    """The commit that it was then."""
    bytes: int
    sha256: str
    changed_ns: int
    """The file's modification time when its bytes were hashed last."""
    pools: tuple[str, ...]
    """The pools that it was pulled for: names of shipped ones, else paths of pool files."""


class ModelLock:
    """The lock file of one models folder; threads and processes may change it at the same time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / NAME

    def read(self) -> dict[str, Locked]:
        """Every entry by its file's path in the folder; none where nothing was pulled yet.

        Raises:
            ConfigError: the file is damaged.
            EnvironmentFault: it cannot be read.
        """
        try:
            values = json.loads(self.file.read_text(encoding="utf-8"))
            if values["version"] != VERSION:
                raise ConfigError(
                    f"{self.file} is of another version of sale", "use that one, or move the file away"
                )
            return {str(name): _entry(entry) for name, entry in values["files"].items()}
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as error:
            raise on_disk(error, self.file) from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ConfigError(
                f"{self.file} is damaged", "move it away: the next `sale models pull` hashes the files anew"
            ) from error

    def name(self, path: Path) -> str:
        """What a file in the folder is called in the lock file."""
        return path.relative_to(self.folder).as_posix()

    def state(self, path: Path) -> str:
        """ "verified", "changed" since then, or "" for a file that was never verified."""
        try:
            entry = self.read().get(self.name(path))
            found = path.stat()
        except (OSError, ValueError):
            return ""
        return "" if entry is None else "verified" if _same(entry, found) else "changed"

    def put(self, path: Path, change: Callable[[Locked | None], Locked | None]) -> None:
        """Replace a file's entry by what `change` makes of it; None removes it.

        `change` runs while nobody else puts files or entries in place, so it may do so itself.
        """
        name = self.name(path)
        with self._alone():
            entries = self.read()
            entry = change(entries.pop(name, None))
            if entry is not None:
                entries[name] = entry
            self._write(entries)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While this lasts, nobody else puts files or entries in place."""
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with suppress(OSError):  # a file system without locks: then two at a time are on their own
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _write(self, entries: Mapping[str, Locked]) -> None:
        files = {name: asdict(entry) for name, entry in sorted(entries.items())}
        text = json.dumps({"version": VERSION, "files": files}, indent=2, ensure_ascii=False)
        fresh = self.file.with_name(f"{NAME}.{os.getpid()}.new")
        try:
            with fresh.open("w", encoding="utf-8") as stream:
                stream.write(text + "\n")
                stream.flush()
                os.fsync(stream.fileno())
            fresh.replace(self.file)
        except OSError as error:
            raise on_disk(error, self.file) from error
        finally:
            with suppress(OSError):  # a file system that nothing can be written to
                fresh.unlink(missing_ok=True)


def _entry(values: Mapping[str, Any]) -> Locked:
    entry = Locked(**{**values, "pools": tuple(map(str, values["pools"]))})
    if not (isinstance(entry.bytes, int) and isinstance(entry.changed_ns, int)):
        raise TypeError("sizes and times are whole numbers")
    return entry


def _same(entry: Locked, found: os.stat_result) -> bool:
    return (entry.bytes, entry.changed_ns) == (found.st_size, found.st_mtime_ns)


def digest(path: Path, at: Callable[[int], None]) -> str:
    """The sha256 of a file, in hex; `at` hears how many bytes are done, and may raise to end it."""
    found = hashlib.sha256()
    done = 0
    with path.open("rb", buffering=0) as stream:
        while block := stream.read(_BLOCK):
            found.update(block)
            done += len(block)
            at(done)
    return found.hexdigest()


def on_disk(error: OSError, path: Path) -> EnvironmentFault:
    """What a file system refused, in a line."""
    return EnvironmentFault(
        f"{path}: {error.strerror or error}", "name another place: [models] folder in config.toml"
    )
