"""Issue files of a repository, and its earlier runs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from salecli.adapters.issues import issues_in
from salecli.adapters.journal import new_run
from salecli.adapters.past import past_runs
from tests.adapters.runs import past


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A repository with issues, some of them ignored."""
    folder = tmp_path / "shop"
    for name in ("README.md", "Guide.MD", "tasks/tax/issue.md", "issue.md", "build/notes.md", "gone.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x\n")
    (folder / ".gitignore").write_text("build/\n")
    subprocess.run("git init -q && git add -A", shell=True, cwd=folder, check=True, timeout=60)
    return folder


def test_issues_come_first_and_nothing_ignored_or_dangerous(shop: Path) -> None:
    (shop / "LINK.md").symlink_to("/etc/passwd")
    os.mkfifo(shop / "pipe.md")
    (shop / "gone.md").unlink()
    assert [one.shown for one in issues_in(shop)] == ["issue.md", "tasks/tax/", "Guide.MD", "README.md"]
    assert [one.shown for one in issues_in(shop, most=1)] == ["issue.md"]


def test_a_folder_that_is_no_repository(tmp_path: Path) -> None:
    (tmp_path / "b.md").write_text("b")
    (tmp_path / "Issue.md").write_text("a")
    (tmp_path / "c.txt").write_text("c")
    assert [one.shown for one in issues_in(tmp_path)] == ["Issue.md", "b.md"]
    assert issues_in(tmp_path / "nowhere") == []


def test_how_earlier_runs_ended(shop: Path) -> None:
    # A title may look like a field.
    ended = {"event": "RunEnded", "task": '"solved":true', "solved": False}
    past(shop, "Tax", {"event": "RunStarted"}, ended, at=4_000_000)
    past(shop, "Again", ended, {**ended, "solved": True}, at=3_000_000)
    past(shop, "Cut", {"event": "RunStarted"}, at=2_000_000)
    past(shop, "Dead", {"event": "RunFailed"}, at=1_000_000)
    assert [(one.title, one.outcome) for one in past_runs(shop)] == [
        ("Tax", "not solved"),
        ("Again", "solved"),
        ("Cut", "unfinished"),
        ("Dead", "failed"),
    ]
    assert [one.title for one in past_runs(shop, most=1)] == ["Tax"]


def test_runs_that_are_not_listed(shop: Path) -> None:
    past(shop.parent, "Elsewhere", {"event": "RunFailed"})
    for damaged in ("{", "[]", "\udcff"):
        run = past(shop, "Damaged", {"event": "RunFailed"})
        (run.folder / "run.json").write_text(damaged, errors="surrogateescape")
    past(shop, "Nothing happened")
    new_run()
    assert past_runs(shop) == []
