"""Pulled files afterwards: verified, damaged, listed, removed; and what the hub's own cache already holds."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.hub.conftest import POOL, REPOSITORY, Place
from tests.hub.loopback import Fault
from tests.models import Shape, random_model

SPACE = ("unshare", "--user", "--map-root-user", "--mount")
"""A file system of a few megabytes is mounted where nobody else sees it."""


def cached(place: Place, file: str) -> Path:
    """Download a file as huggingface_hub's own users do; where its cache keeps it."""
    program = "import sys, huggingface_hub; print(huggingface_hub.hf_hub_download(*sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", program, REPOSITORY, file],
        env=place.environment(HF_HUB_DISABLE_XET="1"),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    place.hub.requests.clear()
    return Path(done.stdout.strip())


def states(place: Place, command: str) -> dict[str, str]:
    flag = ("--pool",) if command == "list" else ()
    done = place.sale(command, *flag, str(place.pool), "--json")
    return {
        one["agent"]: "verified" if one.get("verified") else one["state"]
        for one in map(json.loads, done.stdout.splitlines())
    }


def test_a_damaged_file_is_found_and_pulled_again(place: Place) -> None:
    assert place.pull().returncode == 0
    whole = place.sale("verify", str(place.pool))
    assert whole.returncode == 0, whole.stderr
    assert whole.stdout.count("verified") == 2
    large, small = place.models / "large.gguf", place.models / "small.gguf"
    small.unlink()
    before = large.stat()
    with large.open("r+b") as file:
        file.seek(1_000)
        file.write(b"rot")
    os.utime(large, ns=(before.st_atime_ns, before.st_mtime_ns))  # as when a disk rots
    done = place.sale("verify", str(place.pool))
    assert done.returncode == 3
    assert f"large  {large}  damaged" in done.stdout
    assert f"small  {small}  missing" in done.stdout
    assert f"type: sale models pull {place.pool}" in done.stderr
    assert states(place, "list")["small"] == "missing"
    again = place.pull()
    assert again.returncode == 0, again.stderr
    assert "large.gguf is damaged: pulling it again" in again.stderr
    assert place.found() == place.files
    assert set(states(place, "verify").values()) == {"verified"}


def test_the_list_says_what_is_verified(place: Place, tmp_path: Path) -> None:
    real = random_model(tmp_path / "real.gguf", shape=Shape(context=8192)).read_bytes()
    place.hub.commit(REPOSITORY, {"small.gguf": real, "large.gguf": real})
    assert set(states(place, "list").values()) == {"missing"}
    missing = place.sale("list", "--pool", str(place.pool))
    assert f"small, large: sale models pull {place.pool}" in missing.stderr
    assert place.pull().returncode == 0
    assert set(states(place, "list").values()) == {"verified"}
    (place.models / "small.gguf").touch()
    assert states(place, "list") == {"small": "found", "large": "verified"}
    place.hub.requests.clear()
    assert place.pull().returncode == 0, "touched, not changed: hashed, not pulled"
    assert place.hub.asked("cdn") == []
    assert set(states(place, "list").values()) == {"verified"}


def test_the_hubs_own_cache_is_used(place: Place) -> None:
    place.only_large()
    kept = cached(place, "large.gguf").resolve()
    done = place.pull()
    assert done.returncode == 0, done.stderr
    assert place.hub.asked("cdn") == [], "no byte over the network"
    assert place.found() == {"large.gguf": place.files["large.gguf"]}
    assert kept.samefile(place.models / "large.gguf"), "one copy on the disk"
    assert place.sale("rm", "--yes", str(place.pool)).returncode == 0
    assert kept.read_bytes() == place.files["large.gguf"]


def test_a_damaged_cache_is_passed_over(place: Place) -> None:
    place.only_large()
    kept = cached(place, "large.gguf").resolve()
    kept.write_bytes(kept.read_bytes()[:-1] + b"!")
    offline = place.pull(HF_HUB_OFFLINE="1")
    assert offline.returncode == 3
    assert "the hub's cache holds a damaged large.gguf" in offline.stderr
    assert place.found() == {}
    assert place.pull().returncode == 0
    assert place.found() == {"large.gguf": place.files["large.gguf"]}


