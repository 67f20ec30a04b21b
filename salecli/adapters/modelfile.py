"""A model file as this run first saw it."""

from __future__ import annotations

from pathlib import Path

from salecli.adapters import gguf_header
from salecli.errors import ModelError

_Stamp = tuple[int, int, int, int]


class ModelFile:
    """A GGUF file, whose header is read at the first look; what comes later under its name is not it."""

    def __init__(self, path: Path) -> None:
        """Nothing is read yet."""
        self.path = path
        self._header: gguf_header.Header | None = None
        self._stamp: _Stamp | None = None

    @property
    def header(self) -> gguf_header.Header:
        """What the file said of itself at the first look; ModelError where it is no whole text model."""
        if self._header is None:
            stamp = _stamp(self.path)
            self._header = gguf_header.read(self.path)
            self._stamp = stamp
        return self._header

    @property
    def same(self) -> bool:
        """Whether the file is the one that was first looked at."""
        return self._header is None or _stamp(self.path) == self._stamp

    def check(self) -> None:
        """Refuse a file that is not the one the run began with: its answers would count as the other's."""
        if not self.same:
            gguf_header.read(self.path)  # where it is gone, or broken now, that is what to say
            raise ModelError(
                f"{self.path} was replaced or changed since this run first looked at it",
                "run it again: a new run takes the file as it is now",
            )


def _stamp(file: Path) -> _Stamp | None:
    """What changes when a file is replaced or written; None where there is none."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
