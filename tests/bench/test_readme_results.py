"""The README's results: made from the kept results.json by a script, and never anything else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from salecli.bench.report.readme import BEGIN, END, KEPT
from tests.bench.example import example, saved

ROOT = Path(__file__).resolve().parents[2]


def renewing(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "salecli.bench.report.readme", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_readme_is_of_the_kept_results() -> None:
    done = renewing("--check", cwd=ROOT)
    assert done.returncode == 0, done.stderr
    between = (ROOT / "README.md").read_text().partition(BEGIN)[2].partition(END)[0]
    assert bool(between.strip()) is (ROOT / KEPT / "results.json").exists()


@pytest.fixture
def readme(tmp_path: Path) -> Path:
    """A README with results of a made-up run, and those results beside it."""
    file = tmp_path / "README.md"
    file.write_text(f"# sale\n\nBefore.\n\n{BEGIN}\n{END}\n\nAfter.\n")
    done = renewing("--from", saved(tmp_path / "run", example()), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return file


def test_the_results_are_renewed_and_only_they(readme: Path) -> None:
    text = readme.read_text()
    assert text.startswith(f"# sale\n\nBefore.\n\n{BEGIN}\n\n### Results\n")
    assert text.endswith(f"\n{END}\n\nAfter.\n")
    kept = readme.parent / KEPT
    values = json.loads((kept / "results.json").read_text())
    for row in values["rows"]:
        mean, low, high = (f"{100 * share:.1f}" for share in row["pass"])
        line = rf"^\| {re.escape(row['name'])} \| {mean} % \| {low} to {high} % \|"
        assert bool(re.search(line, text, re.M)) is (row["kind"] != "ablation")
    assert f"]({KEPT}/pareto.svg)" in text
    assert "- **did not hold**: The auction takes less than 1 % of all tokens." in text
    assert sorted(path.name for path in kept.iterdir()) == ["pareto.svg", "results.json"]
    assert all("agents" not in task for task in values["tasks"])
    drawn = (kept / "pareto.svg").read_bytes()
    assert renewing(cwd=readme.parent).returncode == 0
    assert readme.read_text() == text
    assert (kept / "pareto.svg").read_bytes() == drawn
    assert renewing("--check", cwd=readme.parent).returncode == 0


def test_a_stale_number_result_or_plot_is_found(readme: Path) -> None:
    kept = readme.parent / KEPT
    whole = {path: path.read_text() for path in (readme, kept / "results.json", kept / "pareto.svg")}

    def stale(path: Path, text: str, says: str) -> None:
        assert text != whole[path]
        path.write_text(text)
        done = renewing("--check", cwd=readme.parent)
        assert done.returncode == 1
        assert says in done.stderr
        assert "make results" in done.stderr
        path.write_text(whole[path])

    number = re.search(r"\d+\.\d %", whole[readme])
    assert number
    stale(readme, whole[readme].replace(number[0], "99.9 %", 1), "README.md is not what")
    values = json.loads(whole[kept / "results.json"])
    values["rows"][0]["usd_per_task"][0] *= 1.5
    stale(kept / "results.json", json.dumps(values), "README.md is not what")
    values = json.loads(whole[kept / "results.json"])
    values["plan_and_work"].pop()  # nothing that the README tells of
    stale(kept / "results.json", json.dumps(values), "is not drawn from")
    (kept / "pareto.svg").unlink()
    assert renewing("--check", cwd=readme.parent).returncode == 1


def test_without_results_there_is_one_line_and_no_section(tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.write_text(f"{BEGIN}\n{END}\n")
    done = renewing(cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        f"no results are kept in {KEPT}: make results FROM=DIR, the folder of a bench run"
    ]
    assert file.read_text() == f"{BEGIN}\n{END}\n"
    file.write_text(f"{BEGIN}\n61.1 %\n{END}\n")
    assert renewing("--check", cwd=tmp_path).returncode == 1
    file.write_text("nothing\n")
    done = renewing("--from", saved(tmp_path / "run", example()), cwd=tmp_path)
    assert done.returncode == 2
    assert "no place for results" in done.stderr
