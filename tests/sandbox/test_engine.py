"""An engine that is absent, refuses, stops or hangs: said within seconds, with what to type."""

from __future__ import annotations

import ctypes
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from docker import DockerClient

from salecli.adapters.container import SandboxLimits
from salecli.adapters.docker import DockerWorkspace
from salecli.adapters.engine import connect, settle
from salecli.adapters.git import Repository
from salecli.adapters.owner import Owner, from_labels
from salecli.adapters.testing import PYTEST
from salecli.errors import DockerGone, SandboxError
from tests.adapters.sandboxes import CALC, fingerprint, make
from tests.sandbox.relay import Mode, Relay

pytestmark = pytest.mark.docker

BOUND = 60
"""Seconds for any answer, on a machine that is busy; the engine itself is waited for 10."""
_DAC_OVERRIDE, _PR_CAPBSET_DROP = 1, 24
LINE = re.compile(r"^(fine|warn|fix ) +(\S.*)$")


def ordinary() -> None:
    """Take the right to use other people's files from a process of root's, as nobody has it."""
    ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, _DAC_OVERRIDE, 0, 0, 0)


def asked(folder: Path, *hosts: str) -> list[tuple[int, list[str]]]:
    """Exit codes and what is to be fixed: of `sale sandbox check`, then of `sale doctor`, at once."""
    commands = [["sandbox", "check"], ["doctor"]]
    started = time.monotonic()
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "salecli", *command],
            cwd=folder,
            env={**os.environ, "DOCKER_HOST": host},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=ordinary,
        )
        for command, host in zip(commands, hosts if len(hosts) > 1 else hosts * 2, strict=True)
    ]
    answers = []
    for process in running:
        out, err = process.communicate(timeout=BOUND)
        assert err == ""
        assert "Traceback" not in out
        assert all(LINE.match(line) for line in out.splitlines()), out
        answers.append((process.returncode, [line for line in out.splitlines() if line.startswith("fix")]))
    assert time.monotonic() - started < BOUND
    return answers


def test_absent(tmp_path: Path) -> None:
    for code, fixes in asked(tmp_path, f"unix://{tmp_path}/none.sock", "tcp://127.0.0.1:1"):
        assert (code, len(fixes)) == (3, 1)
        assert "no Docker engine answers at DOCKER_HOST=" in fixes[0]
        assert "; type: unset DOCKER_HOST" in fixes[0]


def test_no_permission(tmp_path: Path) -> None:
    with Relay() as relay:
        relay.path.chmod(0)
        for code, fixes in asked(tmp_path, relay.host):
            assert (code, len(fixes)) == (3, 1)
            assert "this user may not speak to the Docker engine; type: sudo usermod -aG docker" in fixes[0]


@pytest.mark.slow
def test_hanging_from_the_start(tmp_path: Path) -> None:
    with Relay() as relay:
        relay.hang()
        for code, fixes in asked(tmp_path, relay.host):
            assert (code, len(fixes)) == (3, 1)
            assert "does not answer within 10 s; type: sudo systemctl restart docker" in fixes[0]


@pytest.mark.slow
@pytest.mark.parametrize("then", ["cut", "hang"])
def test_gone_midway(tmp_path: Path, then: Mode) -> None:
    with (
        Relay(r"/exec/[0-9a-f]+/start", then) as working,
        Relay(r"GET /v[\d.]+/images/", then) as looking,
    ):
        for code, fixes in asked(tmp_path, working.host, looking.host):
            assert (code, len(fixes)) == (3, 1)
            assert "the Docker engine does not answer any more" in fixes[0]
            assert "; type: sudo systemctl restart docker" in fixes[0]
        assert working.struck.is_set()
        assert looking.struck.is_set()
    gone()


