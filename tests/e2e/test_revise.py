"""What follows a finished run on the same house: a part of its patch verified, a revision with a comment."""

from __future__ import annotations

from pathlib import Path

import pytest

from salecli import build
from salecli.adapters.git import Repository
from salecli.adapters.journal import new_run, recorded
from salecli.adapters.sqlite import SqliteMemory
from salecli.config import load_settings
from salecli.core import events
from salecli.core.decisions import Decisions
from salecli.errors import PatchRefused
from tests.e2e.world import containers, practice

pytestmark = [pytest.mark.docker, pytest.mark.slow]


def test_a_part_is_verified_and_a_comment_leads_to_another_attempt(tmp_path: Path) -> None:
    shop = practice(tmp_path / "shop", 1, 3)
    repository, run, decisions = Repository(shop), new_run(), Decisions(stops={"winner"})
    with build.house(load_settings(shop, {}), repository, run, decisions) as built:
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
    assert containers(run.id) == []
