"""`sale practice new` and `eval`, through the command line's front door."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from salecli.cli import main
from salecli.practice.tasks.curriculum import practice
from salecli.practice.tasks.drafts import FAMILIES


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def test_new_writes_a_repository_with_one_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # No identity of the user's is needed, and no hook or setting of the user's is asked.
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    for name in ("one", "two"):
        assert main(["practice", "new", str(tmp_path / name), "--level", "3", "--seed", "9"]) == 0
    given = practice(3, 9)
    for name, text in given.files.items():
        assert (tmp_path / "one" / name).read_text() == text
    assert git(tmp_path / "one", "status", "--porcelain") == ""
    assert git(tmp_path / "one", "rev-list", "--count", "HEAD") == "1\n"
    assert git(tmp_path / "one", "rev-parse", "HEAD") == git(tmp_path / "two", "rev-parse", "HEAD")


def test_new_writes_tasks_of_every_family(tmp_path: Path) -> None:
    for seed, family in enumerate(FAMILIES):
        folder = tmp_path / family
        arguments = ["--level", "4", "--seed", str(seed)]
        assert main(["practice", "new", str(folder), *arguments]) == 0
        given = practice(4, seed)
        assert given.family == family
        assert git(folder, "ls-files").split() == sorted(given.files)
        assert (folder / "issue.md").read_text() == given.issue


def test_new_refuses_a_folder_with_something_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kept").write_text("mine")
    assert main(["practice", "new", str(tmp_path)]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert main(["practice", "new", str(tmp_path / "kept")]) == 2


@pytest.mark.parametrize("arguments", [["--level", "6"], ["--level", "0"], ["--seed", "-1"]])
def test_new_refuses_levels_and_seeds_that_do_not_exist(tmp_path: Path, arguments: list[str]) -> None:
    assert main(["practice", "new", str(tmp_path / "x"), *arguments]) == 2


def test_train_refuses_agents_that_do_not_exist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["practice", "train", "--out", str(tmp_path), "--minutes", "1", "--agents", "xs,xl"]) == 2
    assert "xs,s,m,l" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["new", "eval", "train"])
def test_every_command_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["practice", command, "--help"]) == 0
    _, _, examples = capsys.readouterr().out.partition("Example")
    assert f"sale practice {command}" in examples


@pytest.mark.slow
def test_eval_measures_every_agent_task_by_task(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["--tasks", "1", "--refinements", "1", "--json"]
    assert main(["practice", "eval", *arguments]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    tasks = [(one["agent"], one["level"]) for one in records if one["kind"] == "task"]
    assert tasks == [(agent, level) for agent in ("xs", "s", "m", "l") for level in range(1, 6)]
    assert all(0 <= one["mark_error"] <= 5 for one in records if one["kind"] == "task")
    assert {one["agent"] for one in records if one["kind"] == "refinement"} == {"xs", "s", "m", "l"}
