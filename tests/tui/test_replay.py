"""A recorded run: its speed, its pauses, its end, and what a recording refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from salecli.core import events
from salecli.core.values import Change, Patch
from salecli.errors import PatchRefused, UsageError
from salecli.tui.replay import AT_ONCE, LONGEST_GAP, Replay
from tests.tui import scene


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def played(seen: list[events.Event], folder: Path, gap: float, speed: float = 1.0) -> tuple[Replay, Clock]:
    clock = Clock()
    return Replay(scene.record(seen, folder, gap), speed, clock), clock


def test_at_its_own_speed_by_the_stamps(seen: list[events.Event], tmp_path: Path) -> None:
    shown, clock = played(seen, tmp_path, gap=1.0)
    assert len(list(shown.due())) == 1
    assert list(shown.due()) == []
    clock.now += 3.0
    assert list(shown.due()) == seen[1:4]
    assert shown.at == pytest.approx(3.0)
    assert not shown.ended


@pytest.mark.parametrize(("speed", "count"), [(4.0, 5), (16.0, 17)])
def test_faster(seen: list[events.Event], tmp_path: Path, speed: float, count: int) -> None:
    shown, clock = played(seen, tmp_path, gap=1.0, speed=speed)
    first = list(shown.due())
    clock.now += 1.0
    assert len(first) + len(list(shown.due())) == count


def test_long_silences_are_shortened(seen: list[events.Event], tmp_path: Path) -> None:
    shown, clock = played(seen, tmp_path, gap=600.0)
    list(shown.due())
    clock.now += LONGEST_GAP
    assert len(list(shown.due())) == 1
    assert shown.at == pytest.approx(600.0)


def test_all_at_once(seen: list[events.Event], tmp_path: Path) -> None:
    shown, _ = played(seen, tmp_path, gap=600.0, speed=AT_ONCE)
    assert list(shown.due()) == seen
    assert shown.ended
    assert shown.asleep


def test_it_stands_still_and_goes_on(seen: list[events.Event], tmp_path: Path) -> None:
    shown, clock = played(seen, tmp_path, gap=1.0)
    woken: list[bool] = []
    shown.woken = lambda: woken.append(True)
    list(shown.due())
    shown.toggle()
    assert shown.asleep
    clock.now += 50.0
    assert list(shown.due()) == []
    shown.toggle()
    assert len(woken) == 2
    assert list(shown.due()) == []
    clock.now += 1.0
    assert len(list(shown.due())) == 1


def test_the_keys_go_through_the_speeds(seen: list[events.Event], tmp_path: Path) -> None:
    shown, _ = played(seen, tmp_path, gap=1.0)
    found = []
    for steps in (1, 1, 1, 1, -1, -1, -1, -1):
        shown.change(steps > 0)
        found.append(shown.speed)
    assert found == [4.0, 16.0, AT_ONCE, AT_ONCE, 16.0, 4.0, 1.0, 1.0]
    odd = Replay(scene.record(seen, tmp_path), speed=7.0)
    odd.change(True)
    assert odd.speed == 16.0


def test_a_run_that_was_cut_short_says_so(seen: list[events.Event], tmp_path: Path) -> None:
    shown, _ = played(seen[:20], tmp_path, gap=1.0, speed=AT_ONCE)
    last = list(shown.due())[-1]
    assert isinstance(last, events.RunFailed)
    assert "cut short" in last.reason
    assert shown.ended


def test_a_journal_that_a_killed_process_left(seen: list[events.Event], tmp_path: Path) -> None:
    run = scene.record(seen, tmp_path)
    journal = run.folder / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-40])
    shown = Replay(run, AT_ONCE)
    assert [type(event).__name__ for event in shown.due()][-2:] == ["Remembered", "RunFailed"]


def test_a_recording_verifies_and_revises_nothing(seen: list[events.Event], tmp_path: Path) -> None:
    shown, _ = played(seen, tmp_path, gap=1.0)
    patch = Patch("b", "t", "diff", ())
    for refused in (
        lambda: shown.part(patch, {"add.py": [0]}),
        lambda: shown.verify(patch),
        lambda: shown.revise("again"),
    ):
        with pytest.raises(UsageError) as caught:
            refused()
        assert shown.id in caught.value.message
        assert "sale" in caught.value.hint


def made_patch(folder: Path) -> Patch:
    """A real patch of add.py."""
    found = scene.repository(folder)
    (folder / "add.py").write_text("good\n")
    diff = found.git.text("diff", "--full-index") + "\n"
    (folder / "add.py").write_text("stub")
    base = found.git.text("rev-parse", "HEAD^{tree}")
    return Patch(base, "", diff, (Change("add.py", "modified", 1, 1),))


def test_its_patch_can_be_applied_to_the_files(seen: list[events.Event], tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    patch = made_patch(folder)
    run = scene.record(seen)
    run.note(repository=str(folder), title="Add")
    done = Replay(run).apply(patch, "worktree")
    assert (folder / "add.py").read_text() == "good\n"
    assert done.undo == f"sale apply --undo {run.id}"


def test_what_runs_on_the_host_needs_a_yes_of_its_own(seen: list[events.Event], tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    patch = made_patch(folder)
    run = scene.record(seen)
    run.note(repository=str(folder), title="Add")
    changes = (replace(patch.changes[0], flags=("runs on the host",)),)
    with pytest.raises(PatchRefused, match=r"add\.py"):
        Replay(run).apply(replace(patch, changes=changes), "branch")
    done = Replay(run).apply(replace(patch, changes=changes), "branch", flagged=True)
    assert done.branch == f"sale/{run.id}"
    assert (folder / "add.py").read_text() == "stub"


def test_a_replay_that_stands_still_says_its_speed(seen: list[events.Event], tmp_path: Path) -> None:
    shown, _ = played(seen, tmp_path, gap=1.0)
    shown.toggle()
    said = [shown.state]
    for _ in range(3):
        shown.change(faster=True)
        said.append(shown.state)
    assert said == [f"replay {speed}, stands still" for speed in ("1x", "4x", "16x", "at once")]
