"""A few task records of our own, in the forms of the public sets."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Record = Mapping[str, Any]

HUMANEVAL: Sequence[Record] = (
    {
        "task_id": "Python/0",
        "prompt": 'def half(x):\n    return x / 2\n\n\ndef quarter(x):\n    """A quarter of x."""\n',
        "canonical_solution": "    return half(half(x))\n",
        "test": "\n\nMETADATA = {}\n\n\ndef check(quarter):\n    assert quarter(8) == half(4)\n\n"
        "check(quarter)",
    },
    {
        "task_id": "Python/1",
        "prompt": 'from typing import List\n\n\ndef total(xs: List[int]) -> int:\n    """The sum."""\n',
        "canonical_solution": "    return sum(xs)\n",
        "test": "def check(total):\n    assert total([]) == 0\n    assert total([1, 2]) == 3\n\n"
        "check(total)\n",
    },
)
MBPP: Sequence[Record] = (
    {
        "task_id": 7,
        "text": "Write a function to find whether all are equal.",
        "code": "def test_equal(a, b):\r\n  return a == b",
        "test_setup_code": "",
        "test_list": ["assert test_equal(1, 1) == True", "assert test_equal(1, 2) == False"],
    },
    {
        "task_id": 8,
        "text": "Write a function to span a pair.",
        "code": "import math\nclass Pair(object):\n  def __init__(self, a, b):\n    self.a, self.b = a, b\n"
        "def span(pair, deep=1):\n  return math.fabs(pair.a - pair.b)",
        "test_setup_code": "",
        "test_list": ["assert math.isclose(span(Pair(1, 3)), 2.0)"],
    },
    {
        "task_id": 367,
        "text": "Write a function to sum a node's values.",
        "code": "class Node:\n  value = 1\ndef sum_up(root):\n  return root.value",
        "test_setup_code": "root = Node()",
        "test_list": ["assert sum_up(root) == 1"],
    },
)
LEETCODE: Sequence[Record] = (
    {
        "task_id": "kth-smallest",
        "difficulty": "Hard",
        "problem_description": "Return the k-th smallest value.",
        "prompt": "from typing import *\nfrom sortedcontainers import SortedList\n\n"
        "def same(a, b):\n    return a == b\n",
        "starter_code": "class Solution:\n    def kth(self, nums: List[int], k: int) -> int:\n        ",
        "completion": "class Solution:\n    def kth(self, nums: List[int], k: int) -> int:\n"
        "        found = SortedList()\n        for one in nums:\n            found.add(one)\n"
        "        return found[k - 1]\n",
        "entry_point": "Solution().kth",
        "test": "def check(candidate):\n    assert candidate(nums = [3, 1, 2],k = 2) == 2\n"
        "    assert same(candidate(nums = [5],k = 1), 5)\n",
    },
)
RATINGS = (
    "Rating\tID\tTitle\tTitle ZH\tTitle Slug\tContest Slug\tProblem Index\n"
    '1512.5\t9\tKth "Smallest\tx\tkth-smallest\tweekly-contest-1\tQ2\n'
)


def write(folder: Path, name: str, records: Sequence[Record]) -> Path:
    """A file of records, compressed where its name says so; returns the folder."""
    text = "".join(json.dumps(record) + "\n" for record in records)
    data = text.encode()
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return folder


def data(folder: Path) -> Path:
    """A folder with all of them."""
    write(folder, "humaneval.jsonl", HUMANEVAL)
    write(folder, "mbpp.jsonl", MBPP)
    write(folder, "leetcode.jsonl.gz", LEETCODE)
    (folder / "leetcode-elo.txt").write_text(RATINGS)
    return folder