def test_offline_the_cache_is_enough(place: Place) -> None:
    for file in place.files:
        cached(place, file)
    done = place.pull(HF_HUB_OFFLINE="1")
    assert done.returncode == 0, done.stderr
    assert place.found() == place.files
    assert place.pull(HF_HUB_OFFLINE="1").returncode == 0, "and so is what was verified"
    assert place.hub.requests == []


def test_removing_a_pool_spares_what_another_one_needs(place: Place, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text(POOL.replace("mine", "other").partition('\n[[agents]]\nname = "large"')[0])
    assert place.pull().returncode == 0
    assert place.sale("pull", str(other)).returncode == 0
    (place.models / "large.gguf.0123456789abcdef.part").write_bytes(b"x" * 100)
    (place.models / "own.gguf").write_bytes(b"mine")
    asked = place.sale("rm", str(place.pool))
    assert asked.returncode == 2
    assert "nothing is removed without a yes" in asked.stderr
    assert "large.gguf: 3.0 MB" in asked.stderr
    assert f"small.gguf stays: pool {other} needs it" in asked.stderr
    done = place.sale("rm", "--yes", str(place.pool))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "1 file removed, 3.0 MB free again\n"
    assert set(place.found()) == {"own.gguf", "small.gguf"}
    assert place.sale("rm", "--yes", str(other)).returncode == 0
    assert set(place.found()) == {"own.gguf"}
    assert place.sale("rm", "--yes", str(other)).stdout == "nothing to remove\n"


def test_a_damaged_lock_file(place: Place) -> None:
    place.models.mkdir(parents=True)
    lock = place.models / "sale.lock.json"
    for text in ('{"version": 1, "files": {"a": 3}}', "[" * 100_000):
        lock.write_text(text)
        done = place.pull()
        assert done.returncode == 2, done.stderr
        assert f"{lock} is damaged" in done.stderr
    lock.unlink()
    assert place.pull().returncode == 0


@pytest.mark.skipif(shutil.which("unshare") is None, reason="a file system of a few megabytes needs unshare")
def test_a_disk_that_fills_up(place: Place, tmp_path: Path) -> None:
    """On a file system of 4 MB that somebody else fills while the pull goes on."""
    place.only_large()
    folder = place.models
    folder.mkdir(parents=True)
    script = f'mount -t tmpfs -o size=4m none "{folder}" || exit 99; echo ready; exec "$@"'
    inside: list[int] = []
    let_go = threading.Event()

    def fill() -> None:
        let_go.wait(30)
        seen = Path(f"/proc/{inside[0]}/root{folder}")
        (seen / "filler").write_bytes(bytes(2 << 20))

    place.hub.faults = [Fault("bytes", at=fill)]
    process = subprocess.Popen(
        [*SPACE, "sh", "-c", script, "sh", *place.command("pull", str(place.pool))],
        env=place.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    inside.append(process.pid)
    let_go.set()
    said, wrong = process.communicate(timeout=60)
    if process.returncode in (1, 99) and "ready" not in said:
        pytest.skip("no user namespaces here")
    assert process.returncode == 3, wrong
    assert f"the disk of {folder} is full" in wrong
    assert re.search(r"is full: \S+ [kM]B of large\.gguf are missing", wrong)
    assert "free as much and type the same command again: it goes on where it was" in wrong


def test_a_folder_that_is_only_read_is_verified_all_the_same(place: Place) -> None:
    assert place.pull().returncode == 0
    (place.models / "small.gguf").write_bytes(b"rot")
    script = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" || exit 99; exec "$@"'
    done = subprocess.run(
        [*SPACE, "sh", "-c", script, place.models, *place.command("verify", str(place.pool))],
        env=place.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode in (1, 99) and not done.stdout:
        pytest.skip("no user namespaces here")
    assert done.returncode == 3, done.stderr
    assert sorted(line.split()[-1] for line in done.stdout.splitlines()) == ["damaged", "verified"]
    assert "Read-only" not in done.stderr


@pytest.mark.parametrize("name", ["../out.gguf", "/tmp/out.gguf", "~/out.gguf", "a/../../out.gguf"])
def test_no_file_of_a_hub_lands_outside_of_the_models_folder(place: Place, name: str) -> None:
    place.only_large()
    place.pool.write_text(place.pool.read_text().replace("large.gguf", name))
    place.hub.commit(REPOSITORY, {name: b"bytes"})
    done = place.pull()
    assert done.returncode == 2
    assert f"agents[0].model {name!r} is no file of a repository" in done.stderr
    assert place.hub.requests == []
