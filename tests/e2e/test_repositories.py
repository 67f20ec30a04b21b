"""Repositories of every kind: a run reads them as they are, a patch goes in and comes out again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from salecli import resources
from salecli.adapters.git import Repository
from salecli.adapters.journal import Run
from salecli.bench.bars.terminal import Terminal
from salecli.core import events
from tests.adapters.runs import past
from tests.adapters.sandboxes import change, files, git
from tests.e2e.scene import FILES, NO_ENGINE, Scene
from tests.e2e.world import SALE, below, contents, owned_containers
from tests.tui.scene import run_events

SOLVED = "def knit(xs):\n    return sum(x * 3 for x in xs)\n"


@pytest.fixture
def scene(tmp_path: Path, private_home: Path) -> Scene:
    return Scene(tmp_path, private_home)


def recorded(folder: Path, new: Mapping[str, bytes | None]) -> Run:
    """A run of this repository that ended with a patch to these files; None deletes."""
    with Repository(folder).snapshot() as snapshot:
        patch = change(snapshot, new)
    *seen, end = run_events()
    assert isinstance(end, events.RunEnded)
    told = [*seen, replace(end, patch=patch)]
    return past(Repository(folder).top, "Write knit", *map(events.to_dict, told))


def until(scene: Scene, point: str, folder: Path) -> list[dict[str, Any]]:
    """The events of a run that is ended at a crash point; it leaves nothing behind."""
    pool = scene.folder / "one.toml"
    text = (resources.pools() / "practice.toml").read_text().partition("[weights.judges]")[0]
    model = resources.pools() / "practice-xs.gguf"
    pool.write_text(
        f'{text}[weights.judges]\nxs = 0.3\n\n[[agents]]\nname = "xs"\nmodel = "{model}"\n'
        "price = 0.05\ncontext = 2048\n"
    )
    process = scene.start(
        *("solve", scene.folder / "shop" / "issue.md", "--repo", folder, "--pool", pool, "--json"),
        env={"SALE_CRASH": f"{point}=exception"},
    )
    try:
        stdout, stderr = process.communicate(timeout=600)
    finally:
        process.kill()
    assert (process.returncode, f"Crash: crash point {point}" in stderr) == (70, True), stderr
    assert owned_containers(process.pid) == []
    assert below(scene.home) == []
    return [json.loads(line) for line in stdout.splitlines()]


# --- the kinds ------------------------------------------------------------------------------------------


def dirty(scene: Scene) -> Path:
    (scene.shop / "levels.py").write_text("# mine\n" + FILES["levels.py"])
    (scene.shop / "new.py").write_text("new = 1\n")
    git(scene.shop, "add", "new.py")
    return scene.shop


def detached(scene: Scene) -> Path:
    git(scene.shop, "checkout", "-q", "--detach")
    return scene.shop


def mid_merge(scene: Scene) -> Path:
    for branch in ("other", "main"):
        git(scene.shop, "checkout", "-q", *(("-b", branch) if branch == "other" else (branch,)))
        (scene.shop / "notes.txt").write_text(f"{branch}\n")
        git(scene.shop, "add", "notes.txt")
        git(scene.shop, "commit", "-qm", branch)
    assert subprocess.run(
        ["git", "merge", "-q", "other"], cwd=scene.shop, check=False, capture_output=True
    ).returncode
    return scene.shop


def shallow(scene: Scene) -> Path:
    git(scene.shop, "commit", "-q", "--allow-empty", "-m", "more")
    git(scene.folder, "clone", "-q", "--depth", "1", f"file://{scene.shop}", "shallow")
    return scene.folder / "shallow"


def submodule(scene: Scene) -> Path:
    inner = scene.repository("inner", {"inner.py": "inner = 1\n"})
    git(scene.shop, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "lib")
    git(scene.shop, "commit", "-qm", "lib")
    return scene.shop


def pointers(scene: Scene) -> Path:
    (scene.shop / ".gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n")
    (scene.shop / "big.bin").write_text(
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 9\n"
    )
    git(scene.shop, "add", "--all")
    git(scene.shop, "commit", "-qm", "big")
    # As git-lfs sets it up, on a machine without git-lfs.
    for key, value in (
        ("clean", "git-lfs clean -- %f"),
        ("smudge", "git-lfs smudge -- %f"),
        ("required", "true"),
    ):
        git(scene.shop, "config", f"filter.lfs.{key}", value)
    return scene.shop


def worktree(scene: Scene) -> Path:
    git(scene.shop, "worktree", "add", "-q", str(scene.folder / "second"), "-b", "second")
    return scene.folder / "second"


def sub_folder(scene: Scene) -> Path:
    (scene.shop / "deep" / "er").mkdir(parents=True)
    (scene.shop / "deep" / "er" / "x.py").write_text("x = 1\n")
    return scene.shop / "deep" / "er"


KINDS = (dirty, detached, mid_merge, shallow, submodule, pointers, worktree, sub_folder)
DIRTY = {"dirty": 2, "mid_merge": 1, "sub_folder": 1}


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_run_reads_it_and_writes_nothing(scene: Scene, kind: Callable[[Scene], Path]) -> None:
    folder = kind(scene)
    before = contents(scene.folder / "shop"), contents(folder)
    # Before the first model is loaded the tests have run on the snapshot, in a sandbox.
    start, tests = until(scene, "load", folder)
    assert (start["event"], start["dirty"]) == ("RunStarted", DIRTY.get(kind.__name__, 0))
    assert [case["outcome"] for case in tests["tests"]["cases"]] == ["failed"]
    assert (contents(scene.folder / "shop"), contents(folder)) == before


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_patch_goes_in_and_comes_out(scene: Scene, kind: Callable[[Scene], Path]) -> None:
    folder = kind(scene)
    top = Repository(folder).top
    run = recorded(folder, {"levels.py": SOLVED.encode(), "more/x.bin": bytes(range(256))})
    before, index = files(top), index_of(top)
    end = scene.run("apply", run.id)
    assert end.code == 0, end.stderr
    assert end.stderr.splitlines() == [
        "applied to levels.py, more/x.bin",
        f"undo: sale apply --undo {run.id}",
    ]
    assert ((top / "levels.py").read_text(), (top / "more/x.bin").read_bytes()) == (SOLVED, bytes(range(256)))
    assert index_of(top) == index
    end = scene.run("apply", "--undo", run.id)
    assert (end.code, end.stderr) == (0, "taken back from levels.py, more/x.bin\n")
    assert (files(top), index_of(top)) == (before, index)
    assert scene.left() == []


def index_of(top: Path) -> bytes:
    return Path(top, git(top, "rev-parse", "--git-path", "index")).read_bytes()


def test_from_a_sub_folder_and_into_another_clone(scene: Scene) -> None:
    run = recorded(scene.shop, {"levels.py": SOLVED.encode()})
    git(scene.folder, "clone", "-q", "shop", "clone")
    below_it = scene.folder / "clone" / "deep"
    below_it.mkdir()
    end = scene.run("apply", run.id, "--repo", below_it)
    undo = f"sale apply --undo {run.id} --repo {scene.folder / 'clone'}"
    assert (end.code, end.stderr.splitlines()[1]) == (0, f"undo: {undo}")
    assert (scene.folder / "clone" / "levels.py").read_text() == SOLVED
    assert (scene.shop / "levels.py").read_text() == FILES["levels.py"]
    assert scene.run(*undo.split()[1:]).code == 0
    assert (scene.folder / "clone" / "levels.py").read_text() == FILES["levels.py"]


# --- what stands in a patch's way -----------------------------------------------------------------------


def refused(scene: Scene, run: Run, says: str) -> None:
    """`sale apply` refuses this run's patch, and changes nothing."""
    before = contents(scene.shop)
    end = scene.run("apply", run.id)
    assert (end.code, says in end.stderr) == (2, True), end.stderr
    assert contents(scene.shop) == before
    assert scene.left() == []


