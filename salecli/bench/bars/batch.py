"""Whether a long batch stays what it was: memory, file handles and time per task over 1,000 tasks.

Not among the rooms that are measured by default, for it takes the better part of an hour:
`python -m salecli.bench.bars batch`. The models are scripted GGUF files; everything else is what a user has.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salecli.bench.bars.scripted import write_pool, write_scripted

TASKS = 1_000
REPLY = "```write answer.py\ndef answer():\n    return 42\n```\n"
FILES = {
    "answer.py": "def answer():\n    raise NotImplementedError\n",
    "test_answer.py": "from answer import answer\n\n\ndef test_answer():\n    assert answer() == 42\n",
}
_FLAT = 1.10
"""Most that memory may grow between a tenth of the tasks and all of them."""
_STEADY = 1.25
"""The same of the time per task, which a machine's other work disturbs."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The tool just after a task."""

    memory: int
    """Resident bytes."""
    children: int
    """Resident bytes of its child processes together."""
    handles: int
    seconds: float
    """That the task took."""


def rows(tasks: int = TASKS) -> list[dict[str, Any]]:
    """The rows of a batch of so many tasks; needs an engine and the image."""
    with tempfile.TemporaryDirectory(prefix="sale-bench-") as place:
        samples = measure(Path(place), tasks)
    # Medians over a twentieth of the tasks: at a tenth, when all is loaded, and at the end.
    width = max(tasks // 20, 2)
    early = samples[max(tasks // 10 - width // 2, 1) :][:width]
    late = samples[-width:]

    def growth(name: str, bar: float) -> dict[str, Any]:
        value = _median(late, name) / _median(early, name)
        what = {
            "memory": "memory of the tool",
            "children": "memory of its children",
            "seconds": "time per task",
        }
        return {
            "name": f"batch of {tasks:,}: {what[name]}, at the end over task {max(tasks // 10, 2)}",
            "value": round(value, 3),
            "unit": "x",
            "bar": bar,
            "ok": value <= bar,
        }

    more = max(one.handles for one in late) - max(one.handles for one in early)
    return [
        growth("memory", _FLAT),
        growth("children", _FLAT),
        growth("seconds", _STEADY),
        {
            "name": f"batch of {tasks:,}: more file handles at the end",
            "value": more,
            "unit": "handles",
            "bar": 0,
            "ok": more <= 0,
        },
        {
            "name": f"batch of {tasks:,}: time per task",
            "value": round(_median(samples, "seconds"), 2),
            "unit": "s",
            "bar": None,
            "ok": None,
        },
    ]


def measure(place: Path, tasks: int) -> list[Sample]:
    """Play a batch of so many tasks; a sample after each of them."""
    shop, issues = _repository(place / "shop"), place / "tasks"
    issues.mkdir()
    for number in range(1, tasks + 1):
        (issues / f"task-{number}.md").write_text(
            f"# Write answer in answer.py\nIt returns 42. This is request {number}.\n"
        )
    model = write_scripted(place / "scripted.gguf", REPLY)
    pool = write_pool(place / "pool.toml", {"cheap": model, "dear": model})
    samples: list[Sample] = []
    with subprocess.Popen(
        [*_SALE, "batch", issues, "--repo", shop, "--pool", pool, "--json", "--plain"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "XDG_DATA_HOME": str(place / "data"), "XDG_CONFIG_HOME": str(place / "config")},
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                record = json.loads(line)
                if record["kind"] != "task":
                    continue
                if record["outcome"] != "passed":
                    raise RuntimeError(f"a scripted task did not pass: {record}")
                samples.append(_sample(process.pid, record["seconds"]))
                if len(samples) % 100 == 0 or len(samples) == 1:
                    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {len(samples)} {samples[-1]}\n")
        finally:
            process.terminate()
    if len(samples) != tasks:
        raise RuntimeError(f"{len(samples)} of {tasks} tasks ended, exit code {process.returncode}")
    return samples


_SALE = [sys.executable, "-m", "salecli"]


def _sample(pid: int, seconds: float) -> Sample:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return Sample(
        _resident(str(pid)),
        sum(map(_resident, children)),
        len(list(Path(f"/proc/{pid}/fd").iterdir())),
        seconds,
    )


def _resident(pid: str) -> int:
    try:
        fields = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:  # it has just ended
        return 0
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def _median(samples: Sequence[Sample], name: str) -> float:
    return statistics.median(float(getattr(one, name)) for one in samples)


def _repository(folder: Path) -> Path:
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    for command in ("init -q", "add -A", "-c user.name=bench -c user.email=bench@localhost commit -qm start"):
        subprocess.run(["git", *command.split()], cwd=folder, check=True, capture_output=True)
    return folder
