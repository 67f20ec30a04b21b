"""The matrix file: nothing that was done is lost, and nothing of another run is mixed in."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from salecli.bench.cells import MATRIX, RESULTS, RESULTS_SCHEMA, Cell, Header, Ledger, Opinion, Worked
from salecli.bench.outcomes import check_earlier
from salecli.core.calls import Usage
from salecli.core.values import Bid, Mark
from salecli.errors import UsageError

HEADER = Header("humaneval", "practice", "abc", "def", 0)
BID = Bid("xs", "1. say", 4, 0.25, 768, usage=Usage(10, 9, 4, 0.1))
WORKED = Worked("tests pass", "", "1 of 1 tests pass", ("write a.py",), Usage(20, 12, 8, 0.2), "diff\udcff")
CELL = Cell("k1", "task", "xs", "passed", "good", BID, WORKED, seconds=2.0)
OPINION = Opinion("k2", "task", "xs", (Mark("xs", "xs", False, 2.5, (0.5, 0.5), 0.9),), {"s": "dead"})


def test_what_was_added_is_read_again(tmp_path: Path) -> None:
    with Ledger(tmp_path, HEADER) as ledger:
        ledger.add(CELL)
        ledger.add(OPINION)
    with Ledger(tmp_path, HEADER) as ledger:
        assert ledger.cells == {"k1": CELL}
        assert ledger.opinions == {"k2": OPINION}
        assert ledger.cells["k1"].usage == BID.usage + WORKED.usage
        ledger.add(replace(CELL, outcome="failed"))
    with Ledger(tmp_path, HEADER) as ledger:
        assert ledger.cells["k1"].outcome == "failed"
    with Ledger(tmp_path, HEADER, resume=False) as ledger:
        assert ledger.cells == {}


def test_a_line_that_was_cut_is_dropped(tmp_path: Path) -> None:
    with Ledger(tmp_path, HEADER) as ledger:
        ledger.add(CELL)
    file = tmp_path / MATRIX
    whole = file.read_bytes()
    file.write_bytes(whole + b'{"kind":"cell","key":"k9"')
    with Ledger(tmp_path, HEADER) as ledger:
        assert set(ledger.cells) == {"k1"}
        ledger.add(OPINION)
    assert file.read_bytes().startswith(whole)
    with Ledger(tmp_path, HEADER) as ledger:
        assert set(ledger.opinions) == {"k2"}


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("pool", "laptop", "pool 'practice', not 'laptop'"),
        ("pool_hash", "xyz", "pool hash 'abc', not 'xyz'"),
        ("suite", "mbpp", "suite 'humaneval', not 'mbpp'"),
        ("seed", 7, "seed 0, not 7"),
        ("schema", 2, "schema 1, not 2"),
    ],
)
def test_another_matrix_is_refused_with_the_difference(
    field: str, value: object, says: str, tmp_path: Path
) -> None:
    with Ledger(tmp_path, HEADER):
        pass
    results = json.loads((tmp_path / MATRIX).read_text()) | {"schema": RESULTS_SCHEMA}
    (tmp_path / RESULTS).write_text(json.dumps(results))
    other = replace(HEADER, **{field: value})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=says):
        Ledger(tmp_path, other)
    check_earlier(tmp_path, HEADER)
    if field == "schema":  # results have their own
        (tmp_path / RESULTS).write_text(json.dumps(results | {"schema": 1}))
    with pytest.raises(UsageError, match=says):
        check_earlier(tmp_path, other)


@pytest.mark.parametrize("line", ["nonsense", '{"kind":"cell"}', '{"no":"kind"}', "[]"])
def test_a_damaged_matrix_is_refused(line: str, tmp_path: Path) -> None:
    with Ledger(tmp_path, HEADER) as ledger:
        ledger.add(CELL)
    with (tmp_path / MATRIX).open("a") as opened:
        opened.write(line + "\n")
    with pytest.raises(UsageError, match="line 3, is damaged"):
        Ledger(tmp_path, HEADER)


def test_damaged_results_are_refused(tmp_path: Path) -> None:
    for text in ("{", json.dumps([1])):
        (tmp_path / RESULTS).write_text(text)
        with pytest.raises(UsageError, match="cannot be read"):
            check_earlier(tmp_path, HEADER)


def test_two_runs_do_not_write_one_matrix(tmp_path: Path) -> None:
    with Ledger(tmp_path, HEADER), pytest.raises(UsageError, match="another process"):
        Ledger(tmp_path, HEADER)
