"""Applying a patch: whole or not at all, to the working tree or to a branch, and taken back again."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from salecli.adapters.apply import apply_patch
from salecli.adapters.git import Repository
from salecli.core.values import Patch
from salecli.errors import AppliedAlready, PatchRefused
from tests.adapters import sandboxes
from tests.adapters.sandboxes import CALC, FIXED, files, fingerprint, git, make


@pytest.fixture
def calc(tmp_path: Path) -> Path:
    return make(tmp_path / "calc", {**CALC, "old/gone.py": "gone = 1\n", "run.sh": "echo\n"})


def change(folder: Path, new: dict[str, bytes | None], modes: dict[str, str] | None = None) -> Patch:
    """The patch that turns the folder's present state into one with these files; None deletes."""
    with Repository(folder).snapshot() as snapshot:
        return sandboxes.change(snapshot, new, modes)


def everything(folder: Path) -> Patch:
    return change(
        folder,
        {
            "calc.py": FIXED.encode(),
            "new/deep/file.bin": bytes(range(256)),
            "old/gone.py": None,
            "run.sh": b"echo\n",
            "link": b"calc.py",
        },
        {"run.sh": "100755", "link": "120000"},
    )


def test_the_working_tree_receives_it_whole(calc: Path) -> None:
    (calc / "mine.py").write_text("mine = 1\n")
    applied = apply_patch(Repository(calc / "old"), everything(calc), "r1", "worktree")
    assert applied.files == ("calc.py", "link", "new/deep/file.bin", "old/gone.py", "run.sh")
    assert (calc / "calc.py").read_text() == FIXED
    assert (calc / "new/deep/file.bin").read_bytes() == bytes(range(256))
    assert not (calc / "old").exists()
    assert os.access(calc / "run.sh", os.X_OK)
    assert (calc / "link").readlink() == Path("calc.py")
    assert (calc / "mine.py").exists()
    assert not list(calc.glob(".sale-*"))
    assert applied.undo == "sale apply --undo r1"


def test_uncommitted_changes_stay_below_it(calc: Path) -> None:
    (calc / "calc.py").write_text(CALC["calc.py"] + "mine = 1\n")
    patch = change(calc, {"calc.py": (FIXED + "mine = 1\n").encode()})
    apply_patch(Repository(calc), patch, "r1", "worktree")
    assert (calc / "calc.py").read_text() == FIXED + "mine = 1\n"
    with pytest.raises(PatchRefused, match="are not committed"):
        apply_patch(Repository(calc), patch, "r1", "branch")


@pytest.mark.parametrize(
    ("path", "text"),
    [("calc.py", "x = 1\n"), ("calc.py", CALC["calc.py"] + "\n\n\n\n# far away\n"), ("link", "here\n")],
)
def test_files_that_changed_meanwhile_refuse_it_all(calc: Path, path: str, text: str) -> None:
    patch = everything(calc)
    (calc / path).write_text(text)
    before = fingerprint(calc)
    with pytest.raises(PatchRefused, match="changed since") as caught:
        apply_patch(Repository(calc), patch, "r1", "worktree")
    assert "--to branch" in caught.value.hint
    assert fingerprint(calc) == before


def test_a_patch_that_is_there_already_is_said_to_be(calc: Path) -> None:
    patch = everything(calc)
    apply_patch(Repository(calc), patch, "r1", "worktree")
    before = fingerprint(calc)
    hints = {"r1": "undo: sale apply --undo r1", "r2": "to a branch: sale apply r2 --to branch"}
    for run, hint in hints.items():
        with pytest.raises(AppliedAlready, match=r"applied already: calc\.py, ") as caught:
            apply_patch(Repository(calc), patch, run, "worktree")
        assert caught.value.hint == hint
        assert fingerprint(calc) == before


@pytest.mark.parametrize("failing", range(1, 4))
@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_failure_midway_puts_everything_back(
    calc: Path, monkeypatch: pytest.MonkeyPatch, failing: int, error: type[BaseException]
) -> None:
    patch = everything(calc)
    before = files(calc)
    calls = 0

    def failed(name: str) -> None:
        original = getattr(Path, name)

        def once(self: Path, target: Path) -> Path:
            nonlocal calls
            calls += 1
            if calls == failing:
                raise error
            return original(self, target)  # type: ignore[no-any-return]

        monkeypatch.setattr(Path, name, once)

    failed("replace")
    failed("rename")
    with pytest.raises(PatchRefused if error is OSError else error):
        apply_patch(Repository(calc), patch, "r1", "worktree")
    assert files(calc) == before
    assert git(calc, "for-each-ref", "refs/sale") == ""


