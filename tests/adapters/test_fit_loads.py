"""How often real models load in a real auction whose memory holds one of them at a time."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from salecli.build import market
from salecli.config import ModelSettings, Settings
from salecli.core import events
from salecli.core.auction import hold
from salecli.core.decisions import Decisions
from salecli.core.round import Round
from salecli.core.values import Pair, Plan
from salecli.pool import load_pool
from salecli.practice.tasks.curriculum import practice
from tests.core.world import ListMemory
from tests.solved import ANY

ONE = "100m"
"""Holds any practice model, and no two of them."""
PAIR = Pair(7, "an older task", 0.9, Plan("s", "keep the odd ones"), Plan("l", "x: [n for n in x if n % 2]"))


def auction(memory: ListMemory | None) -> tuple[list[str], int, Round]:
    """Agents in the order in which their models loaded, and the most that held memory at once."""
    loads, most, record = [], 0, Round()
    spec = load_pool("practice")
    with market(Settings(models=ModelSettings(budget=ONE)), spec) as pool:
        task = practice(*ANY).task
        for event in hold(pool, task, memory, Decisions(), 1, record):
            if isinstance(event, events.ModelLoaded):
                loads.append(event.agent)
                most = max(most, sum(agent.model.loaded for agent in pool.agents))
    return loads, most, record


def test_bids_and_marks_of_four_load_seven_times() -> None:
    loads, most, record = auction(None)
    assert loads == ["xs", "s", "m", "l", "m", "s", "xs"]
    assert most == 1
    assert len(record.marks) == 16


@pytest.mark.slow
def test_refinement_loads_at_most_five_times_more() -> None:
    loads, most, record = auction(ListMemory({name: [PAIR] for name in ("xs", "s", "m", "l")}))
    assert loads[:7] == ["xs", "s", "m", "l", "m", "s", "xs"]
    assert most == 1
    cheaper = sum(bid.refined for bid in record.bids)
    # One refiner is resident from its last mark, and the last of them is when the jury marks again.
    assert len(loads) - 7 <= max(0, cheaper - 1) + 3 <= 5
    assert not Counter(loads).most_common(1)[0][1] > 4


def test_no_process_stays(tmp_path: Path) -> None:
    auction(None)
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    if children.exists():
        names = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children.read_text().split()]
        assert not [name for name in names if b"llama_worker" in name]
