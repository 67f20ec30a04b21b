"""What breaks while a run goes on: a model's process, the container, the user's patience.

A process is held still with SIGSTOP until its next job has reached it, so that a test strikes in the phase
that it means to strike in, however fast the machine is.
"""

from __future__ import annotations

import array
import fcntl
import json
import os
import signal
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.scene import Scene
from tests.e2e.world import below, contents, model_process, owned_containers, processes
from tests.models import chain_model, random_model
from tests.waiting import eventually

pytestmark = [pytest.mark.docker, pytest.mark.slow]

AGENTS = ["xs", "s", "m", "l"]
Record = dict[str, Any]


@pytest.fixture
def scene(tmp_path: Path, private_home: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path, private_home)
    yield scene
    # A test that failed half-way may have left a run waiting for a process that it held still.
    for pid in below(private_home):
        os.kill(pid, signal.SIGKILL)


class Play:
    """A run under way whose events are read one by one, and what is done to its parts meanwhile."""

    def __init__(self, scene: Scene, *options: str | Path) -> None:
        self.scene = scene
        self.before = contents(scene.shop)
        self.process = scene.start("solve", "issue.md", "--json", *options)
        self.pid = self.process.pid
        self.seen: list[Record] = []
        self.frozen: dict[str, int] = {}
        self.story = ""

    def to_end(self, act: Callable[[Record], None] = lambda _: None) -> None:
        """Read all events, doing `act` at each, and wait for the end; nothing may be left then."""
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        for line in self.process.stdout:
            record = json.loads(line)
            self.seen.append(record)
            act(record)
        self.story = self.process.stderr.read()
        self.process.wait(60)
        self.process.stdout.close()
        self.process.stderr.close()
        assert "Traceback" not in self.story
        assert contents(self.scene.shop) == self.before
        eventually(lambda: not self.scene.left() and not owned_containers(self.pid))

    def of(self, kind: str) -> list[Record]:
        """The events of one kind so far."""
        return [record for record in self.seen if record["event"] == kind]

    def freeze(self, agent: str) -> None:
        """Hold an agent's process still."""
        self.frozen[agent] = model_process(self.pid, f"practice-{agent}.gguf")
        os.kill(self.frozen[agent], signal.SIGSTOP)
        # A thread that has not noticed yet might still take its next job.
        eventually(lambda: states(self.frozen[agent]) == {"T"})

    def asked(self, agent: str) -> int:
        """Wait until a frozen agent's next job waits in its pipe; its process id."""
        pid = self.frozen.pop(agent)
        eventually(lambda: unread(pid) > 0)
        return pid


def states(pid: int) -> set[str]:
    """The states of a process's threads: "T" is held still."""
    threads = Path(f"/proc/{pid}/task").glob("*/stat")
    return {thread.read_text().rpartition(")")[2].split()[0] for thread in threads}


def unread(pid: int) -> int:
    """Bytes that wait in the pipes that a process reads from."""
    waiting = 0
    for link in Path(f"/proc/{pid}/fd").iterdir():
        flags = Path(f"/proc/{pid}/fdinfo/{link.name}").read_text().split()[3]
        if str(link.readlink()).startswith("pipe:") and int(flags, 8) & os.O_ACCMODE == os.O_RDONLY:
            with link.open("rb") as pipe:
                count = array.array("i", [0])
                fcntl.ioctl(pipe, termios.FIONREAD, count)
                waiting += count[0]
    return waiting


def test_killed_while_it_marks(scene: Scene) -> None:
    play = Play(scene, "--attempts", "1")

    def act(record: Record) -> None:
        if record["event"] == "BidMade" and record["bid"]["agent"] == "m":
            play.freeze("m")
        if record["event"] == "Marked" and len(play.of("Marked")) == 4:  # l is the first judge, m the next
            os.kill(play.asked("m"), signal.SIGKILL)

    play.to_end(act)
    assert play.process.returncode in (0, 1), play.story
    replaced = play.of("MarkReplaced")
    assert [(one["mark"]["judge"], one["mark"]["agent"]) for one in replaced] == [
        ("m", one) for one in AGENTS
    ]
    assert "SIGKILL" in replaced[0]["reason"]
    assert play.of("RunEnded")


