"""A live run: its own thread, its journal, its ends, and nothing of it left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from salecli.adapters.journal import find_run, runs_folder
from salecli.core import events
from salecli.core.decisions import Decisions
from salecli.core.values import Patch
from salecli.errors import EnvironmentFault, SandboxError, UsageError
from salecli.tui.bridge import Bridge
from salecli.tui.live import BUG, LiveRun
from tests.core.world import GOOD
from tests.solved import SHORT
from tests.tui import scene

PATIENCE = 20.0


def until(met: Callable[[], bool], run: LiveRun, patience: float = PATIENCE) -> None:
    """Drain as the app does until something is so."""
    bridge, end = Bridge(run), time.monotonic() + patience
    while not met():
        assert time.monotonic() < end, [type(one).__name__ for one in run.history]
        bridge.drain((), None)
        time.sleep(0.005)


def seen_by(run: LiveRun, kind: type[events.Event]) -> list[events.Event]:
    return [one for one in run.history if isinstance(one, kind)]


def play(run: LiveRun) -> None:
    """Start, and say "go" where it is waited for."""
    run.start()
    until(lambda: bool(run.board.paused_at) or run.ended, run)
    run.decisions.resume()
    until(lambda: run.ended, run)


def test_a_run_waits_for_go_with_the_winner_chosen_and_ends_solved(tmp_path: Path) -> None:
    made: list[scene.Opened] = []
    run = LiveRun("# Add\nWrite add", "issue.md", scene.opens(tmp_path / "shop", made))
    run.start()
    until(lambda: run.board.paused_at == "winner", run)
    assert (run.board.leader, run.asleep) == (("s", False), True)
    assert (run.ended, run.state) == (False, "paused")
    run.decisions.resume()
    until(lambda: run.ended, run)
    assert run.solved
    assert [one.open for one in made] == [True]
    run.close()
    assert not made[0].open
    assert not run.stopped
    found = find_run(run.id)
    assert [event for event in found.read() if not _token(event)] == [
        event for event in run.history if isinstance(event, events.Event)
    ]
    assert found.about["issue"] == "issue.md"
    assert found.about["repository"] == str(tmp_path / "shop")


def _token(event: events.Event) -> bool:
    return isinstance(event, events.PlanToken | events.WorkToken)


def test_a_comment_lets_the_agent_go_on(tmp_path: Path) -> None:
    run = LiveRun("Add", "typed", scene.opens(tmp_path / "shop", replies=(GOOD, "```done\n```", GOOD)))
    play(run)
    run.revise("shorter, please")
    until(lambda: len(seen_by(run, events.WorkStarted)) == 2, run)
    until(lambda: run.ended, run)
    assert len(seen_by(run, events.RunEnded)) == 2
    run.close()
    assert sum(isinstance(event, events.RunEnded) for event in find_run(run.id).read()) == 2


def test_the_patch_of_an_ended_run_can_be_verified_until_it_is_closed(tmp_path: Path) -> None:
    run = LiveRun("Add", "typed", scene.opens(tmp_path / "shop"))
    play(run)
    assert run.verify(Patch("base", "", "good", ())).solved
    assert not run.verify(Patch("base", "", "bad", ())).solved
    run.close()
    with pytest.raises(UsageError, match="is over"):
        run.verify(Patch("base", "", "good", ()))
    with pytest.raises(UsageError, match="is over"):
        run.revise("more")


@pytest.mark.parametrize("paused", [True, False])
def test_stop_ends_a_run_that_waits_and_one_whose_model_hangs(tmp_path: Path, paused: bool) -> None:
    made: list[scene.Opened] = []
    plans = {} if paused else {"m": "HANG"}
    run = LiveRun("Add", "typed", scene.opens(tmp_path / "shop", made, plans=plans))
    run.start()
    if paused:
        until(lambda: run.board.paused_at == "winner", run)
    else:
        until(lambda: bool(made) and made[0].house.pool.agent("m").model.hangs.is_set(), run)  # type: ignore[attr-defined]
    run.stop()
    run.stop()
    until(lambda: run.ended, run)
    last = run.history[-1]
    assert isinstance(last, events.RunFailed)
    assert last.reason == "you stopped the run"
    assert f"sale show {run.id}" in last.hint
    run.close()
    assert run.stopped
    assert not made[0].open
    assert run.solved is None


def test_close_alone_leaves_no_thread(tmp_path: Path) -> None:
    run = LiveRun("Add", "typed", scene.opens(tmp_path / "shop", plans={"xs": "HANG"}))
    run.start()
    until(lambda: bool(run.history), run)
    run.close()
    assert not [
        one.name for one in threading.enumerate() if run.id in one.name and one.name.startswith("run")
    ]
    run.close()


def test_a_run_that_never_began_can_be_closed(tmp_path: Path) -> None:
    LiveRun("Add", "typed", scene.opens(tmp_path / "shop")).close()


def test_a_broken_setup_is_said_on_the_screen_and_leaves_no_folder() -> None:
    def opens(run: object, decisions: Decisions) -> Any:
        raise SandboxError("no Docker engine answers", "sudo systemctl start docker")

    run = LiveRun("Add", "typed", opens)
    run.start()
    until(lambda: run.ended, run)
    assert run.history == [events.RunFailed("", "no Docker engine answers", "sudo systemctl start docker")]
    assert run.failed
    run.close()
    assert list(runs_folder().iterdir()) == []


def test_a_bug_is_one_line_and_a_file(tmp_path: Path) -> None:
    def opens(run: object, decisions: Decisions) -> Any:
        raise KeyError("nobody thought of it")

    run = LiveRun("Add", "typed", opens)
    run.start()
    until(lambda: run.ended, run)
    failed = run.history[-1]
    assert isinstance(failed, events.RunFailed)
    assert "KeyError" in failed.reason
    assert len(failed.reason.splitlines()) == 1
    assert str(run.run.folder / BUG) in failed.hint
    assert "Traceback" in (run.run.folder / BUG).read_text()
    assert run.bug
    run.close()


def test_a_full_disk_ends_the_run_with_a_line(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    run = LiveRun("Add", "typed", scene.opens(tmp_path / "shop"))
    (run.run.folder / "journal.jsonl").symlink_to("/dev/full")
    run.start()
    until(lambda: run.ended, run)
    failed = run.history[-1]
    assert isinstance(failed, events.RunFailed)
    assert "cannot be written down" in failed.reason
    assert "No space left" in failed.reason
    run.close()
    assert not run.bug


def test_where_no_run_folder_can_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    with pytest.raises(EnvironmentFault, match="no run folder"):
        LiveRun("Add", "typed", scene.opens(tmp_path / "shop"))


def test_two_runs_in_one_repository_at_the_same_time(tmp_path: Path) -> None:
    opens = scene.opens(tmp_path / "shop")
    runs = [LiveRun("Add", "typed", opens) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        until(lambda run=run: run.board.paused_at == "winner", run)  # type: ignore[misc]
        run.decisions.resume()
    for run in runs:
        until(lambda run=run: run.ended, run)  # type: ignore[misc]
        run.close()
    assert all(run.solved for run in runs)
    assert len({run.id for run in runs}) == 2
    assert len(list(runs_folder().iterdir())) == 2


@pytest.mark.slow
@pytest.mark.docker
def test_a_real_run_is_stopped_in_its_work_and_leaves_nothing(tmp_path: Path) -> None:
    """Real models, a real container: what they left would show by the run's id and among our children."""
    import docker

    from salecli.cli import main
    from salecli.tui.wiring import wiring

    shop = tmp_path / "shop"
    level, seed = map(str, SHORT)
    assert main(["practice", "new", str(shop), "--level", level, "--seed", seed]) == 0
    run = wiring(shop, {}).starts((shop / "issue.md").read_text(), "issue.md")
    assert isinstance(run, LiveRun)
    run.start()
    until(lambda: bool(run.board.paused_at) or run.ended, run, 120.0)
    assert run.board.paused_at == "winner", run.history[-1]
    run.decisions.resume()
    until(lambda: bool(seen_by(run, events.WorkStarted)), run)
    run.close()
    assert run.stopped
    until(lambda: run.ended, run)
    with closing(docker.from_env()) as client:
        left = [one.name for one in client.containers.list(all=True) if run.id in str(one.labels)]
    assert left == []
    children = Path(f"/proc/self/task/{threading.main_thread().native_id}/children").read_text().split()
    names = [Path(f"/proc/{child}/cmdline").read_text() for child in children]
    assert [name for name in names if "spawn_main" in name] == []
