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
    with pytest.raises(actions.FormatError, match="more than once"):
        actions.edited("old\nold\n", action)
    with pytest.raises(actions.FormatError, match=r"did you mean these lines\?\nolder"):
        actions.edited("x\nolder\n", action)


def edit(search: str, replacement: str) -> actions.Edit:
    reply = f"```edit a.py\n<<<<<<< SEARCH\n{search}=======\n{replacement}>>>>>>> REPLACE\n```"
    action = actions.parse(reply)
    assert isinstance(action, actions.Edit)
    return action


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("a\r\nold\r\nb\r\n", "a\r\nnew\r\nmore\r\nb\r\n"),
        ("a\r\nold\nb\r\nc\r\n", "a\r\nnew\nmore\nb\r\nc\r\n"),  # a mixed file: every line keeps its own
        ("a\r\nb\r\nold", "a\r\nb\r\nnew\r\nmore"),  # no end before, none after
        ("old", "new\nmore"),
        ("\ufeffold\r\n", "\ufeffnew\r\nmore\r\n"),
        ("caf\udce9 \x0c\u2028\r\nold\n", "caf\udce9 \x0c\u2028\r\nnew\nmore\n"),
    ],
)
def test_an_edit_keeps_what_it_does_not_replace_byte_for_byte(text: str, after: str) -> None:
    assert actions.edited(text, edit("old\n", "new\nmore\n")) == after


def test_a_passage_begins_where_a_line_begins() -> None:
    assert actions.edited("max = 1\nx = 1\n", edit("x = 1\n", "x = 2\n")) == "max = 1\nx = 2\n"
    with pytest.raises(actions.FormatError, match="passage is not in"):
        actions.edited("max = 1\n", edit("x = 1\n", "x = 2\n"))


def test_lines_can_be_removed() -> None:
    assert actions.edited("a\r\nold\r\n", edit("old\n", "")) == "a\r\n"


def test_what_a_model_is_shown_of_a_file_is_valid_text() -> None:
    with pytest.raises(actions.FormatError, match="did you mean") as caught:
        actions.edited("name = 'caf\udce9'\n", edit("name = 'cafe'\n", "x\n"))
    assert str(caught.value).encode().endswith("name = 'caf\ufffd'".encode())
