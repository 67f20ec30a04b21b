"""Practice tasks: determined by level and seed, they tell right from wrong, and two sides share nothing."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from salecli.adapters.testing import Reported, read_report
from salecli.core import actions
from salecli.practice.tasks import classes, conventions, lists, loops, records, texts, words
from salecli.practice.tasks.attempt import attempt
from salecli.practice.tasks.checks import WRONG
from salecli.practice.tasks.curriculum import Practice, practice
from salecli.practice.tasks.drafts import FAMILIES, LEVELS
from salecli.practice.tasks.operation import Operation

SEEDS = range(18)


def operations() -> Iterator[Operation]:
    for module in (classes, conventions, lists, loops, records, texts):
        for value in vars(module).values():
            if isinstance(value, tuple) and value and isinstance(value[0], Operation):
                yield from value


def some(held_out: bool, seeds: range = SEEDS) -> list[Practice]:
    return [practice(level, seed, held_out) for level in LEVELS for seed in seeds]


def after(task: Practice, reply: str) -> str:
    """The module after the action of a reply."""
    action = actions.parse(reply)
    if isinstance(action, actions.Write):
        assert not task.draft.broken
        content = action.content
    else:
        assert isinstance(action, actions.Edit)
        content = actions.edited(task.stub, action)
    assert action.path == task.path
    return content


@pytest.mark.parametrize("level", LEVELS)
def test_level_and_seed_determine_a_task(level: int) -> None:
    made = [practice(level, seed) for seed in SEEDS]
    assert [one.files for one in made] == [practice(level, seed).files for seed in SEEDS]
    assert len({one.issue for one in made}) == len(made)
    assert Counter(one.family for one in made) == dict.fromkeys(FAMILIES, 2)
    assert all(one.family == "bugs" for one in made if one.reply.startswith("```edit "))


def test_training_and_held_out_tasks_share_nothing() -> None:
    held, trained = some(True), some(False)

    def both(what: str) -> tuple[set[object], set[object]]:
        return {getattr(one, what) for one in held}, {getattr(one, what) for one in trained}

    assert not set.intersection(*both("function"))
    assert not {one.draft.key for one in held} & {one.draft.key for one in trained}
    templates = [{said for one in side for said in one.phrases} for side in (held, trained)]
    assert not templates[0] & templates[1]
    called = [
        {line.split("(")[0] for one in side if one.family == "reuse" for text in one.draft.modules.values()
         for line in text.splitlines() if line.startswith("def ")}
        for side in (held, trained)
    ]  # fmt: skip
    assert all(called)
    assert not called[0] & called[1]


def test_no_phrase_stands_on_both_sides() -> None:
    tables = list(operations())
    assert len(tables) > 200
    training = {said: one.name for one in tables for said in one.said}
    held = {said: one.name for one in tables for said in one.held}
    assert not training.keys() & held.keys()
    for one in tables:
        assert len(one.said) >= 3
        assert len(one.held) >= 2
        for said in (*one.said, *one.held):
            assert all(word in said for word in one.name.split())
            assert (training | held)[said] == one.name  # no phrase means two things
    joints = [[one for part in side for one in part] for side in words.JOINTS]
    lists_of = (words.TITLES, words.REPAIRS, words.OPENINGS, words.FAULTS, words.DISTRACTORS, joints)
    assert all(not set(sides[0]) & set(sides[1]) for sides in lists_of)


@pytest.mark.parametrize("family", FAMILIES)
def test_tests_tell_the_solution_from_wrong_ones(family: str) -> None:
    """The reference passes; nothing done, and at least three plausible solutions, fail."""
    for level in LEVELS:
        for seed in range(4):
            task = practice(level, seed, seed < 2, family)
            assert after(task, task.reply) == task.solution
            assert task.tested(task.lines).green
            assert len(set(task.wrong)) >= WRONG
            assert all(task.tested(lines).failed for lines in task.wrong)
            assert sum(len(lines) == len(task.lines) for lines in task.wrong) >= 2
            if task.draft.broken:
                assert task.now in task.wrong
            for lines in task.wrong:
                if lines != task.now:
                    assert after(task, task.answer(lines)) == task.made(lines) != task.solution


@pytest.mark.slow
def test_pytest_says_what_the_examples_show(tmp_path: Path) -> None:
    """References, stubs and wrong solutions of every family, in one real run: outcomes and messages."""
    expected: dict[str, list[tuple[str, str]]] = {}
    for at, family in enumerate(FAMILIES):
        for level in (2, 5) if family != "reuse" else (4,):
            task = practice(level, 3, family=family)
            for number, lines in enumerate((task.lines, *task.wrong)):
                own = replace(task, module=f"m{at}{level}{number}")
                tests = own.tested(lines)
                assert tests.green == (number == 0)
                same = own.draft.broken and lines == own.now
                write(tmp_path, own, own.stub if same else after(own, own.answer(lines)))
                expected[f"test_{own.module}"] = [(case.outcome, case.message) for case in tests.cases]
            own = replace(task, module=f"m{at}{level}stub")
            write(tmp_path, own, own.stub)
            expected[f"test_{own.module}"] = []
    report = tmp_path / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=400)
    found: dict[str, list[Reported]] = {}
    for case in read_report(report.read_bytes()) or []:
        found.setdefault(case.group, []).append(case)
    assert found.keys() == expected.keys()
    for group, cases in expected.items():
        if cases:
            assert [(one.outcome, one.message) for one in found[group]] == cases
        else:
            assert "failed" in [one.outcome for one in found[group]]


def test_a_task_is_a_repository_that_pytest_runs(tmp_path: Path) -> None:
    task = practice(2, 3)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    write(tmp_path, task, task.stub)
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 1
    write(tmp_path, task, task.solution)
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 0


def write(folder: Path, task: Practice, content: str) -> None:
    for name, text in (dict(task.files) | {task.path: content}).items():
        (folder / name).write_text(text)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_an_agent_wrote_is_tried_alike(family: str) -> None:
    task = practice(3, 1, family=family)
    assert attempt(task, task.solution).green
    for lines in task.wrong[:2]:
        assert attempt(task, task.made(lines)).cases == task.tested(lines).cases
    assert attempt(task, task.stub).failed


def test_a_missing_step_fails_the_tests() -> None:
    task = practice(4, 1, family="lists")
    for at in range(len(task.lines)):
        assert not attempt(task, task.made(task.lines[:at] + task.lines[at + 1 :])).green


@pytest.mark.parametrize(
    "content",
    [
        "import os\ndef FN(xs):\n    return xs\n",
        "def FN(xs):\n    return open('/etc/passwd').read()\n",
        "def FN(xs):\n    return xs.__class__\n",
        pytest.param("def FN(xs):\n    while True:\n        pass\n", marks=pytest.mark.slow),
        "def FN(xs):\n    return [0] * 10**10\n",
        "def FN(xs:\n",
        "",
    ],
)
def test_a_program_that_misbehaves_fails_its_tests(content: str) -> None:
    task = practice(1, 0, family="lists")
    assert not attempt(task, content.replace("FN", task.function)).green


def test_a_worker_sees_the_files_that_it_needs() -> None:
    for task in some(True):
        named = dict(task.task.named)
        assert named[task.path] == task.stub
        assert "issue.md" not in named
        if task.family == "reuse":
            assert named.keys() == {task.path, *(f"{name}.py" for name in task.draft.modules)}
        if task.family == "conventions":  # only training or memory tell of those
            assert named.keys() == {task.path}
            assert set(task.task.files) > named.keys() | {"issue.md", f"test_{task.path}"}


def test_higher_levels_have_more_steps_and_rarer_ones() -> None:
    sizes = [sum(len(practice(level, seed).draft.steps) for seed in SEEDS) / len(SEEDS) for level in LEVELS]
    assert sizes == sorted(sizes)
    assert sizes[-1] > 2 * sizes[0]
    known = {name: set[str]() for name in ("low", "high")}
    for seed in range(30):
        known["low"].update(one.operation.name for one in practice(1, seed, family="lists").draft.steps)
        known["high"].update(one.operation.name for one in practice(5, seed, family="lists").draft.steps)
    assert len(known["high"]) > 2 * len(known["low"])
