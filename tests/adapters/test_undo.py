"""Applying is journalled: whenever the process dies, the files are old or new, and the old come back."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from salecli.adapters import backup
from salecli.adapters.apply import apply_patch
from salecli.adapters.git import Repository
from salecli.adapters.undo import private_store, recover, take_back
from salecli.core.values import Patch
from salecli.errors import PatchRefused, RepositoryError, UsageError
from tests.adapters import sandboxes
from tests.adapters.sandboxes import CALC, FIXED, files, fingerprint, git, make

START = {**CALC, "old/gone.py": "gone = 1\n", "run.sh": "echo\n", "deep/a/b.py": "b = 1\n"}
NEW: dict[str, bytes | None] = {
    "calc.py": FIXED.encode(),
    "new/deep/file.bin": bytes(range(256)),
    "old/gone.py": None,
    "link": b"calc.py",
    "run.sh": None,
    "run.sh/inside.py": b"x = 1\n",
    "deep/a/b.py": None,
    "deep": b"a file\n",
    "far/two wörds/x.py": b"odd = 1\n",
}


@pytest.fixture
def calc(tmp_path: Path) -> Path:
    folder = make(tmp_path / "calc", START)
    (folder / "calc.py").chmod(0o640)
    (folder / "mine.log").write_text("mine\n")
    (folder / "new").mkdir()  # git knows no empty folders, but the user has one
    return folder


@pytest.fixture
def patch(calc: Path) -> Patch:
    with Repository(calc).snapshot() as snapshot:
        return sandboxes.change(snapshot, NEW, {"link": "120000"})


def apply(folder: Path, patch: Patch) -> None:
    apply_patch(Repository(folder), patch, "r1", "worktree")


def apart(crash: str, act: Callable[[], object]) -> int:
    """Do something in a process of its own with a crash point set; its exit code, negative for a signal."""
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            os.environ["SALE_CRASH"] = crash
            signal.signal(signal.SIGINT, signal.default_int_handler)
            act()
            code = 0
        except BaseException as error:
            code = 98 if isinstance(error, (KeyboardInterrupt, Exception)) else 97
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def git_folder(folder: Path) -> dict[str, tuple[str, int, str]]:
    """The git folder, without the objects and our own refs."""
    return {
        path: kind
        for path, kind in fingerprint(folder / ".git").items()
        if not path.startswith(("objects/", "refs/sale"))
    }


@pytest.mark.slow
@pytest.mark.parametrize(("way", "step"), [("kill", 1), ("interrupt", 3), ("exception", 3)])
def test_a_crash_at_every_change_leaves_old_or_new(
    calc: Path, patch: Patch, tmp_path: Path, way: str, step: int
) -> None:
    old, kept = files(calc), git_folder(calc)
    apply(shutil.copytree(calc, tmp_path / "new", symlinks=True), patch)
    new = files(tmp_path / "new")
    finished, number = set(), 1
    while True:
        folder = shutil.copytree(calc, tmp_path / f"{number}", symlinks=True)
        ended = apart(f"apply:{number}={way}", partial(apply, folder, patch))
        if ended == 0:
            break
        assert ended == (-signal.SIGKILL if way == "kill" else 98)
        half = files(folder)
        for path in NEW.keys() & half.keys():
            assert half[path] in (old.get(path), new.get(path)), f"{path} after change {number}"
        assert "calc.py" in half
        said = recover(Repository(folder))
        assert files(folder) in (old, new), f"after change {number}: {said}"
        assert half == files(folder) or said
        assert git_folder(folder) == kept
        there = "backup" if files(folder) == new else ""
        assert there in git(folder, "for-each-ref", "refs/sale")
        assert "applying" not in git(folder, "for-each-ref", "refs/sale")
        finished.add(files(folder) == new)
        number += step
    assert number > 25
    assert finished == {False, True}
    assert files(folder) == new


@pytest.mark.slow
def test_a_kill_at_every_change_of_an_undo(calc: Path, patch: Patch, tmp_path: Path) -> None:
    old = files(calc)
    apply(calc, patch)
    new, ends, number = files(calc), set(), 1
    while True:
        folder = shutil.copytree(calc, tmp_path / f"{number}", symlinks=True)
        ended = apart(f"apply:{number}=kill", partial(take_back, Repository(folder), "r1"))
        if ended == 0:
            break
        recover(Repository(folder))
        assert files(folder) in (old, new), f"after change {number}"
        ends.add(files(folder) == old)
        there = "" if files(folder) == old else "refs/sale/backup/r1/1"
        assert git(folder, "for-each-ref", "--format=%(refname)", "refs/sale") == there
        number += 2
    assert ends == {False, True}
    assert files(folder) == old


@pytest.mark.slow
def test_a_kill_while_it_is_finished(calc: Path, patch: Patch, tmp_path: Path) -> None:
    apply(shutil.copytree(calc, tmp_path / "new", symlinks=True), patch)
    assert apart("apply:20=kill", partial(apply, calc, patch)) == -signal.SIGKILL
    assert files(calc) != files(tmp_path / "new")
    number = 1
    while True:
        folder = shutil.copytree(calc, tmp_path / f"{number}", symlinks=True)
        ended = apart(f"apply:{number}=kill", partial(recover, Repository(folder)))
        recover(Repository(folder))
        assert files(folder) == files(tmp_path / "new")
        if ended == 0:
            break
        number += 2
    assert number > 10


def half_applied(folder: Path) -> dict[str, tuple[str, int, str]]:
    """Kill an apply when calc.py is written and link is not; what was there before."""
    before = files(folder)
    with Repository(folder).snapshot() as snapshot:
        patch = sandboxes.change(snapshot, {"calc.py": FIXED.encode(), "link": b"x"}, {"link": "120000"})
    assert apart("apply:8=kill", partial(apply, folder, patch)) == -signal.SIGKILL
    assert (folder / "calc.py").read_text() == FIXED
    assert not (folder / "link").is_symlink()
    return before


def test_what_the_user_changed_after_the_kill_is_left_alone(calc: Path) -> None:
    old = half_applied(calc)
    (calc / "calc.py").write_text("mine = 1\n")
    said = recover(Repository(calc))
    assert said[0] == (
        "applying run r1 had been cut short: it was rolled back, "
        "but calc.py changed meanwhile and was left as it is"
    )
    held = subprocess.run(
        said[1].removeprefix("what it held before: "), shell=True, capture_output=True, check=True
    )
    assert held.stdout.decode() == CALC["calc.py"]
    assert (calc / "calc.py").read_text() == "mine = 1\n"
    now = files(calc)
    assert {path for path in now.keys() | old.keys() if now.get(path) != old.get(path)} == {"calc.py"}
    assert recover(Repository(calc)) == []


def test_finished_says_so_and_how_to_take_it_back(calc: Path) -> None:
    half_applied(calc)
    assert recover(Repository(calc)) == [
        "applying run r1 had been cut short: it is finished now (calc.py, link)",
        "undo: sale apply --undo r1",
    ]


def test_undo_refuses_file_by_file(calc: Path, patch: Patch) -> None:
    old = files(calc)
    apply(calc, patch)
    (calc / "calc.py").write_text(FIXED + "mine = 1\n")
    (calc / "run.sh" / "mine.py").write_text("mine = 2\n")
    done = take_back(Repository(calc), "r1")
    assert done.left == ("calc.py", "run.sh")
    assert (calc / "calc.py").read_text() == FIXED + "mine = 1\n"
    assert (calc / "run.sh" / "mine.py").read_text() == "mine = 2\n"
    assert (calc / "old/gone.py").read_text() == "gone = 1\n"
    held = [subprocess.run(way, shell=True, capture_output=True, check=True).stdout for way in done.ways]
    assert held == [CALC["calc.py"].encode(), b"echo\n"]
    # Once the user's changes are out of the way, the rest follows.
    (calc / "calc.py").write_text(FIXED)
    shutil.rmtree(calc / "run.sh")
    done = take_back(Repository(calc), "r1")
    assert (done.files, done.left) == (("calc.py", "run.sh"), ())
    assert files(calc) == old


def test_parts_are_taken_back_one_by_one(calc: Path) -> None:
    old = files(calc)
    for path in ("calc.py", "run.sh"):
        with Repository(calc).snapshot() as snapshot:
            apply(calc, sandboxes.change(snapshot, {path: b"changed\n"}))
    first = take_back(Repository(calc), "r1")
    assert (first.files, first.more) == (("run.sh",), True)
    second = take_back(Repository(calc), "r1")
    assert (second.files, second.more) == (("calc.py",), False)
    assert files(calc) == old


def test_nothing_of_the_git_folder_changes_but_objects_and_our_refs(calc: Path, patch: Patch) -> None:
    git(calc, "config", "core.logAllRefUpdates", "always")
    kept = git_folder(calc)
    apply(calc, patch)
    assert git_folder(calc) == kept
    assert git(calc, "for-each-ref", "--format=%(refname)", "refs/sale") == "refs/sale/backup/r1/1"
    git(calc, "fsck", "--strict")
    git(calc, "gc", "-q", "--prune=now")
    assert take_back(Repository(calc), "r1").left == ()
    git(calc, "fsck", "--strict")


def test_a_branch_is_not_taken_back_but_says_how(calc: Path, patch: Patch) -> None:
    applied = apply_patch(Repository(calc), patch, "r1", "branch")
    with pytest.raises(UsageError, match="branch sale/r1") as caught:
        take_back(Repository(calc), "r1")
    assert caught.value.hint == applied.undo


def test_old_backups_go_with_the_next_apply(
    calc: Path, patch: Patch, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(calc, patch)
    monkeypatch.setattr(backup, "KEPT_DAYS", -1)
    with Repository(calc).snapshot() as snapshot:
        other = sandboxes.change(snapshot, {"calc.py": b"other = 1\n"})
    apply_patch(Repository(calc), other, "r2", "worktree")
    assert git(calc, "for-each-ref", "--format=%(refname)", "refs/sale") == "refs/sale/backup/r2/1"


def test_only_one_applies_at_a_time(calc: Path, patch: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(calc)
    monkeypatch.setattr(backup, "_PATIENCE", 0.2)
    with backup.locked(Repository(calc)):
        for act in (lambda: apply(calc, patch), lambda: take_back(Repository(calc), "r1")):
            with pytest.raises(RepositoryError, match="another sale is applying"):
                act()
        # What was cut short may be what goes on there: nobody looks at half a tree.
        with pytest.raises(RepositoryError, match="another sale is applying"):
            recover(Repository(calc))
    assert fingerprint(calc) == before


def test_two_at_once_are_one_after_the_other(calc: Path) -> None:
    patches = []
    for path in ("calc.py", "run.sh"):
        with Repository(calc).snapshot() as snapshot:
            patches.append(sandboxes.change(snapshot, {path: b"changed\n"}))
    threads = [
        threading.Thread(target=apply_patch, args=(Repository(calc), patch, f"r{number}", "worktree"))
        for number, patch in enumerate(patches)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (calc / "calc.py").read_text() == (calc / "run.sh").read_text() == "changed\n"
    assert len(git(calc, "for-each-ref", "refs/sale/backup").splitlines()) == 2


def test_a_dead_git_s_lock_stands_in_nobody_s_way(calc: Path, patch: Patch) -> None:
    stale = calc / ".git/refs/sale/applying/main.lock"
    stale.parent.mkdir(parents=True)
    stale.touch()
    apply(calc, patch)
    assert not stale.exists()


def test_each_work_tree_has_its_own(calc: Path, tmp_path: Path) -> None:
    git(calc, "worktree", "add", "-q", str(tmp_path / "second"), "-b", "second")
    second = tmp_path / "second"
    half_applied(second)
    assert recover(Repository(calc)) == []
    assert (calc / "calc.py").read_text() == CALC["calc.py"]
    assert "finished" in recover(Repository(second))[0]
    assert (second / "link").is_symlink()
    assert take_back(Repository(second), "r1").files == ("calc.py", "link")


def test_a_file_that_appears_in_the_very_moment_is_not_overwritten(
    calc: Path, patch: Patch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user saves between our last look and the writing itself."""
    old = files(calc)
    link = os.link

    def late(source: Path, target: Path, **options: bool) -> None:
        if target.name == "file.bin":
            target.write_text("mine\n")
        link(source, target, **options)

    monkeypatch.setattr(os, "link", late)
    with pytest.raises(PatchRefused, match="changed since"):
        apply(calc, patch)
    assert (calc / "new/deep/file.bin").read_text() == "mine\n"
    now = files(calc)
    assert {path for path in now.keys() | old.keys() if now.get(path) != old.get(path)} == {
        "new/deep",
        "new/deep/file.bin",
    }


