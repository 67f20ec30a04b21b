"""Snapshots: what they hold, and that nothing of the user's repository changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from salecli.adapters.git import Repository
from salecli.adapters.owner import Owner, reap_folders, this_process
from salecli.errors import RepositoryError
from tests.adapters.sandboxes import CALC, FIXED, fingerprint, git, make


@pytest.fixture
def calc(tmp_path: Path) -> Path:
    return make(tmp_path / "calc", CALC)


def test_a_clean_snapshot_is_head(calc: Path) -> None:
    with Repository(calc).snapshot() as snapshot:
        assert snapshot.tree == git(calc, "rev-parse", "HEAD^{tree}")
        assert snapshot.files == (".gitignore", "calc.py", "test_calc.py")
        assert snapshot.dirty == ()
        assert snapshot.read("calc.py") == CALC["calc.py"]
        assert snapshot.read("missing.py") is None
    assert Repository(calc).name == "calc"


def test_uncommitted_changes_are_in_it(calc: Path) -> None:
    (calc / "calc.py").write_text(FIXED)
    (calc / "staged.py").write_text("staged = 1\n")
    git(calc, "add", "staged.py")
    (calc / "staged.py").write_text("staged = 2\n")
    (calc / "new.py").write_text("new = 1\n")
    (calc / "new.py").chmod(0o755)
    (calc / "link.py").symlink_to("calc.py")
    (calc / "noise.log").write_text("ignored")
    (calc / "test_calc.py").unlink()
    with Repository(calc).snapshot() as snapshot:
        assert snapshot.files == (".gitignore", "calc.py", "link.py", "new.py", "staged.py")
        assert snapshot.dirty == ("calc.py", "link.py", "new.py", "staged.py", "test_calc.py")
        assert snapshot.read("calc.py") == FIXED
        assert snapshot.read("staged.py") == "staged = 2\n"
        assert {path: snapshot.entries[path].mode for path in ("new.py", "link.py")} == {
            "new.py": "100755",
            "link.py": "120000",
        }


def test_a_change_in_the_same_instant_as_the_index_is_seen(calc: Path) -> None:
    """git must compare with the time of the user's index, not with that of our copy."""
    file = calc / "calc.py"
    git(calc, "update-index", "--refresh")
    changed = CALC["calc.py"].replace("-", "+")
    assert len(changed) == len(CALC["calc.py"])
    before = file.stat()
    file.write_text(changed)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    index = calc / ".git" / "index"
    os.utime(index, ns=(before.st_mtime_ns, before.st_mtime_ns))
    with Repository(calc).snapshot() as snapshot:
        assert snapshot.read("calc.py") == changed


def test_the_repository_stays_byte_for_byte(calc: Path) -> None:
    (calc / "calc.py").write_text(FIXED)
    (calc / "new.py").write_text("new = 1\n")
    ran = calc.parent / "ran"
    for name in ("fsmonitor", "filter"):
        (calc.parent / name).write_text(f"#!/bin/sh\necho {name} >>{ran}\ncat\n")
        (calc.parent / name).chmod(0o755)
    git(calc, "config", "core.fsmonitor", str(calc.parent / "fsmonitor"))
    git(calc, "config", "filter.shout.clean", str(calc.parent / "filter"))
    (calc / ".gitattributes").write_text("*.py filter=shout\n")
    before = fingerprint(calc)
    with Repository(calc / ".").snapshot() as snapshot:
        assert snapshot.read("calc.py") == FIXED
    assert fingerprint(calc) == before
    assert not ran.exists(), ran.read_text()
    assert not snapshot.store.folder.exists()


def test_files_mid_merge_are_taken_from_the_disk(calc: Path) -> None:
    git(calc, "checkout", "-qb", "other")
    (calc / "calc.py").write_text("other = 1\n")
    git(calc, "commit", "-qam", "other")
    git(calc, "checkout", "-q", "main")
    (calc / "calc.py").write_text("ours = 1\n")
    git(calc, "commit", "-qam", "ours")
    with pytest.raises(Exception, match="merge"):
        git(calc, "merge", "other")
    with Repository(calc).snapshot() as snapshot:
        text = snapshot.read("calc.py")
        assert text is not None
        assert "<<<<<<< HEAD" in text
        assert snapshot.files == (".gitignore", "calc.py", "test_calc.py")


def test_a_linked_work_tree_and_a_sub_folder_open(calc: Path, tmp_path: Path) -> None:
    git(calc, "worktree", "add", "-q", str(tmp_path / "second"), "-b", "second")
    (tmp_path / "second" / "deep" / "er").mkdir(parents=True)
    (tmp_path / "second" / "deep" / "er" / "x.py").write_text("x = 1\n")
    repository = Repository(tmp_path / "second" / "deep" / "er")
    assert repository.top == tmp_path / "second"
    assert repository.head == git(calc, "rev-parse", "second")
    with repository.snapshot() as snapshot:
        assert snapshot.dirty == ("deep/er/x.py",)


