"""What a model does in another thread ends when the auction is closed, and by its deadline."""

from __future__ import annotations

from dataclasses import replace

import pytest

from salecli.core import events
from salecli.core.auction import hold
from salecli.core.calls import Limits, Usage
from salecli.core.decisions import Decisions
from salecli.core.round import Round
from salecli.core.values import Pair, Plan
from tests.core.world import TASK, ListMemory, ScriptedModel, digit, only, play, pool

PAIR = Pair(7, "an older task", 0.9, Plan("s", "lost it"), Plan("l", "won it"))
MARKS = {"plan s": digit(1), "plan m": digit(2), "plan l": digit(5), "better": digit(3)}


@pytest.mark.parametrize(
    ("plans", "marks", "until"),
    [
        (["HANG"], MARKS, events.BidMade),
        (["plan s"], {"HANG": digit(0)}, events.Marked),
        (["plan s", "HANG"], MARKS, events.PairsRead),
    ],
    ids=["bid", "mark", "refine"],
)
def test_closing_an_auction_cancels_the_models_of_other_threads(
    plans: list[str], marks: dict[str, tuple[float, ...]], until: type
) -> None:
    hanging = ScriptedModel(plans, marks)
    models = {
        "s": hanging,
        "m": ScriptedModel(["plan m", "better"], MARKS),
        "l": ScriptedModel(["plan l"], MARKS),
    }
    stream = hold(
        pool(models, at_once=3), TASK, ListMemory({"s": [PAIR], "m": [PAIR]}), Decisions(), 1, Round()
    )
    assert any(isinstance(event, until) for event in stream)
    assert hanging.hangs.wait(30)
    stream.close()
    assert hanging.cancelled.is_set()


def test_a_judge_that_hangs_is_replaced_at_its_deadline() -> None:
    models = {
        "s": ScriptedModel(["plan s"], MARKS),
        "m": ScriptedModel(["plan m"], {**MARKS, "plan s": digit(3)}),
        "l": ScriptedModel(["plan l"], {"HANG": digit(0)}),
    }
    market = pool(models)
    agents = tuple(replace(agent, sampling=Limits(deadline=0.01)) for agent in market.agents)
    record = Round()
    seen, _ = play(hold(replace(market, agents=agents), TASK, None, Decisions(), 1, record))
    replaced = only(seen, events.MarkReplaced)
    assert [(event.mark.judge, event.mark.agent, event.mark.value) for event in replaced] == [
        ("l", "s", 2.0),
        ("l", "m", 2.0),
        ("l", "l", 5.0),
    ]
    assert {event.reason for event in replaced} == {"did not finish"}
    # What the judge consumed in vain counts, and counts once.
    assert [mark.usage for mark in record.marks if mark.judge == "l"] == [
        Usage(7, 7, 0, 0.01, "cancelled"),
        Usage(),
        Usage(),
    ]
