"""What the app needs of the world: live runs, recordings, settings; imported when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from salecli.adapters.journal import Run
    from salecli.config import Settings
    from salecli.core.decisions import Decisions
    from salecli.tui.bridge import Played
    from salecli.tui.live import Opened
    from salecli.tui.replay import Replay


@dataclass(frozen=True)
class Wiring:
    """The ways out of the app; nothing behind them is loaded before the first frame."""

    starts: Callable[[str, str], Played]
    """A live run of an issue's text and name, not yet begun; SaleError. Blocks."""
    finds: Callable[[str], Played]
    """A recorded run by its id; SaleError. Blocks."""
    settings: Callable[[], Settings]
    """The settings for this repository; SaleError."""
    overrides: Mapping[str, object] = field(default_factory=dict)
    """Settings of the command line, by dotted name."""


def wiring(folder: Path, overrides: Mapping[str, object], auto: float = 0.0) -> Wiring:
    """The real ones, for the repository that holds `folder`."""

    def settings() -> Settings:
        from salecli.adapters.git import Repository
        from salecli.config import load_settings

        return load_settings(Repository(folder).top, overrides)

    @contextmanager
    def opens(run: Run, decisions: Decisions) -> Iterator[Opened]:
        # llama, docker and git stand behind this.
        from salecli import build
        from salecli.adapters.git import Repository
        from salecli.config import load_settings

        repository = Repository(folder)
        with build.house(load_settings(repository.top, overrides), repository, run, decisions) as built:
            yield built

    def starts(text: str, name: str) -> Played:
        from salecli.tui.live import LiveRun

        return LiveRun(text, name, opens, auto)

    return Wiring(starts, recorded, settings, overrides)


def recorded(name: str, speed: float | None = None) -> Replay:
    """The recorded run whose id begins with `name`; without a speed, all of it at once.

    Raises:
        UsageError: no such run, or several.
    """
    from salecli.adapters.journal import find_run
    from salecli.tui.replay import AT_ONCE, Replay

    return Replay(find_run(name), AT_ONCE if speed is None else speed)
