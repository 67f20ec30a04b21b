"""Keys: every id is known once, the user's own take effect, and what cannot be is said with file and line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.binding import Binding

from salecli.errors import ConfigError
from salecli.resources import user_file
from salecli.tui.keys import EVERYWHERE, check_keys, named
from salecli.tui.look import Look, load_look

FORBIDDEN = {
    *(f"ctrl+{letter}" for letter in "bghijms"),
    *(f"alt+{way}" for way in ("up", "down", "left", "right")),
}


@pytest.fixture
def configure() -> Callable[[str], Look]:
    """Writes the user's file, and reads its look."""

    def write(text: str) -> Look:
        user_file().parent.mkdir(parents=True, exist_ok=True)
        user_file().write_text(text)
        return load_look()

    return write


def all_bindings() -> list[Binding]:
    return [one.binding for one in named()]


def test_every_binding_of_ours_can_be_remapped_and_is_explained() -> None:
    found = [one.binding for one in named()]
    assert {binding.id for binding in EVERYWHERE} <= {binding.id for binding in found}
    assert [
        binding.id for binding in found if not re.fullmatch(r"[a-z_]+\.[a-z_0-9]+", binding.id or "")
    ] == []
    assert [binding.id for binding in found if not binding.description] == []
    assert [binding.id for binding in found if not binding.tooltip] == []


def test_no_key_is_taken_from_terminals_and_multiplexers() -> None:
    taken = [
        (binding.id, key) for binding in all_bindings() for key in binding.key.split(",") if key in FORBIDDEN
    ]
    assert taken == []


def test_an_id_means_one_action() -> None:
    actions = {(binding.id, binding.action) for binding in all_bindings()}
    twice = [name for name, count in Counter(name for name, _ in actions).items() if count > 1]
    assert twice == []


def test_without_a_file_all_is_as_it_comes() -> None:
    assert load_look() == Look("sale-dark", 0.0, {})


def test_a_file_about_other_things(configure: Callable[[str], Look]) -> None:
    assert configure("attempts = 3\n") == Look()


@pytest.mark.parametrize(
    "text",
    ['[keys]\n"app.help" = "f12"\n', '[keys]\napp.help = "f12"\n', '[keys.app]\nhelp = "f12"\n'],
)
def test_keys_in_every_spelling(configure: Callable[[str], Look], text: str) -> None:
    assert configure(text).keys == {"app.help": "f12"}


def test_theme_and_countdown(configure: Callable[[str], Look]) -> None:
    assert configure('[tui]\ntheme = "nord"\nauto = 5\n') == Look("nord", 5.0, {})


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ('[keys]\n\n"app.hepl" = "f12"\n', 3, ["'app.hepl'", "did you mean 'app.help'"]),
        ('[keys]\napp.help = ""\n', 2, ["app.help names no key"]),
        ('[keys]\napp.help = "f12,,g"\n', 2, ["app.help names no key"]),
        ('[keys]\napp.help = "ctrl+q"\n', 2, ["'ctrl+q'", "app.help", "app.quit"]),
        ('[keys]\napp.help = "?"\n', 2, ["'question_mark'", "app.help", "app.keys"]),
        ('[keys]\napp.help = "f12"\napp.theme = "f9,f12"\n', 2, ["'f12'", "app.help", "app.theme"]),
        ("[keys]\napp.help = 7\n", 2, ["keys.app", "text in quotes"]),
        ('[tui]\ntheme = "nrod"\n', 2, ["'nrod'", "did you mean 'nord'"]),
        ("[tui]\nauto = -1\n", 2, ["tui.auto", "at least 0"]),
        ("[tui]\nlayout = 1\n", 2, ["unknown key 'tui.layout'"]),
        ("[tui\n", 1, ["not TOML"]),
    ],
)
def test_what_cannot_be_is_said_with_its_line(
    configure: Callable[[str], Look], text: str, line: int, says: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        configure(text)
    assert caught.value.message.startswith(f"{user_file()}, line {line}: ")
    for one in says:
        assert one in caught.value.message
    assert caught.value.hint


def test_a_key_may_be_swapped_with_its_owner(configure: Callable[[str], Look]) -> None:
    swapped = configure('[keys]\napp.help = "f2"\napp.start = "f1"\n').keys
    assert swapped == {"app.help": "f2", "app.start": "f1"}


def test_two_screens_may_use_one_key() -> None:
    groups = Counter((binding.id or "").partition(".")[0] for binding in all_bindings() if binding.id)
    assert groups["app"] == len(EVERYWHERE)
    names = [binding.id or "" for binding in all_bindings()]
    first = next(name for name in names if name.startswith("work."))
    second = next(name for name in names if name.startswith("auction."))
    chosen = {first: "f11", second: "f11"}
    check_keys(chosen, dict.fromkeys(chosen, "here"))


def test_a_repository_has_no_say_in_keys_and_colours(tmp_path: Path) -> None:
    from salecli.config import load_settings

    for text in ('[keys]\napp.help = "f12"\n', '[tui]\ntheme = "nord"\n'):
        (tmp_path / "sale.toml").write_text(text)
        with pytest.raises(ConfigError, match="is yours to set, not a repository's"):
            load_settings(tmp_path)
