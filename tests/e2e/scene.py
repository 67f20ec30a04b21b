"""A private scene for one test of what goes wrong: a repository, a home, and a look at what was left."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from salecli import resources
from tests.e2e.world import SALE, below, contents, owned_containers

FILES = {
    "issue.md": "# Implement knit(xs) in levels.py\n1. all values times 3\n2. the sum is the answer\n",
    "levels.py": "def knit(xs):\n    raise NotImplementedError\n",
    "test_levels.py": "from levels import knit\n\n\ndef test_knit():\n    assert knit([1, 3]) == 12\n",
}
NO_ENGINE = {"DOCKER_HOST": "unix:///nonexistent"}
"""With this, whatever does not fail before an engine is asked for fails for want of one."""
BOUND = (
    "setpriv",
    "--bounding-set=-dac_override,-dac_read_search",
    "--inh-caps=-dac_override,-dac_read_search",
)
"""Root passes over permissions; without these two capabilities it is a user like any other."""


@dataclass(frozen=True)
class End:
    """How a run of `sale` ended."""

    code: int
    stdout: str
    stderr: str
    pid: int


class Scene:
    """One repository and one home; `run` starts `sale` there, `left` says what it left behind."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        self.home = home
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.shop = self.repository("shop", FILES)

    def repository(self, name: str, files: Mapping[str, str], commit: bool = True) -> Path:
        """A repository of these files, all of them committed."""
        top = self.folder / name
        for path, text in files.items():
            (top / path).parent.mkdir(parents=True, exist_ok=True)
            (top / path).write_text(text)
        commands = [["init", "--quiet", "."], ["add", "--all"], ["commit", "--quiet", "-m", "start"]]
        for command in commands if commit else commands[:1]:
            subprocess.run(["git", *command], cwd=top, check=True)
        return top

    def start(
        self, *arguments: str | Path, env: Mapping[str, str] | None = None, bound: bool = False
    ) -> subprocess.Popen[str]:
        """A run of `sale` under way in the shop; `bound` holds it to the permissions of files."""
        before: Sequence[str] = BOUND if bound and os.geteuid() == 0 else ()
        return subprocess.Popen(
            [*before, *SALE, *map(str, arguments)],
            cwd=self.shop,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(self.temporary), **(env or {})},
        )

    def run(self, *arguments: str | Path, env: Mapping[str, str] | None = None, bound: bool = False) -> End:
        """A finished run of `sale`."""
        process = self.start(*arguments, env=env, bound=bound)
        stdout, stderr = process.communicate(timeout=120)
        return End(process.returncode, stdout, stderr, process.pid)

    def refused(
        self,
        *arguments: str | Path,
        code: int,
        says: str,
        hint: str,
        env: Mapping[str, str] | None = None,
        bound: bool = False,
    ) -> None:
        """`sale` refuses this: one message that says what, one line that says what to do, nothing left."""
        before = contents(self.shop)
        end = self.run(*arguments, env=env, bound=bound)
        lines = end.stderr.splitlines()
        assert end.code == code, end.stderr
        assert end.stdout == ""
        assert len(lines) == 2, end.stderr
        assert lines[0].startswith("sale: ")
        assert says in lines[0], end.stderr
        assert lines[1].startswith("      ")
        assert hint in lines[1], end.stderr
        assert contents(self.shop) == before
        assert self.left() == []
        assert self.runs() == []

    def left(self) -> list[str]:
        """Processes of ours that still run, and temporary files that still lie there."""
        return [f"process {pid}" for pid in below(self.home)] + [
            str(path.name) for path in self.temporary.iterdir()
        ]

    def runs(self) -> list[Path]:
        """The folders of runs."""
        folder = self.home / ".local/share/sale/runs"
        return list(folder.iterdir()) if folder.is_dir() else []

    def containers(self, end: End) -> list[str]:
        """The containers that a finished run left behind."""
        return owned_containers(end.pid)

    def pool(self, name: str = "pool.toml", **changes: str | Path) -> Path:
        """A copy of the practice pool's file; `m` names another model for agent m, `context` all contexts."""
        text = (resources.pools() / "practice.toml").read_text()
        if "context" in changes:
            text = text.replace("context = 2048", f"context = {changes['context']}")
        for agent in ("xs", "s", "m", "l"):
            file = changes.get(agent, resources.pools() / f"practice-{agent}.gguf")
            text = text.replace(f'"practice-{agent}.gguf"', f'"{file}"')
        path = self.folder / name
        path.write_text(text)
        return path
