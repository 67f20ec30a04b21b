"""The sandbox with a real engine: what works in it, and who takes it down; tests/sandbox attacks it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from salecli.adapters.container import SandboxLimits
from salecli.adapters.docker import DockerSandbox, DockerWorkspace
from salecli.adapters.engine import connect, reap
from salecli.adapters.git import Repository
from salecli.adapters.testing import PYTEST
from salecli.core.actions import Edit, edited
from salecli.core.values import Case
from tests.adapters.sandboxes import CALC, FIXED, fingerprint, make

pytestmark = pytest.mark.docker

SMALL = SandboxLimits(seconds=20, memory=512 << 20, flood=4 << 20, output=2000)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[DockerWorkspace]:
    repository = Repository(make(tmp_path / "calc", CALC))
    run = f"test-{os.getpid()}-{tmp_path.name}"
    with repository.snapshot() as snapshot, DockerWorkspace(snapshot, PYTEST, run, SMALL) as opened:
        yield opened
    client = connect()
    assert client.api.containers(all=True, filters={"label": f"sale={run}"}) == []
    client.close()


@pytest.fixture
def sandbox(workspace: DockerWorkspace) -> Iterator[DockerSandbox]:
    with workspace.open() as opened:
        yield opened


def test_work_from_red_to_green_and_out(
    workspace: DockerWorkspace, sandbox: DockerSandbox, tmp_path: Path
) -> None:
    before = fingerprint(tmp_path / "calc")
    tests = sandbox.test()
    assert tests.cases == (Case("test_zero", "passed"), Case("test_add", "failed", "assert -1 == 3"))
    assert (tests.green, tests.ran) == (False, True)
    assert sandbox.read("calc.py") == CALC["calc.py"]
    assert sandbox.read("missing.py") is None
    sandbox.write("calc.py", FIXED)
    sandbox.write("notes/ü 1.txt", "é\n")
    assert sandbox.read("notes/ü 1.txt") == "é\n"
    assert sandbox.test().green
    done = sandbox.run("pwd; ls; echo out; echo err >&2; exit 3")
    assert (done.exit_code, done.output) == (3, "/work\ncalc.py\nnotes\ntest_calc.py\nout\nerr\n")
    script = "import multiprocessing as m; print(m.Pool(2).map(abs, [-1, 2]), m.Value('i', 7).value)"
    assert sandbox.run(f'python3 -c "{script}"').output == "[1, 2] 7\n"
    patch = sandbox.collect()
    assert [(c.path, c.status) for c in patch.changes] == [
        ("calc.py", "modified"),
        ("notes/ü 1.txt", "added"),
    ]
    verdict = workspace.verify(patch)
    assert verdict.green
    assert [case.name for case in verdict.cases] == ["test_zero", "test_add"]
    assert fingerprint(tmp_path / "calc") == before
    sandbox.close()
    sandbox.close()


def test_files_come_out_and_go_back_byte_for_byte(sandbox: DockerSandbox) -> None:
    sandbox.run("printf 'name = \"caf\\351\"\\r\\nx = 1\\r\\n' >latin.py")
    text = sandbox.read("latin.py")
    assert text is not None
    sandbox.write("latin.py", edited(text, Edit("latin.py", (("x = 1\n", "x = 2\n"),))))
    assert sandbox.run("od -An -c latin.py | tr -d ' \\n'").output == 'name="caf351"\\r\\nx=2\\r\\n'
    assert '+name = "caf\udce9"\r\n+x = 2\r\n' in sandbox.collect().diff


@pytest.mark.parametrize("path", ["../x", "/etc/x", ".git/config", "", "a/../../b", "line\nbreak"])
def test_paths_out_of_the_tree_are_value_errors(sandbox: DockerSandbox, path: str) -> None:
    with pytest.raises(ValueError, match=r"path|character"):
        sandbox.write(path, "x")
    with pytest.raises(ValueError, match=r"path|character"):
        sandbox.read(path)


def test_output_keeps_head_and_tail_and_a_flood_is_ended(sandbox: DockerSandbox) -> None:
    done = sandbox.run("echo first; head -c 100000 /dev/zero | tr '\\0' x; echo last")
    assert done.output.startswith("first\nxxx")
    assert done.output.endswith("xxxlast\n")
    assert done.cut == 100_011 - 2000
    assert f"[{done.cut} bytes left out]" in done.output
    assert sandbox.run("echo \xff; printf '\\377'").output == "\xff\n\ufffd"


def test_long_commands_empty_input_and_odd_exits(sandbox: DockerSandbox) -> None:
    assert sandbox.run(f"echo {'a' * 300_000} | wc -c").output == "300001\n"
    assert sandbox.run("cat; echo end").output == "end\n"
    assert sandbox.run("no-such-program").exit_code == 127
    assert sandbox.run("kill -9 $$").exit_code == 137
    assert sandbox.run("true").exit_code == 0


def test_an_unreadable_and_a_setuid_file_come_out_plain(sandbox: DockerSandbox) -> None:
    sandbox.run(
        "chmod 0 calc.py; mkdir d; echo x >d/x; chmod 0 d; cp /bin/true t; chmod 4755 t; ln t u; mkdir e"
    )
    changes = {change.path: change.flags for change in sandbox.collect().changes}
    assert changes == {"d/x": (), "t": ("executable", "binary"), "u": ("executable", "binary")}


OWNER = """
import sys, time
from pathlib import Path
from salecli.adapters.docker import DockerWorkspace
from salecli.adapters.git import Repository
snapshot = Repository(Path(sys.argv[1])).snapshot()
workspace = DockerWorkspace(snapshot, "python3 -m pytest -q", sys.argv[2])
sandbox = workspace.open()
print(sandbox._container.id, snapshot.store.folder, flush=True)
sandbox.run("sleep 1000")
"""


def test_a_killed_owner_takes_its_container_along(tmp_path: Path) -> None:
    folder = make(tmp_path / "calc", CALC)
    before = fingerprint(folder)
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(folder), "test-owner"], stdout=subprocess.PIPE)
    assert owner.stdout is not None
    name, private = owner.stdout.readline().decode().split()
    client = connect()
    try:
        assert client.containers.get(name).status == "running"
        owner.kill()
        owner.wait()
        owner.stdout.close()
        until = time.monotonic() + 10
        while client.api.containers(all=True, filters={"id": name}) and time.monotonic() < until:
            time.sleep(0.05)
        assert client.api.containers(all=True, filters={"id": name}) == []
        assert fingerprint(folder) == before
        with Repository(folder).snapshot() as snapshot:
            assert not Path(private).exists(), "the next snapshot removes what the dead owner left"
            assert snapshot.store.folder.exists()
    finally:
        client.close()


def test_reaping_takes_the_containers_of_dead_owners_alone(
    workspace: DockerWorkspace, sandbox: DockerSandbox
) -> None:
    client = workspace.client
    owner = dict(client.containers.get(sandbox._container.id).labels)
    assert owner["sale"] == workspace.run
    dead = client.api.create_container(
        workspace.image, ["sleep", "60"], labels={**owner, "sale": "dead", "sale.started": "1"}
    )["Id"]
    foreign = client.api.create_container(
        workspace.image, ["sleep", "60"], labels={**owner, "sale.boot": "elsewhere"}
    )["Id"]
    try:
        reap(client)
        left = {found["Id"] for found in client.api.containers(all=True, filters={"label": "sale"})}
        assert dead not in left
        assert {foreign, sandbox._container.id} <= left
    finally:
        client.api.remove_container(foreign, force=True)
