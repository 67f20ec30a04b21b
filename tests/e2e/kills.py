"""Random kills over a batch of practice tasks that goes on after each: `python -m tests.e2e.kills`.

The tool is interrupted or killed, its container removed, a model's process killed, and with --daemon COMMAND
the engine restarted. After each sitting nothing may be left running; at the end every task is accounted for
exactly once, every line that was told is in the journal and in memory, every repository what it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shlex
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from salecli.practice import repository
from salecli.practice.tasks.curriculum import practice
from tests.e2e.world import SALE, below, owned_containers, processes

KINDS = ("interrupt", "kill", "container", "model")
ENDING = ("interrupt", "kill")
LONGEST = 8.0
"""Seconds of quiet before a kill, at most."""
_GONE = 20.0
"""Seconds within which everything of a dead process has to be gone."""


class Harmed(AssertionError):
    """A promise was broken."""


def claim(holds: bool, what: object) -> None:
    """Raise where a promise does not hold."""
    if not holds:
        raise Harmed(str(what))


@dataclass
class Sitting:
    """One call of `sale batch`, its lines read as they come."""

    process: subprocess.Popen[str]
    lines: list[dict[str, Any]] = field(default_factory=list)
    story: list[str] = field(default_factory=list)
    spoke: threading.Event = field(default_factory=threading.Event)
    readers: list[threading.Thread] = field(default_factory=list)

    def __post_init__(self) -> None:
        for read in (self._results, self._story):
            self.readers.append(threading.Thread(target=read, daemon=True))
            self.readers[-1].start()

    def _results(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.endswith("\n"):
                self.lines.append(json.loads(line))
                self.spoke.set()
        self.spoke.set()

    def _story(self) -> None:
        assert self.process.stderr is not None
        self.story += self.process.stderr.read().splitlines()

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def rest(self, seconds: float) -> None:
        """Let it go on for a while, or to its end."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)


