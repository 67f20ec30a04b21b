"""Fixtures of the screens' tests; what they are made of, and more, can be imported from tests.tui.scene."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from salecli.core import events
from salecli.tui.live import LiveRun
from salecli.tui.replay import Replay
from tests.tui import scene
from tests.tui.auctions import live_run


@pytest.fixture
def seen() -> list[events.Event]:
    """Every event of a scripted run of four agents: auction, two steps of work, verdict, end."""
    return scene.run_events()


@pytest.fixture
def make_control(tmp_path: Path) -> Callable[[Sequence[events.Event]], Replay]:
    """`make_control(events)` is a real Control (a replay) that has taken these events in."""
    return lambda told: scene.control(told, tmp_path)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveRun]:
    """A real run of scripted models that waits for the user; `run.start()` begins it."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    made = live_run()
    yield made
    made.close()
