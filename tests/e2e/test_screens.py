"""The whole flow on the screens, by keyboard alone: models of one reply, a real sandbox and repository."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from salecli.adapters.journal import runs_folder
from salecli.bench.bars.scripted import write_pool, write_scripted
from salecli.practice.tasks.curriculum import practice as task_of
from salecli.tui.app import SaleApp
from salecli.tui.live import LiveRun
from salecli.tui.wiring import wiring
from tests.e2e.world import contents, practice
from tests.solved import ANY_LIST
from tests.tui import scene

pytestmark = [pytest.mark.slow, pytest.mark.docker]

AGENTS = ("xs", "s", "m", "l")
PATIENCE = 120.0
CHOSEN = "m"
COMMENT = "# Bins of the shop."


def drawn(pilot: Pilot[None]) -> str:
    """What stands on the screen."""
    return scene.drawn(pilot.app)


async def until(pilot: Pilot[None], met: Callable[[], bool], what: str) -> None:
    for _ in range(int(PATIENCE / 0.1)):
        await pilot.pause(0.1)
        if met():
            return
    raise AssertionError(f"waited for {what!r} and saw:\n{drawn(pilot)}")


async def sees(pilot: Pilot[None], text: str) -> None:
    await until(pilot, lambda: text in drawn(pilot), text)


def shop(folder: Path) -> tuple[Path, str, Path]:
    """A practice repository whose module has a comment on top, its path, and a pool that does not know of it.

    Its stub has all lines but the last: a solution is a hunk that takes the comment away, and one that writes
    the last line.
    """
    made = practice(folder, *ANY_LIST)
    given = task_of(*ANY_LIST)
    lines = given.solution.splitlines()[:-1]
    text = "\n".join([COMMENT, *lines, "    raise NotImplementedError", ""])
    (made / given.path).write_text(text)
    subprocess.run(["git", "-C", made, "commit", "-qam", "a comment"], check=True)
    file = folder.parent / "scripted.gguf"
    write_scripted(file, given.reply)
    return made, given.path, write_pool(folder.parent / "scripted.toml", dict.fromkeys(AGENTS, file))


def test_from_the_issue_to_a_branch(tmp_path: Path) -> None:
    """Paste, watch, override with a reason, leave a hunk out, see it verified again, apply, find it, quit."""
    folder, path, pool = shop(tmp_path / "shop")
    issue = (folder / "issue.md").read_text()
    untouched = contents(folder)
    app = SaleApp(folder, wiring(folder, {"pool": str(pool)}))

    async def go() -> None:
        async with app.run_test(size=(130, 40)) as pilot:
            await sees(pilot, "ready: 4 models")
            app.screen.focused.text = ""  # type: ignore[union-attr]
            await pilot.pause()
            app.copy_to_clipboard(issue)
            await pilot.press("ctrl+v")
            await sees(pilot, issue.splitlines()[1][:40])
            await pilot.press("f10")
            await sees(pilot, "Your turn")
            assert f"* {CHOSEN} leads" not in drawn(pilot)
            await pilot.press(str(1 + AGENTS.index(CHOSEN)))
            await sees(pilot, f"Let {CHOSEN} win")
            await pilot.press(*"it knows", "enter")
            await pilot.pause(0.5)
            await pilot.press("enter")
            await sees(pilot, f"solved by {CHOSEN}")
            assert "2 hunks" in drawn(pilot), drawn(pilot)
            await pilot.press("space")  # the comment stays
            await sees(pilot, "[ ] 1/2")
            await pilot.press("b")
            await sees(pilot, "Apply to a new branch?")
            assert "4/4" in drawn(pilot)
            await pilot.press("y")
            await sees(pilot, "undo")
            await pilot.press("f6")
            await sees(pilot, f"{CHOSEN} o")
            await pilot.press("enter")
            await sees(pilot, "it knows")
            await pilot.press("escape", "ctrl+q")
            await pilot.pause(0.5)

    try:
        asyncio.run(go())
    finally:
        app.close()
    (run,) = [one.name for one in runs_folder().iterdir()]
    branch = f"sale/{run}"
    assert isinstance(app.control, LiveRun)
    assert app.control.undo.endswith(f"branch -D {branch}")  # said once more at the end
    written = subprocess.run(
        ["git", "-C", folder, "show", f"{branch}:{path}"], check=True, capture_output=True, text=True
    ).stdout
    assert written.startswith(COMMENT)
    assert "NotImplementedError" not in written
    now = contents(folder)
    assert {name: now[name] for name in untouched if not name.startswith(".git/")} == {
        name: text for name, text in untouched.items() if not name.startswith(".git/")
    }
    subprocess.run(["git", "-C", folder, "checkout", "-q", branch], check=True)
    done = subprocess.run(["python3", "-c", f"import {path.removesuffix('.py')}"], cwd=folder, check=False)
    assert done.returncode == 0
