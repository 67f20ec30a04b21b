"""A few random kills over a batch; `python -m tests.e2e.kills` makes as many as one likes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.e2e.kills import Kills
from tests.e2e.world import below


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_six_kills_lose_nothing(tmp_path: Path) -> None:
    scene = Kills(tmp_path, tasks=2, seed=4, longest=4.0)
    try:
        scene.play(6)
    finally:
        for pid in below(scene.home):
            os.kill(pid, signal.SIGKILL)
    assert sum(scene.done.values()) == 6
    assert scene.batches
    assert len(scene.told) >= 2
