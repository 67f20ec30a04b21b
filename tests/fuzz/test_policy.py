"""The path policy: what it lets through stays below the root, however the name is written."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given

from salecli.adapters import policy
from tests.fuzz.hostile import TEXT, grows_in_proportion, spliced

PATHS = TEXT | spliced(
    "/", "//", ".", "..", "../", "./", ".git", ".GIT", "git~1", "GIT~9", "\u200d", "\ufeff", "\u202e", ":",
    "::$DATA",
    "\\", " ", "~", "\n", "\x1b[2J", "\udcff", "a", "é", "e\u0301", "\uff0e\uff0e", "\uff0f", "C:",
    "hooks/pre-commit",
)  # fmt: skip


@given(PATHS)
@example(".git\u200c")
@example("a/\uff0egit/config")
def test_an_accepted_path_lies_below_the_root_and_outside_of_git(path: str) -> None:
    refused = policy.refusal(path)
    assert refused.isprintable()
    if refused:
        return
    assert not {unicodedata.category(sign) for sign in path} & {"Cc", "Cs", "Zl", "Zp"}
    target = os.path.normpath(f"/root/{path}")
    assert target.startswith("/root/")
    assert target == f"/root/{path}"  # it names one place, in one way
    for part in path.split("/"):
        plain = "".join(sign for sign in part if unicodedata.category(sign) != "Cf").casefold()
        assert unicodedata.normalize("NFKC", plain).rstrip(". ").partition(":")[0] != ".git"
    path.encode()


@given(spliced("a", "b", "é", "a/", "b/"), PATHS | spliced("../", "a/", "./", "b", ".."))
@example("a/link", "b/../../..")
@example("link", "a/..")
def test_an_accepted_link_stays_below_the_root(path: str, target: str) -> None:
    if policy.refusal(path) or policy.link_refusal(path, target):
        return
    place = os.path.normpath(f"/root/{path}/../{target}")
    assert place == "/root" or place.startswith("/root/")
    assert "\0" not in target
    target.encode()


@given(PATHS, PATHS)
def test_every_other_question_about_a_name_has_an_answer(path: str, other: str) -> None:
    policy.names_git(path)
    policy.twin_key(path)
    policy.is_leftover(path)
    policy.is_test(path)
    flags = policy.flags(path, "", "100644", other.encode("utf-8", "surrogatepass"))
    assert set(flags) <= {"test", "runs on the host", "hidden", "link", "executable"}


@pytest.mark.parametrize(
    "unit", ["a/", ".", "../", "a", "é", "\u0301\u0327", "\u200d", " ", ".git/", "git~", "x\u202e"]
)
def test_time_grows_with_the_name(unit: str) -> None:
    grows_in_proportion(policy.refusal, unit)
    grows_in_proportion(lambda target: policy.link_refusal("a/b", target), unit)
    grows_in_proportion(lambda text: policy.invisible(text.encode()), unit)


def test_two_names_for_one_file_have_one_key(tmp_path: Path) -> None:
    for one, other in (("A.py", "a.py"), ("é", "e\u0301"), ("ẞ", "ss"), ("ﬀ/x", "FF/x")):
        assert policy.twin_key(one) == policy.twin_key(other)
