"""What the auction screen is made of: dials, bars, lines, and what is said."""

from __future__ import annotations

import random

import pytest
from rich.cells import cell_len
from rich.style import Style

from salecli.core.board import Board
from salecli.core.tried import tried
from salecli.core.values import Weights
from salecli.tui.widgets.dials import COST, ENTROPY, turned
from salecli.tui.widgets.markdown import STYLES, markdown
from salecli.tui.widgets.sparks import grouped, score_bar, sparkline
from salecli.tui.widgets.wrap import Wrapped, wrapped
from tests.core.world import TASK, play
from tests.tui.auctions import market_house

WEIGHTS = Weights(0.5, -0.2, {"xs": 0.1, "s": 0.3, "m": 0.0, "l": 0.4})


def test_whatever_is_turned_entropy_and_the_judges_share_one() -> None:
    chance, weights = random.Random(1), WEIGHTS
    for _ in range(500):
        dial = chance.choice([COST, ENTROPY, *weights.judges])
        weights = turned(weights, dial, chance.choice([-0.1, -0.01, 0.01, 0.1]))
        assert abs(weights.entropy) + sum(weights.judges.values()) == pytest.approx(1)
        assert min(weights.judges.values()) >= 0
        assert 0 <= weights.cost <= 2
        assert -1 <= weights.entropy <= 1
        assert list(weights.judges) == ["xs", "s", "m", "l"]


def test_turning_one_dial_keeps_the_proportion_of_the_others() -> None:
    more = turned(WEIGHTS, "xs", 0.1)
    assert more.judges["xs"] == pytest.approx(0.2)
    assert more.judges["l"] / more.judges["s"] == pytest.approx(4 / 3)
    assert turned(WEIGHTS, COST, 0.1).judges == WEIGHTS.judges
    silent = turned(Weights(0.5, 1.0, {"a": 0.0, "b": 0.0}), ENTROPY, -0.5)
    assert silent.judges == {"a": 0.25, "b": 0.25}, "judges that had nothing share equally"


def test_a_board_by_the_weights_it_has_is_the_same_board() -> None:
    board = Board()
    for event in play(market_house().run(TASK, "r"))[0]:
        board.apply(event)
    again = tried(board, board.weights)
    assert again.leader == board.leader
    assert {key: one.total for key, one in again.scores.items()} == {
        key: pytest.approx(one.total) for key, one in board.scores.items()
    }
    only = tried(board, Weights(0.5, 0.0, {**dict.fromkeys(board.weights.judges, 0.0), "l": 1.0}))
    assert only.leader == ("m", False)
    assert board.weights.cost == 0.5


def test_an_entropy_line_grows_and_never_gets_too_wide() -> None:
    for count in range(200):
        means = grouped([0.5] * count, 12)
        assert len(means) <= 12
        assert all(mean == 0.5 for mean in means)
    assert sparkline([0.0, 0.5, 1.0, 9.0], 1.0) == "▁▅██"
    assert sparkline([0.1], 0.0) == "▁"


@pytest.mark.parametrize(
    ("cost", "value", "low", "drawn"),
    [
        (0.25, 1.0, 0.0, "███████▌▒▒"),
        (0.0, 1.0, 0.0, "██████████"),
        (0.5, 0.0, -1.0, "  ▒▒▒|"),
        (0.5, -0.5, -1.0, "▒▒░░░|"),
    ],
)
def test_a_bar_is_what_is_left_of_the_value_and_then_the_cost(
    cost: float, value: float, low: float, drawn: str
) -> None:
    assert "".join(text for text, _ in score_bar(cost, value, low, 1.0, 10)) == drawn


@pytest.mark.parametrize("width", [1, 2, 7, 20, 80])
def test_growing_text_is_wrapped_as_if_it_came_at_once(width: int) -> None:
    text = "a plan of some words\n\n- indented:  two\tthree\nlongwordthatdoesnotfit 漢字漢字漢字漢字\n  x y z"
    chance, growing, at = random.Random(2), Wrapped(width), 0
    while at < len(text):
        step = chance.randint(1, 5)
        growing.append(text[at : at + step])
        at += step
    assert growing.lines == Wrapped(width, text).lines
    assert all(cell_len(line) <= max(width, 2) for line in growing.lines)


def test_no_word_is_lost_by_wrapping() -> None:
    text = "one two  three four five six seven"
    assert " ".join(wrapped(text, 9)).split() == text.split()


def test_markdown_keeps_line_ends_and_draws_html_pictures_and_links_as_words() -> None:
    text = "first\nsecond\n\n![alt](http://p.q/x.png) <script>x</script> [name](http://u.v)"
    text += "\n\n```sh\nrm -rf\n```"
    strips = markdown(text, 60, Style(), dict.fromkeys(STYLES, Style()))
    lines = [strip.text.rstrip() for strip in strips]
    assert lines[:2] == ["first", "second"]
    assert "alt <script>x</script> name (http://u.v)" in lines
    assert "  rm -rf" in lines
    assert all(strip.cell_length == 60 for strip in strips)
    assert not any(
        segment.style and (segment.style.link or segment.style.meta) for one in strips for segment in one
    )
