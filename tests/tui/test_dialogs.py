"""The questions: what their keys answer, and that Esc goes no further."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
from textual.app import App
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input, OptionList, Static, TextArea

from salecli.tui.app import SaleApp
from salecli.tui.screens.dialogs import Ask, AskText, Confirm, Dialog, Pick
from tests.tui.scene import drawn, run_async, wiring

HOSTILE = "[@click=app.quit]x[/] \x1b[2J"


class Below(Screen[None]):
    """A screen that counts the Escs that reach it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "count", "Count")]
    escapes = 0

    def action_count(self) -> None:
        self.escapes += 1


class Asking(App[None]):
    """Asks one question over a screen; `answers` grows."""

    def __init__(self, dialog: Dialog[Any]) -> None:
        super().__init__()
        self.below = Below()
        self.dialog = dialog
        self.answers: list[object] = []

    def on_mount(self) -> None:
        self.push_screen(self.below)
        self.push_screen(self.dialog, self.answers.append)


def asked(dialog: Dialog[Any], *keys: str, size: tuple[int, int] = (80, 24)) -> Asking:
    """What came of a question and these keys."""
    app = Asking(dialog)

    async def go() -> None:
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await pilot.press(*keys)
            await pilot.pause()

    run_async(go())
    return app


def test_a_line_is_sent_by_enter_and_has_the_focus_at_once() -> None:
    assert asked(Ask("Hint", "for xs"), *"use", "space", *"Decimal", "enter").answers == ["use Decimal"]


def test_a_line_keeps_its_value_and_may_be_empty() -> None:
    assert asked(Ask("Reason", "", value="be sure"), "enter").answers == ["be sure"]
    assert asked(Ask("Reason", ""), "enter").answers == [""]


@pytest.mark.parametrize("key", ["f10", "ctrl+enter"])
def test_several_lines_are_sent_by_a_key_that_no_text_holds(key: str) -> None:
    assert asked(AskText("Comment", "for xs"), "a", "enter", "b", key).answers == ["a\nb"]


@pytest.mark.parametrize(
    ("keys", "danger", "answer"),
    [
        (["y"], True, True),
        (["n"], False, False),
        (["enter"], False, True),
        (["enter"], True, False),
        (["left", "enter"], True, True),
        (["right", "enter"], False, False),
        (["escape"], False, False),
    ],
)
def test_yes_and_no(keys: list[str], danger: bool, answer: bool) -> None:
    assert asked(Confirm("Sure?", "It cannot be undone.", danger=danger), *keys).answers == [answer]


@pytest.mark.parametrize(
    ("keys", "answer"), [(["2"], "s"), (["down", "down", "enter"], "m"), (["enter"], "xs")]
)
def test_one_of_several(keys: list[str], answer: str) -> None:
    options = [("xs", "xs at 0.05"), ("s", "s at 0.09"), ("m", "m at 0.16")]
    assert asked(Pick("Which?", options), *keys).answers == [answer]


def test_a_digit_beyond_the_last_option_picks_nothing() -> None:
    assert asked(Pick("Which?", [("xs", "xs")]), "9", "0", "escape").answers == [None]
    assert asked(Pick("Which?", []), "1", "enter", "escape").answers == [None]


@pytest.mark.parametrize("dialog", [Ask, AskText])
def test_escape_takes_it_back_and_goes_no_further(dialog: type[Ask] | type[AskText]) -> None:
    app = asked(dialog("Hint", "for xs"), "x", "escape")
    assert app.answers == [None]
    assert app.below.escapes == 0


def test_a_second_answer_on_its_way_closes_nothing_more() -> None:
    dialog = Ask("Hint", "for xs")
    app = Asking(dialog)

    async def go() -> None:
        async with app.run_test() as pilot:
            await pilot.pause()
            dialog.action_cancel()
            dialog.action_cancel()
            await pilot.pause()
            assert app.screen is app.below
            assert app.answers == [None]

    run_async(go())


def every() -> list[Dialog[Any]]:
    return [
        Ask(HOSTILE, HOSTILE, placeholder=HOSTILE),
        AskText(HOSTILE, HOSTILE, placeholder=HOSTILE),
        Confirm(HOSTILE, HOSTILE + "\nline" * 50, yes=HOSTILE, no="No"),
        Pick(HOSTILE, [(str(at), HOSTILE) for at in range(30)]),
    ]


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("size", [(80, 24), (60, 20), (20, 5)])
def test_foreign_text_is_shown_as_it_is_and_what_is_asked_is_visible(
    place: int, size: tuple[int, int]
) -> None:
    dialog = every()[place]
    app = Asking(dialog)

    async def look(pilot: Pilot[None]) -> None:
        title = dialog.query_one(".title", Static)
        assert "[@click=app.quit]x[/] \\x1b[2J" in str(title.render())
        focused = dialog.focused
        assert focused is not None
        assert isinstance(focused, Input | TextArea | OptionList) or focused.id == "yes"
        assert focused.region.height > 0
        assert dialog.region.overlaps(focused.region)
        if size == (60, 20):
            keys = dialog.query_one(".keys")
            assert dialog.region.contains_region(keys.region)
            assert keys.size == Size(keys.size.width, 1)
        await pilot.press("escape")
        assert app.screen is app.below

    async def go() -> None:
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await look(pilot)

    run_async(go())


@pytest.mark.parametrize(
    ("dialog", "says"),
    [
        (Ask("a", "b"), "Enter sends"),
        (AskText("a", "b"), "F10 sends"),
        (Confirm("a", "b"), "asks before"),
        (Pick("a", [("1", "one")]), "digit picks"),
    ],
)
def test_f1_says_what_a_question_is_for(tmp_path: Path, dialog: Dialog[Any], says: str) -> None:
    async def go() -> None:
        app = SaleApp(tmp_path, wiring(tmp_path / "shop"))
        async with app.run_test(size=(80, 24)) as pilot:
            await app.push_screen(dialog)
            await pilot.press("f1")
            await pilot.pause()
            assert says in " ".join(drawn(app).split())
            await pilot.press("escape")
            await pilot.pause()
            assert app.screen is dialog

    run_async(go())
