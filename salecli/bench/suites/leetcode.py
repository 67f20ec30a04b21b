"""LeetCode problems: a method of a class is to be written; about a hundred assertions each."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from salecli.bench.suites import UNKNOWN, Suite, SuiteTask, spread
from salecli.bench.suites.records import Record, broken, check_asserts, parsed, records, text

FILE, RATINGS = "leetcode.jsonl", "leetcode-elo.txt"
KNOWN = {"find-the-number-of-subsequences-with-equal-gcd": "its reference solution takes minutes"}
MINUTES = {"Easy": "2.5-12.5", "Medium": "2.5-12.5", "Hard": "12.5-60"}
"""What people take, by the site's own three grades; single problems were not timed."""
_SORTED = "sortedcontainers"
"""A package that the site offers, and some problems import."""
_GIVEN = "from given import *\n\n\n"
_ENTRY = re.compile(r"Solution\(\)\.(\w+)")


@dataclass(frozen=True, slots=True)
class LeetCode:
    """Read from `leetcode.jsonl`: task_id, prompt, completion, starter_code, test, entry_point, difficulty.

    `leetcode-elo.txt` beside it, where it is there, gives contest ratings by task_id.
    """

    data: Path | None
    name: str = "leetcode"

    def tasks(self, most: int | None = None) -> Sequence[SuiteTask]:
        found = list(records(self.name, self.data, FILE))
        assert self.data is not None  # or there were no records
        elo = _ratings(self.data / RATINGS)
        return spread([_task(self.name, record, elo) for record in found], most)


def open_suite(data: Path | None) -> Suite:
    """LeetCode problems, read from the folder `data`."""
    return LeetCode(data)


def _task(suite: str, record: Record, elo: Mapping[str, float]) -> SuiteTask:
    name = str(record.get("task_id", "without a task_id"))
    # What the site gives to every solution: imports, lists and trees, and how to compare them.
    given = text(suite, name, record, "prompt").rstrip() + "\n"
    starter = text(suite, name, record, "starter_code").rstrip()
    stub = f"{_GIVEN}{starter}\n        raise NotImplementedError\n"
    solution = _GIVEN + text(suite, name, record, "completion").rstrip() + "\n"
    parsed(suite, name, solution)
    parsed(suite, name, stub, "starter code")
    checks = text(suite, name, record, "test").rstrip()
    check_asserts(suite, name, parsed(suite, name, checks, "test"))
    entry = _ENTRY.fullmatch(text(suite, name, record, "entry_point").strip())
    if entry is None:
        raise broken(suite, name, "has an entry_point that is no method of Solution")
    wanted = text(suite, name, record, "problem_description").strip()
    issue = (
        f"# Write Solution.{entry[1]} in solution.py\n\n{wanted}\n\n"
        "given.py holds the usual imports and the classes of lists and trees; leave it as it is.\n"
    )
    tests = (
        f"from given import *\nfrom solution import Solution\n\n\n{checks}\n\n\n"
        f"def test_{entry[1]}():\n    check(Solution().{entry[1]})\n"
    )
    files = {"given.py": given, "issue.md": issue, "solution.py": stub, "test_solution.py": tests}
    if any(_SORTED in one for one in (given, solution)):
        files[f"{_SORTED}.py"] = Path(__file__).with_name("sortedlist.py").read_text(encoding="utf-8")
    return SuiteTask(
        name=name,
        level=MINUTES.get(str(record.get("difficulty")), UNKNOWN),
        issue=issue,
        files=files,
        solution={"solution.py": solution},
        known=KNOWN.get(name, ""),
        elo=elo.get(name),
    )


def _ratings(file: Path) -> dict[str, float]:
    """Contest ratings by the problem's name in addresses; none where the file is not there."""
    if not file.is_file():
        return {}
    with file.open(encoding="utf-8", newline="") as opened:
        rows = csv.DictReader(opened, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row["Title Slug"]: float(row["Rating"]) for row in rows}
