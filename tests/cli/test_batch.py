"""`sale batch` before its first task: what it refuses, and in which words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from salecli.adapters.results import batches_folder, open_results
from salecli.cli import main
from salecli.core.batch import Result


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two tasks, in a place without an engine: what is not refused before fails there."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent")
    (tmp_path / ".git").mkdir()
    folder = tmp_path / "tasks"
    folder.mkdir()
    for name in ("cart", "knit"):
        (folder / f"{name}.md").write_text(f"# {name}\n")
    return folder


def refused(capsys: pytest.CaptureFixture[str], code: int, *arguments: str | Path) -> tuple[str, str]:
    """What `sale batch` says, and what it says to type."""
    assert main(["batch", *map(str, arguments)]) == code
    seen = capsys.readouterr()
    lines = seen.err.splitlines()
    assert seen.out == ""
    assert len(lines) == 2, seen.err
    assert lines[0].startswith("sale: ")
    assert lines[1].startswith("      ")
    return lines[0], lines[1]


def test_folders_and_task_files(tasks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tasks.parent / "empty"
    empty.mkdir()
    assert "there is no task in" in refused(capsys, 2, empty)[0]
    assert "there is no folder" in refused(capsys, 2, tasks / "no")[0]
    said, hint = refused(capsys, 2, tasks / "cart.md")
    assert "is a file, not a folder of tasks" in said
    assert "sale solve" in hint
    (tasks / "cart").mkdir()
    (tasks / "cart" / "issue.md").write_text("x")
    assert "two tasks are called 'cart'" in refused(capsys, 2, tasks)[0]
    (tasks / "cart.md").unlink()
    (tasks / "cart" / "task.toml").write_text('seed = 1\nrepositry = "x"\n')
    assert "task.toml, line 2: unknown key 'repositry'" in refused(capsys, 2, tasks)[0]
    (tasks / "cart" / "task.toml").write_text('pool = "practise"\n')
    said, hint = refused(capsys, 2, tasks)
    assert "task cart: there is no pool 'practise'" in said
    assert "did you mean `--pool practice`" in hint


def test_a_folder_that_may_not_be_read(tasks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tasks / "cart.md").unlink()
    (tasks / "cart.md").symlink_to("/proc/1/mem" if os.geteuid() else "cart.md")
    said, _ = refused(capsys, 2, tasks)
    assert "task cart: " in said


def test_options(tasks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said, hint = refused(capsys, 2, tasks, "--filter", "nothing")
    assert "fits --filter nothing" in said
    assert "there are: cart, knit" in hint
    assert "there is no pool 'no'" in refused(capsys, 2, tasks, "--pool", "no")[0]
    assert "is a folder" in refused(capsys, 2, tasks, "--junit", tasks)[0]
    assert "there is no folder" in refused(capsys, 2, tasks, "--junit", tasks / "no" / "r.xml")[0]
    assert "no such folder can be made" in refused(capsys, 2, tasks, "--patches", tasks / "cart.md")[0]
    assert "--jobs" in refused(capsys, 2, tasks, "--jobs", "0")[0]


def test_outside_of_any_repository(tasks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tasks.parent / ".git").rmdir()
    said, hint = refused(capsys, 2, tasks)
    assert "task cart: " in said
    assert "is not in a git repository" in said
    assert "--repo DIR" in hint


def test_without_an_engine_nothing_is_begun(tasks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said, hint = refused(capsys, 3, tasks)
    assert "no Docker engine answers" in said
    assert "unset DOCKER_HOST" in hint


def test_an_unfinished_batch_of_other_terms_or_another_version(
    tasks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_results(tasks, ["cart", "knit"], {"seed": 3}) as results:
        results.add(Result("cart", "passed"), "d")
        said, _ = refused(capsys, 2, tasks, "--seed", "3")
        assert "is under way already" in said
    said, hint = refused(capsys, 2, tasks, "--seed", "4")
    assert "was begun with --seed at 3, not at 4" in said
    assert f"sale batch {tasks} --no-resume" in hint
    (file,) = batches_folder().glob("*.jsonl")
    file.write_text(file.read_text().replace('"version":1', '"version":2'))
    said, hint = refused(capsys, 2, tasks, "--seed", "3")
    assert "is of another version of sale" in said
    assert "--no-resume" in hint
