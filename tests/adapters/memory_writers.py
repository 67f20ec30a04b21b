"""Processes that fill one memory file and say what was acknowledged to them."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from salecli.adapters import checksums
from salecli.adapters.sqlitefile import reading

ROOT = Path(__file__).parents[2]
_WRITER = """
import sys, threading, time
from pathlib import Path
from salecli.adapters import records
from salecli.adapters.sqlite import SqliteMemory
from salecli.core.values import Task
from tests.adapters.auctions import WordCounter, auction
name, path, threads = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
memory = SqliteMemory(path, WordCounter(), "pool", "prompts")
said = threading.Lock()
def say(*words):
    with said:
        print(*words, flush=True)
def write(thread):
    number = 0
    while time.monotonic() < until:
        run = f"{name}-{thread}-{number}"
        began = time.monotonic()
        try:
            kept = memory.record(auction(run=run, text=f"sum number {number % 40}"))
            say("ack", kept, run, round(time.monotonic() - began, 3))
            if number % 5 == 0:
                other = SqliteMemory(path, WordCounter(), "pool", "prompts")
                other.pairs(Task("q", "q", "sum a list"), "small", 8)
        except Exception as error:
            say("fault", repr(error))
        number += 1
records.adapter()  # a second of work where all begin at once
say("ready")
until = time.monotonic() + float(sys.stdin.readline())
writers = [threading.Thread(target=write, args=(thread,)) for thread in range(threads)]
for writer in writers: writer.start()
for writer in writers: writer.join()
for text in memory.told(): say("told", text)
"""


def environment() -> dict[str, str]:
    """The environment of a process that imports the package and the tests."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@dataclass
class Written:
    """What the writers were told."""

    acknowledged: dict[str, int] = field(default_factory=dict)
    """Run -> number of the auction."""
    faults: list[str] = field(default_factory=list)
    slowest: float = 0.0
    """Seconds of the longest record."""

    def take(self, lines: Iterator[str] | Sequence[str]) -> None:
        """Add what a writer said."""
        for line in lines:
            kind, *words = line.split()
            if kind == "ack" and len(words) == 3:
                self.acknowledged[words[1]] = int(words[0])
                self.slowest = max(self.slowest, float(words[2]))
            elif kind in ("fault", "told"):
                self.faults.append(line)

    def missing(self, path: Path) -> list[str]:
        """Acknowledged runs that are not in the file under their number, or not as they were written."""
        with reading(path) as db:
            held = dict(db.execute("SELECT run, id FROM auctions").fetchall())
            return [
                run
                for run, number in self.acknowledged.items()
                if held.get(run) != number or not checksums.intact(db, number)
            ]


def start(path: Path, name: str, threads: int = 1) -> subprocess.Popen[str]:
    """A writer that waits for how many seconds it shall write."""
    return subprocess.Popen(
        [sys.executable, "-c", _WRITER, name, str(path), str(threads)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(),
    )


def fill(path: Path, processes: int, threads: int, seconds: float) -> Written:
    """Let processes write at the same time."""
    writers = [start(path, f"p{number}", threads) for number in range(processes)]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    done = Written()
    for writer in writers:  # all are ready before any may write
        assert writer.stdin is not None
        writer.stdin.write(f"{seconds}\n")
        writer.stdin.flush()
    for writer in writers:
        said, _ = writer.communicate(timeout=seconds + 120)
        done.take(said.splitlines())
        assert writer.returncode == 0, said[-2000:]
    return done


_NURSERY = """
import os, sys
from pathlib import Path
from salecli.adapters.sqlite import SqliteMemory
from tests.adapters.auctions import WordCounter, auction
path = Path(sys.argv[1])
SqliteMemory(path, WordCounter(), "pool", "prompts").record(auction(run="warm"))
for line in sys.stdin:
    child = os.fork()
    if not child:
        memory = SqliteMemory(path, WordCounter(), "pool", "prompts")
        number = 0
        while True:
            run = f"{line.strip()}-{number}"
            kept = memory.record(auction(run=run, text=f"sum number {number}"))
            os.write(1, f"ack {kept} {run} 0\\n".encode())
            number += 1
    os.write(1, f"child {child}\\n".encode())
    os.waitpid(child, 0)
    os.write(1, b"ended 0\\n")
"""


def killed(path: Path, times: int, seed: int) -> Written:
    """Kill a writer with SIGKILL at random moments, one after another; all come from one warm process."""
    chance = random.Random(seed)
    done = Written()
    with subprocess.Popen(
        [sys.executable, "-c", _NURSERY, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as nursery:
        assert nursery.stdin is not None
        assert nursery.stdout is not None
        for turn in range(times):
            nursery.stdin.write(f"k{turn}\n")
            nursery.stdin.flush()
            said = []
            while not (line := nursery.stdout.readline()).startswith("child"):
                said.append(line)
            child = int(line.split()[1])
            # A machine may be slow: the moment is counted from a record that was acknowledged.
            for _ in range(chance.randrange(4)):
                said.append(nursery.stdout.readline())
            time.sleep(chance.uniform(0.0, 0.05))
            os.kill(child, signal.SIGKILL)
            while not (line := nursery.stdout.readline()).startswith("ended"):
                said.append(line)
            done.take(said)
        nursery.stdin.close()
    assert nursery.returncode == 0
    return done
