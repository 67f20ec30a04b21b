"""Who has failed: the command for what it does and says, the infrastructure for what becomes of it."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from salecli.adapters.docker import DockerWorkspace
from salecli.adapters.testing import PYTEST
from salecli.core.values import Case
from salecli.errors import PatchRefused, SandboxError
from tests.adapters.sandboxes import FIXED
from tests.sandbox.place import SMALL, Place
from tests.sandbox.relay import Relay

pytestmark = pytest.mark.docker

WORDS = [
    "OCI runtime exec failed: exec failed: unable to start container process: unknown",
    "Error response from daemon: No such container: sandbox",
    "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
    "the Docker engine does not answer any more",
    "the sandbox's container has gone: it was removed or ended from outside",
    "sandbox died",
    "[ended: more than 64 MiB of output]",
    "verdict solved: 2 of 2 tests pass",
    "===== 2 passed in 0.01s =====",
    '<testsuites><testsuite><testcase classname="test_calc" name="test_add"/></testsuite></testsuites>',
    "0\\n<testsuite/>",
    "\\001\\000\\000\\000\\000\\000\\000\\005hello\\002\\000\\000\\000\\377\\377\\377\\377",
    "\\006\\006\\006",
    "HTTP/1.1 500 Internal Server Error\\r\\n\\r\\n",
]


def test_words_are_words(place: Place) -> None:
    for number, words in enumerate(WORDS):
        code = (0, 125, 126, 137)[number % 4]
        said = f"printf %b {shlex.quote(words)}"
        done = place.sandbox.run(f"{said}; {said} >&2; exit {code}")
        assert (done.exit_code, done.timed_out, done.out_of_memory, done.cut) == (code, False, False, 0)
        assert len(done.output) >= len(place.sandbox.run(said).output) * 2 > 0


def test_words_do_not_pass_tests(place: Place) -> None:
    said = "\n".join(f"print({words!r}, flush=True)" for words in WORDS)
    place.sandbox.write(
        "calc.py", f"import sys\n{said}\nprint('0', file=sys.stderr)\n\n\ndef add(a, b):\n    return a - b\n"
    )
    tests = place.sandbox.test()
    assert tests.ran
    assert tests.cases == (Case("test_zero", "passed"), Case("test_add", "failed", "assert -1 == 3"))
    place.sandbox.write("calc.py", f"import os\n{said}\nos._exit(0)\n")
    tests = place.sandbox.test()
    assert (tests.green, tests.ran, tests.exit_code) == (False, True, 1)
    assert "before a report was written" in tests.cases[0].message


def test_exit_codes_are_the_commands_own(place: Place) -> None:
    for code in (1, 2, 97, 125, 126, 127, 128, 130, 137, 143, 255):
        assert place.sandbox.run(f"exit {code}").exit_code == code


def test_our_own_channel_taken_by_a_command_says_nothing_of_the_engine(place: Place) -> None:
    channel = "for fd in /proc/$PPID/fd/*; do printf '7\\n<testsuite/>' >$fd; done 2>/dev/null; exit 5"
    done = place.sandbox.run(channel)
    assert (done.exit_code, done.timed_out) == (5, False)
    place.sandbox.run("printf 'junk' >/proc/$PPID/fd/3; kill -9 $PPID")
    assert not place.sandbox.test().green


def test_a_command_that_breaks_the_tree_is_told_so(place: Place) -> None:
    place.sandbox.run("rm -rf ./* .??*; mkdir calc.py; ln -s loop loop; ln -s /etc/passwd link")
    with pytest.raises(ValueError, match=r"calc.py could not be written: it is a folder"):
        place.sandbox.write("calc.py", FIXED)
    assert place.sandbox.read("calc.py") is None
    with pytest.raises(ValueError, match="could not be written"):
        place.sandbox.write("loop/x", "x")
    with pytest.raises(ValueError, match="could not be written"):
        place.sandbox.write("link", "x")
    with pytest.raises(PatchRefused):
        place.sandbox.collect()


def test_tests_that_hang_or_starve_are_the_tests_own(place: Place) -> None:
    place.sandbox.write("calc.py", "x = bytearray(1 << 30)\n")
    starved = place.sandbox.test()
    assert (starved.ran, starved.timed_out, starved.green) == (True, False, False)
    assert "ended by signal 9" in starved.cases[0].message
    place.sandbox.write("calc.py", "while True:\n    pass\n")
    with place.within(2) as sandbox:
        assert sandbox.test().timed_out


@pytest.fixture
def later() -> Iterator[Callable[[str, str], None]]:
    """Does something to a container a moment from now, from another process."""
    started: list[subprocess.Popen[bytes]] = []
    script = (
        "import sys, time, docker\ntime.sleep(0.5)\nc = docker.from_env().containers.get(sys.argv[2])\n"
        "c.remove(force=True) if sys.argv[1] == 'remove' else getattr(c, sys.argv[1])()\n"
    )

    def start(what: str, container: str) -> None:
        started.append(subprocess.Popen([sys.executable, "-c", script, what, container]))

    yield start
    for process in started:
        assert process.wait(30) == 0


@pytest.mark.parametrize("what", ["remove", "kill", "stop", "pause"])
def test_a_container_that_goes_away_is_an_error_and_its_successor_works(
    place: Place, what: str, later: Callable[[str, str], None]
) -> None:
    later(what, place.sandbox.container.id)
    with pytest.raises(SandboxError, match="gone"), place.within(4) as sandbox:
        sandbox.run("sleep 60; echo still here")
    for use in (place.sandbox.test, place.sandbox.collect, lambda: place.sandbox.read("calc.py")):
        with pytest.raises(SandboxError):
            use()
    place.renew()


def test_an_engine_that_cannot_start_a_command_is_not_a_command_that_failed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What reaches the engine names a program that is not there: it says so, as a broken one would."""
    with Relay() as relay:
        monkeypatch.setenv("DOCKER_HOST", relay.host)
        with DockerWorkspace(place.snapshot, PYTEST, "broken-start", SMALL) as workspace:
            sandbox = workspace.open()
            relay.alter = (b'"/bin/sh"', b'"/bin/xx"')
            for use in (
                lambda: sandbox.run("true"),
                sandbox.test,
                sandbox.collect,
                lambda: sandbox.read("x"),
            ):
                with pytest.raises(SandboxError, match=r"could not start a command in the sandbox.*/bin/xx"):
                    use()
            relay.alter = None
            assert sandbox.run("echo fine").output == "fine\n"


def test_a_full_disk_of_this_machine_is_neither_the_engines_nor_the_commands_fault(place: Place) -> None:
    with open("/dev/full", "wb", buffering=0) as full:

        def keep(data: bytes) -> None:
            full.write(data)

        with pytest.raises(SandboxError, match="this machine's disk is full"):
            place.sandbox.container.execute("seq 100000", out=keep)
