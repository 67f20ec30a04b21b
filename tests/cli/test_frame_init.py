"""`sale init`: a sale.toml that shows every setting, in the right place, and replaces nothing unasked."""

from __future__ import annotations

import re
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from salecli.checked import known
from salecli.cli import main
from salecli.cli.exits import Exit
from salecli.cli.init import sample
from salecli.config import OWNERS, EndpointSettings, Settings, load_settings
from salecli.resources import user_file


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "shop" / ".git").mkdir(parents=True)
    (tmp_path / "shop" / "src").mkdir()
    monkeypatch.chdir(tmp_path / "shop" / "src")
    return tmp_path / "shop"


def test_it_writes_at_the_root_what_changes_nothing(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init"]) == Exit.SOLVED
    assert capsys.readouterr().out == ""
    assert load_settings(repository) == Settings()


def test_every_setting_is_there_with_its_default(repository: Path) -> None:
    text = re.sub(r"^# ([\w.]+ = |\[)", r"\1", sample(), flags=re.MULTILINE)
    values = tomllib.loads(text)
    example = values.pop("keys")
    served = values.pop("endpoints")
    endpoints = {name: EndpointSettings(**table) for name, table in served.items()}
    flat = {
        f"{name}.{key}" if isinstance(value, dict) else name: inner
        for name, value in values.items()
        for key, inner in (value.items() if isinstance(value, dict) else [("", value)])
    }
    assert sorted([*flat, "endpoints", "keys"]) == sorted(known(Settings))
    user_file().parent.mkdir(parents=True)
    user_file().write_text(text)
    assert load_settings(repository) == Settings(
        thrift=0.5, calibration=True, endpoints=endpoints, keys=example
    )


def test_what_is_the_owners_alone_is_said_to_be(repository: Path) -> None:
    for key in OWNERS:
        lines = sample().splitlines()
        head = f"# [{key[-1]}]"
        line = next((before for before, line in pairwise(lines) if line == head), "") or next(
            line for line in lines if line.startswith(f"# {key[-1]} = ")
        )
        assert "yours alone" in line


def test_it_refuses_to_replace(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "sale.toml").write_text("seed = 7\n")
    assert main(["init"]) == Exit.USAGE
    assert "already there" in capsys.readouterr().err
    assert (repository / "sale.toml").read_text() == "seed = 7\n"
    assert main(["init", "--force"]) == Exit.SOLVED
    assert (repository / "sale.toml").read_text() == sample()


def test_force_replaces_a_link_and_not_what_it_points_to(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (repository / "sale.toml").symlink_to(tmp_path / "precious")
    assert main(["init", "--force"]) == Exit.SOLVED
    assert (tmp_path / "precious").read_text() == "mine"
    assert not (repository / "sale.toml").is_symlink()


def test_outside_of_a_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == Exit.USAGE
    assert "git init" in capsys.readouterr().err
    assert main(["init", "--repo", str(tmp_path / "nowhere")]) == Exit.USAGE
    assert list(tmp_path.iterdir()) == []