def test_killed_while_it_works(scene: Scene) -> None:
    play = Play(scene, "--attempts", "2")

    def act(record: Record) -> None:
        if record["event"] == "WinnerChosen":
            play.freeze(record["agent"])
        if record["event"] == "WorkStarted" and play.frozen:
            os.kill(play.asked(record["agent"]), signal.SIGKILL)

    play.to_end(act)
    assert play.process.returncode in (0, 1), play.story
    first, second = play.of("WorkEnded")
    assert (first["end"], first["agent"] != second["agent"]) == ("model died", True)
    assert second["end"] != "model died"
    assert "model died" in play.story


def test_all_killed_while_they_load_to_bid(scene: Scene) -> None:
    play = Play(scene)

    def act(record: Record) -> None:
        if record["event"] == "ModelLoading":
            file = f"practice-{record['agent']}.gguf".encode()
            eventually(lambda: any(file in command(pid) for pid in processes(play.pid)))
            os.kill(model_process(play.pid, file.decode()), signal.SIGKILL)

    play.to_end(act)
    assert play.process.returncode == 3, play.story
    assert [record["agent"] for record in play.of("AgentOut")] == AGENTS
    failed = play.of("RunFailed")[0]
    assert failed["reason"] == "nobody bid: every agent is out"
    assert "memory ran out" in failed["hint"]
    assert play.of("RunEnded")[0]["solved"] is False


