"""`sale solve` from end to end: practice models through llama.cpp, a real container, real tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from salecli.core import events
from salecli.core.board import Board
from salecli.practice.tasks.curriculum import practice as task_of
from tests.e2e.world import (
    alive,
    below,
    containers,
    contents,
    model_process,
    practice,
    processes,
    records,
    sale,
    started,
)
from tests.solved import EASY, EVENTFUL

PATH = task_of(*EASY).path

pytestmark = [pytest.mark.docker, pytest.mark.slow]


@pytest.fixture(autouse=True)
def nothing_left(private_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a test did: afterwards no process, no temporary file and no container of its runs is left."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    yield
    assert below(private_home) == []
    assert list(temporary.iterdir()) == []
    runs = private_home / ".local/share/sale/runs"
    assert [name for run in runs.iterdir() for name in containers(run.name)] == []
    assert [path for path in runs.rglob("*") if path.suffix == ".tar"] == []


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return practice(tmp_path / "shop", *EASY)


def test_a_patch_on_stdout_that_passes_the_tests(shop: Path) -> None:
    before = contents(shop)
    done = sale("solve", "issue.md", cwd=shop)
    assert done.returncode == 0, done.stderr
    assert contents(shop) == before
    assert "verdict solved" in done.stderr
    assert "mark xs" in done.stderr
    subprocess.run(["git", "apply"], input=done.stdout, text=True, cwd=shop, check=True)
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=shop, check=False
    )
    assert tests.returncode == 0


def test_events_alone_rebuild_the_bid_table(shop: Path) -> None:
    done = sale("solve", "issue.md", "--json", cwd=shop)
    assert done.returncode == 0, done.stderr
    tool = subprocess.run(
        [sys.executable, "-m", "json.tool", "--json-lines"],
        input=done.stdout,
        capture_output=True,
        text=True,
        check=False,
    )
    assert tool.returncode == 0, tool.stderr
    board = Board()
    seen = [events.from_dict(record) for record in records(done.stdout)]
    for event in seen:
        board.apply(event)
    assert [agent for agent, refined in board.bids if not refined] == board.agents == ["xs", "s", "m", "l"]
    assert sum(not refined for _, _, refined in board.marks) == 16
    for key, score in board.scores.items():
        marks = [mark for (_, agent, refined), mark in board.marks.items() if (agent, refined) == key]
        jury = sum(board.weights.judges[mark.judge] * mark.value / 5 for mark in marks)
        assert score.jury == pytest.approx(jury)
    assert board.winner == min(board.scores, key=lambda key: board.scores[key].total)
    shown = sale("show", board.run, "--json", cwd=shop)
    assert [events.from_dict(record) for record in records(shown.stdout)] == seen


def test_apply_show_and_memory_after_a_run(shop: Path) -> None:
    done = sale("solve", "issue.md", "--patch", "../a.patch", "--apply", "branch", cwd=shop)
    assert done.returncode == 0, done.stderr
    assert (shop.parent / "a.patch").read_text() == done.stdout
    branches = subprocess.run(["git", "branch"], cwd=shop, capture_output=True, text=True, check=True).stdout
    run = branches.split("sale/")[1].split()[0]
    shown = sale("show", run, "--plans", cwd=shop)
    assert "plan of xs:" in shown.stdout
    assert done.stdout in shown.stdout
    assert sale("show", run, "--patch", cwd=shop).stdout == done.stdout
    applied = sale("apply", run, cwd=shop)
    assert applied.returncode == 0, applied.stderr
    changed = subprocess.run(["git", "diff"], cwd=shop, capture_output=True, text=True, check=True).stdout
    assert changed
    again = sale("apply", run, cwd=shop)
    assert (again.returncode, "applied already" in again.stderr) == (0, True)
    undone = sale("apply", "--undo", run, cwd=shop)
    assert (undone.returncode, undone.stderr) == (0, f"taken back from {PATH}\n")
    stats = json.loads(sale("memory", "stats", "--json", cwd=shop).stdout)
    assert stats["auctions"] == 1
    assert sum(agent["wins"] for agent in stats["agents"]) == 1


def test_the_user_names_the_winner(shop: Path) -> None:
    done = sale(
        "solve", "issue.md", "--agent", "l", "--reason", "be sure", "--attempts", "1", "--json", cwd=shop
    )
    assert done.returncode in (0, 1), done.stderr
    chosen = next(record for record in records(done.stdout) if record["event"] == "WinnerChosen")
    assert chosen["agent"] == "l"
    works = [record["agent"] for record in records(done.stdout) if record["event"] == "WorkStarted"]
    assert works == ["l"]


@pytest.mark.parametrize("when", ["PlanToken", "Marked", "WorkToken", "StepTaken", "PatchMade"])
def test_kill_9_harms_nothing_and_leaves_nothing(shop: Path, when: str) -> None:
    before = contents(shop)
    process = started("solve", "issue.md", "--json", cwd=shop)
    assert process.stdout is not None
    run = ""
    for line in process.stdout:
        record = json.loads(line)
        run = record.get("run", run)
        if record["event"] == when:
            break
    children = processes(process.pid)
    assert children
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and (containers(run) or any(map(alive, children))):
        time.sleep(0.1)
    assert containers(run) == []
    assert not any(map(alive, children))
    assert contents(shop) == before
    assert sale("solve", "issue.md", cwd=shop).returncode == 0


@pytest.mark.parametrize("when", ["BidStarted", "Marked", "StepTaken"])
def test_ctrl_c_ends_in_order(shop: Path, when: str) -> None:
    before = contents(shop)
    process = started("solve", "issue.md", "--json", cwd=shop)
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == when:
            break
    children = processes(process.pid)
    process.send_signal(signal.SIGINT)
    _, story = process.communicate(timeout=30)
    assert process.returncode == 130, story
    assert "Traceback" not in story
    assert not any(map(alive, children))
    assert contents(shop) == before


def test_two_at_once_on_one_memory(shop: Path) -> None:
    both = [started("solve", "issue.md", "--seed", str(seed), cwd=shop) for seed in (0, 0)]
    ends = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    assert json.loads(sale("memory", "stats", "--json", cwd=shop).stdout)["auctions"] == 2


@pytest.mark.timeout(1200)
def test_twenty_tasks_on_one_memory(tmp_path: Path) -> None:
    refined = 0
    for level, seed in EVENTFUL:
        shop = practice(tmp_path / f"shop{seed}", level, seed)
        done = sale("solve", "issue.md", "--json", cwd=shop)
        assert done.returncode in (0, 1), done.stderr
        refined += any(
            record["event"] == "BidMade" and record["bid"]["refined"] for record in records(done.stdout)
        )
    assert refined > 0
    stats = json.loads(sale("memory", "stats", "--json", cwd=tmp_path).stdout)
    assert stats["auctions"] == len(EVENTFUL) == 20
    assert sum(agent["wins"] for agent in stats["agents"]) == len(EVENTFUL) == 20


def test_a_dead_model_is_out_and_the_auction_goes_on(shop: Path) -> None:
    process = started("solve", "issue.md", "--json", cwd=shop)
    assert process.stdout is not None
    killed, seen = False, []
    for line in process.stdout:
        record = json.loads(line)
        seen.append(record)
        if record["event"] == "PlanToken" and record["agent"] == "m" and not killed:
            killed = True
            os.kill(model_process(process.pid, "practice-m.gguf"), signal.SIGKILL)
    process.communicate(timeout=60)
    out = [record for record in seen if record["event"] == "AgentOut"]
    assert [record["agent"] for record in out] == ["m"]
    assert process.returncode in (0, 1)
