"""The patch reader: our own reading of git's diffs, and what becomes of hostile trees."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from salecli.adapters import changes
from salecli.adapters.archive import Found
from salecli.adapters.git import Repository, Snapshot
from salecli.core import diff
from salecli.errors import PatchRefused
from tests.adapters.sandboxes import CALC, make
from tests.fuzz.conftest import MORE
from tests.fuzz.hostile import TEXT, grows_in_proportion, made_or, spliced

PARTS = (
    "diff --git a/x b/x\n", 'diff --git "a/\\303\\251" "b/\\303\\251"\n', "index 1..2 100644\n",
    "--- a/x\n", "+++ b/x\n",
    "--- /dev/null\n", "new file mode 100644\n", "deleted file mode 100644\n", "GIT binary patch\n",
    "@@ -1,2 +3,4 @@",
    "@@ -0,0 +1 @@ def f():\n", "@@ -", "+", "-", " ", "\\ No newline at end of file\n", "\n", '"', "\\",
    "\\777", "rename from ",
)  # fmt: skip
DIFFS = TEXT | spliced(*PARTS)


@given(DIFFS)
@example(f"diff --git a/x b/x\n@@ -{'9' * 5000} +1 @@\n+x\n")
@example('diff --git "a/\\\n--- "a/x\n@@ -1 +1 @@\n')
def test_any_text_can_be_read_and_chosen_from(text: str) -> None:
    files = diff.parse(text)
    if len({file.path for file in files}) == len(files):
        everything = diff.select(files, {file.path: file.choices for file in files})
        assert diff.select(diff.parse(everything), {}) == ""
    for file in files:
        for hunk in file.hunks:
            assert hunk.added + hunk.removed <= len(hunk.lines)


@given(TEXT, TEXT)
def test_words_lie_within_their_lines(removed: str, added: str) -> None:
    for line, spans in zip((removed, added), diff.words(removed, added), strict=True):
        assert all(0 <= start < end <= len(line) for start, end in spans)


@given(st.lists(TEXT, max_size=12), st.lists(TEXT, max_size=12))
def test_pairs_are_in_order(removed: list[str], added: list[str]) -> None:
    pairs = diff.paired(removed, added)
    assert pairs == sorted(pairs)
    assert all(left < len(removed) and right < len(added) for left, right in pairs)


@pytest.mark.parametrize(
    "unit",
    [
        "1",
        "@@ -",
        "\n",
        '"',
        "diff --git a/x b/x\n",
        "@@ -1 +1 @@\n+x\n",
        "diff --git a/x b/x\n@@ -1 +1 @@\n-a\n+b\n",
    ],
)
def test_time_grows_with_the_diff(unit: str) -> None:
    grows_in_proportion(lambda text: diff.parse("diff --git a/x b/x\n" + text), unit)
    grows_in_proportion(lambda text: diff.parse("diff --git a/x b/x\n@@ -" + text), unit)


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snapshot]:
    top = tmp_path_factory.mktemp("fuzz")
    home = top / ".gitconfig"
    home.write_text("")
    files = {**CALC, "sub/a.txt": "a\n", "sub/b.txt": "b\nc\nd\n"}
    with Repository(make(top / "calc", files)).snapshot() as taken:
        yield taken


NAMES = st.sampled_from(
    ["calc.py", "sub/a.txt", "sub/b.txt", "sub", "new.py", "é", "e\u0301", "CALC.py", ".gitattributes",
     "a b\t", "-x",
     ":(top)x", '"quoted"', "x\\y", "../x", ".git/config", "sub/.gitmodules", "out/x", "*.py", "#",
     "a/b/c/d", "new.py/x"]
) | TEXT.filter(bool)  # fmt: skip
CONTENTS = st.binary(max_size=60) | st.sampled_from(
    [b"", b"x", b"a\r\nb", b"\0\1", b"diff --git a/x b/x\n", b"calc.py"]
)


@settings(max_examples=MORE // 20 or 10)
@given(
    st.dictionaries(NAMES, st.tuples(st.sampled_from(["100644", "100755", "120000"]), CONTENTS), max_size=5)
)
@example(
    {
        "new.py": ("120000", b"calc.py"),
        "calc.py": ("120000", b"sub/a.txt"),
        "sub/b.txt": ("100644", b"b\nX\nd\n"),
    }
)
def test_a_tree_becomes_a_patch_that_makes_it_again_or_is_refused(
    snapshot: Snapshot, tree: dict[str, tuple[str, bytes]]
) -> None:
    found = [Found(path, mode, content) for path, (mode, content) in tree.items()]
    made = made_or(
        PatchRefused, lambda: changes.patch_of(snapshot.store, snapshot.tree, snapshot.entries, found)
    )
    if isinstance(made, PatchRefused):
        assert made.message.isprintable()
        return
    assert snapshot.store.applied(snapshot.tree, made.diff) == made.tree
    files = diff.parse(made.diff)
    assert {file.path for file in files} == {change.path for change in made.changes}
    for change in made.changes:
        assert not Path(change.path).is_absolute()
        assert ".." not in Path(change.path).parts
        assert ".git" not in Path(change.path).parts
    # Each file by itself, and each hunk, leads to a tree that is within the policy or is refused.
    for file in files[:2]:
        part = diff.select(files, {file.path: [0]})
        made_or(PatchRefused, partial(changes.part_of, snapshot.store, snapshot.tree, snapshot.entries, part))
