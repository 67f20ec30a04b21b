"""A loopback hub, a pool that comes from it, and `sale` as a process that asks it."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.world import SALE
from tests.hub.loopback import Loopback

REPOSITORY = "tiny/models"
POOL = """\
name = "mine"
[[agents]]
name = "small"
hub = "tiny/models"
model = "small.gguf"
price = 0.05
[[agents]]
name = "large"
hub = "tiny/models"
model = "large.gguf"
price = 0.36
"""


@dataclass(frozen=True)
class Place:
    """A user's folders, a pool file and a hub."""

    hub: Loopback
    pool: Path
    models: Path
    files: dict[str, bytes]

    def environment(self, **env: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        return {**kept, "HF_ENDPOINT": self.hub.url, "HF_HUB_DOWNLOAD_TIMEOUT": "5", **env}

    def command(self, *arguments: str) -> list[str]:
        return [*SALE, "models", *arguments]

    def sale(self, *arguments: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        """A finished run of `sale models ...`."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.pool.parent,
            env=self.environment(**env),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def pull(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return self.sale("pull", str(self.pool), *arguments, **env)

    def start(self, **env: str) -> subprocess.Popen[str]:
        """A pull under way."""
        return subprocess.Popen(
            self.command("pull", str(self.pool)),
            cwd=self.pool.parent,
            env=self.environment(**env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def only_large(self) -> None:
        """Make the pool one of a single agent."""
        head, agent, rest = POOL.partition("[[agents]]")
        self.pool.write_text(head + agent + rest.rpartition("[[agents]]")[2])

    def found(self) -> dict[str, bytes]:
        """What lies in the models folder, but for the lock file."""
        return {
            path.name: path.read_bytes()
            for path in sorted(self.models.glob("*"))
            if path.name != "sale.lock.json"
        }


@pytest.fixture
def place(tmp_path: Path, private_home: Path) -> Iterator[Place]:
    chance = random.Random(0)
    files = {"small.gguf": chance.randbytes(300_001), "large.gguf": chance.randbytes(3_000_003)}
    hub = Loopback()
    hub.commit(REPOSITORY, files)
    pool = tmp_path / "mine.toml"
    pool.write_text(POOL)
    with hub.serving():
        yield Place(hub, pool, private_home / ".local/share/sale/models", files)
