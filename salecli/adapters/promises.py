"""What a sandbox promises, each with the live proof that `sale sandbox check` shows; and what it does not."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from salecli.adapters import proofs
from salecli.adapters.docker import DockerWorkspace
from salecli.adapters.git import Repository
from salecli.adapters.plumbing import Git
from salecli.adapters.proofs import LIMITS, Broken, Room
from salecli.adapters.testing import PYTEST
from salecli.errors import SaleError, SandboxError

if TYPE_CHECKING:
    from docker import DockerClient

_FILES = {
    "calc.py": "def add(a, b):\n    return a - b\n",
    "test_calc.py": "from calc import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n",
}


@dataclass(frozen=True, slots=True)
class Promise:
    """One thing that holds whatever runs inside."""

    name: str
    text: str
    tried: str
    """What the attack suite, tests/sandbox, tries against it."""
    proof: Callable[[Room], str]
    """What was seen; Broken where it does not hold."""


PROMISES: tuple[Promise, ...] = (
    Promise(
        "user",
        "commands run as an ordinary user",
        "setuid programs of the image, and of the tree",
        proofs.user,
    ),
    Promise(
        "rights",
        "no privileges, and none to be had",
        "mount, unshare, setns, mknod, ptrace of PID 1, /proc/sys, /sys, cgroups",
        proofs.rights,
    ),
    Promise(
        "network",
        "no network of any kind",
        "TCP, UDP, DNS, raw and packet sockets; this machine's loopback, bridge and abstract sockets; "
        "the metadata address",
        proofs.network,
    ),
    Promise(
        "files",
        "no file of this machine, read or written",
        "the checkout, home folders, docker.sock, devices, the image's own files, a compose file and "
        "a Dockerfile of the repository",
        proofs.files,
    ),
    Promise(
        "secrets",
        "nothing of your environment gets in",
        "variables of the shell, proxy passwords of the Docker configuration, .git and its history",
        proofs.secrets,
    ),
    Promise(
        "keeper",
        "no command ends its own sandbox",
        "PID 1 killed, the command's shell killed, everything killed",
        proofs.keeper,
    ),
    Promise(
        "time",
        "a deadline for all that a command starts",
        "endless loops, signals ignored, daemons that hold the output, input awaited, zombies",
        proofs.deadline,
    ),
    Promise(
        "processes",
        "processes and cores are bounded",
        "fork bombs by shell, fork, setsid and threads; all cores busy; 100,000 open files",
        proofs.processes,
    ),
    Promise(
        "memory",
        "memory is bounded, and want of it is named",
        "one hog, twenty small hogs, hogs that come again, System V segments, files and inodes together",
        proofs.memory,
    ),
    Promise(
        "disk",
        "disk is bounded, and none of this machine's",
        "full trees, inode bombs, sparse files, a zip bomb",
        proofs.disk,
    ),
    Promise(
        "output",
        "output is bounded",
        "floods, one endless line, binary noise, the error stream",
        proofs.output,
    ),
    Promise(
        "coming out",
        "what comes out is checked byte by byte",
        "links, .git in every spelling, devices, sockets, FIFOs, odd names, twins, modes, large and many "
        "files, hostile patches",
        proofs.coming_out,
    ),
    Promise(
        "verdict",
        "original tests decide, in a fresh sandbox",
        "tests deleted, weakened, skipped, settings edited, early exits, printed reports and verdicts, "
        "shadowed imports",
        proofs.verdict,
    ),
    Promise(
        "blame",
        "a failing engine is never a command's fault",
        "words of Docker, of reports and of sale itself in a command's output; its exit codes; an "
        "engine that is absent, refuses, is cut off, hangs; a container removed, killed or paused "
        "from outside",
        proofs.blame,
    ),
    Promise(
        "owner",
        "no sandbox outlives sale",
        "kill -9 of the owner",
        proofs.owner,
    ),
)

NOT_PROMISED: tuple[str, ...] = (
    "The sandbox shares your kernel: a flaw in the kernel is a way out of it. For repositories that you have "
    "reason to fear, use gVisor (taken by itself where the engine lists `runsc`) or a virtual machine.",
    "Before Docker 25 the engine's own filter of system calls lets vsock and io_uring through.",
    "Code under test runs in the same process as the test framework: a patch that was written to deceive can "
    "forge what that process reports. Read the diff before you accept it.",
    "A patch that you accept runs with your rights the next time you run your project.",
    "While a command runs, it may keep as many cores busy as `[sandbox] cpus` says.",
)
"""What no sandbox of this kind can give."""


def proved(client: DockerClient, image: str) -> Iterator[tuple[Promise, str, bool]]:
    """Open a sandbox of this image and prove every promise in it: what was seen, and whether it holds.

    Raises:
        SandboxError: no image, or the engine or the container went away meanwhile.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sale-check-")))
        canary = folder / "canary.txt"
        canary.write_text(os.urandom(8).hex())
        snapshot = stack.enter_context(_repository(folder / "calc").snapshot())
        workspace = stack.enter_context(
            DockerWorkspace(snapshot, PYTEST, "check", LIMITS, image=image, client=client)
        )
        room = Room(workspace, stack.enter_context(workspace.open()), canary)
        for promise in PROMISES:
            try:
                seen, holds = promise.proof(room), True
            except Broken as error:
                seen, holds = str(error), False
            except SandboxError:
                raise
            except (SaleError, ValueError) as error:
                seen, holds = str(error), False
            yield promise, seen, holds


def _repository(folder: Path) -> Repository:
    folder.mkdir()
    for name, text in _FILES.items():
        (folder / name).write_text(text)
    git = Git(None, folder)
    git.run("init", "-q")
    git.run("add", "-A")
    git.run("-c", "user.name=sale", "-c", "user.email=sale@localhost", "commit", "-qm", "start")
    return Repository(folder)
