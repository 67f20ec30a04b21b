"""A sandbox that is attacked again and again, and the proof that nothing but it has noticed."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from salecli.adapters.container import SandboxLimits
from salecli.adapters.docker import DockerSandbox, DockerWorkspace
from salecli.adapters.git import Repository
from salecli.adapters.testing import PYTEST
from tests.adapters.sandboxes import CALC, fingerprint, make

SMALL = SandboxLimits(seconds=30, memory=512 << 20, pids=32, flood=4 << 20, output=2000)
FILES = {
    **CALC,
    "binary.bin": "\0\1\2\n",
    "Dockerfile": "FROM scratch\nUSER root\n",
    "compose.yml": "services: {sandbox: {privileged: true, network_mode: host, volumes: ['/:/host']}}\n",
    ".env": "COMPOSE_PROJECT_NAME=sandbox\nDOCKER_HOST=tcp://127.0.0.1:1\n",
}
KEEPERS = 3
"""Processes of a sandbox in which nothing happens: init, timeout, cat."""
_TIDY = """chmod -R u+rwx . 2>/dev/null; find . -mindepth 1 -delete
find /tmp /dev/shm -mindepth 1 -delete 2>/dev/null
ipcs -m 2>/dev/null | awk '$3 == 1000 {print $2}' | xargs -r -n1 ipcrm -m
head -c "$1" | tar -xf - --no-same-owner
id -u; ls; python3 -c 'print(6 * 7)'"""
_ROOM = 2 << 30
"""Bytes by which the free disk may shrink meanwhile: others live on this machine."""


class Place:
    """A repository, a canary beside it, and a sandbox on it."""

    def __init__(self, folder: Path, limits: SandboxLimits = SMALL) -> None:
        self.folder = folder
        self.canary = folder / "canary"
        self.canary.mkdir()
        (self.canary / "secret.txt").write_text("canary-7c1f\n")
        (self.canary / "script.sh").write_text("#!/bin/sh\n")
        self.repository = make(folder / "calc", FILES)
        self.snapshot = Repository(self.repository).snapshot()
        self.workspace = DockerWorkspace(
            self.snapshot, PYTEST, f"attacked-{os.getpid()}-{folder.name}", limits
        )
        self.sandbox = self.workspace.open()
        self._before = self._host()
        self.watch()

    def _host(self) -> tuple[object, ...]:
        places = (self.folder, self.snapshot.store.folder)
        passwd = Path("/etc/passwd").stat()
        return (
            [fingerprint(place) for place in (self.canary, self.repository)],
            [sorted(path.name for path in place.iterdir()) for place in places],
            (passwd.st_mtime, passwd.st_size),
        )

    @property
    def free(self) -> int:
        """Bytes free where temporary files lie."""
        return shutil.disk_usage(self.folder).free

    def processes(self) -> list[str]:
        """What runs in the container, as this machine sees it."""
        name = self.sandbox.container.id
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if name in (process / "cgroup").read_text():
                    found.append((process / "comm").read_text().strip())
        if not found:  # an engine that is elsewhere
            found = [" ".join(row) for row in self.workspace.client.api.top(name)["Processes"]]
        return found

    def written(self) -> int:
        """Bytes that the container has written to this machine's disk."""
        name = self.sandbox.container.id
        listed = self.workspace.client.api.containers(all=True, size=True, filters={"id": name})
        return int(listed[0].get("SizeRw", 0))

    @contextmanager
    def within(self, seconds: float) -> Iterator[DockerSandbox]:
        """The sandbox with another deadline for its commands."""
        container = self.sandbox.container
        usual = container.limits
        container.limits = replace(usual, seconds=seconds)
        try:
            yield self.sandbox
        finally:
            container.limits = usual

    def tidy(self) -> str:
        """Put the tree back as it was; what a command that looks at it says."""
        said = bytearray()
        files = self.snapshot.tar.read_bytes()
        ended = self.sandbox.container.execute(
            _TIDY, [str(len(files))], feed=[files], out=said.extend, err=said.extend
        )
        assert ended.how == "exit", ended
        return said.decode()

    def unharmed(self) -> None:
        """Assert that the sandbox is usable as on its first day, and that this machine noticed nothing."""
        assert self.tidy() == "1000\nDockerfile\nbinary.bin\ncalc.py\ncompose.yml\ntest_calc.py\n42\n"
        assert self.sandbox.collect().empty
        until = time.monotonic() + 10
        while len(self.processes()) != KEEPERS:
            assert time.monotonic() < until, self.processes()
            time.sleep(0.05)
        assert self._host() == self._before
        assert self._free - self.free < _ROOM

    def watch(self) -> None:
        """Remember how much of the disk is free."""
        self._free = self.free

    def renew(self) -> None:
        """A successor of a sandbox that has gone."""
        self.sandbox.close()
        self.sandbox = self.workspace.open()

    def close(self) -> None:
        """Take it all down; nothing may be left, and nothing may have been written to the machine's disk."""
        client = self.workspace.client
        assert self.written() == 0
        self.sandbox.close()
        label = {"label": f"sale={self.workspace.run}"}
        until = time.monotonic() + 30
        while client.api.containers(all=True, filters=label):
            assert time.monotonic() < until
            time.sleep(0.1)
        self.workspace.close()
        self.snapshot.close()
