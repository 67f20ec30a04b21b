"""Bombs, hogs, floods and loops: each ends in its bounds, is named for what it was, and leaves no trace."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from salecli.adapters.archive import ArchiveLimits
from salecli.core.values import Completed
from salecli.errors import PatchRefused
from tests.sandbox.place import SMALL, Place

pytestmark = pytest.mark.docker


def python(script: str) -> str:
    """A command that runs a Python script."""
    return f"python3 - <<'END'\n{script}\nEND"


FORK = """
import os
while True:
    try:
        {}
    except OSError:
        pass
"""
THREADS = """
import os, threading, time
os.fork(); os.fork()
while True:
    try:
        threading.Thread(target=time.sleep, args=(1000,)).start()
    except RuntimeError:
        pass
"""
BOMBS = {
    "shell": "b() { b | b & }; b 2>/dev/null; sleep 1000",
    "fork": python(FORK.format("os.fork()")),
    "setsid": python(FORK.format("os.fork() or os.setsid()")),
    "idle": python(FORK.format("os.fork() or os.execlp('sleep', 'sleep', '1000')")),
    "threads": python(THREADS),
    "its shell killed": "("
    + python(FORK.format("os.fork() or os.setsid()"))
    + "\n) & sleep 1; kill -9 $PPID $$",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_fork_bombs_are_bounded_and_swept(place: Place, bomb: str) -> None:
    with place.within(2) as sandbox:
        done = sandbox.run(BOMBS[bomb])
    assert (done.timed_out, done.exit_code) == (True, 124)


@pytest.mark.parametrize(
    "command",
    [
        "while :; do :; done",
        "trap '' TERM INT HUP QUIT; sleep 1000 & while :; do wait; done",
        "setsid sh -c 'trap \"\" TERM; while :; do sleep 1000; done'",
        "kill -STOP $PPID; sleep 1000",
        "kill -9 $PPID; setsid sleep 1000",
        "setsid nohup sleep 1000 & kill -9 $PPID $$",
    ],
)
def test_what_does_not_end_by_itself_is_ended(place: Place, command: str) -> None:
    started = time.monotonic()
    with place.within(1) as sandbox:
        done = sandbox.run(command)
    assert (done.timed_out, done.exit_code) in {(True, 124), (False, 137)}
    assert time.monotonic() - started < SMALL.seconds


@pytest.mark.parametrize(
    ("command", "output"),
    [
        ("cat; read line; python3 -c 'import sys; print(len(sys.stdin.read()))'", "0\n"),
        ("(setsid sleep 1000 &); echo done", "done\n"),
        ("nohup sleep 1000 >/dev/null 2>&1 & echo done", "done\n"),
        (f"echo {'a' * 300_000} | wc -c", "300001\n"),
        ("ulimit -n; ulimit -c", "4096\n0\n"),
    ],
)
def test_what_waits_or_stays_behind_does_not_hold_up(place: Place, command: str, output: str) -> None:
    done = place.sandbox.run(command)
    assert (done.exit_code, done.timed_out, done.output) == (0, False, output)


def test_everything_killed_is_the_commands_own_end(place: Place) -> None:
    for command in ("kill -9 -1", "kill -9 $PPID", "kill -9 $$", "kill -9 1; kill -9 -1; kill -9 $$"):
        done = place.sandbox.run(command)
        assert (done.exit_code, done.timed_out, done.out_of_memory) in {
            (137, False, False),
            (0, False, False),
        }
    assert place.sandbox.run("kill -9 1").exit_code == 1


def hog(mebibytes: int, then: str = "") -> str:
    """A command that takes so much memory."""
    return f"python3 -c 'import time; x = bytearray({mebibytes} << 20); {then}'"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (hog(2048), 137),
        (f"for n in $(seq 20); do {hog(60, 'time.sleep(1)')} & done; wait", 0),
        (f"for n in $(seq 3); do {hog(400)}; {hog(400, 'time.sleep(.1)')} & done; wait", 0),
        (
            "head -c 1G /dev/zero >a; head -c 1G /dev/zero >/tmp/a; head -c 1G /dev/zero >/dev/shm/a; "
            + hog(400),
            137,
        ),
    ],
)
def test_want_of_memory_is_named_and_passes(place: Place, command: str, code: int) -> None:
    done = place.sandbox.run(command)
    assert (done.exit_code, done.out_of_memory) == (code, True), done.output
    innocent = place.sandbox.run("kill -9 $$")
    assert (innocent.exit_code, innocent.out_of_memory) == (137, False)


def test_hogs_that_come_again_until_the_deadline(place: Place) -> None:
    with place.within(4) as sandbox:
        done = sandbox.run(f"h() {{ while :; do {hog(300)}; done; }}; h & h & h & h & wait")
    assert (done.timed_out, done.out_of_memory) == (True, True)
    assert not place.sandbox.run("true").out_of_memory


def test_segments_that_outlive_their_processes_are_bounded(place: Place) -> None:
    script = """
import ctypes
libc = ctypes.CDLL(None)
libc.shmat.restype, libc.shmat.argtypes = ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
taken = 0
for size in (32 << 20, 1 << 20, 4096):
    while (name := libc.shmget(0, size, 0o1600)) >= 0 and taken < 1 << 30:
        ctypes.memset(libc.shmat(name, None, 0), 1, size)
        taken += size
