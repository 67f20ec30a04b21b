"""Diffs in parts: against real git, which has to take every choice of hunks."""

from __future__ import annotations

import random
import subprocess
from itertools import product
from pathlib import Path

import pytest

from salecli.adapters.objects import DIFF_OPTIONS
from salecli.core.diff import FileDiff, Hunk, paired, parse, select, words

Files = dict[str, bytes | None]


def git(folder: Path, *arguments: str, feed: bytes = b"") -> bytes:
    done = subprocess.run(["git", *arguments], cwd=folder, input=feed, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Trees:
    """A repository that only ever holds trees."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        git(folder, "init", "-q", "--bare")

    def tree(self, files: dict[str, tuple[str, bytes]]) -> str:
        git(self.folder, "read-tree", "--empty")
        lines = b""
        for path, (mode, content) in files.items():
            name = git(self.folder, "hash-object", "-w", "--stdin", feed=content).strip()
            lines += b"%s %s 0\t%s\0" % (mode.encode(), name, path.encode("utf-8", "surrogateescape"))
        git(self.folder, "update-index", "-z", "--index-info", feed=lines)
        return git(self.folder, "write-tree").decode().strip()

    def diff(self, before: str, after: str) -> str:
        said = git(self.folder, "diff-tree", "-r", *DIFF_OPTIONS, before, after)
        return said.decode("utf-8", "surrogateescape")

    def applied(self, tree: str, diff: str) -> str:
        git(self.folder, "read-tree", tree)
        if diff:
            git(self.folder, "apply", "--cached", "-", feed=diff.encode("utf-8", "surrogateescape"))
        return git(self.folder, "write-tree").decode().strip()

    def content(self, tree: str, path: str) -> bytes:
        return git(self.folder, "cat-file", "blob", f"{tree}:{path}")


@pytest.fixture
def trees(tmp_path: Path) -> Trees:
    return Trees(tmp_path / "trees.git")


def everything(files: tuple[FileDiff, ...]) -> dict[str, set[int]]:
    return {file.path: set(file.choices) for file in files}


def plain(text: bytes) -> tuple[str, bytes]:
    return "100644", text


LINES = b"".join(b"line %d\n" % n for n in range(100))


def test_every_kind_of_change_is_parsed_and_written_back_as_it_was(trees: Trees) -> None:
    before = {
        "mode.sh": ("100644", b"echo\n"),
        "both.sh": ("100644", b"echo 1\n"),
        "gone.py": plain(b"gone\n"),
        "image.png": plain(bytes(range(256)) * 20),
        "becomes a link": plain(b"text\n"),
        "crlf.txt": plain(b"one\r\ntwo\r\n"),
        "no end": plain(b"a\nb"),
        "empty": plain(b""),
        "long.py": plain(LINES),
        "-- a/odd": plain(b"-- a/x\n++ b/x\n@@ -1 +1 @@\n"),
        "latin.txt": plain(b"\xe4\xff\n"),
    }
    after = {
        "mode.sh": ("100755", b"echo\n"),
        "both.sh": ("100755", b"echo 2\n"),
        "image.png": plain(bytes(range(255, -1, -1)) * 20),
        "becomes a link": ("120000", b"long.py"),
        "crlf.txt": plain(b"one\r\nTWO\r\n"),
        "no end": plain(b"a\nB"),
        "empty": plain(b"full\n"),
        "long.py": plain(LINES.replace(b"line 5\n", b"").replace(b"line 50\n", b"x\ny\n")),
        "-- a/odd": plain(b"-- a/y\ndiff --git a/x b/x\n\n@@ -2 +2 @@\n"),
        "latin.txt": plain(b"\xe5\xff\n"),
        "new empty": plain(b""),
        'a\u00e4\t"q\\\n b/a\u00e4': plain(b"odd name\n"),
        "bytes \udcff": plain(b"odd bytes\n"),
        "a b/a b": plain(b"spaces\n"),
    }
    old, new = trees.tree(before), trees.tree(after)
    diff = trees.diff(old, new)
    files = parse("above the diff\n" + diff)
    assert {file.path for file in files} == {*after, "gone.py"}
    assert select(files, everything(files)) == diff
    named = {file.path: file for file in files}
    assert named["image.png"].binary
    assert named["image.png"].hunks == ()
    assert named["mode.sh"].hunks == ()
    assert [hunk.removed for hunk in named["long.py"].hunks] == [1, 1]
    assert [hunk.added for hunk in named["long.py"].hunks] == [0, 2]
    assert named["long.py"].hunks[1].section.startswith("line ")
    assert named["no end"].hunks[0].lines[-1] == "\\ No newline at end of file"
    assert (named["gone.py"].status, named["new empty"].status) == ("deleted", "added")
    assert named["crlf.txt"].hunks[0].lines[-1] == "+TWO\r"
    # Each file alone, and all but each file.
    for path in named:
        alone = select(files, {path: named[path].choices})
        got = trees.applied(old, alone)
        assert {file.path for file in parse(trees.diff(old, got))} == {path}
        rest = {other: numbers for other, numbers in everything(files).items() if other != path}
        assert trees.applied(got, select(files, rest)) == new


@pytest.mark.parametrize("seed", range(12))
def test_git_takes_every_choice_of_random_edits(trees: Trees, seed: int) -> None:
    chance = random.Random(seed)
    before = [f"line {n}\n" for n in range(60)]
    after: list[str] = []
    for line in before:
        roll = chance.random()
        after += {0: [], 1: ["changed\n"], 2: [line, "new\n"], 3: ["a\n", "b\n", line]}.get(
            int(roll * 50), [line]
        )
    if chance.random() < 0.4:
        after[-1:] = [after[-1].rstrip("\n")]
    old = trees.tree({"f": plain("".join(before).encode()), "g": plain(b"g\n")})
    new = trees.tree({"f": plain("".join(after).encode()), "g": plain(b"h\n")})
    files = parse(trees.diff(old, new))
    (changed,) = (file for file in files if file.path == "f")
    choices = list(product([False, True], repeat=len(changed.choices)))
    for choice in chance.sample(choices, min(6, len(choices))):
        chosen = {number for number, taken in enumerate(choice) if taken}
        part = select(files, {"f": chosen})
        assert bool(part) == bool(chosen)
        got = trees.applied(old, part)
        # What git itself sees between the base and the part are these hunks, at these line numbers.
        again = parse(trees.diff(old, got))
        ours = parse(part)
        assert [file.hunks for file in again] == [file.hunks for file in ours]
        left = set(changed.choices) - chosen
        assert trees.applied(old, select(files, {"f": chosen | left, "g": {0}})) == new


def test_nothing_chosen_is_nothing_and_what_is_not_there_is_an_error(trees: Trees) -> None:
    old, new = trees.tree({"f": plain(b"1\n")}), trees.tree({"f": plain(b"2\n")})
    files = parse(trees.diff(old, new))
    assert select(files, {}) == select(files, {"f": ()}) == ""
    for wrong in ({"f": {1}}, {"g": {0}}):
        with pytest.raises(ValueError, match="no such hunk"):
            select(files, wrong)
    assert parse("") == parse("not a diff\n") == ()


def test_a_hunk_knows_its_numbers() -> None:
    (file,) = parse(
        "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -3,0 +4,2 @@ def f():\n+a\n+b\n@@ -9 +12 @@\n-c\n+d\n"
    )
    assert file.hunks == (
        Hunk(3, 0, 4, 2, "def f():", ("+a", "+b")),
        Hunk(9, 1, 12, 1, "", ("-c", "+d")),
    )
    assert "@@ -9 +9,1 @@" not in select([file], {"f": {1}})
    assert "@@ -9 +9 @@\n-c\n+d\n" in select([file], {"f": {1}})


def test_words_show_what_differs_and_give_up_where_all_does() -> None:
    old, new = "    return round(total, 2)", "    return round(subtotal, 2)"
    assert words(old, new) == (((17, 22),), ((17, 25),))
    assert words("x", "completely different") == ((), ())
    assert words("a" * 5000, "a" * 5001) == ((), ())
    assert words("same", "same") == ((), ())
    assert words("f(a)", "f(a, b)") == ((), ((3, 6),))


def test_lines_are_paired_in_order_by_likeness() -> None:
    assert paired(["a", "b"], ["c", "d"]) == [(0, 0), (1, 1)]
    assert paired(["return total"], ["import decimal", "return total + 1"]) == [(0, 1)]
    assert paired(["x"], ["y", "z"]) == []
    assert len(paired(["x"] * 1000, ["y"] * 2000)) == 1000
