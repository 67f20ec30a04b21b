"""Ways out of the sandbox: network, kernel, files, rights, secrets. Each is tried, none leads out."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from salecli.adapters.engine import connect
from salecli.adapters.image import IMAGE, pinned
from tests.sandbox.place import SMALL, Place

pytestmark = pytest.mark.docker

PROBE = """
import ctypes, json, os, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
seen = {}
def tried(what, act):
    try:
        seen[what] = f"reached: {act()!r}"[:200]
    except OSError as error:
        seen[what] = f"refused: {error.strerror or error}"
def call(name, *arguments):
    def act():
        ctypes.set_errno(0)
        done = getattr(libc, name)(*arguments)
        if done == -1:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return done
    tried(name, act)
def call_flag(name, *arguments):
    if getattr(libc, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
def udp(where):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        return link.sendto(b"x", where)
def unix(name):
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(name)
def written(path, text="1"):
    with open(path, "w") as opened:
        opened.write(text)
def become(path):
    return os.close(os.open(path, os.O_RDONLY))
ports, abstract, canary, sockets = json.loads(sys.argv[1])
for host in ports["hosts"]:
    tried(f"tcp {host}", lambda: socket.create_connection((host, ports["port"]), 2))
tried("tcp far", lambda: socket.create_connection(("1.1.1.1", 443), 2))
tried("tcp six", lambda: socket.create_connection(("2606:4700:4700::1111", 443), 2))
tried("metadata", lambda: socket.create_connection(("169.254.169.254", 80), 2))
tried("udp far", lambda: udp(("8.8.8.8", 53)))
tried("broadcast", lambda: udp(("255.255.255.255", 67)))
tried("dns", lambda: socket.getaddrinfo("example.com", 80))
tried("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
tried("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
tried("abstract socket", lambda: unix("\\0" + abstract))
for name in sockets:
    tried(f"socket {name}", lambda: unix(name))
call("mount", b"none", b"/tmp", b"tmpfs", 0, None)
tried("bind mount", lambda: call_flag("mount", b"/proc/1/root", b"/tmp", None, 4096, None))
call("umount2", b"/work", 2)
spaces = {"user": 0x10000000, "mounts": 0x20000, "network": 0x40000000, "processes": 0x20000000}
for kind, flag in spaces.items():
    tried(f"unshare {kind}", lambda: call_flag("unshare", flag))
for kind in ("mnt", "net", "pid", "user", "ipc"):
    tried(f"namespace {kind} of PID 1", lambda: become(f"/proc/1/ns/{kind}"))
call("chroot", b"/tmp")
call("reboot", 0)
call("sethostname", b"x", 1)
call("swapon", b"/tmp/x", 0)
call("acct", None)
call("setuid", 0)
call("setgid", 0)
call("ptrace", 16, 1, 0, 0)
call("settimeofday", struct.pack("qq", 1, 1), None)
tried("mknod", lambda: os.mknod("/tmp/disk", 0o60600, os.makedev(8, 0)))
tried("nice", lambda: os.nice(-5))
tried("oom", lambda: written("/proc/self/oom_score_adj", "-1000"))
for path in (
    "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sysrq-trigger",
    "/sys/kernel/uevent_helper", "/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/pids/pids.max", "/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/release_agent",
    "/etc/passwd", "/etc/hosts", "/etc/resolv.conf", "/opt/sale/runner.py", "/usr/bin/python3", "/probe",
):
    tried(f"write {path}", lambda: written(path))
for path in (
    "/proc/1/root", "/proc/1/environ", "/proc/1/mem", "/proc/kcore", "/proc/kmsg", "/dev/mem", "/dev/kvm",
    "/dev/sda", "/dev/vda", "/dev/fuse", "/root", canary,
):
    tried(f"open {path}", lambda: become(path))
print(json.dumps({
    "seen": seen,
    "interfaces": os.listdir("/sys/class/net"),
    "disks": [name for name in os.listdir("/dev") if os.stat("/dev/" + name).st_mode & 0o170000 == 0o060000],
    "environment": dict(os.environ),
    "mounts": [line.split()[4] for line in open("/proc/self/mountinfo")],
    "git": os.path.lexists(".git"),
}))
"""


@pytest.fixture(scope="module")
def tries(attacked: Place) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """What a program inside came to with every way out, and what this machine heard of it."""
    abstract = f"sale-test-{os.getpid()}"
    heard = []
    with socket.create_server(("", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind("\0" + abstract)
        unix.listen()
        hosts = {"127.0.0.1", "172.17.0.1", "host.docker.internal"}
        with suppress(OSError):
            hosts |= {
                str(one[4][0]) for one in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
            }
        ports = {"hosts": sorted(hosts), "port": tcp.getsockname()[1]}
        engine = ["/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock"]
        given = [ports, abstract, str(attacked.canary / "secret.txt"), engine]
        attacked.sandbox.write("probe.py", PROBE)
        done = attacked.sandbox.run(f"python3 probe.py '{json.dumps(given)}' >/tmp/seen")
        assert done.exit_code == 0, done.output
        raw = bytearray()
        attacked.sandbox.container.execute("cat /tmp/seen", out=raw.extend)
        for link in (tcp, unix):
            link.settimeout(0)
            with suppress(BlockingIOError):
                heard.append(str(link.accept()[1]))
        yield json.loads(raw), heard


def test_every_way_out_is_refused(place: Place, tries: tuple[dict[str, Any], list[str]]) -> None:
    found, heard = tries
    assert heard == []
    assert {what: said for what, said in found["seen"].items() if not said.startswith("refused")} == {}
    assert len(found["seen"]) > 60


def test_nothing_of_this_machine_is_inside(place: Place, tries: tuple[dict[str, Any], list[str]]) -> None:
    found, _ = tries
    assert (found["interfaces"], found["disks"], found["git"]) == (["lo"], [], False)
    own = re.compile(
        r"/$|/(proc|sys|dev|tmp|work)\b|/etc/(resolv.conf|hosts|hostname)$|\S+/(docker|podman)-init$"
    )
    assert [mount for mount in found["mounts"] if not own.match(mount)] == []
    assert (
        found["environment"].keys() - os.environ.keys() >= {"HOSTNAME", "PYTHONHASHSEED"} - os.environ.keys()
    )
    shared = {"HOME", "LANG", "PATH", "TERM", "TMPDIR", "PWD", "HOSTNAME", "SHLVL", "_", "LC_CTYPE"}
    known = re.compile("PYTHON|GPG_KEY")
    assert [name for name in found["environment"].keys() - shared if not known.match(name)] == []
    history = place.sandbox.run(
        "grep -rl canary-7c1f / --include=*.txt 2>/dev/null; git log 2>&1 | head -n 1"
    )
    assert "secret.txt" not in history.output


def test_setuid_files_give_nothing(place: Place) -> None:
    script = "import os; print(os.geteuid(), os.getegid())"
    done = place.sandbox.run(
        f"cp /usr/bin/python3 up && chmod 6755 up && stat -c %a up && ./up -c '{script}'; "
        "find / -xdev -perm /6000 -type f 2>/dev/null"
    )
    assert done.output == "6755\n1000 1000\n"
    (change,) = place.sandbox.collect().changes
    assert change.flags == ("executable", "binary")


def test_the_options_took_effect_whatever_the_repository_says(place: Place) -> None:
    client = place.workspace.client
    seen = client.api.inspect_container(place.sandbox.container.id)
    host, config = seen["HostConfig"], seen["Config"]
    assert seen["Image"] == pinned(client, IMAGE)
    assert (seen["Mounts"], host["Binds"], host["Devices"], host["CapAdd"]) == ([], None, None, None)
    assert (host["Privileged"], host["ReadonlyRootfs"], host["AutoRemove"], host["Init"]) == (
        False,
        True,
        True,
        True,
    )
    assert (host["NetworkMode"], host["IpcMode"], host["PidMode"], host["CapDrop"]) == (
        "none",
        "private",
        "",
        ["ALL"],
    )
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["Memory"] == host["MemorySwap"] == SMALL.memory
    assert (host["PidsLimit"], host["OomScoreAdj"], host["LogConfig"]["Type"]) == (SMALL.pids, 500, "none")
    assert host["Tmpfs"].keys() == {"/work", "/tmp", "/dev/shm"}
    assert all("nosuid" in one and "size=" in one and "nr_inodes=" in one for one in host["Tmpfs"].values())
    assert {one["Name"]: one["Hard"] for one in host["Ulimits"]}.items() >= {
        "nofile": 4096,
        "core": 0,
    }.items()
    assert (config["User"], config["Hostname"], config["WorkingDir"]) == ("65534:65534", "sandbox", "/work")
    assert config["Cmd"][:3] == ["timeout", "-s", "KILL"]
    assert (config["OpenStdin"], config["StdinOnce"]) == (True, True)


def test_two_users_and_no_more(place: Place) -> None:
    done = place.sandbox.run("for p in /proc/[0-9]*; do stat -c %u $p; done 2>/dev/null | sort | uniq -c")
    users = {line.split()[1]: int(line.split()[0]) for line in done.output.splitlines()}
    assert users.keys() == {"1000", "65534"}
    assert users["65534"] == 3


def test_secrets_of_the_shell_and_of_the_docker_configuration_stay_out(
    tmp_path: Path, private_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = "http://me:swordfish@proxy.example:3128"
    (private_home / ".docker").mkdir()
    configuration = {
        "proxies": {"default": {"httpProxy": proxy, "httpsProxy": proxy, "noProxy": "swordfish"}}
    }
    (private_home / ".docker" / "config.json").write_text(json.dumps(configuration))
    monkeypatch.setenv("DOCKER_CONFIG", str(private_home / ".docker"))
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.setenv("SALE_TEST_TOKEN", "swordfish")
    with closing(connect()) as client:
        assert "swordfish" in str(client.api._proxy_configs), "docker-py would have put it in"
    place = Place(tmp_path)
    try:
        found = place.sandbox.run("env; cat /proc/self/environ /proc/1/environ 2>/dev/null; set").output
        container = place.workspace.client.api.inspect_container(place.sandbox.container.id)
        assert "swordfish" not in found + str(container)
        place.unharmed()
    finally:
        place.close()
