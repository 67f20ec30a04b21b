"""`make bench`: every room has rows, and the file keeps what other rooms measured. Nothing here is timed."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from salecli.bench.bars.__main__ import LONG, ROOMS, figure, main, mark, write
from salecli.bench.bars.startup import cpu


@pytest.mark.parametrize("room", ROOMS + LONG)
def test_every_room_measures(room: str) -> None:
    assert callable(importlib.import_module(f"salecli.bench.bars.{room}").rows)


def test_an_unknown_room_is_said_before_any_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["batch", "bath"]) == 2
    assert capsys.readouterr().err.startswith("sale: there is no room 'bath'\n")


def row(name: str, value: float) -> dict[str, object]:
    return {"name": name, "value": value, "unit": "s", "bar": 1.0, "ok": value <= 1}


def test_one_room_replaces_its_own_rows_alone(tmp_path: Path) -> None:
    path = tmp_path / "build" / "bench.json"
    write([row("a", 0.5), row("b", 0.5)], path, keep=True)
    write([row("b", 2.0)], path, keep=True)
    assert json.loads(path.read_text()) == [row("a", 0.5), row("b", 2.0)]
    write([row("c", 0.1)], path, keep=False)
    assert json.loads(path.read_text()) == [row("c", 0.1)]


def test_figures_and_marks() -> None:
    assert [figure(value) for value in (0.45678, 1234, None, "x")] == ["0.4568", "1234", "-", "x"]
    assert [mark(ok) for ok in (True, False, None)] == ["yes", "NO", "-"]


def test_the_cpu_of_a_program_that_fails_is_no_figure() -> None:
    with pytest.raises(RuntimeError, match="exit code 7"):
        cpu("import sys; sys.exit(7)")
