"""What may come out of a sandbox: every refusal by its reason, and what an honest tree becomes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from salecli.adapters import changes, policy
from salecli.adapters.archive import ArchiveLimits, Found, read_archive
from salecli.adapters.git import Repository, Snapshot
from salecli.core.values import Patch
from salecli.errors import PatchRefused
from tests.adapters.sandboxes import CALC, FIXED, archive, make


@pytest.fixture
def snapshot(tmp_path: Path) -> Iterator[Snapshot]:
    files = {**CALC, "conftest.py": "", "sub/kept.log": "", "sub/a.txt": "a\n"}
    repository = Repository(make(tmp_path / "calc", files))
    with repository.snapshot() as taken:
        yield taken


def base(snapshot: Snapshot) -> list[Found]:
    return list(read_archive([snapshot.tar.read_bytes()], ArchiveLimits()))


def patch(snapshot: Snapshot, *members: tuple[str, bytes | str | None], without: str = "") -> Patch:
    """The patch of the base tree with these members added or replaced."""
    fresh = list(read_archive([archive(*members)], ArchiveLimits()))
    names = {found.path for found in fresh} | {without}
    found = [kept for kept in base(snapshot) if kept.path not in names] + fresh
    return changes.patch_of(snapshot.store, snapshot.tree, snapshot.entries, found)


def test_an_untouched_tree_is_an_empty_patch(snapshot: Snapshot) -> None:
    assert patch(snapshot) == Patch(snapshot.tree, snapshot.tree, "", ())


def test_a_change_is_counted_and_reproduces_its_tree(snapshot: Snapshot) -> None:
    made = patch(snapshot, ("calc.py", FIXED.encode()), ("new.bin", b"\x00\x01" * 40), without="sub/a.txt")
    assert [(c.path, c.status, c.added, c.removed, c.flags) for c in made.changes] == [
        ("calc.py", "modified", 1, 1, ()),
        ("new.bin", "added", 0, 0, ("binary",)),
        ("sub/a.txt", "deleted", 0, 1, ()),
    ]
    assert snapshot.store.applied(snapshot.tree, made.diff) == made.tree


def test_leftovers_and_ignored_files_stay_behind(snapshot: Snapshot) -> None:
    made = patch(
        snapshot,
        ("__pycache__/calc.cpython-311.pyc", b"x"),
        (".pytest_cache/README.md", b"x"),
        ("debug.log", b"x"),
        ("out/deep/result.txt", b"x"),
        (":(top)new.py", b"x = 1\n"),
        ("sub/kept.log", b"tracked, so its change counts\n"),
    )
    assert [change.path for change in made.changes] == [":(top)new.py", "sub/kept.log"]


@pytest.mark.parametrize(
    "name",
    [
        "/etc/cron.d/x", "../x", "a/../../x", "a//b", "a/./b", "a\\b", "line\nbreak", "esc\x1b[31m",
        "del\x7f", ".git/hooks/pre-commit", "sub/.git/config", ".GIT/config", ".git /config", ".git./x",
        "git~1/config", "GIT~2/x", ".gi\u200dt/config", ".g\u200cit/x", "\ufeff.git/x", ".git\\config",
        ".git::$INDEX_ALLOCATION/x", "c1\x9b", "rtl\u202etxt", "bad\udcff", "x" * 256, "d/" * 2100 + "x",
        "CALC.py", "Sub/A.TXT",
    ],
)  # fmt: skip
def test_bad_names_are_refused(snapshot: Snapshot, name: str) -> None:
    with pytest.raises(PatchRefused) as caught:
        patch(snapshot, (name, b"x"))
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    "target",
    [
        "/etc/passwd",
        "../../secret",
        "a/../b",
        "here/../../..",
        "~/x",
        "C:/x",
        "../.git/config",
        "a\\b",
        "",
        "x" * 4001,
    ],
)
def test_links_out_of_the_tree_are_refused(snapshot: Snapshot, target: str) -> None:
    with pytest.raises(PatchRefused, match="link"):
        patch(snapshot, ("sub/link", target))


def test_a_link_inside_the_tree_is_flagged(snapshot: Snapshot) -> None:
    made = patch(snapshot, ("sub/link", "../calc.py"))
    assert made.changes[0].flags == ("link",)
    with pytest.raises(PatchRefused, match="git reads"):
        patch(snapshot, ("sub/.gitattributes", "../calc.py"))


def test_a_file_below_a_link_is_refused(snapshot: Snapshot) -> None:
    with pytest.raises(PatchRefused, match="folder as well"):
        patch(snapshot, ("d", "sub"), ("d/x.py", b"x"))
    with pytest.raises(PatchRefused, match="folder as well"):
        patch(snapshot, ("sub", "d"))


def test_special_files_and_hard_links_are_refused(snapshot: Snapshot) -> None:
    with pytest.raises(PatchRefused, match="FIFO"):
        patch(snapshot, ("pipe", None))


def test_limits_hold_while_reading() -> None:
    raw = archive(*((f"f{number}", b"x" * 1000) for number in range(20)))
    with pytest.raises(PatchRefused, match="more than 10 entries"):
        list(read_archive([raw], ArchiveLimits(entries=10)))
    with pytest.raises(PatchRefused, match="in one file"):
        list(read_archive([raw], ArchiveLimits(file_bytes=999)))
    with pytest.raises(PatchRefused, match="larger than"):
        list(read_archive([raw], ArchiveLimits(bytes=2000)))
    assert len(list(read_archive([raw], ArchiveLimits()))) == 20


@pytest.mark.parametrize("cut", [100, 512, 700, 1500, 1536])
def test_broken_archives_are_refused_or_short(cut: int) -> None:
    raw = archive(("a", b"x" * 1000), ("b", b"y" * 1000))
    with pytest.raises(PatchRefused):
        list(read_archive([raw[:cut]], ArchiveLimits()))
    with pytest.raises(PatchRefused):
        list(read_archive([os.urandom(5000)], ArchiveLimits()))


@pytest.mark.parametrize(
    ("path", "flags"),
    [
        ("test_calc.py", ("test",)),
        ("test_new.py", ()),
        ("conftest.py", ("test", "runs on the host")),
        ("deep/conftest.py", ("test", "runs on the host")),
        ("pyproject.toml", ("test",)),
        (".github/workflows/ci.yml", ("runs on the host", "hidden")),
        ("Makefile", ("runs on the host",)),
        ("package.json", ("runs on the host",)),
        ("lib/evil.pth", ("test", "runs on the host")),
        ("x.egg-info/entry_points.txt", ("test", "runs on the host")),
        (".gitattributes", ("runs on the host", "hidden")),
        ("pytest.py", ("test",)),
        ("sub/plain.py", ()),
    ],
)
def test_flags_say_why_to_look_twice(snapshot: Snapshot, path: str, flags: tuple[str, ...]) -> None:
    made = patch(snapshot, (path, b"x = 1\n"))
    assert [change.flags for change in made.changes] == [flags]


def test_text_that_hides_something_is_flagged(snapshot: Snapshot) -> None:
    made = patch(snapshot, ("calc.py", "a = 1 # \u202e drawkcab\n".encode()))
    assert made.changes[0].flags == ("hidden",)
    assert policy.invisible(b"\x1b[2J")
    assert not policy.invisible("é = 1\n".encode())