def test_a_file_that_changes_while_the_new_ones_are_prepared_is_not_overwritten(
    calc: Path, patch: Patch, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = files(calc)
    monkeypatch.setattr(os, "fsync", lambda _: (calc / "calc.py").write_text("mine = 1\n"))
    with pytest.raises(PatchRefused, match=r"calc\.py has changed since"):
        apply(calc, patch)
    assert (calc / "calc.py").read_text() == "mine = 1\n"
    now = files(calc)
    assert {path for path in now.keys() | old.keys() if now.get(path) != old.get(path)} == {"calc.py"}


def test_repositories_that_name_objects_by_sha256(tmp_path: Path) -> None:
    folder = tmp_path / "calc"
    folder.mkdir()
    git(folder, "init", "-q", "--object-format=sha256")
    (folder / "calc.py").write_text(CALC["calc.py"])
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "start")
    with Repository(folder).snapshot() as snapshot:
        change = sandboxes.change(snapshot, {"calc.py": FIXED.encode()})
    apply(folder, change)
    assert take_back(Repository(folder), "r1").files == ("calc.py",)
    assert (folder / "calc.py").read_text() == CALC["calc.py"]


def test_a_backup_that_is_not_ours_is_named(calc: Path) -> None:
    git(calc, "update-ref", "refs/sale/backup/r1/1", "HEAD")
    with pytest.raises(RepositoryError, match="refs/sale/backup/r1/1 is no backup") as caught:
        take_back(Repository(calc), "r1")
    assert "git update-ref -d refs/sale/backup/r1/1" in caught.value.hint


