"""`sale learn` on memories in the real format, by the real solver."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from salecli import resources
from salecli.adapters import learned
from salecli.build import market
from salecli.cli import main
from salecli.config import load_settings
from salecli.core.heldout import LEAST
from salecli.core.values import Weights
from salecli.weighing import in_use
from tests.past_markets import auctions, pool, prompts_hash, remember

SaleLearn = Callable[..., tuple[int, str, str]]

MISLED = Weights(0.02, 0.0, {"xs": 0.97, "s": 0.01, "m": 0.01, "l": 0.01})
"""By the judge who knows least: easy to do better than."""


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A memory of 120 auctions."""
    return remember(
        tmp_path_factory.mktemp("past") / "memory.sqlite3", *auctions(120, weights=MISLED, sure=2)
    )


@pytest.fixture
def sale(
    past: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> SaleLearn:
    """Calls `sale learn`, which tries corrected marks if `calibrated`; gives exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, memory: Path = past, calibrated: bool = False) -> tuple[int, str, str]:
        plain = [] if calibrated else ["--no-calibration"]
        code = main(["learn", "--memory", str(memory), *plain, *arguments])
        return code, *capfd.readouterr()

    return call


def saved() -> learned.Saved | None:
    spec = pool()
    return learned.read(learned.store(spec.hash(), prompts_hash(spec)))


def goes_by() -> Weights:
    """The weights that a run of the practice pool goes by."""
    with market(load_settings(), pool()) as stocked:
        return stocked.weights


def test_what_is_better_is_saved_and_used_from_then_on(sale: SaleLearn) -> None:
    before = goes_by()
    assert before == pool().market_weights()
    code, out, err = sale("--force")
    assert code == 0
    assert "120 auctions of 120 tasks" in err
    for word in (
        "in use",
        "minimax",
        "labelled",
        "held-out",
        "where another solved it",
        "change hands",
        "proved",
    ):
        assert word in out
    found = saved()
    assert found is not None
    assert found.auctions == 120
    assert goes_by() == found.weights != before
    assert resources.data_folder() in learned.store("a", "b").parents


def test_the_dial_stays_the_users(sale: SaleLearn) -> None:
    assert sale("--objective", "labelled", "--thrift", "0.3", "--force")[0] == 0
    found = saved()
    assert found is not None
    assert found.weights.cost == 0.3 == goes_by().cost
    with market(load_settings(overrides={"thrift": 0.7}), pool()) as stocked:
        assert stocked.weights == replace(found.weights, cost=0.7)


def test_learning_again_finds_nothing_better(sale: SaleLearn) -> None:
    assert sale("--objective", "labelled", "--force")[0] == 0
    first = saved()
    code, out, err = sale("--objective", "labelled")
    assert code == 1
    assert "saved: nothing" in out
    assert "no task would change hands" in out
    assert "--force" in err
    assert saved() == first


def test_what_is_worse_is_saved_by_force_alone(sale: SaleLearn) -> None:
    """Minimax asks for no outcome, and its entropy may not speak against a plan."""
    assert sale("--objective", "labelled", "--force")[0] == 0
    first = saved()
    code, out, _ = sale("--objective", "minimax", "--json")
    told = json.loads(out)
    assert not any(one["better"] for one in told["results"])
    assert (code, told["saved"], saved()) == (1, False, first)
    assert sale("--objective", "minimax", "--force")[0] == 0
    assert saved() != first


def test_json_tells_everything(sale: SaleLearn) -> None:
    code, out, _ = sale("--json", "--force", calibrated=True)
    told = json.loads(out)
    assert (code, told["saved"]) == (0, True)
    assert [(one["objective"], one["corrected"]) for one in told["results"]] == [
        (objective, corrected) for corrected in (False, True) for objective in ("minimax", "labelled")
    ]
    for one in told["results"]:
        weights = one["weights"]
        assert abs(weights["entropy"]) + sum(weights["judges"].values()) == pytest.approx(1)
        held = one["held_out"]
        assert held["gain"]["low"] <= held["gain"]["mean"] <= held["gain"]["high"]
        assert one["gap"] >= 0
        assert sum(held["outcomes"]) == 120


def test_corrected_marks_are_tried_and_count_only_where_they_help(sale: SaleLearn) -> None:
    code, out, _ = sale("--objective", "labelled", "--json", "--force", calibrated=True)
    told = json.loads(out)
    raw, corrected = told["results"]
    assert corrected["weights"] != raw["weights"]
    assert corrected["held_out"]["solved"]["mean"] > 0.5
    assert told["calibration"]["helps"] is told["calibration"]["saved"] is False
    found = saved()
    assert code == 0
    assert found is not None
    assert found.weights.entropy == raw["weights"]["entropy"]
    assert found.calibrated is not None
    assert found.calibrated.weights.entropy == corrected["weights"]["entropy"]
    out = sale("--objective", "labelled", "--force", calibrated=True)[1]
    assert "labelled, marks corrected" in out
    assert "corrected marks gain" in out


def test_show_and_forget(sale: SaleLearn) -> None:
    code, out, err = sale("--show")
    assert code == 0
    assert "nothing was learned" in err
    sale("--objective", "labelled", "--force")
    code, out, err = sale("--show")
    assert code == 0
    assert "learned" in out
    assert "by labelled" in err
    assert "120 auctions" in err
    assert "forgotten" in sale("--forget")[1]
    assert saved() is None
    assert goes_by() == pool().market_weights()
    assert "nothing was learned" in sale("--forget")[1]


def test_a_pool_file_that_was_changed_since_counts(sale: SaleLearn) -> None:
    sale("--objective", "labelled", "--force")
    spec, found = pool(), saved()
    assert found is not None
    now = spec.weights.model_copy(update={"entropy": 0.0, "judges": dict.fromkeys(spec.names, 0.25)})
    changed = spec.model_copy(update={"weights": now})
    assert in_use(changed, prompts_hash(spec)).weights == changed.market_weights()
    assert "the weights in practice.toml were changed since" in in_use(changed, prompts_hash(spec)).unused[0]
    assert in_use(spec, prompts_hash(spec)).weights == found.weights


def test_too_few_auctions_say_how_many_are_needed(sale: SaleLearn, tmp_path: Path) -> None:
    few = remember(tmp_path / "few.sqlite3", *auctions(7))
    code, out, err = sale(memory=few)
    assert (code, out) == (2, "")
    assert f"7 tasks with a verdict and a choice between agents; {LEAST} are needed" in err
    assert "sale batch" in err
    assert sale(memory=tmp_path / "none.sqlite3")[0] == 2
    assert saved() is None


def test_where_labels_are_too_few_it_is_said(sale: SaleLearn, tmp_path: Path) -> None:
    one_try = remember(tmp_path / "one.sqlite3", *auctions(30, attempts=1))
    code, out, err = sale("--objective", "labelled", memory=one_try)
    assert (code, out) == (2, "")
    assert "one bid solved and another failed" in err
    code, out, err = sale(memory=one_try)
    assert "labelled is left out" in err
    assert "labelled" not in out


def test_auctions_of_other_pools_and_damaged_ones_are_left_out(sale: SaleLearn, tmp_path: Path) -> None:
    path = tmp_path / "mixed.sqlite3"
    own = list(auctions(40))
    others = [replace(one, run=f"other-{at}", pool_hash="other") for at, one in enumerate(own[:3])]
    remember(path, *own, *others)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE marks SET value = 5.0 - value WHERE auction = 12")
    db.close()
    _, _, err = sale("--objective", "minimax", memory=path)
    assert "39 auctions of 39 tasks" in err
    assert "3 of other pools" in err
    assert "left out: 12;" in err


def test_weights_that_an_earlier_sale_saved_count_as_before(sale: SaleLearn) -> None:
    sale("--objective", "labelled", "--force")
    spec, found = pool(), saved()
    assert found is not None
    path = learned.store(spec.hash(), prompts_hash(spec))
    row = json.loads(path.read_text()) | {"version": 1}
    for name in ("pool_hash", "prompts_hash", "suite", "tasks", "sale", "calibrated"):
        del row[name]
    path.write_text(json.dumps(row))
    assert goes_by() == found.weights
    assert "from 120 auctions on " in sale("--show")[2]


def test_a_damaged_file_of_weights_is_said_by_every_run(sale: SaleLearn) -> None:
    spec = pool()
    path = learned.store(spec.hash(), prompts_hash(spec))
    path.parent.mkdir(parents=True)
    row: dict[str, Any] = {"cost": 0.1, "entropy": 0.0, "judges": {"xs": 1.0}}
    for text in ("{", "[]", json.dumps({"format": "sale-weights", "version": 1, "weights": row})):
        path.write_text(text)
        code, out, err = sale()
        assert (code, out) == (2, "")
        assert str(path) in err
        assert "sale learn --forget" in err
    assert sale("--forget")[0] == 0
    assert sale("--show")[0] == 0


def test_doctor_says_where_the_weights_come_from(sale: SaleLearn, capfd: pytest.CaptureFixture[str]) -> None:
    main(["doctor"])
    assert "weights   those of practice.toml" in capfd.readouterr().out
    sale("--objective", "labelled", "--force")
    main(["doctor"])
    assert "weights   your own, learned from 120 auctions on " in capfd.readouterr().out


def test_titles_are_cleaned_and_solvers_are_silent(tmp_path: Path) -> None:
    """As a process of its own: stdout is the result alone, also what C prints, and holds no escape."""
    past = [
        replace(one, task=replace(one.task, title=f"\x1b[31mred {at} [b]"))
        for at, one in enumerate(auctions(60, weights=MISLED, sure=2))
    ]
    path = remember(tmp_path / "memory.sqlite3", *past)
    command = [sys.executable, "-m", "salecli", "learn", "--memory", str(path), "--force"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert "[b]" in done.stdout
    assert "Highs" not in done.stdout
    assert done.stdout.splitlines()[0].startswith("weights")
    assert done.stdout.splitlines()[-1].startswith("saved: ")


def test_options_that_exclude_each_other(sale: SaleLearn) -> None:
    code, out, err = sale("--show", "--forget")
    assert (code, out) == (2, "")
    assert "exclude each other" in err
