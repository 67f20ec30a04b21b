"""What a killed run leaves on the disk, and that `sale sandbox` says and does what is true of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.scene import NO_ENGINE, Scene
from tests.e2e.world import below, owned_containers

BULK = 3_000_000
"""Bytes of a file of the user's, larger than anything that a dead run may leave."""


@pytest.fixture
def scene(tmp_path: Path, private_home: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path, private_home)
    (scene.shop / "data.bin").write_bytes(os.urandom(BULK))
    yield scene
    for pid in below(private_home):
        os.kill(pid, signal.SIGKILL)


def killed(scene: Scene) -> None:
    """A run that is killed while its first tests run."""
    process = scene.start("solve", "issue.md", "--test-cmd", "sleep 600")
    until = time.monotonic() + 60
    while not any("sleep 600" in top(name) for name in owned_containers(process.pid)):
        assert time.monotonic() < until
        time.sleep(0.05)
    process.kill()
    process.communicate()
    while owned_containers(process.pid) or below(scene.home):
        assert time.monotonic() < until
        time.sleep(0.05)


def top(name: str) -> str:
    """What runs in a container, empty where that cannot be seen."""
    return subprocess.run(["docker", "top", name], capture_output=True, text=True, check=False).stdout


def large(*folders: Path) -> list[Path]:
    """Files that may be copies of the user's."""
    found = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return [path for path in found if path.stat().st_size > BULK // 2]


@pytest.mark.docker
@pytest.mark.slow
def test_the_next_run_removes_the_copies_of_a_killed_one(scene: Scene) -> None:
    killed(scene)
    assert large(scene.temporary), "the copies of the dead run"
    assert not large(scene.home), "none lies where it would be kept"
    # Any next run will do; this one ends when it finds no tests.
    other = scene.repository("other", {"a.py": "x = 1\n"})
    end = scene.run("solve", "issue.md", "--repo", other)
    assert "has no tests" in end.stderr
    assert not large(scene.temporary, scene.home)
    assert scene.left() == []


@pytest.mark.docker
@pytest.mark.slow
def test_clean_says_what_it_removed(scene: Scene) -> None:
    killed(scene)
    end = scene.run("sandbox", "clean", env=NO_ENGINE)
    assert end.code == 3
    assert end.stderr.splitlines()[0] == "removed 1 temporary folder"
    assert not large(scene.temporary, scene.home)
    assert scene.left() == []
    again = scene.run("sandbox", "clean")
    assert (again.code, again.stderr.splitlines()) == (
        0,
        ["removed 0 temporary folders", "removed 0 containers"],
    )


@pytest.mark.docker
def test_check_is_of_the_configured_image(scene: Scene) -> None:
    (scene.shop / "sale.toml").write_text('[sandbox]\nimage = "nosuch"\n')
    end = scene.run("sandbox", "check")
    assert end.code == 3
    last = end.stdout.splitlines()[-1]
    assert last.startswith("fix ")
    assert "the sandbox image nosuch:latest is missing; type: sale sandbox build" in last
    (scene.shop / "sale.toml").unlink()
    end = scene.run("sandbox", "check")
    assert end.code == 0, end.stdout
    assert re.search(r"^fine  image .* sale-sandbox, ", end.stdout, re.MULTILINE)
