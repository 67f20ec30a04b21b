"""`sale bench run` as a user has it: real repositories, real sandboxes, the practice pool's real models."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bench import records
from tests.e2e.scene import End, Scene

pytestmark = pytest.mark.docker


@pytest.fixture
def scene(tmp_path: Path, private_home: Path) -> Iterator[Scene]:
    made = Scene(tmp_path, private_home)
    records.data(made.folder)
    yield made
    assert made.left() == []


def run(scene: Scene, *arguments: str | Path) -> End:
    end = scene.run("bench", "run", *arguments, "--out", scene.folder / "out")
    assert scene.containers(end) == []
    return end


def results(scene: Scene) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((scene.folder / "out" / "results.json").read_text())
    return found


def ended(scene: Scene) -> dict[str, dict[str, str]]:
    """Outcome by task and agent."""
    return {
        task["name"]: {name: one["outcome"] for name, one in task["agents"].items()}
        for task in results(scene)["tasks"]
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suite", "passed", "of"), [("humaneval", 2, 2), ("mbpp", 2, 3), ("leetcode", 1, 1), ("practice", 3, 3)]
)
def test_gold_passes_and_null_does_not(suite: str, passed: int, of: int, scene: Scene) -> None:
    which: list[str | Path] = ["--tasks", "3"] if suite == "practice" else ["--data", scene.folder]
    gold = run(scene, suite, *which, "--gold")
    assert gold.code == 0, gold.stderr
    assert f"gold: {passed} of {of} task" in gold.stdout
    assert ("mbpp-367 is known to fail" in gold.stdout) is (suite == "mbpp")
    assert sum(one == {"gold": "passed"} for one in ended(scene).values()) == passed
    null = scene.run("bench", "run", suite, *which, "--null", "--out", scene.folder / "null")
    assert null.code == 0, null.stderr
    assert f"null: 0 of {of} task" in null.stdout


@pytest.mark.slow
def test_a_reference_that_fails_and_a_test_that_says_nothing_are_named(scene: Scene) -> None:
    wrong = {**records.HUMANEVAL[0], "canonical_solution": "    return x\n"}
    idle = {**records.HUMANEVAL[1], "test": "def check(total):\n    assert True\n\ncheck(total)\n"}
    records.write(scene.folder, "humaneval.jsonl", [wrong, idle])
    gold = run(scene, "humaneval", "--data", scene.folder, "--gold")
    assert gold.code == 1
    assert "the reference solution of 1 task did not pass: humaneval-0" in gold.stderr
    null = scene.run(
        "bench", "run", "humaneval", "--data", scene.folder, "--null", "--out", scene.folder / "n"
    )
    assert null.code == 1
    assert "1 empty patch passed: humaneval-1" in null.stderr


@pytest.mark.slow
def test_every_agent_bids_works_and_marks_once(scene: Scene) -> None:
    """Two tasks that all agents try, and the routers over them; the same call again asks nobody."""
    first = run(scene, "practice", "--tasks", "2")
    assert first.code == 0, first.stderr
    names = ["xs", "s", "m", "l"]
    assert all(list(one) == names for one in ended(scene).values())
    found = results(scene)
    assert found["schema"] == 2
    assert found["pool"] == "practice"
    assert found["weights"]["pool"]["source"] == "those of practice.toml"
    largest = [task["agents"]["l"] for task in found["tasks"]]
    passed = {
        name: [task["agents"][name]["outcome"] == "passed" for task in found["tasks"]] for name in names
    }
    assert any(map(any, passed.values())), "choose other tasks for this test"
    assert all(0 < one["bid_tokens"] < one["tokens"] for one in largest)
    assert all(one["usd"] == pytest.approx(one["tokens"] * 0.36e-6) for one in largest)
    rows = {row["name"]: row for row in found["rows"]}
    assert rows["oracle"]["pass"][0] == sum(map(any, zip(*passed.values(), strict=True))) / 2
    for name in names:
        assert rows[name]["pass"][0] == sum(passed[name]) / 2
        spent = sum(task["agents"][name]["usd"] for task in found["tasks"]) / 2
        assert rows[name]["usd_per_task"][0] == pytest.approx(spent, rel=1e-4)
    assert rows["SALE without memory"]["tokens_by_phase"]["mark"] > 0
    assert "SALE without memory" in first.stdout
    assert [rows[name]["kind"] for name in ("SALE", "SALE with retry")] == ["market", "market"]
    for fifths in (found["win_share"][name] for name in ("with memory", "without memory")):
        # Two tasks: one in the first fifth of an order, one in the third.
        assert [round(sum(one["shares"].values()), 9) for one in fifths] == [1, 0, 1, 0, 0]
    parts = found["shapley"]
    assert list(parts["with memory"]) == list(parts["without memory"]) == names
    worth = {play: sum(part[0] for part in parts[play].values()) for play in parts}
    assert worth["without memory"] == pytest.approx(rows["SALE without memory"]["pass"][0])
    assert 2 * worth["with memory"] == pytest.approx(round(2 * worth["with memory"]))
    assert "left out: WTP: 10 tasks are needed to learn from" in first.stderr
    assert "weights: the pool's (too few tasks to fit weights" in first.stderr
    lines = [json.loads(line) for line in (scene.folder / "out" / "matrix.jsonl").read_text().splitlines()]
    cells = [one for one in lines if one["kind"] == "cell"]
    opinions = [one for one in lines if one["kind"] == "opinion"]
    assert len(cells) == len(opinions) == 8
    assert all(one["bid"]["plan"] and one["bid"]["entropy"] >= 0 for one in cells)
    for one in opinions:
        assert [mark["agent"] for mark in one["marks"]] == names
        assert all(len(mark["probabilities"]) == 6 for mark in one["marks"])
        # As in an auction: the task is in the judge's prefix cache since its own bid.
        assert all(mark["usage"]["evaluated"] < mark["usage"]["prompt"] for mark in one["marks"])
    again = run(scene, "practice", "--tasks", "2")
    assert again.code == 0
    assert "8 of 8 results known already" in again.stderr
    assert len((scene.folder / "out" / "matrix.jsonl").read_text().splitlines()) == len(lines)
    assert again.stdout == first.stdout
    few = scene.run("learn", "--from", scene.folder / "out")
    assert few.code == 2
    assert "2 tasks of the suite practice" in few.stderr
    assert "20 are needed" in few.stderr
    report = (scene.folder / "out" / "report.md").read_text()
    assert report.startswith("# SALE on practice: 2 tasks, pool practice\n")
    assert "](pareto.svg)" in report
    assert "SALE with retry" in (scene.folder / "out" / "pareto.svg").read_text()
    shown = scene.run("bench", "show", scene.folder / "out", "--markdown")
    assert shown.code == 0, shown.stderr
    assert shown.stdout == re.sub(r"!\[.*\n\n", "", report)


@pytest.mark.slow
def test_an_interrupted_run_goes_on_where_it_was(scene: Scene) -> None:
    file = scene.folder / "out" / "matrix.jsonl"
    command = ["bench", "run", "practice", "--gold", "--tasks", "12", "--jobs", "2"]
    process = scene.start(*command, "--out", scene.folder / "out")
    until = time.monotonic() + 60
    while (not file.exists() or file.read_bytes().count(b"\n") < 3) and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "the same command goes on" in stderr
    assert scene.left() == []
    assert scene.containers(End(130, "", stderr, process.pid)) == []
    kept = file.read_bytes()
    assert 2 <= kept.count(b'"kind":"cell"') < 12
    assert b'"error"' not in kept
    end = run(scene, *command[2:])
    assert end.code == 0, end.stderr
    assert "results known already" in end.stderr
    assert file.read_bytes().startswith(kept)
    assert file.read_bytes().count(b'"kind":"cell"') == 12


def test_what_cannot_be_begun_is_refused(scene: Scene) -> None:
    bench = ("bench", "run")
    scene.refused(*bench, "nothing", code=2, says="no suite 'nothing'", hint="practice, humaneval")
    scene.refused(*bench, "mbpp", code=2, says="from a folder that you name", hint="--data FOLDER")
    scene.refused(*bench, "mbpp", "--gold", "--null", code=2, says="two proofs", hint="one after the other")
    scene.refused(*bench, "mbpp", "--gold", "--pool", "x", code=2, says="no agent works", hint="--pool")
    (scene.folder / "out").mkdir()
    (scene.folder / "out" / "results.json").write_text('{"suite": "humaneval", "schema": 9}')
    other = ("--data", scene.folder, "--gold", "--out", scene.folder / "out")
    scene.refused(*bench, "humaneval", *other, code=2, says="is of pool None, not 'gold'", hint="--out")
