"""One container, closed on all sides: created, spoken to by exec, swept after each command, removed.

- PID 1 runs as one user, every command as another, so no command can end the container, and one
  `kill -9 -1` ends all that a command left behind.
- PID 1 reads from us: when the process that opened the container dies, however it dies, so does it.
- Time is bounded from here. Nothing that runs inside is trusted to stop itself.
"""

from __future__ import annotations

import mmap
import re
import secrets
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from salecli.adapters.engine import LAST_PATIENCE, LOG, gone, owe, remove, speaking
from salecli.adapters.exchange import How, Sink, close, exchange, plain, shut
from salecli.adapters.owner import this_process
from salecli.adapters.points import reached
from salecli.core.text import clean
from salecli.errors import DockerGone, SandboxError

if TYPE_CHECKING:
    from docker import DockerClient

WORKER, KEEPER = "1000:1000", "65534:65534"
TREE = "/work"
_MEMORY_EVENTS = "cat /sys/fs/cgroup/memory/memory.oom_control /sys/fs/cgroup/memory.events 2>/dev/null"
_SHARED = 64 << 20
"""Bytes of /dev/shm and of System V's segments, each."""
_PATIENCE = 60.0
"""Seconds for which a sweep is tried again: a fork bomb leaves it little time on the cores."""
_SWEEP = "kill -9 -1 2>/dev/null; exit 0"
# Nothing runs before we hold the stream: what an exec says too early is lost. The first byte, which is
# exchange's BEGUN, tells a command that ran from one that the engine could not start.
_AFTER_US = """read -r _ && printf '\\006' >&2 && eval "$0" """


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
    """Files of the tree's tmpfs, a quarter of that for /tmp; fewer where the memory is less than 2 GiB."""
    file_bytes: int = 512 << 20
    """Bytes of one file."""
    lifetime: int = 6 * 3600
    """Seconds after which a container ends by itself."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How an exec ended."""

    how: Literal["exit", "deadline", "flood"]
    code: int


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
        name, made = f"sale-{secrets.token_hex(8)}", None
        try:
            with self._asking("create a sandbox"):
                made = client.containers.create(image, name=name, **_options(client, run, limits))
                self.id = made.id or ""
                # Attached before the start: from here on the container lives as long as this process.
                self._keeper = client.api.attach_socket(self.id, params={"stdin": 1, "stream": 1})
                made.start()
            reached("create")
        except BaseException:
            self.remove()
            if made is None:  # an engine that went away may have made it, and not have said so
                owe(name)
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
        with self._asking("run a command"):
            how, instead, made = self._exec(
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
            code = self._exit_code(made) if how == "end" else 124 if how == "deadline" else 137
        if instead is not None:
            said = clean(instead.decode("utf-8", "replace"), newlines=False).strip()[:300]
            raise SandboxError(
                f"the Docker engine could not start a command in the sandbox ({said or how})", LOG
            )
        return Ended("exit" if how == "end" else how, code)

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        """Speak to the engine; once it does not answer, it is not waited for long any more."""
        try:
            with speaking(what):
                yield
        except DockerGone:
            self.client.api.timeout = LAST_PATIENCE
            raise

    def _exec(
        self,
        command: list[str],
        feed: Iterable[bytes],
        out: Sink,
        err: Sink,
        seconds: float,
        flood: int,
        environment: dict[str, str],
    ) -> tuple[How, bytes | None, str]:
        made = self.client.api.exec_create(
            self.id, command, stdin=True, user=WORKER, workdir=TREE, environment=environment
        )["Id"]
        stream = self.client.api.exec_start(made, socket=True)
        self._current = plain(stream)
        try:
            return *exchange(self._current, feed, out, err, seconds, flood), made
        finally:
            # Shut before anything else: with unread output in it, removing the container takes 20 s.
            close(stream)
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
            # A command may have been killed by itself, with parts of it still there, or with the container.
            self.sweep()
        return code

    def sweep(self) -> None:
        """End every process of the sandbox's user.

        Raises:
            SandboxError: the container cannot be cleared; it is removed then.
        """
        until, pause = time.monotonic() + _PATIENCE, 0.05
        while True:
            try:
                self._direct(_SWEEP, "end a command")
                return
            except DockerGone:
                raise
            except SandboxError:
                # Where every process that it may have is taken, a new one has to wait for its turn.
                with self._asking("end a command"):
                    state = self.client.api.inspect_container(self.id)["State"]
                if state["Paused"] or not state["Running"] or time.monotonic() > until:
                    self.remove()
                    raise
            time.sleep(pause)
            pause = min(2 * pause, 1.0)

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
        with self._asking(what):
            how, instead, made = self._exec(
                ["/bin/sh", "-c", _AFTER_US, command], (), said.extend, said.extend, 15, 1 << 16, {}
            )
            code = self.client.api.exec_inspect(made)["ExitCode"] if how == "end" else None
        # Neither `exit` nor `kill` fails by itself: it could not be started, or died with its container.
        if instead is not None or code is None or code >= 126:
            if self._stays():
                raise SandboxError(
                    "the sandbox cannot run commands any more: its memory or processes are used up", LOG
                )
            raise gone(what)
        return bytes(said)

    def _stays(self) -> bool:
        """Whether the container runs, and does not just come to its end: then it takes no commands either."""
        until = time.monotonic() + 1.0
        while True:
            with self._asking("look at the container"):
                running = bool(self.client.api.inspect_container(self.id)["State"]["Running"])
            if not running or time.monotonic() >= until:
                return running
            time.sleep(0.1)

    def remove(self) -> None:
        """End and remove the container; safe to call twice, and when it has gone already."""
        if self._current is not None:
            shut(self._current)
        name, self.id = self.id, ""
        if name:
            remove(self.client, name)
        self.let_go()

    def let_go(self) -> None:
        """Hold the container no longer: it ends and goes, as it does when this process dies."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            close(keeper)


def _options(client: DockerClient, run: str, limits: SandboxLimits) -> dict[str, Any]:
    from docker.types import LogConfig, Ulimit

    info = client.info()
    owner = "nosuid,nodev,uid=1000,gid=1000,mode=0755"
    # Files in memory, full to the brim, leave a tenth of it to whatever comes next: nothing could sweep them.
    files = min(limits.files, limits.memory // 10_240)
    shared = min(_SHARED, limits.memory // 16)
    tree = f"size={min(limits.tree, limits.memory // 2)},nr_inodes={files}"
    scratch = f"size={min(limits.scratch, limits.memory // 8)},nr_inodes={files // 4}"
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
        # Shared segments outlive the processes that made them.
        "sysctls": {"kernel.shmall": str(shared // mmap.PAGESIZE), "kernel.shmmni": "256"},
        "pids_limit": limits.pids,
        "mem_limit": limits.memory,
        "memswap_limit": limits.memory,
        "nano_cpus": int(min(limits.cpus, info.get("NCPU") or 1) * 1e9),
        "oom_score_adj": 500,
        "tmpfs": {
            TREE: f"rw,exec,{tree},{owner}",
            "/tmp": f"rw,exec,{scratch},{owner}",
            # In place of the engine's own, which knows no bound of its files.
            "/dev/shm": f"rw,noexec,nosuid,nodev,mode=1777,size={shared},nr_inodes={files // 4}",
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
