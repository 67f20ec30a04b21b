"""What the tests of the review stand on: a real repository, a real patch, a run that can be decided."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from textual.app import App
from textual.pilot import Pilot
from textual.screen import Screen

from salecli.adapters.changes import part_of
from salecli.adapters.git import Repository, Snapshot
from salecli.core import diff, events
from salecli.core.decisions import Accept
from salecli.core.values import Case, Patch, Tests, Verdict
from salecli.core.verdict import reached
from salecli.errors import SandboxError
from salecli.tui.bridge import Bridge
from salecli.tui.control import Selection
from salecli.tui.replay import AT_ONCE, Replay
from salecli.tui.screens.review import ReviewScreen
from salecli.tui.widgets.diff import DiffView
from tests.adapters.sandboxes import change, make
from tests.tui import scene

OLD = "def add(a, b):\n    return a - b\n" + "\n\n# far\n" * 8 + "def half(a):\n    return a // 2\n"
NEW = OLD.replace("a - b", "a + b").replace("a // 2", "a / 2")
FILES = {"calc.py": OLD, "notes.txt": "old\n", ".github/workflows/ci.yml": "on: push\n"}
PATCHED: Mapping[str, bytes | None] = {"calc.py": NEW.encode(), "notes.txt": b"new\n"}


def suite(text: str) -> Tests:
    """What the repository's only tests say of calc.py."""
    good = "a + b" in text
    cases = (
        Case("test_half", "passed"),
        Case("test_add", "passed" if good else "failed", "" if good else "-1"),
    )
    return Tests(0 if good else 1, cases)


@dataclass
class Deciding(Replay):
    """A recorded run on a snapshot that is still there: parts, verdicts and applying are real."""

    snapshot: Snapshot
    comments: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    verified: list[str] = field(default_factory=list)
    dead: bool = False
    """Whether Docker went away."""
    gate: Callable[[], None] = lambda: None
    """Waited for before a verdict."""

    live = True

    def part(self, patch: Patch, chosen: Selection) -> Patch:
        text = diff.select(diff.parse(patch.diff), chosen)
        return part_of(self.snapshot.store, patch.base, self.snapshot.entries, text)

    def verify(self, patch: Patch) -> Verdict:
        self.gate()
        if self.dead:
            raise SandboxError("the container is gone", "start Docker")
        self.verified.append(patch.tree)
        store = self.snapshot.store
        text = store.blob(store.entries(patch.tree)["calc.py"].id).decode()
        return reached(suite(OLD), suite(text))

    def revise(self, comment: str) -> None:
        self.comments.append(comment)

    def reject(self, reason: str) -> str:
        self.reasons.append(reason)
        return ""


def told(patch: Patch, verdict: Verdict) -> list[events.Event]:
    """A scripted run whose patch is this one."""
    found: list[events.Event] = []
    for event in scene.run_events():
        match event:
            case events.PatchMade():
                found.append(replace(event, patch=patch))
            case events.VerdictReached():
                found.append(replace(event, verdict=verdict))
            case events.RunEnded():
                found.append(replace(event, patch=patch, solved=verdict.solved))
            case _:
                found.append(event)
    return found


@contextmanager
def reviewed(
    tmp_path: Path,
    files: Mapping[str, bytes | None] = PATCHED,
    before: Mapping[str, str] = FILES,
    until: type[events.Event] | None = None,
) -> Iterator[Deciding]:
    """A run that made this patch, up to the first event of a kind, or to its end."""
    folder = make(tmp_path / "shop", before)
    with Repository(folder).snapshot() as snapshot:
        patch = change(snapshot, files)
        text = (files.get("calc.py") or b"").decode("utf-8", "replace")
        seen = told(patch, reached(suite(OLD), suite(text)))
        if until is not None:
            seen = seen[: next(at for at, event in enumerate(seen) if isinstance(event, until)) + 1]
        run = scene.record(seen, tmp_path / "runs")
        run.note(repository=str(folder), title="Add")
        control = Deciding.__new__(Deciding)
        Replay.__init__(control, run, speed=AT_ONCE)
        control.snapshot, control.comments, control.reasons, control.verified = snapshot, [], [], []
        control.dead, control.gate = False, lambda: None
        Bridge(control).feed((), seen)  # not drained: a journal that is cut short ends in RunFailed
        control.at = 9.8
        yield control


class Alone(App[None]):
    """An app that holds the one screen."""

    def __init__(self, screen: Screen[Any], folder: Path) -> None:
        super().__init__()
        self.alone, self.folder = screen, folder

    async def on_mount(self) -> None:
        await self.push_screen(self.alone)


async def settled(pilot: Pilot[Any]) -> None:
    """Everything that a key began has ended, or waits for the user."""
    for _ in range(200):
        await pilot.pause(0.01)
        app = pilot.app
        going = [one for one in app.workers if not one.is_finished]
        if not going or (app.screen.is_modal and all(one.group in ("accept", "write") for one in going)):
            break
    await pilot.pause()


def said(app: App[Any]) -> str:
    """The words below the patch."""
    return str(app.screen_stack[-1].query_one("#said").render()) if not app.screen.is_modal else ""


def review(
    tmp_path: Path,
    script: Callable[[Pilot[Any], Deciding, ReviewScreen], Any],
    size: tuple[int, int] = (100, 30),
    configured: Accept = "none",
    **options: Any,
) -> None:
    """Run a script against the review of a patch; `configured` is the user's `apply`."""

    async def go() -> None:
        with reviewed(tmp_path, **options) as control:
            screen = ReviewScreen(control, lambda: configured)
            app = Alone(screen, tmp_path / "shop")
            async with app.run_test(size=size) as pilot:
                await settled(pilot)
                await script(pilot, control, screen)

    asyncio.run(go())


def view(screen: ReviewScreen) -> DiffView:
    return screen.query_one(DiffView)


def drawn(screen: ReviewScreen) -> str:
    """What the diff shows, row by row."""
    shown = view(screen)
    return "\n".join(shown.render_line(y).text for y in range(shown.size.height))
