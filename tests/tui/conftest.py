"""Fixtures of the screens' tests; what they are made of, and more, can be imported from tests.tui.scene."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from salecli.core import events
from salecli.tui.replay import Replay
from tests.tui import scene


@pytest.fixture
def seen() -> list[events.Event]:
    """Every event of a scripted run of four agents: auction, two steps of work, verdict, end."""
    return scene.run_events()


@pytest.fixture
def make_control(tmp_path: Path) -> Callable[[Sequence[events.Event]], Replay]:
    """`make_control(events)` is a real Control (a replay) that has taken these events in."""
    return lambda told: scene.control(told, tmp_path)
