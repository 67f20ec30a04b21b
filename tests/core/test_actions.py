"""One action out of a reply, and edits."""

from __future__ import annotations

import pytest

from salecli.core import actions


def test_write_holds_the_whole_file() -> None:
    reply = "I write it.\n```write ./src/a.py\ndef f():\n    return 1\n```\nDone."
    assert actions.parse(reply) == actions.Write("src/a.py", "def f():\n    return 1\n")


def test_a_longer_fence_holds_shorter_ones() -> None:
    reply = "````write README.md\n```python\nx\n```\n````"
    assert actions.parse(reply) == actions.Write("README.md", "```python\nx\n```\n")


def test_other_fenced_blocks_are_not_actions() -> None:
    reply = "```python\nx = 1\n```\n```run\npytest -q\n```"
    assert actions.parse(reply) == actions.Run("pytest -q")


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("just words", "no action found"),
        ("```run\nls\n```\n```done\n```", "2 actions"),
        ("```write a.py\nx", "never closes"),
        ("```write\nx\n```", "names no path"),
        ("```write ../a.py\nx\n```", "leaves the repository"),
        ("```write /etc/passwd\nx\n```", "leaves the repository"),
        ("```run\n```", "no command"),
        ("```edit a.py\nx\n```", "passages"),
        ("```edit a.py\n<<<<<<< SEARCH\nx\n=======\n```", "REPLACE"),
    ],
)
def test_what_is_wrong_is_named(reply: str, said: str) -> None:
    with pytest.raises(actions.FormatError, match=said):
        actions.parse(reply)


EDIT = "```edit a.py\n<<<<<<< SEARCH\nold\n=======\nnew\n>>>>>>> REPLACE\n```"


def test_an_edit_replaces_its_passage() -> None:
    action = actions.parse(EDIT)
    assert isinstance(action, actions.Edit)
    assert actions.edited("a\nold\nb\n", action) == "a\nnew\nb\n"


def test_an_edit_must_be_found_once() -> None:
    action = actions.parse(EDIT)
    assert isinstance(action, actions.Edit)
    with pytest.raises(actions.FormatError, match="2 times"):
        actions.edited("old\nold\n", action)
    with pytest.raises(actions.FormatError, match=r"did you mean these lines\?\nolder"):
        actions.edited("x\nolder\n", action)
