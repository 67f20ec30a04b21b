"""The promises: proved from the command line, found out where one is broken, quoted in the README."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from salecli.adapters import promises
from salecli.adapters.engine import connect, is_old
from salecli.adapters.image import IMAGE
from salecli.adapters.promises import NOT_PROMISED, PROMISES

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.docker
def test_all_are_proved_from_the_command_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "salecli", "sandbox", "check", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert [record["check"] for record in records] == ["engine", "image", *(one.name for one in PROMISES)]
    assert [record["promise"] for record in records[2:]] == [one.text for one in PROMISES]
    engine = records[0]
    version = re.match(r"Docker (\S+), cgroup v[12], runtime \S+, \d+ cores?", engine["found"])
    assert version
    assert (engine["state"] == "warn") == ("vsock and io_uring" in engine["found"]) == is_old(version[1])
    assert {record["state"] for record in records[1:]} == {"fine"}
    assert all(record["found"] and len(record["found"]) < 110 for record in records)


def test_engines_before_25_are_old() -> None:
    assert [is_old(one) for one in ("20.10.24+dfsg1", "24.0.9")] == [True, True]
    assert [is_old(one) for one in ("25.0.0", "28.2.2", "dev")] == [False] * 3


@pytest.mark.docker
@pytest.mark.parametrize(
    ("option", "value", "broken"),
    [
        ("network_mode", "bridge", "network"),
        ("read_only", False, "files"),
        ("cap_drop", None, "rights"),
        ("ulimits", None, "disk"),
        ("environment", {"SALE_TEST_TOKEN": "swordfish"}, "secrets"),
    ],
)
def test_a_sandbox_that_is_open_somewhere_is_found_out(
    monkeypatch: pytest.MonkeyPatch, option: str, value: object, broken: str
) -> None:
    from salecli.adapters import container

    usual = container._options
    monkeypatch.setattr(container, "_options", lambda *given: {**usual(*given), option: value})
    (wanted,) = [one for one in PROMISES if one.name == broken]
    monkeypatch.setattr(promises, "PROMISES", (wanted,))
    with closing(connect()) as client:
        ((promise, seen, holds),) = promises.proved(client, IMAGE)
    assert (promise.name, holds) == (broken, False)
    assert seen


def test_the_readme_quotes_them_all() -> None:
    text = " ".join(README.read_text().split())
    for promise in PROMISES:
        assert f"| {promise.name} | {promise.text} | {promise.tried} |" in text
    for sentence in NOT_PROMISED:
        assert sentence in text
