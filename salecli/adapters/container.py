"""One container, closed on all sides: created, spoken to by exec, swept after each command, removed.

- PID 1 runs as one user, every command as another, so no command can end the container, and one
  `kill -9 -1` ends all that a command left behind.
- PID 1 reads from us: when the process that opened the container dies, however it dies, so does it.
- Time is bounded from here. Nothing that runs inside is trusted to stop itself.
"""

from __future__ import annotations

import re
import selectors
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from salecli.adapters.engine import gone, remove, speaking
from salecli.adapters.owner import this_process
from salecli.errors import SandboxError

if TYPE_CHECKING:
    from docker import DockerClient

WORKER, KEEPER = "1000:1000", "65534:65534"
TREE = "/work"
_MEMORY_EVENTS = "cat /sys/fs/cgroup/memory/memory.oom_control /sys/fs/cgroup/memory.events 2>/dev/null"
_SWEEP = "kill -9 -1 2>/dev/null; exit 0"
# Nothing runs before we hold the stream: what an exec says too early is lost.
_AFTER_US = 'read -r _ && eval "$0"'


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """What one sandbox may use."""

    seconds: float = 120.0
    """Per command, test runs included."""
    memory: int = 2 << 30
    cpus: float = 2.0
    pids: int = 256
    output: int = 64 << 10
    """Bytes kept of a command's output, half from its start and half from its end."""
    flood: int = 64 << 20
    """Bytes of output after which a command is ended."""
    tree: int = 1 << 30
    """Bytes of the tmpfs that holds the tree; counts against the memory, and gets at most half of it."""
    scratch: int = 256 << 20
    """Bytes of /tmp; at most an eighth of the memory."""
    files: int = 200_000
    """Files of the tree's tmpfs, a quarter of that for /tmp; 100,000 small ones take 516 MB."""
    file_bytes: int = 512 << 20
    """Bytes of one file."""
    lifetime: int = 6 * 3600
    """Seconds after which a container ends by itself."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How an exec ended."""

    how: Literal["exit", "deadline", "flood"]
    code: int


Sink = Callable[[bytes], None]


