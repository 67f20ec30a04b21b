"""Practice tasks: determined by level and seed, split by step sequence, solved by their references."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from salecli.practice import faults
from salecli.practice.curriculum import LEVELS, practice
from salecli.practice.examples import missing
from salecli.practice.execute import attempt
from salecli.practice.operations import LISTS, NUMBERS

SEEDS = range(12)


@pytest.mark.parametrize("level", LEVELS)
def test_level_and_seed_determine_a_task(level: int) -> None:
    made = [practice(level, seed) for seed in SEEDS]
    assert made == [practice(level, seed) for seed in SEEDS]
    assert len({one.issue for one in made}) == len(made)
    for one in made:
        assert LEVELS[level].fewest <= len(one.pipeline.steps) <= LEVELS[level].most


def test_training_and_held_out_tasks_share_no_step_sequence() -> None:
    held = {practice(level, seed).pipeline.plan for level in LEVELS for seed in SEEDS}
    trained = {practice(level, seed, held_out=False).pipeline.plan for level in LEVELS for seed in SEEDS}
    assert not held & trained
    assert all(practice(1, seed).pipeline.held_out for seed in SEEDS)
    assert not any(practice(1, seed, held_out=False).pipeline.held_out for seed in SEEDS)


def test_higher_levels_use_rarer_operations() -> None:
    rank = {one.name.replace(" {c}", ""): at for at, one in enumerate(LISTS)}

    def mean(level: int) -> float:
        names = [
            step.name.rstrip(" 123456789") for seed in SEEDS for step in practice(level, seed).pipeline.steps
        ]
        ranks = [rank[name] for name in names if name in rank]
        return sum(ranks) / len(ranks)

    assert mean(1) < mean(3) < mean(5)


@pytest.mark.parametrize("level", LEVELS)
def test_the_reference_solves_its_task_and_the_stub_does_not(level: int) -> None:
    for seed in range(3):
        task = practice(level, seed)
        assert attempt(task, task.solution).green
        assert attempt(task, task.stub).failed == len(task.inputs)


def test_a_missing_step_fails_the_tests() -> None:
    task = practice(4, 1)
    lines = task.solution.splitlines(keepends=True)
    for at in range(1, len(lines) - 2, 2):  # a comment and a statement each
        assert not attempt(task, "".join(lines[:at] + lines[at + 2 :])).green


def test_a_task_is_a_repository_that_pytest_runs(tmp_path: Path) -> None:
    task = practice(2, 3)
    for name, text in task.files.items():
        (tmp_path / name).write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 1
    (tmp_path / task.path).write_text(task.solution)
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 0


@pytest.mark.parametrize(
    "content",
    [
        "import os\ndef FN(xs):\n    return xs\n",
        "def FN(xs):\n    return open('/etc/passwd').read()\n",
        "def FN(xs):\n    return xs.__class__\n",
        "def FN(xs):\n    while True:\n        pass\n",
        "def FN(xs):\n    return [0] * 10**10\n",
        "def FN(xs:\n",
        "",
    ],
)
def test_a_program_that_misbehaves_fails_its_tests(content: str) -> None:
    task = practice(1, 0)
    assert not attempt(task, content.replace("FN", task.function)).green


def test_operations_are_told_apart_by_their_names() -> None:
    names = [one.name for one in (*LISTS, *NUMBERS)]
    assert len(set(names)) == len(names)
    assert len({one.expression for one in (*LISTS, *NUMBERS)}) == len(names)
    for one in (*LISTS, *NUMBERS):
        assert ("{c}" in one.name) == bool(one.constants) == all("{c}" in phrase for phrase in one.phrases)


def test_small_agents_miss_more_of_the_tail() -> None:
    counts = [len(missing(agent)) for agent in ("xs", "s", "m", "l")]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] > 0
    assert not missing("xs") & {one.name for one in LISTS[:20]}


def test_rightness_counts_lines_in_their_order() -> None:
    steps = practice(5, 2).pipeline.steps
    right = practice(5, 2).pipeline.plan
    lines = [step.line for step in steps]
    assert faults.rightness(right, right) == 5
    assert faults.rightness(faults.plan_of([(line, True) for line in lines[1:]]), right) == 4
    assert faults.rightness(faults.plan_of([(line, True) for line in reversed(lines)]), right) <= 1
    assert faults.rightness("1. nothing: xs", right) == 0
