"""Folders of tasks for scripted models: real GGUF files that solve what asks for 42, and nothing else."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from salecli.bench.bars.batch import FILES, REPLY
from salecli.bench.bars.scripted import write_pool, write_scripted
from tests.e2e.scene import Scene

Record = dict[str, Any]


class Tasks:
    """A folder of tasks in a scene, and repositories for them; `pool` is the file of the scripted pool."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.folder = scene.folder / "tasks"
        self.folder.mkdir()
        model = write_scripted(scene.folder / "scripted.gguf", REPLY)
        self.pool = write_pool(scene.folder / "pool.toml", {"cheap": model, "dear": model})
        self.shop = scene.repository("answers", FILES)
        scene.shop = self.shop

    def add(self, name: str, toml: str = "") -> None:
        """A task of this name, by default in the repository that is solved by 42."""
        (self.folder / name).mkdir()
        (self.folder / name / "issue.md").write_text(f"# {name}\nWrite answer in answer.py: it returns 42.\n")
        if "repository" not in toml and "path" not in toml:
            toml = f'repository = "{self.shop}"\n{toml}'
        (self.folder / name / "task.toml").write_text(toml)

    def asking(self, number: int) -> Path:
        """A repository whose test asks for another number."""
        test = FILES["test_answer.py"].replace("42", str(number))
        return self.scene.repository(f"asks-{number}", {**FILES, "test_answer.py": test})

    def command(self, *options: str | Path) -> list[str | Path]:
        """The arguments of `sale` that play them."""
        return ["batch", self.folder, "--pool", self.pool, *options]

    def start(self, *options: str | Path, **env: str) -> subprocess.Popen[str]:
        """A batch under way, with results as JSON lines."""
        return self.scene.start(*self.command("--json", *options), env=env)

    def auctions(self) -> int:
        """How many auctions memory holds."""
        end = self.scene.run("memory", "stats", "--json")
        return int(json.loads(end.stdout)["auctions"]) if end.stdout else 0


@contextmanager
def finishing(process: subprocess.Popen[str]) -> Iterator[list[str]]:
    """Wait for a process after the block; the list then holds what it wrote on stderr."""
    story: list[str] = []
    try:
        yield story
        assert process.stderr is not None
        story += process.stderr.read().splitlines()
        process.wait(120)
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def records(process: subprocess.Popen[str]) -> Iterator[Record]:
    """The JSON lines of a batch as they come."""
    assert process.stdout is not None
    for line in process.stdout:
        yield json.loads(line)


def ended(found: list[Record]) -> dict[str, str]:
    """What became of each task; none may be told twice."""
    tasks = [one for one in found if one["kind"] == "task"]
    assert len({one["task"] for one in tasks}) == len(tasks)
    return {one["task"]: one["outcome"] for one in tasks}