def test_submodules_stay_as_they_are(calc: Path, tmp_path: Path) -> None:
    inner = make(tmp_path / "inner", {"inner.py": "inner = 1\n"})
    git(calc, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "lib")
    git(calc, "commit", "-qm", "lib")
    (calc / "lib" / "inner.py").write_text("changed = 1\n")
    with Repository(calc).snapshot() as snapshot:
        assert snapshot.tree == git(calc, "rev-parse", "HEAD^{tree}")
        assert "lib" not in snapshot.files


def test_odd_names_survive(calc: Path) -> None:
    for name in ("two words.py", "é.py", ":(top)x", "-n", "line\nbreak"):
        (calc / name).write_text("x = 1\n")
    (Path(os.fsdecode(os.fsencode(calc) + b"/\xff.bin"))).write_bytes(b"\xff\x00")
    with Repository(calc).snapshot() as snapshot:
        assert set(snapshot.files) - set(CALC) == {
            "two words.py", "é.py", ":(top)x", "-n", "line\nbreak", "\udcff.bin",
        }  # fmt: skip


@pytest.mark.parametrize(
    ("commands", "message", "hint"),
    [
        ([], "is not in a git repository", "git init"),
        ([["init", "-q"]], "has no commit yet", "git commit"),
        ([["init", "-q", "--bare"]], "is a bare repository", "clone it"),
    ],
)
def test_unusable_repositories_say_what_to_do(
    tmp_path: Path, commands: list[list[str]], message: str, hint: str
) -> None:
    for command in commands:
        git(tmp_path, *command)
    with pytest.raises(RepositoryError, match=message) as caught:
        Repository(tmp_path)
    assert hint in caught.value.hint


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a repository of another user")
def test_the_repository_of_another_user_is_opened_by_git_s_own_rules(
    calc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SUDO_UID", raising=False)
    (calc / "sub").mkdir()
    for path in (calc, *calc.rglob("*")):
        os.chown(path, 1000, 1000)
    # Named like this, git looks at nobody's name; a user's environment must not have that effect.
    monkeypatch.setenv("GIT_DIR", str(calc / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(calc))
    for start in (calc, calc / "sub"):
        with pytest.raises(RepositoryError, match="belongs to another user") as caught:
            Repository(start)
        assert caught.value.hint == f"git config --global --add safe.directory {calc}"
    monkeypatch.delenv("GIT_DIR")
    monkeypatch.delenv("GIT_WORK_TREE")
    git(calc.parent, *caught.value.hint.split()[1:])
    with Repository(calc / "sub").snapshot() as snapshot:
        assert snapshot.files == tuple(sorted(CALC))


def test_too_large_a_repository_names_its_largest_file(calc: Path) -> None:
    (calc / "data.bin").write_bytes(b"0" * 3_000_000)
    with pytest.raises(RepositoryError, match=r"data\.bin") as caught:
        Repository(calc).snapshot(max_bytes=2_000_000)
    assert ".gitignore" in caught.value.hint


def test_only_folders_of_dead_owners_are_reaped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    me = this_process()
    assert me.alive() is True
    assert Owner(me.pid, "1", me.boot).alive() is False
    assert Owner(me.pid, "1", "elsewhere").alive() is None
    names = {
        "mine": f"sale-{me.pid}-{me.started}-{me.boot}-aaaa",
        "dead": f"sale-{me.pid}-1-{me.boot}-bbbb",
        "elsewhere": f"sale-{me.pid}-1-elsewhere-cccc",
        "other": "sale-things-of-the-user",
    }
    for name in names.values():
        (tmp_path / name).mkdir()
    assert reap_folders() == 1
    assert {kind for kind, name in names.items() if (tmp_path / name).exists()} == {
        "mine",
        "elsewhere",
        "other",
    }


def test_a_past_commit_and_nothing_else(calc: Path) -> None:
    old = git(calc, "rev-parse", "HEAD")
    git(calc, "tag", "v1")
    (calc / "calc.py").write_text(FIXED)
    (calc / "later.py").write_text("later = 1\n")
    git(calc, "add", "--all")
    git(calc, "commit", "-qm", "later")
    (calc / "dirty.py").write_text("dirty = 1\n")
    before = fingerprint(calc)
    for name in (old, old[:9], "v1", "HEAD~1"):
        with Repository(calc).snapshot(commit=name) as snapshot:
            assert (snapshot.head, snapshot.dirty) == (old, ())
            assert snapshot.files == (".gitignore", "calc.py", "test_calc.py")
            assert snapshot.read("calc.py") == CALC["calc.py"]
    for name in ("v2", "--all", "HEAD:calc.py"):
        with pytest.raises(RepositoryError, match="has no commit") as caught:
            Repository(calc).snapshot(commit=name)
        assert "git log" in caught.value.hint
    assert fingerprint(calc) == before