@pytest.mark.parametrize("path", ["../out.py", ".git/hooks/pre-commit"])
def test_a_journal_that_came_with_the_repository_is_not_believed(calc: Path, path: str) -> None:
    def stored(kind: str, data: bytes) -> bytes:
        command = ["git", "hash-object", "-w", "--literally", "-t", kind, "--stdin"]
        said = subprocess.run(command, input=data, cwd=calc, capture_output=True, check=True).stdout
        return bytes.fromhex(said.decode())

    entry = b"100755 " + path.rpartition("/")[2].encode() + b"\0" + stored("blob", b"planted\n")
    for folder in [*reversed(path.split("/")[:-1]), "after"]:
        entry = b"40000 " + folder.encode() + b"\0" + stored("tree", entry)
    said = {"run": "r1", "diff": "", "undoes": "", "made": [], "bits": {path: [0o644, 0o755]}}
    commit = git(calc, "commit-tree", stored("tree", entry).hex(), "-m", json.dumps(said))
    git(calc, "update-ref", "refs/sale/applying/main", commit)
    before = fingerprint(calc.parent)
    with pytest.raises(RepositoryError, match="is no backup of sale's"):
        recover(Repository(calc))
    assert fingerprint(calc.parent) == before


def test_the_private_store_goes(calc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "calc"))
    with private_store(Repository(calc)) as store:
        place = store.folder
        assert place.is_dir()
    assert not place.exists()