def test_a_file_that_was_edited_meanwhile(scene: Scene) -> None:
    run = recorded(scene.shop, {"levels.py": SOLVED.encode(), "more.py": b"x = 1\n"})
    (scene.shop / "levels.py").write_text(FILES["levels.py"] + "# mine\n")
    refused(scene, run, "changed since the run started")


def test_an_untracked_file_in_the_way(scene: Scene) -> None:
    run = recorded(scene.shop, {"levels.py": SOLVED.encode(), "more.py": b"x = 1\n"})
    (scene.shop / "more.py").write_text("mine = 1\n")
    refused(scene, run, "changed since the run started")


def test_a_patch_of_which_only_half_applies(scene: Scene) -> None:
    run = recorded(scene.shop, {"levels.py": SOLVED.encode(), "test_levels.py": b"x = 1\n"})
    (scene.shop / "test_levels.py").unlink()
    refused(scene, run, "changed since the run started")


def test_no_git_at_all(scene: Scene) -> None:
    nothing = scene.folder / "nothing"
    nothing.mkdir()
    run = recorded(scene.shop, {"levels.py": SOLVED.encode()})
    for command in (("solve", "issue.md"), ("apply", run.id), ("apply", "--undo", run.id)):
        end = scene.run(*command, env={**NO_ENGINE, "PATH": str(nothing)})
        assert (end.code, end.stderr.splitlines()) == (
            2,
            ["sale: git is not installed", "      sudo apt-get install git"],
        )
    assert scene.run("show", run.id, env={"PATH": str(nothing)}).code == 0


@pytest.mark.parametrize("options", [("--to", "branch"), ("--flagged",), ("--unsolved",)])
def test_an_undo_takes_no_options_of_an_apply(scene: Scene, options: tuple[str, ...]) -> None:
    run = recorded(scene.shop, {"levels.py": SOLVED.encode()})
    end = scene.run("apply", "--undo", run.id, *options)
    assert (end.code, "--undo goes with --repo alone" in end.stderr) == (2, True)


