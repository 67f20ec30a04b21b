"""Corrected marks in a market: what counts, what is told and kept, and that without them nothing changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from salecli.adapters.sqlite import SqliteMemory
from salecli.core import events
from salecli.core.board import Board
from salecli.core.calibration import Correction
from salecli.core.house import House
from salecli.core.scoring import TOP_MARK
from salecli.core.tried import tried
from salecli.core.values import Auction, Weights
from tests.adapters.auctions import WordCounter
from tests.core.world import GOOD, TASK, ScriptedModel, TreeWorkspace, digit, only, play, pool

HARSH = Correction(((0.0, 0.0), (4.0, 1.0), (5.0, 5.0)), 90)
"""What is not praised to the skies is worth little."""
MARKS = {"plan a": digit(4), "plan b": digit(5), "plan c": digit(3)}


def house(corrections: dict[str, Correction], **models: ScriptedModel) -> House:
    """Agents a, b and c; b's plan is the best marked."""
    all_ = {name: ScriptedModel([f"plan {name}", GOOD], MARKS) for name in "abc"} | models
    return House(pool(all_, corrections=corrections), TreeWorkspace())


def sold(corrections: dict[str, Correction], **models: ScriptedModel) -> tuple[list[events.Event], Auction]:
    return play(house(corrections, **models).run(TASK, "r"))


def test_without_corrections_nothing_is_recorded_that_was_not_before() -> None:
    seen, auction = sold({})
    assert not any("corrected" in events.to_dict(one).get("mark", {}) for one in seen)
    assert all(mark.corrected is None and mark.counted == mark.value for mark in auction.marks)
    strangers, other = sold({"nobody": HARSH})
    assert list(map(events.to_dict, strangers)) == list(map(events.to_dict, seen))
    assert other == auction


def test_a_corrected_mark_counts_in_place_of_the_given_one_and_both_are_kept() -> None:
    plain, _ = sold({})
    seen, auction = sold({"a": HARSH, "c": HARSH})
    marks = {(mark.judge, mark.agent): mark for mark in auction.marks}
    for (judge, agent), mark in marks.items():
        assert mark.value == {"a": 4.0, "b": 5.0, "c": 3.0}[agent]
        assert mark.corrected == (None if judge == "b" else pytest.approx(HARSH.of(mark.value)))
    weights = auction.weights
    for score in auction.scores:
        given = {judge: marks[judge, score.agent].counted for judge in "abc"}
        assert score.jury == pytest.approx(sum(weights.judges[j] * given[j] / TOP_MARK for j in "abc"))
        before = next(one.score for one in only(plain, events.Scored) if one.score.agent == score.agent)
        assert (score.jury < before.jury) is (score.agent != "b")
    assert [events.from_dict(events.to_dict(one)) for one in seen] == seen


def test_marks_are_put_right_as_they_come_and_a_screen_shows_both() -> None:
    seen, auction = sold({"a": HARSH})
    board = Board()
    for event in seen:
        board.apply(event)
    assert board.calibrated
    assert board.mark("a", ("a", False)) == "4.0->1.0"
    assert board.mark("a", ("a", False), brief=True) == "1.0"
    assert board.mark("b", ("a", False)) == "4.0"
    again = tried(board, auction.weights)
    assert {key: one.total for key, one in again.scores.items()} == {
        (one.agent, one.refined): pytest.approx(one.total) for one in auction.scores
    }
    alone = tried(board, Weights(0.0, 0.0, {"a": 1.0}))
    assert alone.scores["a", False].jury == pytest.approx(1 / TOP_MARK)


def test_for_a_judge_that_fails_stands_the_mean_of_what_counts() -> None:
    dead = ScriptedModel(["plan c", GOOD], {"DIE": (1.0,)})
    _, auction = sold({"a": HARSH, "c": HARSH}, c=dead)
    [mean] = [mark for mark in auction.marks if (mark.judge, mark.agent) == ("c", "a")]
    assert (mean.source, mean.value) == ("mean", 4.0)
    assert mean.corrected == pytest.approx((1.0 + 4.0) / 2)


def test_memory_keeps_both_marks(tmp_path: Path) -> None:
    memory = SqliteMemory(tmp_path / "memory.sqlite3", WordCounter(), "", "")
    seen, auction = play(replace(house({"a": HARSH}), memory=memory).run(TASK, "r"))
    [number] = [one.auction for one in only(seen, events.Remembered)]
    assert memory.auction(number) == auction
    assert {mark.corrected for mark in auction.marks if mark.judge == "a"} == {1.0, 5.0, HARSH.of(3.0)}


def test_a_recording_of_before_plays_as_before() -> None:
    seen, _ = sold({})
    [first, *_] = only(seen, events.Marked)
    record = events.to_dict(first)
    assert set(record["mark"]) == {
        "judge", "agent", "refined", "value", "probabilities", "mass", "source", "usage",
    }  # fmt: skip
    assert events.from_dict(record) == first