def test_a_file_in_the_way_of_a_new_folder_refuses_it_all(calc: Path) -> None:
    patch = everything(calc)
    (calc / "new").write_text("in the way\n")
    before = fingerprint(calc)
    with pytest.raises(PatchRefused, match="new has changed"):
        apply_patch(Repository(calc), patch, "r1", "worktree")
    assert fingerprint(calc) == before


def test_a_file_may_become_a_folder_and_back(calc: Path) -> None:
    patch = change(
        calc, {"run.sh": None, "run.sh/inside.py": b"x = 1\n", "old/gone.py": None, "old": b"file\n"}
    )
    apply_patch(Repository(calc), patch, "r1", "worktree")
    assert (calc / "run.sh" / "inside.py").read_text() == "x = 1\n"
    assert (calc / "old").read_text() == "file\n"


def test_a_folder_that_became_a_link_is_not_written_through(calc: Path, tmp_path: Path) -> None:
    patch = change(calc, {"old/gone.py": b"changed = 1\n"})
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "gone.py").write_text("gone = 1\n")
    (calc / "old" / "gone.py").unlink()
    (calc / "old").rmdir()
    (calc / "old").symlink_to(tmp_path / "outside")
    with pytest.raises(PatchRefused, match="symbolic link"):
        apply_patch(Repository(calc), patch, "r1", "worktree")
    assert (tmp_path / "outside" / "gone.py").read_text() == "gone = 1\n"


def test_a_branch_is_made_without_touching_anything_else(calc: Path) -> None:
    patch = everything(calc)
    hook = calc / ".git" / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    (calc / "mine.py").write_text("mine = 1\n")
    git(calc, "add", "mine.py")
    seen = {path: kind for path, kind in fingerprint(calc).items() if not path.startswith(".git/")}
    index = (calc / ".git" / "index").read_bytes()
    applied = apply_patch(Repository(calc), patch, "r1", "branch", title="Fix adding")
    assert {path: kind for path, kind in fingerprint(calc).items() if not path.startswith(".git/")} == seen
    assert (calc / ".git" / "index").read_bytes() == index
    assert git(calc, "rev-parse", "sale/r1^") == git(calc, "rev-parse", "main")
    assert git(calc, "rev-parse", "sale/r1^{tree}") == patch.tree
    assert git(calc, "log", "-1", "--format=%s", "sale/r1") == "Fix adding"
    with pytest.raises(AppliedAlready, match="holds the patch already"):
        apply_patch(Repository(calc), patch, "r1", "branch")
    hook.unlink()
    subprocess.run(applied.undo, shell=True, check=True, capture_output=True)
    assert git(calc, "branch", "--format=%(refname:short)") == "main"


def test_the_branch_says_when_the_tests_saw_more_than_it_holds(calc: Path) -> None:
    (calc / "mine.py").write_text("mine = 1\n")
    patch = change(calc, {"calc.py": FIXED.encode()})
    assert "uncommitted" in apply_patch(Repository(calc), patch, "r1", "branch").note


NEW = "diff --git a/{0} b/{0}\nnew file mode {1}\n--- /dev/null\n+++ b/{0}\n@@ -0,0 +1 @@\n+{2}\n"
EDIT = "diff --git a/{0} b/{0}\n--- a/{0}\n+++ b/{0}\n@@ -1 +1 @@\n-[core]\n+x\n"


@pytest.mark.parametrize(
    "diff",
    [
        NEW.format("../x", "100644", "x"),
        EDIT.format(".git/config"),
        NEW.format("l", "120000", "/etc/passwd") + "\\ No newline at end of file\n",
        NEW.format("m", "160000", "Subproject commit " + "a" * 40),
        "diff --git a/.git/config b/n\nsimilarity index 100%\ncopy from .git/config\ncopy to n\n",
        "not a diff",
    ],
)
@pytest.mark.parametrize("to", ["worktree", "branch"])
def test_diffs_from_elsewhere_meet_the_same_policy(calc: Path, diff: str, to: str) -> None:
    before = fingerprint(calc)
    with pytest.raises(PatchRefused):
        apply_patch(Repository(calc), Patch("", "", diff, ()), "r1", to)  # type: ignore[arg-type]
    assert fingerprint(calc) == before
