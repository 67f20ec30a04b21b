"""Each phase generates by limits of its own."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace

from salecli.core.calls import Limits, Token, Turn, Usage
from salecli.core.house import House
from salecli.core.limits import Phase, WorkLimits
from tests.core.test_auction import PAIR
from tests.core.world import BAD, GOOD, TASK, ListMemory, ScriptedModel, TreeWorkspace, digit, play, pool


@dataclass
class Noting(ScriptedModel):
    """Notes by which limits it was asked to generate."""

    thinks: list[int] = field(default_factory=list)

    def stream(self, turns: Sequence[Turn], limits: Limits) -> Generator[Token, None, Usage]:
        self.thinks.append(limits.think)
        return (yield from super().stream(turns, limits))


def test_bids_refinements_and_work_think_by_their_own_caps() -> None:
    marks = {"plan s": digit(1), "plan l": digit(4), "better": digit(5)}
    small = Noting(["plan s", "better", BAD, GOOD], marks)
    large = Noting(["plan l"], marks)
    market = pool({"s": small, "l": large})
    phases: dict[Phase, Limits] = {
        "bid": Limits(think=5),
        "refine": Limits(think=0),
        "work": Limits(think=300),
    }
    agents = (replace(market.agents[0], phases=phases), replace(market.agents[1], sampling=Limits(think=9)))
    house = House(
        replace(market, agents=agents),
        TreeWorkspace(),
        ListMemory({"s": [PAIR]}),
        limits=WorkLimits(tokens=310),
    )
    _, auction = play(house.run(TASK, "r1"))
    assert (auction.winner, auction.solved) == ("s", True)
    # Of the work's 310 tokens its first reply took some: more than are left may not be thought either.
    assert small.thinks == [5, 0, 300, 310 - len(BAD)]
    assert large.thinks == [9]
