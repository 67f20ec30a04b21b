from __future__ import annotations

from dataclasses import replace

from salecli.adapters.lessons import lessons
from salecli.core.values import Override
from tests.adapters.auctions import auction, rich_auction, work

BIDS = (
    ("small", False, "plan small", 0.5),
    ("middle", False, "plan middle", 0.3),
    ("large", False, "plan large", 0.1),
)


def taught(one: object) -> dict[str, tuple[str, str, str]]:
    """(lost plan, won plan, note) by agent."""
    return {lesson.agent: (lesson.lost.plan, lesson.won.plan, lesson.note) for lesson in lessons(one)}  # type: ignore[arg-type]


def test_losers_learn_from_their_own_plan_and_the_winner_from_the_best_other() -> None:
    assert taught(auction(bids=BIDS)) == {
        "small": ("plan small", "plan large", ""),
        "middle": ("plan middle", "plan large", ""),
        "large": ("plan middle", "plan large", ""),
    }


def test_an_unsolved_task_teaches_nothing() -> None:
    assert taught(auction(bids=BIDS, works=(work("large", False), work("middle", False)))) == {}
    assert taught(auction(bids=BIDS, works=())) == {}


def test_a_winner_that_failed_teaches_as_lost_with_what_failed() -> None:
    works = (work("large", False, note="test_new failed"), work("small", True))
    assert taught(auction(bids=BIDS, works=works)) == {
        "small": ("plan large", "plan small", "test_new failed"),
        "middle": ("plan middle", "plan small", ""),
        "large": ("plan large", "plan small", "test_new failed"),
    }


def test_a_plan_that_solved_teaches_as_won_whoever_chose_it() -> None:
    chosen = auction(bids=BIDS, winner=("small", False), override=Override("small", "cheap"))
    assert {won for _, won, _ in taught(chosen).values()} == {"plan small"}


def test_an_agents_rewritten_plan_stands_for_it() -> None:
    bids = (*BIDS, ("small", True, "plan small, rewritten", 0.4))
    assert taught(auction(bids=bids))["small"] == ("plan small, rewritten", "plan large", "")


def test_a_rewritten_plan_that_won_learns_from_another_agent() -> None:
    bids = (*BIDS, ("small", True, "plan small, rewritten", 0.0))
    assert taught(auction(bids=bids, winner=("small", True)))["small"] == (
        "plan large",
        "plan small, rewritten",
        "",
    )


def test_alone_it_learns_from_its_own_first_plan() -> None:
    bids = (("small", False, "plan small", 0.5), ("small", True, "better", 0.1))
    assert taught(auction(bids=bids, winner=("small", True))) == {"small": ("plan small", "better", "")}


def test_the_same_words_and_empty_plans_teach_nothing() -> None:
    bids = (
        ("small", False, " plan large\n", 0.5),
        ("middle", False, "  ", 0.3),
        ("large", False, "plan large", 0.1),
    )
    assert taught(auction(bids=bids)) == {}


def test_all_at_once() -> None:
    assert taught(rich_auction()) == {
        "small": ("plan middle", "plan small, rewritten", "test_new failed: assert 1 == 2"),
        "middle": ("plan middle", "plan small, rewritten", "test_new failed: assert 1 == 2"),
        # Its model was killed while it worked: that says nothing about its plan.
        "large": ("plan large", "plan small, rewritten", ""),
    }


def test_a_bid_without_a_score_comes_last() -> None:
    made = auction(bids=BIDS)
    made = replace(made, scores=tuple(score for score in made.scores if score.agent != "middle"))
    assert taught(made)["large"][0] == "plan small"
