"""A program in a terminal of its own: what it writes, the frames it draws, the CPU it takes."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

PATIENCE = 120.0
"""Seconds after which what was waited for is taken to never come."""
_ASKED, _ANSWER = b"\x1b[?2026$p", b"\x1b[?2026;2$y"
"""Whether frames can be shown whole, and our yes: what most terminals say, and what lets us count frames."""
_FRAME = b"\x1b[?2026l"
_READ = 1 << 20
_LITTLE = 0.05
"""Share of a core that a program may take that has nothing to do."""


class Terminal:
    """Starts a program, reads what it writes, presses its keys; `with` ends it."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        size: tuple[int, int] = (120, 34),
    ) -> None:
        self.seen = b""
        """Everything since `forget`."""
        self.pid, self._ours = pty.fork()
        if self.pid == 0:  # pragma: no cover - the child
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
            os.chdir(folder)
            os.execve(command[0], list(command), {**environment, "TERM": "xterm-256color"})

    @property
    def cpu(self) -> float:
        """Seconds of CPU that its process has taken; those of its children are their own."""
        return time.clock_gettime((~self.pid << 3) | 2)  # the CPU clock of another process, as glibc names it

    @property
    def frames(self) -> int:
        """Frames drawn since `forget`."""
        return self.seen.count(_FRAME)

    def resident(self) -> float:
        """MB of memory that it holds."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024

    def forget(self) -> None:
        """Count from here."""
        self.seen = b""

    def read(self, seconds: float) -> bool:
        """Wait for something to be written, at most so long; whether something was."""
        if not select.select([self._ours], [], [], max(seconds, 0))[0]:
            return False
        try:
            found = os.read(self._ours, _READ)
        except OSError:  # its other end has gone
            found = b""
        if not found:
            raise RuntimeError(f"the program has ended: {self.seen[-2000:]!r}")
        before, self.seen = len(self.seen), self.seen + found
        if _ASKED in self.seen[max(0, before - len(_ASKED)) :]:
            os.write(self._ours, _ANSWER)
        return True

    def until(self, met: Callable[[bytes], bool]) -> float:
        """Read until something is so; returns the seconds that it took."""
        began = time.perf_counter()
        while not met(self.seen):
            if time.perf_counter() - began > PATIENCE:
                raise RuntimeError(f"it never came: {self.seen[-2000:]!r}")
            self.read(1.0)
        return time.perf_counter() - began

    def rest(self, seconds: float) -> None:
        """Read for so long."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            self.read(left)

    def settle(self, seconds: float = 1.0) -> None:
        """Read until for so long nothing was written, and hardly any CPU taken; gives up after a while."""
        end = time.perf_counter() + PATIENCE / 4
        while time.perf_counter() < end:
            size, cpu = len(self.seen), self.cpu
            self.rest(seconds)
            if len(self.seen) == size and self.cpu - cpu < _LITTLE * seconds:
                return

    def press(self, keys: bytes) -> None:
        """Type something."""
        os.write(self._ours, keys)

    def until_pressed(self, keys: bytes, met: Callable[[bytes], bool]) -> float:
        """Seconds from a key until something is so."""
        self.press(keys)
        return self.until(met)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._ours)
