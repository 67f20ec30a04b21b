"""The way of the README's "With real models", word by word, against a loopback hub with small stand-ins."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from salecli import resources
from salecli.pool import load_pool
from tests.e2e.scene import FILES
from tests.e2e.world import practice, sale
from tests.hub.loopback import Loopback
from tests.models import Shape, random_model
from tests.solved import EASY

OFFICIAL = {
    "Qwen/Qwen3-0.6B-GGUF": "Qwen3-0.6B-Q8_0.gguf",
    "Qwen/Qwen3-1.7B-GGUF": "Qwen3-1.7B-Q8_0.gguf",
    "Qwen/Qwen3-4B-GGUF": "Qwen3-4B-Q4_K_M.gguf",
    "Qwen/Qwen3-8B-GGUF": "Qwen3-8B-Q4_K_M.gguf",
    "Qwen/Qwen3-14B-GGUF": "Qwen3-14B-Q4_K_M.gguf",
    "Qwen/Qwen3-32B-GGUF": "Qwen3-32B-Q4_K_M.gguf",
}


@pytest.fixture
def hub() -> Iterator[Loopback]:
    with Loopback().serving() as served:
        yield served


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A repository of one's own."""
    folder = tmp_path / "shop"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    ("name", "agents", "prices"),
    [
        ("laptop", ("0.6b", "1.7b", "4b", "8b"), [0.01, 0.02, 0.05, 0.09]),
        ("paper", ("4b", "8b", "14b", "32b"), [0.05, 0.09, 0.16, 0.36]),
    ],
)
def test_the_pools_name_the_official_files(
    name: str, agents: tuple[str, ...], prices: list[float], tmp_path: Path
) -> None:
    pool = load_pool(name, tmp_path)
    assert pool.names == agents
    assert [one.price for one in pool.agents] == prices
    assert [OFFICIAL[one.hub] for one in pool.agents] == [one.model for one in pool.agents]
    assert [one.path for one in pool.agents] == [tmp_path / one.model for one in pool.agents]
    assert {one.context for one in pool.agents} == {8192}
    limits = pool.limits_of(pool.agents[0])
    assert (limits.temperature, limits.top_p, limits.top_k, limits.think) == (0.7, 0.8, 20, 0)


def test_without_its_files_a_pool_says_what_to_type(shop: Path) -> None:
    sale("practice", "new", "start", "--level", "1", cwd=shop)  # any repository
    done = sale("solve", "issue.md", "--pool", "laptop", cwd=shop / "start")
    assert done.returncode == 3
    assert done.stderr.splitlines()[-2:] == [
        "sale: pool laptop: the models of 0.6b, 1.7b, 4b, 8b are not here yet",
        "      sale models pull laptop",
    ]
    doctor = sale("doctor", "--pool", "laptop", cwd=shop)
    assert doctor.stdout.count("; type: sale models pull laptop") == 4
    listed = sale("models", "list", "--pool", "laptop", cwd=shop)
    assert listed.stdout.count("missing") == 4
    assert "laptop.toml): budget " in listed.stderr, "what is missing takes nothing"
    practice_pool = sale("models", "pull", cwd=shop)
    assert practice_pool.returncode == 0
    assert "pool practice: nothing to pull from a hub" in practice_pool.stderr


def test_pull_list_and_share(hub: Loopback, shop: Path, tmp_path: Path, private_home: Path) -> None:
    for seed, (repository, file) in enumerate(OFFICIAL.items()):
        stand_in = random_model(tmp_path / file, shape=Shape(context=8192), seed=seed)
        hub.commit(repository, {file: stand_in.read_bytes(), "README.md": b"# Qwen3"})
    online = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0"}
    pulled = sale("models", "pull", "laptop", cwd=shop, **online)
    assert pulled.returncode == 0, pulled.stderr
    assert pulled.stdout.count("verified") == 4
    listed = sale("models", "list", "--pool", "laptop", "--json", cwd=shop)
    rows = [json.loads(line) for line in listed.stdout.splitlines()]
    assert [(one["state"], one["verified"], one["memory"] > 0) for one in rows] == [("found", True, True)] * 4
    hub.requests.clear()
    assert sale("models", "pull", "paper", cwd=shop, **online).returncode == 0
    assert len(hub.asked("cdn")) == 2, "what both pools have is pulled once"
    removed = sale("models", "rm", "paper", "--yes", cwd=shop)
    assert removed.stdout.startswith("2 files removed")
    folder = private_home / ".local/share/sale/models"
    assert {path.name for path in folder.glob("*.gguf")} == set(list(OFFICIAL.values())[:4])


@pytest.mark.slow
@pytest.mark.docker
def test_a_task_is_solved_by_pulled_models(hub: Loopback, tmp_path: Path) -> None:
    """The practice models, from a hub, under a pool file of one's own."""
    source = resources.pools() / "practice.toml"
    hub.commit("own/practice", {path.name: path.read_bytes() for path in resources.pools().glob("*.gguf")})
    pool = tmp_path / "own.toml"
    pool.write_text(source.read_text().replace("model = ", 'hub = "own/practice"\nmodel = '))
    shop = practice(tmp_path / "shop", *EASY)
    pulled = sale("models", "pull", pool, cwd=shop, HF_ENDPOINT=hub.url, HF_HUB_OFFLINE="0")
    assert pulled.returncode == 0, pulled.stderr
    done = sale("solve", "issue.md", "--pool", pool, cwd=shop)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("diff --git")
