"""Which recorded runs leave the data folder, and which never do."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from salecli.adapters.journal import ABOUT, APPLIED, Run, runs_folder
from salecli.adapters.owner import this_process
from salecli.adapters.prune import DAYS, prune
from tests.adapters.runs import past

NOW = time.time()
OLD = NOW - (DAYS + 1) * 86_400


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def old(name: str, age: float = 0.0) -> Run:
    """A run of a process that has ended, longer ago by `age` seconds."""
    run = past(Path("/shop"), name, {"event": "Resumed", "task": "t"}, at=OLD - age)
    owner = {**this_process().labels(), "sale.started": "1"}
    (run.folder / ABOUT).write_text(json.dumps({"repository": "/shop", "owner": owner}))
    return run


def left() -> set[str]:
    return {path.name for path in runs_folder().iterdir()}


def test_the_newest_stay_and_the_rest_goes() -> None:
    runs = [old(str(place), age=place) for place in range(5)]
    assert prune(2) == 3
    assert left() == {run.id for run in runs[:2]}
    assert prune(2) == 0


def test_nothing_of_the_last_weeks_goes_however_much_there_is() -> None:
    for place in range(4):
        past(Path("/shop"), str(place), {"event": "Resumed", "task": "t"}, at=NOW - place)
    assert prune(1, now=NOW) == 0
    assert len(left()) == 4


def test_a_run_that_was_applied_stays_for_its_way_back() -> None:
    applied, plain = old("applied"), old("plain")
    (applied.folder / APPLIED).touch()
    old("new", age=-9)
    assert prune(1) == 1
    assert plain.id not in left()
    assert applied.id in left()


def test_a_run_whose_process_lives_stays() -> None:
    run = past(Path("/shop"), "mine", {"event": "Resumed", "task": "t"}, at=OLD)
    old("new", age=-9)
    assert prune(1) == 0
    assert run.id in left()


def test_zero_keeps_all_and_no_folder_is_no_fault(tmp_path: Path) -> None:
    assert prune(3) == 0
    old("one")
    old("two")
    assert prune(0) == 0
    assert len(left()) == 2


def test_what_is_no_run_of_ours_is_not_touched(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_text("mine")
    old("new", age=-9)
    (runs_folder() / "link").symlink_to(elsewhere)
    (runs_folder() / "notes.txt").write_text("mine")
    os.utime(runs_folder() / "notes.txt", (OLD, OLD))
    damaged = old("damaged")
    (damaged.folder / ABOUT).write_text("not json")
    assert prune(1) == 1
    assert left() >= {"link", "notes.txt"}
    assert (elsewhere / "file").read_text() == "mine"
