"""Task suites: records of the public forms become small repositories, and bad ones are refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from salecli.bench.suites import SUITES, content, open_suite, spread
from salecli.bench.suites.sortedlist import SortedList
from salecli.errors import UsageError
from salecli.practice.tasks.drafts import LEVELS
from tests.bench import records


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    (tmp_path / "sets").mkdir()
    return records.data(tmp_path / "sets")


@pytest.mark.parametrize(("suite", "count"), [("humaneval", 2), ("mbpp", 3), ("leetcode", 1)])
def test_a_record_becomes_a_repository(suite: str, count: int, sets: Path) -> None:
    """That its reference passes and its stub does not is proved in the sandbox."""
    tasks = open_suite(suite, sets).tasks()
    assert len(tasks) == count
    for task in tasks:
        assert task.files["issue.md"] == task.issue
        assert task.solution.keys() == {"solution.py"}
        assert "raise NotImplementedError" in task.files["solution.py"]
        for path, text in {**task.files, **task.solution}.items():
            if path.endswith(".py"):
                compile(text, path, "exec")


def test_levels_are_minutes_as_far_as_they_are_known(sets: Path) -> None:
    levels = {name: {one.level for one in open_suite(name, sets).tasks()} for name in SUITES[1:]}
    assert levels == {"humaneval": {"unknown"}, "mbpp": {"0.1-2.5"}, "leetcode": {"12.5-60"}}
    assert [one.elo for one in open_suite("leetcode", sets).tasks()] == [1512.5]
    (sets / "leetcode-elo.txt").unlink()
    assert [one.elo for one in open_suite("leetcode", sets).tasks()] == [None]


def test_a_stub_gives_the_signature_and_not_the_answer(sets: Path) -> None:
    files = open_suite("mbpp", sets).tasks()[1].files
    assert "def span(pair, deep=1):\n    raise NotImplementedError\n" in files["solution.py"]
    assert "class Pair" in files["solution.py"]
    assert "fabs" not in files["solution.py"]
    assert files["test_solution.py"].startswith("import math\n")


def test_practice_tasks_are_of_all_levels_and_always_the_same() -> None:
    tasks = open_suite("practice").tasks(10)
    assert [one.level for one in tasks] == [str(level) for level in LEVELS] * 2
    assert len({one.name for one in tasks}) == 10
    assert content(tasks) == content(open_suite("practice").tasks(10))
    with pytest.raises(UsageError, match="makes its own"):
        open_suite("practice", Path())


def test_part_of_a_suite_is_from_all_over_it() -> None:
    assert spread(list(range(100)), 4) == [0, 25, 50, 75]
    assert spread([1, 2], None) == spread([1, 2], 5) == [1, 2]


def test_another_test_is_another_task(sets: Path) -> None:
    task = open_suite("humaneval", sets).tasks()[0]
    changed = [*records.HUMANEVAL]
    changed[0] = {**changed[0], "test": str(changed[0]["test"]).replace("quarter(8)", "quarter(2 * 4)")}
    records.write(sets, "humaneval.jsonl", changed)
    again = open_suite("humaneval", sets).tasks()
    assert again[0].name == task.name
    assert again[0].hash != task.hash


def broken(suite: str, **changes: Any) -> tuple[str, str, dict[str, Any]]:
    known = {"humaneval": records.HUMANEVAL, "mbpp": records.MBPP, "leetcode": records.LEETCODE}
    return suite, f"{suite}.jsonl", {**known[suite][0], **changes}


@pytest.mark.parametrize(
    ("what", "says"),
    [
        (broken("humaneval", test=""), "task 0 has no test"),
        (broken("humaneval", test="def check(quarter):\n    pass\n\ncheck(quarter)"), "task 0 has no tests"),
        (broken("humaneval", test="assert True"), "task 0 has tests that check no function"),
        (
            broken("humaneval", canonical_solution="  return return\n"),
            "task 0 has a reference solution that is",
        ),
        (broken("mbpp", test_list=[]), "task 7 has no tests"),
        (broken("mbpp", test_list=["assert other(1)"]), "task 7 has tests that call no function of its"),
        (broken("mbpp", code="def test_equal(a, b"), "task 7 has a reference solution that is no program"),
        (broken("mbpp", text=None), "task 7 has no text"),
        (broken("leetcode", entry_point="kth"), "task kth-smallest has an entry_point that is no method"),
        (broken("leetcode", completion="class Solution"), "task kth-smallest has a reference solution that"),
        (broken("leetcode", test="def check(candidate):\n    pass"), "task kth-smallest has no tests"),
    ],
)
def test_a_task_that_cannot_be_posed_is_named(
    what: tuple[str, str, dict[str, Any]], says: str, tmp_path: Path
) -> None:
    suite, name, record = what
    records.write(tmp_path, name, [record])
    with pytest.raises(UsageError, match=f"{suite}: {says}"):
        open_suite(suite, tmp_path).tasks()


@pytest.mark.parametrize("data", [b"\x1f\x8b broken", b"{", b"[1]\n", b"\xff\n"])
def test_a_file_that_holds_no_records_is_refused(data: bytes, tmp_path: Path) -> None:
    name = "humaneval.jsonl.gz" if data.startswith(b"\x1f") else "humaneval.jsonl"
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UsageError, match=r"humaneval\.jsonl"):
        open_suite("humaneval", tmp_path).tasks()


def test_a_missing_folder_or_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="read from a folder that you name"):
        open_suite("mbpp").tasks()
    with pytest.raises(UsageError, match=r"holds no mbpp\.jsonl"):
        open_suite("mbpp", tmp_path).tasks()


def test_a_sorted_list_is_what_solutions_expect() -> None:
    found = SortedList([3, 1, 2, 2])
    found.add(2)
    found.remove(3)
    found.discard(9)
    found.update([0, 5])
    assert list(found) == [0, 1, 2, 2, 2, 5]
    assert (found.bisect_left(2), found.bisect_right(2), found.bisect(4)) == (2, 5, 5)
    assert 5 in found
    assert 4 not in found
    assert [found[0], found[-1], found.pop(), len(found)] == [0, 5, 5, 5]
    assert list(found.irange(1, 2, inclusive=(False, True))) == [2, 2, 2]
    assert list(found.irange(most=1, reverse=True)) == [1, 0]
    assert list(SortedList([1, -3, 2], key=lambda one: -one)) == [2, 1, -3]
    with pytest.raises(ValueError, match="not in the list"):
        found.remove(7)


def test_a_record_is_read_whatever_its_line_ends(sets: Path) -> None:
    assert "\r" not in json.dumps(dict(open_suite("mbpp", sets).tasks()[0].solution))
