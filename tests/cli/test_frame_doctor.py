"""`sale doctor` and `sale models list`: what is there, what is not, and what to type."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from salecli.cli import main
from salecli.cli.exits import Exit
from tests.models import random_model

POOL = """\
name = "own"
[[agents]]
name = "small"
model = "small.gguf"
price = 0.05
context = 1024
[[agents]]
name = "large"
model = "large.gguf"
price = 0.36
context = 1024
"""
LINE = re.compile(r"^(fine|fix )  (\w+) +(\S.*)$")


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pool of two real models, in a working directory that is no repository."""
    for seed, name in enumerate(("small", "large")):
        random_model(tmp_path / f"{name}.gguf", seed=seed)
    (tmp_path / "own.toml").write_text(POOL)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "own.toml"


def doctor(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, list[str]]]:
    """Exit code, and the lines of each check; every line has to be of the promised form."""
    code = main(["doctor", *arguments])
    seen = capsys.readouterr()
    assert seen.err == ""
    checks: dict[str, list[str]] = {}
    for line in seen.out.splitlines():
        match = LINE.match(line)
        assert match, line
        assert match[1] == "fine" or "; type: " in line, line
        checks.setdefault(match[2], []).append(line)
    return code, checks


def test_models_that_are_fine(pool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, checks = doctor(capsys, "--pool", str(pool))
    assert "model" not in checks
    assert checks["pool"][0].startswith("fine  pool      own: 2 models found, ")
    assert "loaded small" in checks["llama"][0]
    assert {"python", "git", "settings", "docker", "memory", "embedder", "disk"} <= set(checks)


def test_models_that_are_not(pool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (pool.parent / "small.gguf").unlink()
    large = pool.parent / "large.gguf"
    large.write_bytes(large.read_bytes()[:-100])
    code, checks = doctor(capsys, "--pool", str(pool))
    assert code == Exit.ENVIRONMENT
    small, large_line = checks["model"]
    assert small.startswith("fix   model     small: ")
    assert "small.gguf is missing; type: cp " in small
    assert "large" in large_line
    assert "cut short" in large_line
    assert "llama" not in checks


def test_a_model_that_does_not_fit_into_the_budget(pool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (pool.parent / ".git").mkdir()
    (pool.parent / "sale.toml").write_text('[models]\nbudget = "1m"\n')
    code, checks = doctor(capsys, "--pool", str(pool))
    assert code == Exit.ENVIRONMENT
    assert [line for line in checks["room"] if "the budget is 1.0 MB" in line] == checks["room"]
    assert len(checks["room"]) == 2


def test_no_engine(pool: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{pool.parent}/nobody.sock")
    code, checks = doctor(capsys, "--pool", str(pool))
    assert code == Exit.ENVIRONMENT
    assert checks["docker"][0].startswith("fix   docker")
    assert "image" not in checks


def test_no_git(pool: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", str(pool.parent))
    code, checks = doctor(capsys, "--pool", str(pool))
    assert code == Exit.ENVIRONMENT
    assert checks["git"] == ["fix   git       not found; type: sudo apt-get install git"]


def test_looking_leaves_nothing_behind(
    pool: Path, private_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(private_home.rglob("*"))
    _, checks = doctor(capsys, "--pool", str(pool))
    assert "will be made by the first run" in checks["memory"][0]
    assert sorted(private_home.rglob("*")) == before


def test_a_memory_file_that_is_none(
    pool: Path, private_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    memory = private_home / ".local" / "share" / "sale" / "memory.sqlite3"
    memory.parent.mkdir(parents=True)
    memory.write_text("a shopping list")
    code, checks = doctor(capsys, "--pool", str(pool))
    assert code == Exit.ENVIRONMENT
    assert checks["memory"][0].startswith("fix   memory")
    assert memory.read_text() == "a shopping list"


def test_settings_that_are_wrong(pool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (pool.parent / ".git").mkdir()
    (pool.parent / "sale.toml").write_text("atempts = 3\n")
    code, checks = doctor(capsys)
    assert code == Exit.ENVIRONMENT
    assert "line 1: unknown key 'atempts'" in checks["settings"][0]


def test_an_unknown_pool(pool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, checks = doctor(capsys, "--pool", "nowhere")
    assert code == Exit.ENVIRONMENT
    assert "'nowhere'" in checks["pool"][0]


def test_findings_as_json(pool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["doctor", "--pool", str(pool), "--json"])
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {record["check"] for record in records} >= {"python", "pool", "docker"}
    assert all(record.keys() == {"check", "fine", "found", "fix"} for record in records)


@pytest.mark.docker
def test_all_is_fine_after_make(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, checks = doctor(capsys)
    assert [line for lines in checks.values() for line in lines if line.startswith("fix")] == []
    assert code == Exit.SOLVED
    assert "image" in checks


def test_the_list_of_models(pool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (pool.parent / "large.gguf").unlink()
    assert main(["models", "list", "--pool", str(pool)]) == Exit.SOLVED
    seen = capsys.readouterr()
    header, small, large = (re.split(r"\s{2,}", line) for line in seen.out.splitlines())
    assert header == ["agent", "USD/Mt", "context", "file", "size", "memory", "state"]
    assert small[:4] == ["small", "0.05", "1024", str(pool.parent / "small.gguf")]
    assert small[-1] == "found"
    assert large[-3:] == ["-", "-", "missing"]
    assert "budget" in seen.err


def test_the_list_of_models_as_json(pool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list", "--pool", str(pool), "--json"]) == Exit.SOLVED
    seen = capsys.readouterr()
    assert seen.err == ""
    small, large = (json.loads(line) for line in seen.out.splitlines())
    assert (small["agent"], small["pool"], small["state"]) == ("small", "own", "found")
    assert small["bytes"] == (pool.parent / "small.gguf").stat().st_size
    assert large["memory"] > large["bytes"]