class Container:
    """An open container of one run."""

    def __init__(self, client: DockerClient, image: str, run: str, limits: SandboxLimits) -> None:
        """Create and start a container of this image.

        Raises:
            SandboxError: no image, no engine, or an option that the engine refuses.
        """
        self.client = client
        self.limits = limits
        self.id = ""
        self._keeper: Any = None
        self._killed = 0
        self._current: socket.socket | None = None
        try:
            with speaking("create a sandbox"):
                made = client.containers.create(image, **_options(client, run, limits))
                self.id = made.id or ""
                # Attached before the start: from here on the container lives as long as this process.
                self._keeper = client.api.attach_socket(self.id, params={"stdin": 1, "stream": 1})
                made.start()
        except BaseException:
            self.remove()
            raise

    def execute(
        self,
        command: str,
        arguments: Iterable[str] = (),
        *,
        feed: Iterable[bytes] = (),
        out: Sink = lambda _: None,
        err: Sink = lambda _: None,
        seconds: float | None = None,
        environment: dict[str, str] | None = None,
        flood: int | None = None,
    ) -> Ended:
        """Run a shell command as the sandbox's user at the tree's root, and wait for it.

        `feed` goes to its standard input, which stays open; `out` and `err` receive bytes as they come.
        A command over its deadline, or over `flood` bytes of output, is swept away.

        Raises:
            SandboxError: the container or the engine went away.
        """
        with speaking("run a command"):
            how, made = self._exec(
                ["/bin/sh", "-c", _AFTER_US, command, *arguments],
                feed,
                out,
                err,
                seconds or self.limits.seconds,
                flood or self.limits.flood,
                environment or {},
            )
            if how != "end":
                self.sweep()
                return Ended(how, 124 if how == "deadline" else 137)
            return Ended("exit", self._exit_code(made))

    def _exec(
        self,
        command: list[str],
        feed: Iterable[bytes],
        out: Sink,
        err: Sink,
        seconds: float,
        flood: int,
        environment: dict[str, str],
    ) -> tuple[Literal["end", "deadline", "flood"], str]:
        made = self.client.api.exec_create(
            self.id, command, stdin=True, user=WORKER, workdir=TREE, environment=environment
        )["Id"]
        stream = self.client.api.exec_start(made, socket=True)
        self._current = _plain(stream)
        try:
            return _exchange(self._current, feed, out, err, seconds, flood), made
        finally:
            # Shut before anything else: with unread output in it, removing the container takes 20 s.
            _close(stream)
            self._current = None

    def _exit_code(self, made: str) -> int:
        """The exit code of an exec whose stream ended; a stream ends as well when the container dies."""
        until = time.monotonic() + 10
        while True:
            seen = self.client.api.exec_inspect(made)
            if not seen["Running"] and seen["ExitCode"] is not None:
                break
            if time.monotonic() > until:
                raise gone("read an exit code")
            time.sleep(0.005)
        state = self.client.api.inspect_container(self.id)["State"]
        if not state["Running"]:
            raise gone("run a command")
        code = int(seen["ExitCode"])
        if code >= 128:
            # A command may have been killed by itself or together with the container: ask the container.
            self.alive()
        return code

    def alive(self) -> None:
        """Raise SandboxError unless the container still runs commands."""
        self._direct("exit 0", "see whether the sandbox lives")

    def sweep(self) -> None:
        """End every process of the sandbox's user.

        Raises:
            SandboxError: the container cannot be cleared; it is removed then.
        """
        for pause in (0.0, 0.1, 0.3, 1.0, 2.0):
            time.sleep(pause)
            try:
                self._direct(_SWEEP, "end a command")
                return
            except SandboxError as error:
                failed = error
                with speaking("end a command"):
                    state = self.client.api.inspect_container(self.id)["State"]
                if state["Paused"] or not state["Running"]:
                    break
        self.remove()
        raise failed

    def out_of_memory(self) -> bool:
        """Whether the kernel ended a process for want of memory since this was last asked."""
        said = self._direct(_MEMORY_EVENTS, "read the memory counters")
        counts = [int(found) for found in re.findall(rb"^oom_kill (\d+)$", said, re.MULTILINE)]
        return self.starved(max(counts, default=0))

    def starved(self, killed: int) -> bool:
        """Take the kernel's count of such ends; whether it rose since the last one."""
        before, self._killed = self._killed, killed
        return killed > before

    def _direct(self, command: str, what: str) -> bytes:
        """Output of a short command of our own that starts no process of its own where it can be helped."""
        said = bytearray()
        with speaking(what):
            how, made = self._exec(
                ["/bin/sh", "-c", _AFTER_US, command], (), said.extend, said.extend, 15, 1 << 16, {}
            )
            code = self.client.api.exec_inspect(made)["ExitCode"] if how == "end" else None
        # Neither `exit` nor `kill` fails by itself: it could not be started, or died with its container.
        if code is None or code >= 126:
            if self._stays():
                raise SandboxError(
                    "the sandbox cannot run commands any more: its memory or processes are used up"
                )
            raise gone(what)
        return bytes(said)

    def _stays(self) -> bool:
        """Whether the container runs, and does not just come to its end: then it takes no commands either."""
        until = time.monotonic() + 1.0
        while True:
            with speaking("look at the container"):
                running = bool(self.client.api.inspect_container(self.id)["State"]["Running"])
            if not running or time.monotonic() >= until:
                return running
            time.sleep(0.1)

    def remove(self) -> None:
        """End and remove the container; safe to call twice, and when it has gone already."""
        if self._current is not None:
            _shut(self._current)
        name, self.id = self.id, ""
        if name:
            remove(self.client, name)
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            _close(keeper)