print(taken)
"""
    done = place.sandbox.run(python(script))
    assert (done.exit_code, done.out_of_memory) == (0, False), done.output
    assert int(done.output) <= 64 << 20
    assert place.sandbox.run(hog(64)).exit_code == 0


def test_full_disks_say_so_to_commands_and_to_us(place: Place) -> None:
    done = place.sandbox.run("head -c 2G /dev/zero >big; head -c 2G /dev/zero >/tmp/big; df -m . | tail -n 1")
    assert done.output.count("No space left") == 2
    assert int(done.output.split()[-5]) <= SMALL.memory >> 21
    with pytest.raises(ValueError, match="No space left"):
        place.sandbox.write("other.txt", "x" * 100_000)
    done = place.sandbox.run("touch /x /etc/x /opt/sale/x /dev/x")
    assert done.output.count("Read-only") + done.output.count("Permission denied") == 4


INODES = """
import os
made = 0
for folder in (".", "/tmp", "/dev/shm"):
    try:
        while made < 300_000:
            if made % 1000 == 0:
                os.mkdir(f"{folder}/{made}")
            os.close(os.open(f"{folder}/{made // 1000 * 1000}/{made:0200}", os.O_CREAT | os.O_WRONLY))
            made += 1
    except OSError as error:
        print(error.strerror)
        made += -made % 1000
"""


def test_inodes_run_out_before_the_memory_does(place: Place) -> None:
    done = place.sandbox.run("head -c 2G /dev/zero >big; " + python(INODES) + "\n" + hog(16))
    assert done.output.count("No space left") >= 3
    assert (done.exit_code, done.out_of_memory) == (0, False), done.output


def test_sparse_files_and_zip_bombs(place: Place) -> None:
    done = place.sandbox.run("truncate -s 1T sparse; truncate -s 1G sparse; truncate -s 120M sparse")
    assert "File size limit" in done.output or "too large" in done.output
    assert done.exit_code == 0
    with pytest.raises(PatchRefused, match="in one file"):
        place.sandbox.collect()
    bomb = """
import io, zipfile
with zipfile.ZipFile("bomb.zip", "w", zipfile.ZIP_DEFLATED) as made:
    for n in range(5):
        made.writestr(f"{n}.txt", bytes(64 << 20))
zipfile.ZipFile("bomb.zip").extractall("out")
"""
    done = place.sandbox.run(python(bomb))
    assert "No space left" in done.output
    assert done.exit_code == 1


@pytest.mark.slow
def test_a_tree_that_grows_on_its_way_out(place: Place) -> None:
    assert place.sandbox.run("for n in $(seq 12); do truncate -s 95M n$n; done").exit_code == 0
    assert ArchiveLimits().bytes < 12 * 95 << 20
    with pytest.raises(PatchRefused, match="more than 1024 MiB"):
        place.sandbox.collect()


@pytest.mark.parametrize(
    "command",
    [
        "yes",
        "yes >&2",
        "tr '\\0' x </dev/zero",
        "cat /dev/urandom",
        "trap '' PIPE TERM; while :; do head -c 1M /dev/zero || :; done",
        "(setsid yes &); yes >/dev/null",
    ],
)
def test_floods_are_cut_and_ended(place: Place, command: str) -> None:
    done = place.sandbox.run(command)
    assert (done.exit_code, done.timed_out) == (137, False)
    assert "[ended: more than 4 MiB of output]" in done.output
    assert done.cut > 3 << 20
    assert len(done.output.encode("utf-8", "surrogateescape")) < 3 * SMALL.output + 200


def test_cores_are_bounded(tmp_path: Path) -> None:
    script = """
import os, time
until, used = time.monotonic() + 2, 0.0
for n in range(4):
    read, write = os.pipe()
    if os.fork() == 0:
        while time.monotonic() < until:
            pass
        os._exit(0)
for n in range(4):
    usage = os.wait3(0)[2]
    used += usage.ru_utime + usage.ru_stime
print(used)
"""
    place = Place(tmp_path, replace(SMALL, cpus=0.5))
    try:
        assert float(place.sandbox.run(python(script)).output) < 2 * 0.5 * 1.4
        place.unharmed()
    finally:
        place.close()


def test_zombies_are_taken_away(place: Place) -> None:
    script = "import os\nfor n in range(20):\n    os.fork() or os._exit(0)\nos._exit(0)"
    assert place.sandbox.run(python(script)).exit_code == 0
    assert place.sandbox.run("grep -l '^State:.Z' /proc/[0-9]*/status || echo none").output == "none\n"


def test_open_files_are_bounded(place: Place) -> None:
    script = """
import os
opened = 0
try:
    while opened < 100_000:
        os.dup(0)
        opened += 1
except OSError as error:
    print(opened < 4096, error.strerror)
"""
    assert place.sandbox.run(python(script)).output == "True Too many open files\n"


def test_a_command_that_was_stopped_in_all_ways_is_one_value(place: Place) -> None:
    """Nothing in this module is anybody's failure but the command's: no error was raised on the way."""
    assert isinstance(place.sandbox.run("exit 3"), Completed)
