"""Corrected marks as a user has them: learned from a bench, used, shown, remembered, switched off."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from salecli.core.scoring import TOP_MARK
from salecli.pool import load_pool
from tests.e2e.world import practice, records, sale
from tests.past_benches import bench
from tests.solved import ANY

pytestmark = [pytest.mark.docker, pytest.mark.slow]


AUCTION = ("BidMade", "Marked", "MarkReplaced", "Scored", "Led", "WinnerChosen")


def held(seen: list[dict[str, Any]]) -> list[str]:
    """The events of a run's auction, without times."""
    return [re.sub(r'"seconds": [^,}]+', "", json.dumps(one)) for one in seen if one["event"] in AUCTION]


def started(seen: list[dict[str, Any]]) -> dict[str, Any]:
    return next(one for one in seen if one["event"] == "RunStarted")


def test_marks_are_put_right_in_a_sale_and_the_switch_takes_it_back(
    tmp_path: Path, private_home: Path
) -> None:
    shop = practice(tmp_path / "shop", *ANY)
    past = bench(tmp_path / "bench", load_pool("practice"))
    learned = sale("learn", "--from", past, "--objective", "labelled", "--json", cwd=tmp_path)
    assert learned.returncode == 0, learned.stderr
    assert json.loads(learned.stdout)["calibration"]["saved"]

    done = sale("solve", "issue.md", "--json", "--no-refine", cwd=shop)
    assert done.returncode in (0, 1), done.stderr
    assert "marks count as past verdicts put them right" in done.stderr
    assert re.search(r"\d\.\d->\d\.\d", done.stderr)
    seen = records(done.stdout)
    began = started(seen)
    marks = [one["mark"] for one in seen if one["event"] == "Marked"]
    assert len(marks) == 16
    assert any(abs(mark["corrected"] - mark["value"]) > 0.2 for mark in marks)
    judges = began["weights"]["judges"]
    for score in (one["score"] for one in seen if one["event"] == "Scored"):
        given = {mark["judge"]: mark["corrected"] for mark in marks if mark["agent"] == score["agent"]}
        assert score["jury"] == pytest.approx(sum(judges[j] * given[j] / TOP_MARK for j in judges))
    assert "->" in sale("show", began["run"], cwd=shop).stdout
    assert "->" in sale("memory", "show", "1", cwd=shop).stdout
    kept = json.loads(sale("memory", "show", "1", "--json", cwd=shop).stdout)
    assert [mark["corrected"] for mark in kept["marks"]] == pytest.approx(
        [mark["corrected"] for mark in marks]
    )

    def without(*arguments: str) -> tuple[Any, list[str]]:
        memory = tmp_path / f"m{len(arguments)}.sqlite3"
        off = sale("solve", "issue.md", "--json", "--no-refine", "--memory", memory, *arguments, cwd=shop)
        assert not re.search(r"\d->\d", off.stderr)
        assert '"corrected"' not in off.stdout
        off_seen = records(off.stdout)
        return started(off_seen)["weights"], held(off_seen)

    switched_off = without("--no-calibration")
    [file] = (private_home / ".local/share/sale/weights").iterdir()
    file.write_text(json.dumps(json.loads(file.read_text()) | {"calibrated": None}))
    assert without() == switched_off