def test_an_undo_leaves_what_was_changed_since(scene: Scene) -> None:
    run = recorded(scene.shop, {"levels.py": SOLVED.encode(), "more.py": b"x = 1\n"})
    scene.run("apply", run.id)
    (scene.shop / "levels.py").write_text(SOLVED + "# mine\n")
    end = scene.run("apply", "--undo", run.id)
    said = end.stderr.splitlines()
    assert (end.code, said[:2]) == (
        2,
        ["taken back from more.py", "changed since, and left as it is: levels.py"],
    )
    way = said[2].removeprefix("what it held before: ")
    held = subprocess.run(way, shell=True, capture_output=True, text=True, check=True).stdout
    assert held == FILES["levels.py"]
    assert said[3].startswith("sale: 1 file of run")
    assert (scene.shop / "levels.py").read_text() == SOLVED + "# mine\n"
    assert not (scene.shop / "more.py").exists()


def test_a_branch_says_how_it_is_taken_back(scene: Scene) -> None:
    run = recorded(scene.shop, {"levels.py": SOLVED.encode()})
    assert scene.run("apply", run.id, "--to", "branch").code == 0
    end = scene.run("apply", "--undo", run.id)
    assert (end.code, f"git -C {scene.shop} branch -D sale/{run.id}" in end.stderr) == (2, True)


# --- killed while it is applied -------------------------------------------------------------------------


def killed(scene: Scene) -> Run:
    """A run whose patch was being applied by a process that was killed: one file is new, one is not."""
    run = recorded(scene.shop, {"levels.py": SOLVED.encode(), "more.py": b"x = 1\n"})
    assert scene.run("apply", run.id, env={"SALE_CRASH": "apply:8=kill"}).code == -signal.SIGKILL
    assert (scene.shop / "levels.py").read_text() == SOLVED
    assert not (scene.shop / "more.py").exists()
    return run


def whole(scene: Scene, run: Run, said: str) -> None:
    assert f"applying run {run.id} had been cut short: it is finished now (levels.py, more.py)" in said
    assert f"undo: sale apply --undo {run.id}" in said
    assert (scene.shop / "more.py").read_text() == "x = 1\n"
    assert not list(scene.shop.glob(".sale-*"))


def test_solve_finishes_it(scene: Scene) -> None:
    run = killed(scene)
    end = scene.run("solve", "issue.md", env=NO_ENGINE)
    whole(scene, run, end.stderr)
    assert scene.left() == []


def test_plain_finishes_it(scene: Scene) -> None:
    run = killed(scene)
    whole(scene, run, scene.run("--plain").stdout)


def test_batch_finishes_it(scene: Scene) -> None:
    run = killed(scene)
    (scene.folder / "tasks").mkdir()
    (scene.folder / "tasks" / "one.md").write_text(FILES["issue.md"])
    end = scene.run("batch", scene.folder / "tasks", "--repo", scene.shop, env=NO_ENGINE)
    whole(scene, run, end.stderr)


def test_the_screens_finish_it_and_say_so(scene: Scene) -> None:
    run = killed(scene)
    with Terminal(SALE, scene.shop, {**os.environ, "TMPDIR": str(scene.temporary)}, (120, 40)) as terminal:
        terminal.until(lambda seen: b"cut short: it is finished" in seen)
        terminal.until(lambda seen: f"sale apply --undo {run.id}".encode() in seen)
    assert (scene.shop / "more.py").read_text() == "x = 1\n"


def test_apply_and_undo_finish_it(scene: Scene) -> None:
    run = killed(scene)
    end = scene.run("apply", "--undo", run.id)
    assert end.code == 0, end.stderr
    assert end.stderr.splitlines()[-1] == "taken back from levels.py, more.py"
    assert (scene.shop / "levels.py").read_text() == FILES["levels.py"]
    assert "undo:" not in scene.run("show", run.id).stdout
    end = scene.run("apply", run.id)
    assert (end.code, "cut short" in end.stderr) == (0, False)
    assert scene.run("show", run.id).stdout.endswith(f"undo: sale apply --undo {run.id}\n")


# --- a very large one -----------------------------------------------------------------------------------


@pytest.mark.docker
@pytest.mark.slow
def test_a_hundred_thousand_files(scene: Scene) -> None:
    """All of them go into the sandbox; on the disk here a sparse checkout holds only a few."""
    names = "".join(f"M 100644 :1 data/{number % 100}/{number}.txt\n" for number in range(100_000))
    feed = (
        "blob\nmark :1\ndata 2\nx\n\ncommit refs/heads/main\ncommitter T <t@e.invalid> 1 +0000\n"
        f"data 4\nmany\nfrom refs/heads/main^0\n{names}\n"
    )
    subprocess.run(["git", "fast-import", "--quiet"], input=feed, text=True, cwd=scene.shop, check=True)
    git(scene.shop, "sparse-checkout", "set", "--no-cone", "/*.py", "/issue.md")
    git(scene.shop, "reset", "-q", "--hard")
    assert len(files(scene.shop)) < 20
    assert until(scene, "run", scene.shop) == []
    run = recorded(scene.shop, {"levels.py": SOLVED.encode()})
    assert scene.run("apply", run.id).code == 0
    assert git(scene.shop, "status", "--porcelain") == "M levels.py"
