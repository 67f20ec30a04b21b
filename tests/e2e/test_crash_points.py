"""Every phase border, ended in three ways: nothing is harmed, nothing is lost, and the next run goes well.

One agent of the practice pool and the lightest embedder there is keep a run at a few seconds. The three ways
go side by side, each in a home and a repository of its own.
"""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from salecli import resources
from salecli.adapters.points import POINTS, WAYS
from salecli.practice.tasks.curriculum import practice
from tests.conftest import IDENTITY
from tests.e2e.scene import End, Scene
from tests.e2e.world import below, contents, owned_containers
from tests.solved import SMALLEST
from tests.waiting import eventually

IN_TIME = (
    "create", "copy-in", "run", "load", "bid", "mark",
    "refine", "copy-out", "diff", "verify", "record", "show",
)  # fmt: skip
"""The points of a run in the order in which it comes to them: each next run gets past all before."""
CODES = {"interrupt": 130, "kill": -signal.SIGKILL, "exception": 70}
EMBEDDER = '''
"""Stands in for the real library, whose import takes longer than all the rest of such a run."""
import hashlib
import numpy


class SentenceTransformer:
    def __init__(self, *_, **__): ...

    def encode(self, text, **_):
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
        vector = numpy.random.default_rng(seed).standard_normal(384).astype("f4")
        return vector / numpy.linalg.norm(vector)
'''


TASK = practice(*SMALLEST)
PATH = TASK.path


class Chain(Scene):
    """A scene in which run after run is ended at a crash point, and what must hold after each."""

    def __init__(self, folder: Path) -> None:
        home = folder / "home"
        home.mkdir(parents=True)
        (home / ".gitconfig").write_text(IDENTITY)
        super().__init__(folder, home)
        self.shop = self.repository("practised", TASK.files)
        (folder / "light").mkdir()
        (folder / "light" / "sentence_transformers.py").write_text(EMBEDDER)
        pool = (resources.pools() / "practice.toml").read_text().partition("[[agents]]")[0]
        pool = pool.partition("[weights.judges]")[0] + "[weights.judges]\nxs = 0.3\n\n[[agents]]\n"
        model = resources.pools() / "practice-xs.gguf"
        (folder / "one.toml").write_text(
            f'{pool}name = "xs"\nmodel = "{model}"\nprice = 0.05\ncontext = 2048\n'
        )
        self.env = {
            "HOME": str(home),
            "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
            "XDG_DATA_HOME": str(home / ".local/share"),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_CACHE_HOME": str(home / ".cache"),
            "PYTHONPATH": str(folder / "light"),
        }
        self.acknowledged: set[int] = set()

    def crash(self, at: str, *arguments: str | Path, **env: str) -> End:
        """A run with this crash point set; empty for none."""
        return self.run(*arguments, env={**self.env, **env, "SALE_CRASH": at})

    def solve(self, at: str = "") -> End:
        """Sell the task, and note what the run said that it remembered."""
        end = self.crash(at, "solve", "issue.md", "--pool", self.folder / "one.toml", "--json")
        for line in end.stdout.splitlines():
            record = json.loads(line)
            if record["event"] == "Remembered":
                self.acknowledged.add(record["auction"])
        return end

    def check(self, before: dict[str, bytes], pid: int) -> None:
        """The invariants, whatever happened."""
        assert contents(self.shop) == before
        eventually(lambda: not owned_containers(pid) and not below(self.home))
        memory = self.home / ".local/share/sale/memory.sqlite3"
        if not memory.exists():
            assert not self.acknowledged
            return
        # A copy with what was not moved into the file yet: looking must not tidy up for the next run.
        copy = self.folder / "copy"
        copy.mkdir()
        for file in memory.parent.glob("memory.sqlite3*"):
            shutil.copy2(file, copy)
        with sqlite3.connect(copy / memory.name) as db:
            assert db.execute("pragma integrity_check").fetchall() == [("ok",)]
            assert self.acknowledged <= {row[0] for row in db.execute("select id from auctions")}
        db.close()
        shutil.rmtree(copy)

    def patch(self, end: End) -> str:
        """The patch that a run ended with."""
        last = json.loads(end.stdout.splitlines()[-1])
        assert (end.code, last["event"], last["solved"]) == (0, "RunEnded", True), end.stderr
        return str(last["patch"]["diff"])


def chain(folder: Path, way: str) -> str:
    """End run after run in this way, then let one come to its end; its patch."""
    scene = Chain(folder)
    before = contents(scene.shop)
    for point in IN_TIME:
        end = scene.solve(f"{point}={way}")
        assert end.code == CODES[way], f"{point}={way}: {end.stderr}"
        assert ("Traceback" in end.stderr) == (way == "exception"), end.stderr
        scene.check(before, end.pid)
    last = scene.solve()
    patch = scene.patch(last)
    scene.check(before, last.pid)
    assert scene.left() == []
    # Killed while it said so, an auction is remembered all the same; and never twice.
    assert len(scene.acknowledged) == 2
    applied(scene, before, way, patch)
    return patch


def applied(scene: Chain, before: dict[str, bytes], way: str, patch: str) -> None:
    """End the applying of the last run's patch at several of its changes; the next start makes it whole."""
    run = max(scene.runs(), key=lambda one: one.stat().st_mtime).name
    whole = {**before, PATH: b""}
    subprocess.run(["git", "apply"], input=patch, text=True, cwd=scene.shop, check=True)
    whole[PATH] = (scene.shop / PATH).read_bytes()
    (scene.shop / PATH).write_bytes(before[PATH])
    for number in (2, 5, 7, 9):
        end = scene.crash(f"apply:{number}={way}", "apply", run)
        assert end.code == CODES[way], f"apply:{number}={way}: {end.stderr}"
        assert (scene.shop / PATH).read_bytes() in (before[PATH], whole[PATH])
        end = scene.crash("", "apply", run)
        assert (end.code, outside(scene.shop)) == (0, outside_of(whole)), end.stderr
        assert end.stderr.endswith(f"undo: sale apply --undo {run}\n")
        end = scene.crash("", "apply", "--undo", run)
        assert (end.code, outside(scene.shop)) == (0, outside_of(before)), end.stderr
    assert scene.left() == []


def outside(folder: Path) -> dict[str, bytes]:
    """Every byte of a repository but for objects and refs of our own."""
    return outside_of(contents(folder))


def outside_of(found: dict[str, bytes]) -> dict[str, bytes]:
    return {
        path: data for path, data in found.items() if not path.startswith((".git/objects", ".git/refs/sale"))
    }


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_point_in_every_way(tmp_path: Path) -> None:
    assert {*IN_TIME, "apply"} == set(POINTS)
    assert CODES.keys() == set(WAYS)
    with ThreadPoolExecutor() as threads:
        undisturbed = threads.submit(lambda: Chain(tmp_path / "undisturbed"))
        ways = [threads.submit(chain, tmp_path / way, way) for way in WAYS]
        scene = undisturbed.result()
        patch = scene.patch(scene.solve())
    assert [way.exception() for way in ways] == [None] * len(ways)
    assert {way.result() for way in ways} == {patch}


@pytest.mark.parametrize("said", ["nowhere=kill", "verify=sleep", "verify", "apply:x=kill"])
def test_an_unknown_crash_point_is_an_error(tmp_path: Path, private_home: Path, said: str) -> None:
    end = Scene(tmp_path, private_home).run("--version", env={"SALE_CRASH": said})
    assert end.code == 2
    assert f"SALE_CRASH='{said}' names no crash point" in end.stderr
    assert "copy-in" in end.stderr
