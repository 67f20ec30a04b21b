"""Folders of tasks as people write them, and what is said of those that cannot be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from salecli.adapters.issues import MOST_BYTES
from salecli.adapters.plainfolder import as_repository
from salecli.adapters.tasks import tasks_in
from salecli.errors import RepositoryError, SaleError


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    """An empty folder of tasks inside a repository."""
    (tmp_path / ".git").mkdir()
    folder = tmp_path / "tasks"
    folder.mkdir()
    return folder


def task(folder: Path, name: str, toml: str | None = None) -> Path:
    (folder / name).mkdir()
    (folder / name / "issue.md").write_text(f"# {name}\n")
    if toml is not None:
        (folder / name / "task.toml").write_text(toml)
    return folder / name


def test_files_and_folders_in_the_order_of_their_numbers(tasks: Path) -> None:
    for name in ("task-10.md", "task-2.MD", "README.md", ".hidden.md", "notes.txt"):
        (tasks / name).write_text("do it\n")
    task(tasks, "task-9")
    (tasks / "empty").mkdir()
    task(tasks, ".git")
    assert [one.name for one in tasks_in(tasks)] == ["task-2", "task-9", "task-10"]
    assert {one.place for one in tasks_in(tasks)} == {tasks, tasks / "task-9"}
    assert {one.place for one in tasks_in(tasks, tasks.parent)} == {tasks.parent}


def test_everything_that_a_task_file_may_say(tasks: Path) -> None:
    (tasks.parent / "shop").mkdir()
    task(
        tasks,
        "a",
        'repository = "../../shop"\nbase = "v1"\ntest_command = "make test"\npool = "practice"\nseed = 7\n'
        'attempts = 1\nskip = "later"\n[limits]\nsteps = 5\ntokens = 900\nseconds = 60.0\n'
        'command_seconds = 20.0\nmemory = "512m"\n',
    )
    (one,) = tasks_in(tasks)
    assert one.place.resolve() == (tasks.parent / "shop").resolve()
    assert (one.base, one.skip, one.bare) == ("v1", "later", False)
    assert one.settings == {
        "test_command": "make test",
        "pool": "practice",
        "seed": 7,
        "attempts": 1,
        "work.steps": 5,
        "work.tokens": 900,
        "work.seconds": 60.0,
        "sandbox.command_seconds": 20.0,
        "sandbox.memory": "512m",
    }


def test_a_changed_task_is_another(tasks: Path) -> None:
    made = task(tasks, "a")
    seen = set()
    for change in ("", "seed = 1", 'base = "x"', 'skip = "no"', "[limits]\nsteps = 1"):
        (made / "task.toml").write_text(change)
        seen.add(tasks_in(tasks)[0].digest)
    (made / "issue.md").write_text("another text")
    seen.add(tasks_in(tasks)[0].digest)
    assert len(seen) == 6
    assert tasks_in(tasks)[0].digest in seen


@pytest.mark.parametrize(
    ("toml", "line", "says", "hint"),
    [
        ('seed = 1\nrepositroy = "x"', 2, "unknown key 'repositroy'; did you mean 'repository'?", "known"),
        ("[limits]\nsteps = 0", 2, "limits.steps must be at least 1, not 0", "mend"),
        ('[limits]\nmemory = "much"', 2, 'limits.memory must be a size such as "512m"', "mend"),
        ('\npool = "../evil.toml"', 2, "pool must be a pool's name, not a path", "mend"),
        ('repository = "../nowhere"', 1, "there is no folder", "mend the path"),
        ('path = "."\nbase = "v1"', 1, "base asks for a repository", "leave path or base out"),
        ("seed = ", 1, "not TOML", "mend that line"),
    ],
)
def test_a_broken_task_file_is_told_with_its_line(
    tasks: Path, toml: str, line: int, says: str, hint: str
) -> None:
    made = task(tasks, "a", toml)
    with pytest.raises(SaleError) as caught:
        tasks_in(tasks)
    assert caught.value.message.startswith(f"{made / 'task.toml'}, line {line}: ")
    assert says in caught.value.message
    assert hint in caught.value.hint


def test_folders_that_hold_no_tasks(tasks: Path) -> None:
    cases: list[tuple[Path, str, str]] = [(tasks, "there is no task in", "sale practice new")]
    file = tasks.parent / "issue.md"
    file.write_text("x")
    cases += [
        (file, "is a file", f"sale solve {file}"),
        (tasks / "no", "there is no folder", "name a folder"),
    ]
    for folder, says, hint in cases:
        with pytest.raises(SaleError, match=says) as caught:
            tasks_in(folder)
        assert hint in caught.value.hint


def test_two_of_one_name(tasks: Path) -> None:
    task(tasks, "a")
    (tasks / "a.md").write_text("again")
    with pytest.raises(SaleError, match="two tasks are called 'a'") as caught:
        tasks_in(tasks)
    assert "rename" in caught.value.hint


def test_a_task_file_alone(tasks: Path) -> None:
    (tasks / "a").mkdir()
    (tasks / "a" / "task.toml").write_text("")
    with pytest.raises(SaleError, match=r"has a task\.toml and no issue\.md"):
        tasks_in(tasks)


@pytest.mark.parametrize(
    ("data", "says"),
    [(b"", "is empty"), (b"\xff\xfe", "is not a UTF-8 text"), (b"x" * (MOST_BYTES + 1), "is larger than")],
)
def test_an_issue_that_is_none_is_named(tasks: Path, data: bytes, says: str) -> None:
    (tasks / "a.md").write_bytes(data)
    with pytest.raises(SaleError, match=r"task a: .*a\.md " + says):
        tasks_in(tasks)


def test_an_issue_that_leads_nowhere(tasks: Path) -> None:
    (tasks / "a").mkdir()
    (tasks / "a" / "issue.md").symlink_to("nowhere")
    with pytest.raises(SaleError, match="task a: "):
        tasks_in(tasks)


def test_outside_of_any_repository(tmp_path: Path) -> None:
    task(tmp_path, "a")
    with pytest.raises(SaleError, match=r"task a: .* is not in a git repository") as caught:
        tasks_in(tmp_path)
    assert "--repo" in caught.value.hint
    (tmp_path / "a" / "code").mkdir()
    (tmp_path / "a" / "task.toml").write_text('path = "code"')
    (one,) = tasks_in(tmp_path)
    assert (one.bare, one.place) == (True, tmp_path / "a" / "code")


def test_a_folder_without_git_is_taken_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "code"
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "config").write_text("[core]\n\tfsmonitor = touch /tmp/never\n")
    (folder / ".gitignore").write_text("*.log\n")
    (folder / "a.log").write_text("kept all the same")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("a.log")
    with as_repository(folder) as repository, repository.snapshot() as snapshot:
        assert repository.name == "code"
        assert snapshot.files == (".gitignore", "a.log", "link", "run.sh")
        assert [snapshot.entries[name].mode for name in ("link", "run.sh")] == ["120000", "100755"]
        place = repository.top.parent
    assert not place.exists()
    assert sorted(path.name for path in folder.iterdir()) == [".git", ".gitignore", "a.log", "link", "run.sh"]


def test_a_folder_that_holds_nothing_or_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RepositoryError, match="is empty"), as_repository(tmp_path / "empty"):
        pass
    os.mkfifo(tmp_path / "empty" / "pipe")
    with pytest.raises(RepositoryError, match="cannot be copied"), as_repository(tmp_path / "empty"):
        pass
