"""Accepting: what is asked, verified and applied, against a real repository and a real object folder."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from salecli.adapters.docker import DockerWorkspace
from salecli.adapters.git import Repository
from salecli.adapters.testing import PYTEST
from salecli.adapters.undo import take_back
from salecli.core import events
from salecli.core.values import Patch, Verdict
from salecli.core.verdict import reached
from salecli.tui.screens.dialogs import Confirm
from salecli.tui.screens.review import ReviewScreen
from tests.adapters.sandboxes import change, git
from tests.tui import scene
from tests.tui.review_scene import FILES, NEW, OLD, PATCHED, Deciding, review, said, settled

P = Pilot[Any]
HALF = OLD.replace("a - b", "a + b")
"""calc.py with its first hunk alone."""


def question(pilot: P) -> str:
    """All words of the question that is asked now."""
    screen = pilot.app.screen
    assert isinstance(screen, Confirm)
    return "\n".join(str(one.render()) for one in screen.query(Static))


async def press(pilot: P, *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await settled(pilot)


def shop(tmp_path: Path, name: str) -> str:
    return (tmp_path / "shop" / name).read_text()


def test_the_whole_patch_goes_into_the_files_and_the_undo_takes_it_back(tmp_path: Path) -> None:
    async def script(pilot: P, control: Deciding, screen: ReviewScreen) -> None:
        await press(pilot, "a")
        asked = question(pilot)
        for words in (
            "The whole patch (2 files",
            "into your working tree",
            "Nothing is committed",
            "2/2 with exactly",
        ):
            assert words in asked
        for key in ("n", "enter", "escape"):
            await press(pilot, *([] if key == "n" else ["a"]), key)
            assert shop(tmp_path, "calc.py") == OLD
            assert "Not applied" in said(pilot.app)
        await press(pilot, "a", "y")
        assert (shop(tmp_path, "calc.py"), shop(tmp_path, "notes.txt")) == (NEW, "new\n")
        assert control.verified == []
        applied = screen._accepting.applied
        assert applied is not None
        assert applied.undo == f"sale apply --undo {control.id}"
        assert applied.undo in said(pilot.app)
        await press(pilot, "b", "n")
        assert "Not applied" in said(pilot.app)
        assert applied.undo in said(pilot.app), "what stands is not forgotten over what was not done"
        take_back(Repository(tmp_path / "shop"), control.id)
        assert shop(tmp_path, "calc.py") == OLD

    review(tmp_path, script, (120, 30))


def test_a_rejection_after_applying_says_what_stands(tmp_path: Path) -> None:
    async def script(pilot: P, control: Deciding, screen: ReviewScreen) -> None:
        await press(pilot, "a", "y", "r")
        assert "what was applied stays" in scene.drawn(pilot.app)
        await press(pilot, *"bad", "enter")
        assert "Rejected: bad" in said(pilot.app)
        assert f"sale apply --undo {control.id}" in said(pilot.app)
        assert "Nothing was applied" not in said(pilot.app)

    review(tmp_path, script, (120, 30))


def test_a_part_is_verified_first_and_exactly_that_goes_to_the_branch(tmp_path: Path) -> None:
    async def script(pilot: P, control: Deciding, screen: ReviewScreen) -> None:
        await press(pilot, "right_square_bracket", "space", "b")
        assert "2 of 3 hunks" in question(pilot)
        assert f"sale/{control.id}" in question(pilot)
        assert len(control.verified) == 1
        await press(pilot, "y")
        assert f"onto branch sale/{control.id}" in said(pilot.app)
        assert shop(tmp_path, "calc.py") == OLD
        folder = tmp_path / "shop"
        assert git(folder, "show", f"sale/{control.id}:calc.py") == HALF.strip()
        assert git(folder, "rev-parse", f"sale/{control.id}^{{tree}}") == control.verified[0]
        # The same selection again needs no second verification; the branch is there already.
        await press(pilot, "b", "y")
        assert len(control.verified) == 1
        assert f"the branch sale/{control.id} holds the patch already" in said(pilot.app)

    review(tmp_path, script, (120, 30))


def test_a_part_that_fails_says_so_and_asks_whether_all_the_same(tmp_path: Path) -> None:
    async def script(pilot: P, control: Deciding, screen: ReviewScreen) -> None:
        await press(pilot, "space", "a")
        assert "Not solved" in question(pilot)
        assert "1/2" in question(pilot)
        assert pilot.app.focused is not None
        assert pilot.app.focused.id == "no"
        await press(pilot, "enter")
        assert shop(tmp_path, "calc.py") == OLD
        await press(pilot, "a", "y")
        assert shop(tmp_path, "calc.py") == OLD.replace("a // 2", "a / 2")

    review(tmp_path, script, (120, 30))


def test_a_selection_that_changes_meanwhile_voids_what_was_verified(tmp_path: Path) -> None:
    async def script(pilot: P, control: Deciding, screen: ReviewScreen) -> None:
        opened = threading.Event()

        def wait() -> None:
            opened.wait(20)

        control.gate = wait
        await pilot.press("right_square_bracket", "space", "a")
        for _ in range(200):
            await pilot.pause(0.01)
            if screen._accepting.busy == "verifying":
                break
        assert "verifying what is left: 2 of 3 hunks" in said(pilot.app)
        await pilot.press("a")
        assert any("Still verifying" in str(one.message) for one in pilot.app._notifications)
        await pilot.press("f")
        opened.set()
        await settled(pilot)
        assert "changed meanwhile" in said(pilot.app)
        assert shop(tmp_path, "calc.py") == OLD

    review(tmp_path, script)


def test_a_patch_that_is_not_solved_needs_a_yes_that_says_so(tmp_path: Path) -> None:
    async def script(pilot: P, control: Deciding, screen: ReviewScreen) -> None:
        assert "NOT solved by s" in str(screen.query_one("#verdict").render())
        await press(pilot, "a")
        assert "Not solved. Apply to your files all the same?" in question(pilot)
        await press(pilot, "escape")
        assert shop(tmp_path, "notes.txt") == "old\n"

    review(tmp_path, script, files={"notes.txt": b"new\n"})


def test_flagged_files_need_a_separate_yes(tmp_path: Path) -> None:
    flow = ".github/workflows/ci.yml"

    async def script(pilot: P, control: Deciding, screen: ReviewScreen) -> None:
        await press(pilot, "a", "y")
        assert "runs on the host, hidden" in question(pilot)
        assert "with your rights" in question(pilot)
        await press(pilot, "enter")  # "no" has the focus
        assert "not agreed to" in said(pilot.app)
        assert shop(tmp_path, "calc.py") == OLD
        await press(pilot, "a", "y", "y")
        assert shop(tmp_path, flow) == "on: pull_request\n"

    review(tmp_path, script, (120, 30), files={**PATCHED, flow: b"on: pull_request\n"})


def test_flagged_files_that_are_left_out_are_not_asked_about(tmp_path: Path) -> None:
    flow = ".github/workflows/ci.yml"

    async def script(pilot: P, control: Deciding, screen: ReviewScreen) -> None:
        await press(pilot, "f", "a", "y")
        assert not pilot.app.screen.is_modal
        assert (shop(tmp_path, flow), shop(tmp_path, "calc.py")) == (FILES[flow], NEW)

    review(tmp_path, script, (120, 30), files={**PATCHED, flow: b"on: pull_request\n"})


def test_files_that_changed_meanwhile_refuse_it_and_the_screen_goes_on(tmp_path: Path) -> None:
    async def script(pilot: P, control: Deciding, screen: ReviewScreen) -> None:
        (tmp_path / "shop" / "calc.py").write_text("mine\n")
        await press(pilot, "a", "y")
        assert "Not applied" in said(pilot.app)
        assert "changed since" in said(pilot.app)
        assert shop(tmp_path, "calc.py") == "mine\n"
        await press(pilot, "n", "space", "space")
        assert screen.choice.whole

    review(tmp_path, script, (120, 30))


def test_without_docker_a_part_may_go_in_unverified_after_a_question(tmp_path: Path) -> None:
    async def script(pilot: P, control: Deciding, screen: ReviewScreen) -> None:
        control.dead = True
        await press(pilot, "space", "a")
        assert "not verified: the container is gone (start Docker)" in question(pilot).replace("\n", " ")
        await press(pilot, "n")
        assert shop(tmp_path, "calc.py") == OLD
        control.dead = False
        await press(pilot, "a")
        assert len(control.verified) == 1

    review(tmp_path, script, (120, 30))


def test_a_patch_that_is_applied_already_is_said_to_be(tmp_path: Path) -> None:
    async def script(pilot: P, control: Deciding, screen: ReviewScreen) -> None:
        await press(pilot, "a", "y", "a", "y")
        assert "applied already: calc.py, notes.txt. b makes a branch of it" in said(pilot.app)
        await press(pilot, "b", "y")
        assert f"Applied onto branch sale/{control.id}" in said(pilot.app)

    review(tmp_path, script, (120, 30))


@pytest.mark.parametrize("answer", ["n", "enter", "y"])
def test_a_configured_target_is_asked_about_without_a_key_and_never_taken_for_a_yes(
    tmp_path: Path, answer: str
) -> None:
    async def script(pilot: P, control: Deciding, screen: ReviewScreen) -> None:
        asked = question(pilot)
        assert "Apply to a new branch?" in asked
        assert 'Your configuration asks for it: apply = "branch".' in asked
        await press(pilot, answer)
        assert not pilot.app.screen.is_modal
        applied = f"sale/{control.id}" in git(tmp_path / "shop", "branch", "--list")
        assert applied is (answer == "y")
        await pilot.resize_terminal(100, 30)
        await settled(pilot)
        assert not pilot.app.screen.is_modal
        assert shop(tmp_path, "calc.py") == OLD

    review(tmp_path, script, (120, 30), configured="branch")


def test_a_configured_target_waits_for_a_solved_patch(tmp_path: Path) -> None:
    async def script(pilot: P, control: Deciding, screen: ReviewScreen) -> None:
        assert not pilot.app.screen.is_modal

    review(tmp_path, script, configured="worktree", until=events.PatchMade)


def test_nothing_selected_and_runs_that_go_on_are_not_asked_about(tmp_path: Path) -> None:
    async def script(pilot: P, control: Deciding, screen: ReviewScreen) -> None:
        await press(pilot, "a")
        assert not pilot.app.screen.is_modal
        assert "fresh sandbox" in said(pilot.app)
        task = control.board.task
        assert task is not None and screen._shown is not None  # noqa: PT018  for the type checker
        verdict = control.verify(screen._shown)
        ended = events.RunEnded(task.id, True, "s", screen._shown, 1, 0.1, 0.1, 0.2)
        scene.more(control, screen, [events.VerdictReached(task.id, "s", verdict), ended])
        await press(pilot, "f", "n", "f", "a")
        assert not pilot.app.screen.is_modal
        assert any("Nothing is selected" in str(one.message) for one in pilot.app._notifications)

    review(tmp_path, script, until=events.PatchMade)


def test_of_a_recording_the_whole_patch_can_be_applied_and_nothing_else_decided(tmp_path: Path) -> None:
    async def script(pilot: P, control: Deciding, screen: ReviewScreen) -> None:
        control.live = False
        for key in ("c", "r"):
            await press(pilot, key)
            assert not pilot.app.screen.is_modal
        await press(pilot, "a", "y")
        assert shop(tmp_path, "calc.py") == NEW

    review(tmp_path, script, (120, 30))


@pytest.fixture
def docker(tmp_path: Path) -> Iterator[list[DockerWorkspace]]:
    opened: list[DockerWorkspace] = []
    yield opened
    for workspace in opened:
        workspace.close()


@pytest.mark.docker
def test_a_part_is_verified_in_a_real_sandbox(
    tmp_path: Path, docker: list[DockerWorkspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    tests = "from calc import add, half\n\n\ndef test_add():\n    assert add(1, 2) == 3\n"

    async def script(pilot: P, control: Deciding, screen: ReviewScreen) -> None:
        workspace = DockerWorkspace(control.snapshot, PYTEST, "test-review")
        docker.append(workspace)
        before = workspace.verify(change(control.snapshot, {"notes.txt": b"as before\n"}))

        def verify(self: Deciding, patch: Patch) -> Verdict:
            return reached(before, workspace.verify(patch))

        monkeypatch.setattr(Deciding, "verify", verify)
        await pilot.press("right_square_bracket", "space", "a")
        for _ in range(1200):
            await pilot.pause(0.05)
            if isinstance(pilot.app.screen, Confirm):
                break
        await settled(pilot)
        assert "1/1 with exactly this" in question(pilot)
        await press(pilot, "y")
        assert shop(tmp_path, "calc.py") == HALF

    review(tmp_path, script, (120, 30), before={**FILES, "test_calc.py": tests})
