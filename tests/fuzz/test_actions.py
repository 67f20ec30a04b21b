"""The parser of actions, and the edits they make, on whatever a model may write."""

from __future__ import annotations

from contextlib import suppress
from pathlib import PurePosixPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from salecli.core import actions
from salecli.core.actions import Edit, FormatError
from tests.fuzz.hostile import MEGABYTE, TEXT, grows_in_proportion, made_or, spliced

REPLIES = spliced(
    "```", "````", "`", "write", "edit", "run", "done", " ", "\n", "\r\n", "a.py", "./", "../", "/", "~",
    "<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE", "```write a.py\n", "```edit a.py\n", "\n```\n", "\0",
)  # fmt: skip


def parsed(reply: str) -> None:
    with suppress(FormatError):
        actions.parse(reply)


@given(TEXT | REPLIES)
@example("```write a/../../b\nx\n```")
@example("```write 'a\0'\n```")
def test_a_reply_is_one_action_or_a_format_error(reply: str) -> None:
    action = made_or(FormatError, lambda: actions.parse(reply))
    if isinstance(action, FormatError):
        assert str(action)
    if isinstance(action, actions.Write | actions.Edit):
        path = PurePosixPath(action.path)
        assert not path.is_absolute()
        assert ".." not in path.parts
        assert "\0" not in action.path
        assert not action.path.startswith("~")


CHARACTERS = "".join(map(chr, range(0x4E00, 0x4F2C)))
"""Too many different ones for a comparison to leave the frequent ones out."""
LINES = st.lists(st.sampled_from(["a", "b", " ", "", "\ufeff", "\x85", "ab"]), max_size=8)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


@given(LINES, LINES, LINES, ENDS, st.booleans())
def test_an_edit_changes_its_passage_and_nothing_else(
    head: list[str], passage: list[str], tail: list[str], end: str, last: bool
) -> None:
    text = end.join([*head, *passage, *tail]) + (end if last else "")
    edit = Edit("a.py", (("".join(f"{line}\n" for line in passage), "NEW\n"),))
    try:
        after = actions.edited(text, edit)
    except FormatError:
        return
    assert after.count("NEW") == 1
    before, _, rest = after.partition("NEW")
    assert text.startswith(before)
    assert text.endswith(rest.lstrip("\r\n"))


@given(TEXT, TEXT, TEXT)
def test_any_edit_of_any_text_ends_well(text: str, search: str, replacement: str) -> None:
    with suppress(FormatError):
        actions.edited(text, Edit("a.py", ((search, replacement),)))


@pytest.mark.parametrize("unit", ["```run\nls\n```\n", "`", "```run\n", "\n", "<<<<<<< SEARCH\n=======\n"])
def test_time_grows_with_the_reply(unit: str) -> None:
    grows_in_proportion(parsed, unit)
    grows_in_proportion(lambda text: parsed(f"```edit a.py\n{text}"), unit)


def test_time_grows_with_a_path_of_blanks() -> None:
    grows_in_proportion(lambda text: parsed(f"```write a{text}b\n```"), " ")
    grows_in_proportion(lambda text: parsed(f"```write a{text}b\n```"), " \t")


@pytest.mark.parametrize("unit", ["a\n", "a", "\n", "x = [1, 2, 3]\n", CHARACTERS], ids=len)
def test_time_grows_with_the_file_and_the_passage(unit: str) -> None:
    def change(text: str) -> None:
        for search in (text[: len(text) // 2], text[: len(text) // 2] + "q", "a\n"):
            with suppress(FormatError):
                actions.edited(text, Edit("a.py", ((search, "b"),)))

    grows_in_proportion(change, unit, MEGABYTE // 2)
