"""From an issue's text to a task."""

from __future__ import annotations

from salecli.core.tasks import make_task, named_files, title_of

FILES = ["a.py", "src/cart.py", "src/util.py", "lib/util.py", ".github/ci.yml", "test_a.py"]


def test_files_are_named_by_path_or_by_a_name_of_their_own() -> None:
    assert named_files("Fix `src/cart.py` and a.py.", FILES) == ["src/cart.py", "a.py"]
    assert named_files("Look at cart.py, then util.py", FILES) == ["src/cart.py"]
    assert named_files("see .github/ci.yml", FILES) == [".github/ci.yml"]
    assert named_files("nothing here", FILES) == []


def test_the_title_is_the_first_heading() -> None:
    assert title_of("words\n## Fix it ##\n# Later") == "Fix it"
    assert title_of("no heading") == ""


def test_a_task_is_the_same_for_the_same_text_and_snapshot() -> None:
    def make(base: str = "abc") -> object:
        return make_task("# T\nfix a.py\n", "x", "shop", base, FILES, {"a.py": "pass"}.get, "pytest")

    assert make() == make()
    task = make_task(
        "fix a.py and test_a.py", "issue.md", "shop", "abc", FILES, {"a.py": "pass"}.get, "pytest"
    )
    assert task.title == "issue.md"
    assert task.named == (("a.py", "pass"),)
    assert make("abd") != make()
