"""Live proofs of what a sandbox promises: each tries something inside, and says what it saw."""

from __future__ import annotations

import re
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from salecli.adapters.container import SandboxLimits
from salecli.adapters.docker import DockerSandbox, DockerWorkspace
from salecli.errors import PatchRefused

LIMITS = SandboxLimits(seconds=30, memory=256 << 20, pids=32, tree=64 << 20, scratch=16 << 20)
"""Those of the sandbox that the proofs are made in: small, so that they are reached soon."""
_CHEAT = "def test_add():\n    pass\n"


class Broken(Exception):
    """A promise that does not hold here; the message says what was seen."""


@dataclass(frozen=True, slots=True)
class Room:
    """Where proofs are made."""

    workspace: DockerWorkspace
    sandbox: DockerSandbox
    canary: Path
    """A file of this machine that nothing inside may see."""

    def said(self, command: str) -> str:
        """Output of a command inside."""
        return self.sandbox.run(command).output.strip()

    def python(self, script: str) -> str:
        """Output of a Python script inside."""
        return self.said(f"python3 - <<'END'\n{script}\nEND")


def _holds(condition: object, seen: str) -> None:
    if not condition:
        raise Broken(" ".join(seen.split())[:300] or "nothing was said")


def user(room: Room) -> str:
    """Who commands run as, and whether a program could make more of them."""
    said = room.said("id -u; id -g; sudo -n id -u 2>&1; find / -xdev -type f -perm /6000 2>/dev/null")
    lines = said.splitlines()
    _holds(lines[:2] == ["1000", "1000"] and "0" not in lines[2:] and len(lines) == 3, said)
    return "user 1000, no setuid program to be found"


def rights(room: Room) -> str:
    """What privileged calls come to."""
    status = room.said("grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t'")
    expected = "CapBnd:0000000000000000 CapEff:0000000000000000 NoNewPrivs:1"
    found = " ".join(sorted(line for line in status.splitlines() if not line.startswith("Seccomp")))
    _holds(found == expected, status)
    said = room.said(
        "mount -t tmpfs none /tmp 2>&1; unshare -U true 2>&1; mknod /tmp/d c 1 3 2>&1; "
        "echo 1 2>&1 >/proc/sys/kernel/panic; echo end"
    )
    refused = len(re.findall("denied|not permitted|must be superuser|Read-only|cannot", said, re.IGNORECASE))
    _holds(refused >= 4 and said.endswith("end"), said)
    return "no capabilities; mount, unshare, mknod and /proc/sys refused"


_REACH = """
import os, socket
print(*sorted(os.listdir("/sys/class/net")))
def tried(what, act):
    try:
        act()
        print("reached", what)
    except OSError as error:
        pass
for host, port in %r:
    tried(f"{host}:{port}", lambda: socket.create_connection((host, port), 2))
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    tried(f"udp {host}:{port}", lambda: udp.sendto(b"x", (host, port)))
tried("a name", lambda: socket.getaddrinfo("example.com", 80))
tried("a raw socket", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
tried("a packet socket", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
"""


def network(room: Room) -> str:
    """What can be reached, and whether this machine hears of it."""
    with socket.create_server(("", 0)) as heard:
        port = heard.getsockname()[1]
        own = {"172.17.0.1", *_addresses()}
        places = [("127.0.0.1", port), *((host, port) for host in own)]
        places += [("1.1.1.1", 53), ("169.254.169.254", 80)]
        # Sent to its own loopback, a datagram has nowhere to go and nobody to refuse it.
        said = room.python(_REACH % places).replace(f"reached udp 127.0.0.1:{port}", "").strip()
        _holds(said == "lo", said)
        heard.settimeout(0)
        with suppress(BlockingIOError):
            _holds(False, f"this machine heard {heard.accept()[1]}")
    return "only lo; TCP, UDP, DNS, raw sockets and this machine refused"


