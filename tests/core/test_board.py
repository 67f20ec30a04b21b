"""What a screen can read off the board."""

from __future__ import annotations

from salecli.core import events
from salecli.core.board import Board
from salecli.core.values import Bid, Mark, Score, Task, Weights

TASK = Task("t", "t", "t")


def board(entropy: float, *given: float) -> Board:
    """A board with one bid of s and the marks that s, m and l gave it."""
    made = Board()
    weights = Weights(0.5, 0.1, {"s": 0.2, "m": 0.3, "l": 0.4})
    prices = {"s": 0.05, "m": 0.09, "l": 0.36}
    for event in (
        events.RunStarted("t", "run", TASK, "pool", prices, weights, 512, 0, 0),
        events.BidMade("t", Bid("s", "plan", 10, 0.2, 100)),
        *(
            events.Marked("t", Mark(judge, "s", False, value))
            for judge, value in zip("sml", given, strict=True)
        ),
        events.Scored("t", Score("s", False, 0.1, entropy, 0.5), 0.2, 0.3),
        events.Led("t", "s", False),
    ):
        made.apply(event)
    return made


def test_the_reason_names_the_judges_that_make_the_value() -> None:
    assert board(0.11, 5, 5, 0).reason(("s", False)) == "value 0.610 from judge m; 1/7.2 of l's price"
    assert board(0.11, 4, 4, 4).reason(("s", False)) == "value 0.610 from judges m, l; 1/7.2 of l's price"


def test_a_value_that_is_mostly_entropy_is_no_judges() -> None:
    assert board(0.6, 1, 1, 1).reason(("s", False)) == "value 1.100 from entropy; 1/7.2 of l's price"


def test_a_bid_without_score_or_marks_has_a_reason_all_the_same() -> None:
    assert board(0.11, 4, 4, 4).reason(("m", False)) == "no score"
    assert board(0.0, 0, 0, 0).reason(("s", False)) == "value 0.500; 1/7.2 of l's price"


def test_parts_before_their_weights_and_the_limit_of_a_plan_are_known() -> None:
    made = board(0.11, 4, 4, 4)
    assert made.plan_tokens == 512
    assert made.plain["s", False] == (0.2, 0.3)


def test_a_pause_of_an_older_recording_says_no_border() -> None:
    made = board(0.11, 4, 4, 4)
    old = events.from_dict({"event": "Paused", "task": "t", "_at": 1.0})
    assert old == events.Paused("t", "")
    stood = []
    for event in (old, events.Paused("t", "winner"), events.Resumed("t")):
        made.apply(event)
        stood.append(made.paused_at)
    assert stood == ["", "winner", ""]


def test_a_mean_that_stands_in_is_no_judges_opinion() -> None:
    made = board(0.11, 4, 4, 5)
    made.apply(events.MarkReplaced("t", Mark("l", "s", False, 4.0, source="mean"), "gone"))
    assert made.mark("l", ("s", False)) == "~4.0"
    assert made.reason(("s", False)).startswith("value 0.610 from judge m;")