def command(pid: int) -> bytes:
    """A process's command line, empty where it has gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_all_killed_while_they_mark(scene: Scene) -> None:
    # The last bidder is the first judge: there is no moment between the two to hold it still. So l's model
    # is one that llama.cpp does not know, and is out from the start.
    strange = random_model(scene.folder / "strange.gguf", architecture="strange")
    play = Play(scene, "--pool", scene.pool(l=strange))

    def act(record: Record) -> None:
        if record["event"] == "BidMade":
            play.freeze(record["bid"]["agent"])
        if record["event"] == "AgentOut":
            for judge in ("m", "s", "xs"):
                os.kill(play.asked(judge), signal.SIGKILL)

    play.to_end(act)
    assert play.process.returncode == 3, play.story
    assert [record["agent"] for record in play.of("AgentOut")] == ["l"]
    assert "unknown model architecture" in play.of("AgentOut")[0]["reason"]
    assert "nobody marked: every judge is out" in play.of("RunFailed")[0]["reason"]


def test_all_killed_while_they_work(scene: Scene) -> None:
    play = Play(scene, "--attempts", "4")

    def act(record: Record) -> None:
        if record["event"] == "WinnerChosen":
            for agent in AGENTS:
                play.freeze(agent)
        if record["event"] == "WorkStarted":
            os.kill(play.asked(record["agent"]), signal.SIGKILL)

    play.to_end(act)
    assert play.process.returncode == 3, play.story
    assert [record["end"] for record in play.of("WorkEnded")] == ["model died"] * 4
    assert play.of("RunFailed")[0]["reason"].startswith("nobody could work: ")


def test_the_task_is_too_long_for_every_context(scene: Scene) -> None:
    rules = "".join(f"Please keep in mind that rule {number} of the house holds.\n" for number in range(60))
    (scene.shop / "issue.md").write_text(rules)
    play = Play(scene, "--pool", scene.pool(context="256"))
    play.to_end()
    assert play.process.returncode == 3, play.story
    out = play.of("AgentOut")
    assert [record["agent"] for record in out] == AGENTS
    assert all("tokens, the context of" in record["reason"] for record in out)
    assert "shorten the task" in play.story.splitlines()[-2]


def test_plans_that_are_empty(scene: Scene) -> None:
    mute = chain_model(scene.folder / "mute.gguf", {"\n": "<|im_end|>", "\n\n": "<|im_end|>"})
    play = Play(scene, "--pool", scene.pool(xs=mute, s=mute, m=mute, l=mute))
    play.to_end()
    assert play.process.returncode == 3, play.story
    assert [record["reason"] for record in play.of("AgentOut")] == ["its plan is empty"] * 4
    assert "nobody bid" in play.story


def test_the_container_is_removed_while_work_goes_on(scene: Scene) -> None:
    play = Play(scene)

    def act(record: Record) -> None:
        if record["event"] == "WinnerChosen":
            play.freeze(record["agent"])
        if record["event"] == "WorkStarted":
            pid = play.asked(record["agent"])
            subprocess.run(
                ["docker", "rm", "--force", *owned_containers(play.pid)], check=True, capture_output=True
            )
            os.kill(pid, signal.SIGCONT)

    play.to_end(act)
    assert play.process.returncode == 3, play.story
    assert [record["end"] for record in play.of("WorkEnded")] == ["sandbox died"]
    assert "the sandbox went away while" in play.story
    assert play.story.count("\nsale: ") == 1


def test_the_container_is_removed_while_the_first_tests_run(scene: Scene) -> None:
    process = scene.start("solve", "issue.md", "--test-cmd", "sleep 600")
    eventually(lambda: bool(owned_containers(process.pid)))
    # The files are in, and the tests run: the only thing that sleeps there.
    (name,) = owned_containers(process.pid)
    eventually(lambda: "sleep 600" in sleeping(name))
    subprocess.run(["docker", "rm", "--force", name], check=True, capture_output=True)
    stdout, story = process.communicate(timeout=60)
    assert process.returncode == 3, story
    assert (stdout, len(story.splitlines())) == ("", 2)
    assert "container has gone" in story
    assert (scene.left(), scene.runs()) == ([], [])


def sleeping(name: str) -> str:
    """What runs in a container, empty where that cannot be seen."""
    return subprocess.run(["docker", "top", name], capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("pauses", [(), (0.0,), (0.02,), (0.02, 0.02)])
def test_ctrl_c_before_the_run_begins(scene: Scene, pauses: tuple[float, ...]) -> None:
    before = contents(scene.shop)
    process = scene.start("solve", "issue.md", "--test-cmd", "sleep 600")
    eventually(lambda: bool(owned_containers(process.pid)))
    eventually(lambda: "sleep 600" in sleeping(owned_containers(process.pid)[0]))
    process.send_signal(signal.SIGINT)
    for pause in pauses:  # the one before may not have been taken yet, or be at its tidying up
        time.sleep(pause)
        process.send_signal(signal.SIGINT)
    _, story = process.communicate(timeout=30)
    # Ended by the signal itself where one came when all was done; a shell says 130 of both.
    assert process.returncode in ({130} if not pauses else {130, -signal.SIGINT}), story
    assert "Traceback" not in story
    eventually(lambda: not owned_containers(process.pid))
    if len(pauses) < 2:  # a third leaves the copy of the files to the next run
        eventually(lambda: not scene.left())
    assert contents(scene.shop) == before
    if not pauses:
        assert story == "sale: interrupted\n"
        assert scene.runs() == []


@pytest.mark.parametrize("phase", ["bids", "marks", "work", "verdict"])
def test_ctrl_c(scene: Scene, phase: str) -> None:
    play = Play(scene, "--attempts", "1")

    def act(record: Record) -> None:
        kind = record["event"]
        if (phase, kind) == ("marks", "BidMade") and record["bid"]["agent"] == "m":
            play.freeze("m")
        if (phase, kind) == ("marks", "Marked") and len(play.of("Marked")) == 4:  # l's: m is the next judge
            play.asked("m")
            play.process.send_signal(signal.SIGINT)
        if (phase, kind) == ("work", "WinnerChosen"):
            play.freeze(record["agent"])
        if (phase, kind) == ("work", "WorkStarted"):
            play.asked(record["agent"])
            play.process.send_signal(signal.SIGINT)
        if (phase, kind) in (("bids", "BidStarted"), ("verdict", "WorkEnded")) and len(play.of(kind)) == 1:
            play.process.send_signal(signal.SIGINT)

    play.to_end(act)
    assert play.process.returncode == 130, play.story
    assert play.story.endswith("sale: interrupted\n")
    (run,) = scene.runs()
    assert f"sale show {run.name}" in play.story
    shown = scene.run("show", run.name)
    assert shown.code == 0
    assert "this run was cut short" in shown.stdout + shown.stderr


def test_a_module_that_the_task_asks_for_may_be_missing(scene: Scene) -> None:
    issue = "# Write totals.py\nIts function `total` returns the sum of a list.\n"
    tests = "from totals import total\n\n\ndef test_total():\n    assert total([1, 2]) == 3\n"
    scene.shop = scene.repository("totals", {"issue.md": issue, "test_totals.py": tests})
    play = Play(scene)

    def act(record: Record) -> None:
        if record["event"] == "BidStarted" and len(play.of("BidStarted")) == 1:
            play.process.send_signal(signal.SIGINT)

    play.to_end(act)
    (before,) = play.of("TestsBefore")
    assert "No module named 'totals'" in before["tests"]["cases"][0]["message"]
    assert play.process.returncode == 130, play.story
