"""What the tests of the screens stand on: async tests, recorded runs, a Control over them."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from textual.app import App

from salecli.adapters.git import Repository
from salecli.adapters.journal import JOURNAL, Run, new_run
from salecli.core import events
from salecli.core.decisions import Decisions
from salecli.core.house import House
from salecli.core.values import Patch, Task, Verdict
from salecli.core.verdict import reached
from salecli.tui.bridge import Bridge
from salecli.tui.live import LiveRun, Opens
from salecli.tui.replay import AT_ONCE, Replay
from salecli.tui.wiring import Wiring
from salecli.tui.wiring import wiring as real_wiring
from tests.core.world import (
    BAD,
    GOOD,
    TASK,
    ListMemory,
    ScriptedModel,
    TreeWorkspace,
    digit,
    play,
    pool,
    suite,
)

PLANS = {"xs": "plan of xs", "s": "plan of s", "m": "plan of m", "l": "plan of l"}


def run_async(coroutine: Coroutine[Any, Any, Any]) -> None:
    """Run an async test: `run_async(go())`."""
    asyncio.run(coroutine)


def drawn(app: App[Any]) -> str:
    """The whole screen as it is painted."""
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in line) for line in lines)


def house(
    winner: str = "s",
    replies: Sequence[str] = (BAD, GOOD),
    plans: Mapping[str, str] = MappingProxyType({}),
    **options: Any,
) -> House:
    """A real house of four scripted agents, of which one is marked best; `plans` replace PLANS by agent."""
    marks = {plan: digit(5 if name == winner else 2) for name, plan in PLANS.items()}
    models = {name: ScriptedModel([plans.get(name, plan), *replies], marks) for name, plan in PLANS.items()}
    options.setdefault("memory", ListMemory())
    return House(pool(models), TreeWorkspace(), **options)


def run_events(**options: Any) -> list[events.Event]:
    """Every event of one scripted run, from RunStarted to RunEnded."""
    return play(house(**options).run(TASK, "7f3a00"))[0]


def record(seen: Sequence[events.Event], folder: Path | None = None, gap: float = 0.1) -> Run:
    """A journal of these events, `gap` seconds apart, in the user's runs or in `folder`."""
    run = new_run(folder)
    run.note(repository=str(folder or ""), issue="issue.md", title="Add", pool="scripted")
    lines = [
        json.dumps({**events.to_dict(event), "_at": 1000 + at * gap}, default=str) + "\n"
        for at, event in enumerate(seen)
    ]
    (run.folder / JOURNAL).write_text("".join(lines), encoding="utf-8", errors="surrogateescape")
    return run


def control(seen: Sequence[events.Event], folder: Path | None = None) -> Replay:
    """A real Control (a replay) that has taken in these events: `board` and `history` are full."""
    replay = Replay(record(seen, folder), speed=AT_ONCE)
    Bridge(replay).drain((), None, limit=60.0)
    return replay


def more(replay: Replay, screen: Any, seen: Sequence[events.Event]) -> None:
    """Feed further events as the bridge would: the board, the history, then the mounted screen."""
    Bridge(replay).feed((screen,), seen)


@dataclass
class Opened:
    """A scripted house on a real repository, as `build.house` would open it."""

    house: House
    repository: Repository
    open: bool = True

    def task(self, text: str, name: str) -> Task:
        return replace(TASK, text=text, title=name)

    def part(self, patch: Patch, diff: str) -> Patch:
        return replace(patch, diff=diff)

    def verify(self, patch: Patch) -> Verdict:
        return reached(suite(""), self.house.workspace.verify(patch))

    def cancel(self) -> None:
        for agent in self.house.pool.agents:
            agent.model.cancel()


def repository(folder: Path) -> Repository:
    """A git repository with one commit, that of the scripted workspace."""
    folder.mkdir(exist_ok=True)
    (folder / "add.py").write_text("stub")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "start"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return Repository(folder)


def opens(folder: Path, made: list[Opened] | None = None, **options: Any) -> Opens:
    """Opens a scripted house on a repository in `folder`; each one is noted in `made`."""
    found = repository(folder)

    @contextmanager
    def opening(run: Run, decisions: Decisions) -> Iterator[Opened]:
        opened = Opened(house(decisions=decisions, **options), found)
        if made is not None:
            made.append(opened)
        try:
            yield opened
        finally:
            opened.open = False

    return opening


def wiring(folder: Path, made: list[Opened] | None = None, auto: float = 0.0, **options: Any) -> Wiring:
    """The app's ways out: scripted live runs, real recordings, real settings."""
    opening = opens(folder, made, **options)
    return replace(real_wiring(folder, {}), starts=lambda text, name: LiveRun(text, name, opening, auto))
