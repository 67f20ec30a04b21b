"""Some hunks of a patch as a patch of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from salecli.adapters.changes import part_of
from salecli.adapters.git import Repository, Snapshot
from salecli.core.diff import parse, select
from salecli.core.values import Patch
from salecli.errors import PatchRefused
from tests.adapters.sandboxes import change, make

LONG = "".join(f"line {number}\n" for number in range(40))
FILES = {"long.py": LONG, "test_long.py": "def test_long(): ...\n", "Name.py": "x = 1\n"}


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snapshot]:
    with Repository(make(tmp_path_factory.mktemp("part") / "shop", FILES)).snapshot() as taken:
        yield taken


def part(snapshot: Snapshot, patch: Patch, chosen: dict[str, set[int]]) -> Patch:
    diff = select(parse(patch.diff), chosen)
    return part_of(snapshot.store, patch.base, snapshot.entries, diff)


def test_one_hunk_of_a_file_and_nothing_of_another(snapshot: Snapshot) -> None:
    changed = LONG.replace("line 3\n", "line three\n").replace("line 33\n", "more\nline 33\n")
    files = {
        "long.py": changed.encode(),
        "test_long.py": b"def test_long(): assert True\n",
        "new.py": b"y = 2\n",
    }
    whole = change(snapshot, files)
    assert [one.flags for one in whole.changes] == [(), (), ("test",)]
    some = part(snapshot, whole, {"long.py": {1}, "new.py": {0}})
    assert [(one.path, one.status, one.added, one.removed) for one in some.changes] == [
        ("long.py", "modified", 1, 0),
        ("new.py", "added", 1, 0),
    ]
    assert some == change(
        snapshot, {"long.py": LONG.replace("line 33\n", "more\nline 33\n").encode(), "new.py": b"y = 2\n"}
    )


def test_all_of_it_is_the_patch_itself(snapshot: Snapshot) -> None:
    whole = change(snapshot, {"long.py": None, "Name.py": b"x = 2\n"}, {"Name.py": "100755"})
    every = {one.path: set(range(max(len(one.hunks), 1))) for one in parse(whole.diff)}
    assert part(snapshot, whole, every) == whole


def test_nothing_of_it_is_an_empty_patch(snapshot: Snapshot) -> None:
    assert part(snapshot, change(snapshot, {"Name.py": b"x = 2\n"}), {}).empty


def test_what_does_not_apply_alone_is_refused(snapshot: Snapshot) -> None:
    diff = change(snapshot, {"Name.py": b"x = 2\n"}).diff.replace("x = 1", "x = 7")
    with pytest.raises(PatchRefused, match="does not stand alone"):
        part_of(snapshot.store, snapshot.tree, snapshot.entries, diff)


def test_what_breaks_the_policy_without_the_rest_is_refused(snapshot: Snapshot) -> None:
    whole = change(snapshot, {"Name.py": None, "name.py": b"x = 1\n"})
    with pytest.raises(PatchRefused, match="one name on some file systems"):
        part(snapshot, whole, {"name.py": {0}})


def test_a_path_that_leaves_the_tree_is_refused(tmp_path: Path, snapshot: Snapshot) -> None:
    diff = change(snapshot, {"new.py": b"y = 2\n"}).diff.replace("new.py", ".github/../../x")
    with pytest.raises(PatchRefused):
        part_of(snapshot.store, snapshot.tree, snapshot.entries, diff)
