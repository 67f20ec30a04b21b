"""What follows a finished run on the same house: a part of its patch verified, a revision with a comment."""

from __future__ import annotations

import random
from copy import deepcopy
from pathlib import Path

import pytest

from salecli import build
from salecli.adapters.git import Repository
from salecli.adapters.journal import ABOUT, new_run, recorded
from salecli.adapters.sqlite import SqliteMemory
from salecli.config import load_settings
from salecli.core import events
from salecli.core.board import Board
from salecli.core.decisions import Decisions
from salecli.errors import PatchRefused
from tests.adapters.runs import past
from tests.e2e.world import containers, practice
from tests.solved import LONG, REVISED

pytestmark = [pytest.mark.docker, pytest.mark.slow]


def test_a_part_is_verified_and_a_comment_leads_to_another_attempt(tmp_path: Path) -> None:
    shop = practice(tmp_path / "shop", *REVISED)
    stale = past(shop, "long ago", {"event": "Resumed", "task": "t"})
    (stale.folder / ABOUT).write_text("{}")  # by no process that lives
    repository, run, decisions = Repository(shop), new_run(), Decisions(stops={"winner"})
    with build.house(load_settings(shop, {"keep_runs": 1}), repository, run, decisions) as built:
        task = built.task((shop / "issue.md").read_text(), "issue.md")
        for event in recorded(run, built.house.run(task, run.id)):
            if isinstance(event, events.Paused):
                decisions.exclude("xs")
                decisions.resume()
        first = run.last(events.RunEnded)
        assert isinstance(first, events.RunEnded)
        assert first.solved
        assert first.patch is not None

        assert built.part(first.patch, first.patch.diff) == first.patch
        assert built.verify(first.patch).solved
        nothing = built.part(first.patch, "")
        assert nothing.empty
        verdict = built.verify(nothing)
        assert not verdict.solved
        assert verdict.before.cases == verdict.after.cases
        with pytest.raises(PatchRefused):
            built.part(first.patch, first.patch.diff.replace("\n-", "\n-no such line "))

        seen = list(recorded(run, built.house.revise(task, run.id, "write it shorter")))
        assert next(event.attempt for event in seen if isinstance(event, events.WorkStarted)) > 1
        last = seen[-1]
        assert isinstance(last, events.RunEnded)
        assert last.solved
        assert last.patch is not None
        assert last.tokens > first.tokens
        memory = built.house.memory
        assert isinstance(memory, SqliteMemory)
        kept = memory.auction(1)
        assert memory.size() == 1
        assert kept.works[-1].agent == kept.works[-2].agent == first.agent
        assert kept.tokens == last.tokens
        assert "xs" not in {bid.agent for bid in kept.bids}
        assert {mark.judge for mark in kept.marks} == {"xs", "s", "m", "l"}
        assert list(run.read())[-len(seen) :] == seen
    assert not stale.folder.exists()
    assert containers(run.id) == []


@pytest.mark.parametrize(("level", "seed"), LONG)
def test_the_journal_of_a_run_that_stood_still_rebuilds_the_board_at_every_prefix(
    level: int, seed: int, tmp_path: Path
) -> None:
    chance = random.Random(seed)
    shop = practice(tmp_path / "shop", level, seed)
    decisions = Decisions(stops={"bids", "marks", "winner", "work"})
    run, board, seen = new_run(), Board(), []
    with build.house(load_settings(shop, {"seed": seed}), Repository(shop), run, decisions) as built:
        task = built.task((shop / "issue.md").read_text(), "issue.md")
        for event in recorded(run, built.house.run(task, run.id)):
            board.apply(event)
            seen.append(deepcopy(board))
            if isinstance(event, events.Paused):
                chance.choice([decisions.step, decisions.resume])()
    stood = [event.at for event in run.read() if isinstance(event, events.Paused)]
    assert stood[:4] == ["bids", "marks", "winner", "work"]
    rebuilt = Board()
    for event, then in zip(run.read(), seen, strict=True):
        rebuilt.apply(event)
        assert rebuilt == then
    assert rebuilt.winner is not None