def test_image_missing(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "sale.toml").write_text('[sandbox]\nimage = "sale-no-such-image:1"\n')
    for code, fixes in asked(tmp_path, os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")):
        assert (code, len(fixes)) == (3, 1)
        assert "the sandbox image sale-no-such-image:1 is missing; type: sale sandbox build" in fixes[0]


def test_the_same_as_json_lines(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "salecli", "sandbox", "check", "--json"],
        cwd=tmp_path,
        env={**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/none.sock"},
        capture_output=True,
        text=True,
        check=False,
    )
    (record,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr, record["state"]) == (3, "", "fix")
    assert record["fix"].startswith("unset DOCKER_HOST")


def gone() -> None:
    """Wait until no container of a check is left: each ends by itself where nobody could end it."""
    client = connect()
    try:
        until = time.monotonic() + 30
        while any(one and one.alive() is False for one in owners(client)):
            assert time.monotonic() < until
            time.sleep(0.1)
    finally:
        client.close()


def owners(client: DockerClient) -> list[Owner | None]:
    """Whose the containers are that checks have opened."""
    listed = client.api.containers(all=True, filters={"label": "sale=check"})
    return [from_labels(found["Labels"]) for found in listed]


LIMITS = SandboxLimits(seconds=2, memory=512 << 20)


@pytest.fixture
def relay(monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    with Relay() as relay:
        monkeypatch.setenv("DOCKER_HOST", relay.host)
        yield relay


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    folder = make(tmp_path / "calc", CALC)
    before = fingerprint(folder)
    yield Repository(folder)
    assert fingerprint(folder) == before


@pytest.mark.slow
@pytest.mark.parametrize("how", ["cut", "hang"])
def test_work_on_an_engine_that_goes_is_not_to_blame_and_a_successor_works(
    relay: Relay, repository: Repository, how: Mode
) -> None:
    """As when the engine is started anew: what was under way ends as its fault, the next sandbox works."""
    run = f"gone-{how}-{os.getpid()}"
    with repository.snapshot() as snapshot:
        with DockerWorkspace(snapshot, PYTEST, run, LIMITS, client=connect(timeout=3)) as workspace:
            sandbox = workspace.open()
            sandbox.write("calc.py", "mine = 1\n")
            relay.strike(r"/exec/[0-9a-f]+/start", how)
            started = time.monotonic()
            with pytest.raises(DockerGone, match="does not answer any more"):
                sandbox.run("sleep 60; echo fine")
            uses: list[Callable[[], object]] = [sandbox.test, sandbox.collect, workspace.open]
            for use in uses:
                with pytest.raises(SandboxError):
                    use()
            sandbox.close()
            assert time.monotonic() - started < BOUND
        workspace.client.close()
        relay.pass_on()
        with (
            DockerWorkspace(snapshot, PYTEST, f"{run}-next", LIMITS) as workspace,
            workspace.open() as sandbox,
        ):
            assert sandbox.read("calc.py") == CALC["calc.py"]
            assert sandbox.run("echo usable").output == "usable\n"
            until = time.monotonic() + 30
            while workspace.client.api.containers(all=True, filters={"label": f"sale={run}"}):
                assert time.monotonic() < until
                time.sleep(0.1)


def test_a_container_of_which_the_engine_could_not_tell_is_removed_once_it_is_back(
    relay: Relay, repository: Repository
) -> None:
    run = f"untold-{os.getpid()}"
    with (
        repository.snapshot() as snapshot,
        DockerWorkspace(snapshot, PYTEST, run, LIMITS, client=connect(timeout=3)) as workspace,
    ):
        relay.strike(r"sale\.owner", "lose")
        with pytest.raises(DockerGone):
            workspace.open()
        relay.pass_on()
        with closing(connect()) as client:
            assert len(client.api.containers(all=True, filters={"label": f"sale={run}"})) == 1
            settle(client)
            assert client.api.containers(all=True, filters={"label": f"sale={run}"}) == []
        workspace.client.close()


def test_an_engine_that_is_slow_takes_nothing_of_a_commands_time(
    relay: Relay, repository: Repository
) -> None:
    with (
        repository.snapshot() as snapshot,
        DockerWorkspace(snapshot, PYTEST, f"slow-{os.getpid()}", LIMITS) as workspace,
        workspace.open() as sandbox,
    ):
        relay.strike(r"^\n$", "hang")  # the line that a command waits for
        timer = threading.Timer(LIMITS.seconds + 1, relay.pass_on)
        timer.start()
        done = sandbox.run("echo fine")
        timer.join()
        assert relay.struck.is_set()
        assert (done.exit_code, done.output, done.timed_out) == (0, "fine\n", False)