def _addresses() -> set[str]:
    """This machine's own addresses, as far as its name tells them."""
    with suppress(OSError):
        return {str(found[4][0]) for found in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    return set()


_MOUNTED = r"/$|/(proc|sys|dev|tmp|work)\b|/etc/(resolv.conf|hosts|hostname)$|\S*/(docker|podman)-init$"
"""What the engine itself mounts, nothing of which is the user's."""


def files(room: Room) -> str:
    """What is to be seen and written of this machine and of the image."""
    said = room.said(
        f"cat {room.canary} 2>&1; ls /var/run/docker.sock /run/docker.sock 2>&1; "
        "touch /probe /etc/probe /opt/sale/probe 2>&1; echo end"
    )
    _holds(room.canary.read_text() not in said and said.endswith("end"), said)
    _holds(said.count("No such file") == 3 and said.count("Read-only") == 3, said)
    mounts = room.said("awk '{print $5}' /proc/self/mountinfo").splitlines()
    strange = [one for one in mounts if not re.match(_MOUNTED, one)]
    _holds(not strange, " ".join(strange))
    return "a file of this machine unseen, no Docker socket, the root read-only"


def secrets(room: Room) -> str:
    """Which variables are set inside."""
    names = {line.partition("=")[0] for line in room.said("env").splitlines()}
    ours = {"HOME", "TMPDIR", "LANG", "TERM", "PATH", "HOSTNAME", "PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE"}
    strange = {name for name in names - ours if not name.startswith(("PYTHON", "GPG_KEY"))}
    _holds(not strange, " ".join(sorted(strange)))
    return f"{len(names)} variables, none of this shell's"


def keeper(room: Room) -> str:
    """What becomes of a command that ends PID 1."""
    said = room.said("kill -9 1 2>&1; echo kept")
    _holds("not permitted" in said and said.endswith("kept"), said)
    return "kill -9 1 is refused"


def deadline(room: Room) -> str:
    """What becomes of a command that never ends, and of what it started."""
    started = time.monotonic()
    command = "trap '' TERM INT HUP; setsid sleep 1000 & while :; do :; done"
    ended = room.sandbox.container.execute(command, seconds=0.5)
    _holds(ended.how == "deadline", ended.how)
    _alone(room)
    return f"a loop without end that ignores signals: ended after {time.monotonic() - started:.1f} s"


def processes(room: Room) -> str:
    """What becomes of a fork bomb."""
    command = "b() { b | b & }; b 2>/dev/null; setsid sleep 1000"
    ended = room.sandbox.container.execute(command, seconds=0.5)
    _holds(ended.how in ("deadline", "exit"), ended.how)
    room.sandbox.container.sweep()
    _alone(room)
    return f"a fork bomb met the limit of {LIMITS.pids}, and was swept away"


def _alone(room: Room) -> None:
    """Nothing runs inside but the command that looks."""
    said = room.said("for p in /proc/[0-9]*; do cat $p/comm; done 2>/dev/null | sort -u | tr '\\n' ' '")
    _holds("sleep" not in said, said)


def memory(room: Room) -> str:
    """What becomes of a command that wants twice the memory there is."""
    done = room.sandbox.run(f"python3 -c 'x = bytearray({2 * LIMITS.memory})'")
    _holds(done.out_of_memory and done.exit_code == 137, f"exit code {done.exit_code}: {done.output}")
    return f"{2 * LIMITS.memory >> 20} MiB asked for, ended at {LIMITS.memory >> 20} MiB, and it is known why"


def disk(room: Room) -> str:
    """What becomes of files that are too large."""
    said = room.said(
        f"head -c {4 * LIMITS.tree} /dev/zero >big; truncate -s 1T sparse; rm -f big sparse; echo end"
    )
    _holds(re.search("(?s)No space left.*([Ff]ile too large|File size limit).*end$", said), said)
    return f"full at {LIMITS.tree >> 20} MiB; a sparse file of 1 TB refused"


def output(room: Room) -> str:
    """What becomes of a command that never stops talking."""
    taken = 0

    def count(data: bytes) -> None:
        nonlocal taken
        taken += len(data)

    ended = room.sandbox.container.execute("yes", out=count, flood=1 << 20)
    _holds(ended.how == "flood" and taken < 4 << 20, f"{ended.how} after {taken} bytes")
    return "an endless output was ended after 1 MiB"


def coming_out(room: Room) -> str:
    """What becomes of a tree that an honest command does not leave."""
    sandbox = room.sandbox
    for command, reason in (
        (f"ln -s {room.canary} link", "outside of the tree"),
        ("mkdir -p sub/.GIT/hooks; echo x >sub/.GIT/hooks/pre-commit", "into .git"),
        ("mkfifo pipe", "FIFO"),
    ):
        sandbox.run(command)
        try:
            sandbox.collect()
            raise Broken(f"came out: {command}")
        except PatchRefused as error:
            _holds(reason in error.message, error.message)
        sandbox.run("rm -rf link sub pipe")
    _holds(sandbox.collect().empty, "an untouched tree is not an empty patch")
    return "a link to this machine, .git/hooks and a FIFO refused"


def verdict(room: Room) -> str:
    """What becomes of a patch that weakens the tests."""
    room.sandbox.write("test_calc.py", _CHEAT)
    _holds(room.sandbox.test().green, "the cheat does not even work")
    patch = room.sandbox.collect()
    _holds(patch.changes[0].flags == ("test",), f"flags {patch.changes[0].flags}")
    _holds(not room.workspace.verify(patch).green, "a weakened test counted")
    return "a weakened test passed inside, and failed the verdict"


def blame(room: Room) -> str:
    """Who is held to have failed where a command talks like a broken engine."""
    said = "OCI runtime exec failed: container has gone; the Docker engine does not answer any more"
    for code in (125, 126, 137):
        done = room.sandbox.run(f"echo '{said}'; exit {code}")
        _holds((done.exit_code, done.output) == (code, f"{said}\n"), f"{done.exit_code}: {done.output}")
    return "the words and exit codes of a broken engine stayed an observation"


def owner(room: Room) -> str:
    """What becomes of the container once nobody holds it."""
    container = room.sandbox.container
    name = container.id
    started = time.monotonic()
    container.let_go()
    while room.workspace.client.api.containers(all=True, filters={"id": name}):
        _holds(time.monotonic() < started + 15, "the container outlived its owner by 15 s")
        time.sleep(0.05)
    return f"let go of, the container was gone after {time.monotonic() - started:.1f} s"