class Kills:
    """A folder of practice tasks, and what is done to the batches over it."""

    def __init__(
        self, place: Path, tasks: int, seed: int, daemon: str = "", longest: float = LONGEST
    ) -> None:
        self.home, self.folder = place / "home", place / "tasks"
        self.home.mkdir()
        for number in range(1, tasks + 1):
            repository.write(practice(1 + number % 3, number), self.folder / f"task-{number}")
        self.names = sorted(path.name for path in self.folder.iterdir())
        self.rng = random.Random(seed)
        self.daemon, self.longest = daemon, longest
        self.kinds = (*KINDS, "daemon") if daemon else KINDS
        self.before = self.digest()
        self.done: Counter[str] = Counter()
        self.told: dict[str, str] = {}
        """Every run that a line told of as passed or failed, with its task."""
        self.batches: list[dict[str, str]] = []
        """The outcomes of each batch that was ended."""
        self.sittings = self.restarts = 0
        self.owners: set[int] = set()
        """Every sitting's process."""

    def digest(self) -> str:
        """Of every byte of every repository."""
        found = hashlib.sha256()
        for path in sorted(self.folder.rglob("*")):
            found.update(str(path).encode())
            if path.is_file() and not path.is_symlink():
                found.update(path.read_bytes())
        return found.hexdigest()

    def play(self, kills: int, say: Callable[[str], None] = lambda _: None) -> None:
        """Kill so many times; then let the batch that is under way come to its end.

        Raises:
            Harmed: a promise was broken.
        """
        while sum(self.done.values()) < kills or not self._ended():
            self.sittings += 1
            sitting = self._begin()
            while sitting.running:
                if sum(self.done.values()) < kills:
                    self._strike(sitting)
                else:
                    sitting.rest(600)
            self._after(sitting)
            say(
                f"sitting {self.sittings}: exit code {sitting.process.returncode}, "
                f"{sum(one['kind'] == 'task' and not one['earlier'] for one in sitting.lines)} tasks; "
                f"kills {sum(self.done.values())}, batches {len(self.batches)}"
            )
        self._account()

    def _environment(self) -> dict[str, str]:
        names = {"HOME": "", "XDG_DATA_HOME": "data", "XDG_CONFIG_HOME": "config", "XDG_CACHE_HOME": "cache"}
        own = {name: str(self.home / folder) for name, folder in names.items()}
        return {**os.environ, **own, "HF_HUB_OFFLINE": "1"}

    def _begin(self) -> Sitting:
        return Sitting(
            subprocess.Popen(
                [*SALE, "batch", str(self.folder), "--json", "--plain"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=self._environment(),
            )
        )

    def _strike(self, sitting: Sitting) -> None:
        """One kill after a random time, where there is something to kill then."""
        kind = self.rng.choice(self.kinds)
        if kind == "interrupt":
            sitting.spoke.wait(60)  # before that Python itself answers to the signal
        sitting.rest(self.rng.uniform(0, self.longest))
        if not sitting.running:
            return
        pid = sitting.process.pid
        match kind:
            case "interrupt":
                sitting.process.send_signal(signal.SIGINT)
            case "kill":
                sitting.process.kill()
            case "container":
                names = owned_containers(pid)
                if not names:
                    return
                removed = subprocess.run(
                    ["docker", "rm", "-f", self.rng.choice(names)], capture_output=True, check=False
                )
                if removed.returncode:
                    return
            case "model":
                models = [child for child in processes(pid) if b"llama_worker" in _command(child)]
                if not models:
                    return
                os.kill(self.rng.choice(models), signal.SIGKILL)
            case _:
                subprocess.run(shlex.split(self.daemon), check=True, capture_output=True)
        self.done[kind] += 1
        if kind in ENDING:
            sitting.rest(120)
            claim(not sitting.running, f"it goes on after {kind}")

    def _after(self, sitting: Sitting) -> None:
        """Nothing is left of a sitting but what it told."""
        for reader in sitting.readers:
            reader.join(60)
        process = sitting.process
        allowed = {0, 1, 3} if sum(self.done[kind] for kind in self.kinds if kind not in ENDING) else {0, 1}
        # -2: it had ended in order, and Python was on its way out.
        claim(process.returncode in {*allowed, 130, -9, -2}, (process.returncode, sitting.story))
        claim(
            process.returncode == -2 or not any("Traceback" in line for line in sitting.story), sitting.story
        )
        until = time.monotonic() + _GONE
        # What an engine made that was stopped before it could say so is the next run's to remove, and so is
        # what nobody was left to start: neither runs.
        self.owners.add(process.pid)
        owners = self.owners - {process.pid} if self.done["daemon"] > self.restarts else self.owners
        self.restarts = self.done["daemon"]
        while left := [
            *below(self.home),
            *(name for pid in owners for name in owned_containers(pid, begun=True)),
        ]:
            claim(time.monotonic() < until, f"left: {left}")
            time.sleep(0.1)
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            stream.close()
        claim(self.digest() == self.before, "a repository has changed")
        told = [one for one in sitting.lines if one["kind"] == "task"]
        claim(len({one["task"] for one in told}) == len(told), "a task was told twice in a sitting")
        self.told |= {one["run"]: one["task"] for one in told if one["outcome"] in ("passed", "failed")}
        if self._ended():
            outcomes = {one["task"]: one["outcome"] for one in self._journal() if one["kind"] == "task"}
            claim(sorted(outcomes) == self.names, "a task is missing from its batch")
            claim(set(outcomes.values()) <= {"passed", "failed"}, outcomes)
            self.batches.append(outcomes)

    def _journals(self) -> list[Path]:
        folder = self.home / "data" / "sale" / "batches"
        return (
            sorted(folder.glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
            if folder.is_dir()
            else []
        )

    def _journal(self, file: Path | None = None) -> list[dict[str, Any]]:
        """The whole lines of the newest batch's journal."""
        files = [file] if file else self._journals()[-1:]
        return [
            json.loads(line) for one in files for line in one.read_text().splitlines(True) if line[-1] == "\n"
        ]

    def _ended(self) -> bool:
        return any(one["kind"] == "end" for one in self._journal())

    def _account(self) -> None:
        """What was told is in the journals, once, and in memory; no container is left of any sitting."""
        subprocess.run([*SALE, "sandbox", "clean"], env=self._environment(), check=True, capture_output=True)
        left = [name for pid in self.owners for name in owned_containers(pid)]
        claim(not left, f"left at the end: {left}")
        kept: Counter[str] = Counter()
        for file in self._journals():
            of_batch = Counter(
                one["task"]
                for one in self._journal(file)
                if one["kind"] == "task" and one["outcome"] != "error"
            )
            claim(not of_batch or set(of_batch.values()) == {1}, f"a task was counted twice: {of_batch}")
            kept.update(one["run"] for one in self._journal(file) if one["kind"] == "task" and one["run"])
        claim(set(self.told) <= set(kept), f"lost from the journals: {set(self.told) - set(kept)}")
        with sqlite3.connect(self.home / "data" / "sale" / "memory.sqlite3") as memory:
            runs = {run for (run,) in memory.execute("SELECT run FROM auctions")}
            (sound,) = memory.execute("PRAGMA integrity_check").fetchone()
        memory.close()
        claim(sound == "ok", sound)
        claim(set(self.told) <= runs, f"lost from memory: {set(self.told) - runs}")


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """Play as the command line says, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--tasks", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--longest", type=float, default=LONGEST, help="most seconds between two kills")
    parser.add_argument(
        "--daemon", default="", metavar="COMMAND", help="restarts the engine; it is everybody's"
    )
    chosen = parser.parse_args()
    # A shell's background job is told to ignore it, and so would be whatever it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="kills-") as place:
        scene = Kills(Path(place), chosen.tasks, chosen.seed, chosen.daemon, chosen.longest)
        try:
            scene.play(chosen.kills, _say)
        except Harmed as harm:
            _say(f"HARMED: {harm}")
            return 1
        finally:
            for pid in below(scene.home):
                os.kill(pid, signal.SIGKILL)
    _say(f"kills: {dict(scene.done)}; sittings: {scene.sittings}; told: {len(scene.told)} runs")
    for number, outcomes in enumerate(scene.batches, 1):
        _say(f"batch {number}: {len(outcomes)} tasks, {dict(Counter(outcomes.values()))}")
    _say("every task once, every told row there, no byte changed, nothing left running")
    return 0


if __name__ == "__main__":
    sys.exit(main())