def _options(client: DockerClient, run: str, limits: SandboxLimits) -> dict[str, Any]:
    from docker.types import LogConfig, Ulimit

    info = client.info()
    owner = "nosuid,nodev,uid=1000,gid=1000,mode=0755"
    tree = f"size={min(limits.tree, limits.memory // 2)},nr_inodes={limits.files}"
    scratch = f"size={min(limits.scratch, limits.memory // 8)},nr_inodes={limits.files // 4}"
    options: dict[str, Any] = {
        # `cat` ends when our end of its standard input closes, `timeout` in any case.
        "command": ["timeout", "-s", "KILL", str(limits.lifetime), "cat"],
        "stdin_open": True,
        "init": True,
        "user": KEEPER,
        "working_dir": TREE,
        "hostname": "sandbox",
        "network_mode": "none",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "ipc_mode": "private",
        "shm_size": "64m",
        "pids_limit": limits.pids,
        "mem_limit": limits.memory,
        "memswap_limit": limits.memory,
        "nano_cpus": int(min(limits.cpus, info.get("NCPU") or 1) * 1e9),
        "oom_score_adj": 500,
        "tmpfs": {
            TREE: f"rw,exec,{tree},{owner}",
            "/tmp": f"rw,exec,{scratch},{owner}",
        },
        "ulimits": [
            Ulimit(name="nofile", soft=4096, hard=4096),
            Ulimit(name="fsize", soft=limits.file_bytes, hard=limits.file_bytes),
            Ulimit(name="core", soft=0, hard=0),
        ],
        "log_config": LogConfig(type="none"),
        "auto_remove": True,
        "use_config_proxy": False,
        "labels": {
            "sale": run,
            "sale.until": str(int(time.time()) + limits.lifetime),
            **this_process().labels(),
        },
        "environment": {
            "HOME": "/tmp",
            "TMPDIR": "/tmp",
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
            "PYTHONNOUSERSITE": "1",
            "PYTHONUNBUFFERED": "1",
        },
    }
    if "runsc" in (info.get("Runtimes") or {}):
        options["runtime"] = "runsc"
    return options


def _plain(stream: Any) -> socket.socket:
    """The socket below what docker-py returns."""
    return getattr(stream, "_sock", stream)  # type: ignore[no-any-return]


def _shut(link: socket.socket) -> None:
    with suppress(OSError):
        link.shutdown(socket.SHUT_RDWR)


def _close(stream: Any) -> None:
    """End a stream for good: docker-py's own `close` leaves the socket open until it is collected."""
    link = _plain(stream)
    _shut(link)
    response = getattr(stream, "_response", None)
    for part in (link, response, stream):
        # The response and the stream share a file, so the second of them finds it closed.
        with suppress(OSError, ValueError):
            if part is not None:
                part.close()


def _exchange(
    link: socket.socket, feed: Iterable[bytes], out: Sink, err: Sink, seconds: float, flood: int
) -> Literal["end", "deadline", "flood"]:
    """Feed an exec's input and pass on its output until it ends, or until the deadline."""
    until = time.monotonic() + seconds
    frames = _Frames(out, err)
    link.setblocking(False)
    pieces = iter(feed)
    pending = memoryview(b"\n")  # the line that the command waits for
    with selectors.DefaultSelector() as ready:
        ready.register(link, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while True:
            left = until - time.monotonic()
            if left <= 0:
                return "deadline"
            happened = ready.select(left)
            if not happened:
                continue
            events = happened[0][1]
            with suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                if events & selectors.EVENT_READ:
                    while True:
                        data = link.recv(1 << 18)
                        if not data:
                            return "end"
                        frames.take(data)
                        if frames.passed > flood:
                            return "flood"
                        # What TLS has decrypted already, no selector sees.
                        if not isinstance(link, ssl.SSLSocket) or not link.pending():
                            break
                    continue
            with suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                if events & selectors.EVENT_WRITE:
                    try:
                        if not pending:
                            pending = memoryview(next(pieces))
                        pending = pending[link.send(pending) :]
                    except (StopIteration, BrokenPipeError, ConnectionResetError):
                        # All fed, or the command does not want more: only listen from here on.
                        ready.modify(link, selectors.EVENT_READ)


class _Frames:
    """Takes Docker's stream apart: 8 bytes of head (1 out, 2 err; length), then the payload."""

    def __init__(self, out: Sink, err: Sink) -> None:
        self.passed = 0
        self._sinks = {1: out, 2: err}
        self._head = b""
        self._left = 0
        self._sink: Sink = out

    def take(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            if not self._left:
                need = 8 - len(self._head)
                self._head += data[at : at + need]
                at += need
                if len(self._head) < 8:
                    return
                stream, self._left = struct.unpack(">BxxxL", self._head)
                self._sink = self._sinks.get(stream, self._sinks[1])
                self._head = b""
                continue
            piece = data[at : at + self._left]
            at += len(piece)
            self._left -= len(piece)
            self.passed += len(piece)
            self._sink(piece)
