"""The bridge: order, joined tokens, bounded work, and where a user goes along with a run."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from salecli.core import events
from salecli.core.values import Tests, Verdict
from salecli.tui.bridge import LIMIT, Bridge, follow
from salecli.tui.control import Fed, Streamed
from salecli.tui.messages import Where
from salecli.tui.replay import AT_ONCE, Replay
from tests.tui import scene


class Noting:
    """A screen that notes what it is fed, and what the board knew by then."""

    def __init__(self, replay: Replay) -> None:
        self.replay = replay
        self.fed: list[Fed] = []

    def apply(self, fed: Fed) -> None:
        self.fed.append(fed)
        if isinstance(fed, events.BidMade):
            assert (fed.bid.agent, fed.bid.refined) in self.replay.board.bids
        assert fed == self.replay.history[-1] or isinstance(fed, Streamed)


def replay(seen: list[events.Event], folder: Path) -> Replay:
    return Replay(scene.record(seen, folder), speed=AT_ONCE)


def test_the_board_then_the_history_then_the_screens(seen: list[events.Event], tmp_path: Path) -> None:
    shown = replay(seen, tmp_path)
    screen = Noting(shown)
    Bridge(shown).drain([screen], None, limit=60)
    others = [event for event in seen if not isinstance(event, events.PlanToken | events.WorkToken)]
    assert [one for one in screen.fed if not isinstance(one, Streamed)] == others
    assert screen.fed == shown.history
    assert shown.ended


def test_tokens_of_one_agent_are_joined(seen: list[events.Event], tmp_path: Path) -> None:
    shown = replay(seen, tmp_path)
    Bridge(shown).drain((), None, limit=60)
    plans = [one for one in shown.history if isinstance(one, Streamed) and one.what == "plan"]
    assert {one.agent: one.text for one in plans} == scene.PLANS
    assert [len(one.entropies) for one in plans] == [len(plan) for plan in scene.PLANS.values()]
    work = "".join(one.text for one in seen if isinstance(one, events.WorkToken))
    assert (
        "".join(one.text for one in shown.history if isinstance(one, Streamed) and one.what == "work") == work
    )


def test_tokens_of_two_agents_are_never_mixed(tmp_path: Path, seen: list[events.Event]) -> None:
    tokens = [events.PlanToken("t1", agent, False, agent, 0.5) for agent in "abab"]
    shown = replay([seen[0], *tokens], tmp_path)
    screen = Noting(shown)
    Bridge(shown).drain([screen], None, limit=60)
    assert [one.text for one in screen.fed if isinstance(one, Streamed)] == ["a", "b", "a", "b"]


def test_the_history_joins_what_several_drains_brought(tmp_path: Path, seen: list[events.Event]) -> None:
    shown = replay(seen, tmp_path)
    bridge = Bridge(shown)
    for letter in "plan":
        bridge.feed((), [events.PlanToken("t1", "s", False, letter, 0.25)])
    assert shown.history == [Streamed("plan", "s", False, "plan", (0.25,) * 4)]


def test_a_drain_leaves_what_takes_too_long_for_the_next(seen: list[events.Event], tmp_path: Path) -> None:
    class Slow(Noting):
        def apply(self, fed: Fed) -> None:
            import time

            super().apply(fed)
            time.sleep(2 * LIMIT)

    shown = replay(seen, tmp_path)
    bridge = Bridge(shown)
    screen = Slow(shown)
    bridge.drain([screen], None)
    assert (bridge.behind, len(screen.fed)) == (True, 1)
    rounds = 1
    while bridge.behind:
        bridge.drain([screen], None)
        rounds += 1
    assert len(screen.fed) >= rounds - 1 > 20
    assert shown.ended


def solved(yes: bool) -> events.VerdictReached:
    return events.VerdictReached("t1", "s", Verdict(yes, "", Tests(0), Tests(0)))


START, WORKS = scene.run_events()[0], events.WorkStarted("t1", "s", False, 1)
END = events.RunEnded("t1", True, "s", None, 1, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("stands", "told", "goes"),
    [
        ("start", [START], "auction"),
        ("auction", [WORKS], "work"),
        ("review", [WORKS], "work"),
        ("work", [solved(False)], "work"),
        ("work", [solved(True)], "review"),
        ("work", [END], "review"),
        ("auction", [END], "auction"),
        ("start", [START, WORKS, solved(True), END], "review"),
    ],
)
def test_a_user_who_does_nothing_goes_along_with_the_run(
    stands: Where, told: list[events.Event], goes: Where
) -> None:
    where: Where | None = stands
    for event in told:
        where = follow(where, event)
    assert where == goes


@pytest.mark.parametrize(
    ("stands", "event"), [*itertools.product(("memory", "models", None), (START, WORKS, solved(True), END))]
)
def test_nobody_is_pulled_out_of_elsewhere_or_a_dialog(stands: Where | None, event: events.Event) -> None:
    assert follow(stands, event) == stands


def test_the_headline_says_which_run_it_is(seen: list[events.Event], tmp_path: Path) -> None:
    shown = replay(seen, tmp_path)
    before = Bridge(shown).heading("shop")
    assert (before.repository, before.title, before.pool) == ("shop", "", "")
    Bridge(shown).drain((), None, limit=60)
    after = Bridge(shown).heading("other")
    assert (after.repository, after.title, after.pool) == ("shop", "Add", "scripted")
    assert after.thrift == 0.5
    assert after.remembered == 1, "this auction, too: it was recorded"
    assert after.state == "recording"


def test_a_broken_journal_is_said_on_the_screen(seen: list[events.Event], tmp_path: Path) -> None:
    run = scene.record(seen, tmp_path)
    lines = (run.folder / "journal.jsonl").read_text().splitlines(keepends=True)
    (run.folder / "journal.jsonl").write_text("".join([*lines[:5], "garbage\n", *lines[5:]]))
    shown = Replay(run, speed=AT_ONCE)
    Bridge(shown).drain((), None, limit=60)
    last = shown.history[-1]
    assert isinstance(last, events.RunFailed)
    assert "line 6" in last.reason
    assert shown.ended
