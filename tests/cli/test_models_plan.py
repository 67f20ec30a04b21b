"""`sale models plan` and `sale models bench`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from salecli import resources
from salecli.adapters import measured
from salecli.build import market
from salecli.config import Settings
from salecli.fitted import local, residency_of, seen
from salecli.pool import load_pool, model_identity
from tests.e2e.world import sale

MODELS = resources.pools()


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    file = tmp_path / "mine.toml"
    agents = [
        f'[[agents]]\nname = "{name}"\nmodel = "{MODELS}/practice-{name}.gguf"\n'
        f"price = {price}\ncontext = 2048\n"
        for name, price in (("xs", 0.05), ("l", 0.36))
    ]
    file.write_text('name = "mine"\nplan_tokens = 24\n' + "".join(agents))
    return file


def test_a_plan_is_shown_before_anything_loads(pool: Path) -> None:
    done = sale("models", "plan", "--pool", str(pool), cwd=pool.parent)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].split() == [
        "agent", "file", "weights", "KV", "cache", "buffers", "memory", "context", "KV", "fits",
    ]  # fmt: skip
    assert lines[1].split()[:2] == ["xs", "practice-xs.gguf"]
    assert lines[1].split()[-1] == "yes"
    assert [line.split()[:2] for line in lines if line.startswith(("bids", "marks"))] == [
        ["bids", "2"],
        ["marks", "0"],
    ]
    assert "models may take" in done.stderr


def test_an_agent_may_say_its_cache(pool: Path) -> None:
    pool.write_text(pool.read_text() + 'kv = "q8_0"\n')
    done = sale("models", "plan", "--pool", str(pool), "--json", cwd=pool.parent)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    first, second, *phases = rows
    assert (first["kv"], second["kv"]) == ("f16", "q8_0")
    assert first["memory"] == first["weights"] + first["cache"] + first["buffers"] + first["process"]
    assert phases[0] == {"phase": "bids", "loads": ["xs", "l"]}
    pool.write_text(pool.read_text().replace("q8_0", "q4_0"))
    assert sale("models", "plan", "--pool", str(pool), cwd=pool.parent).returncode == 2


def test_what_cannot_run_is_said_with_what_to_change(pool: Path, private_home: Path) -> None:
    settings = private_home / ".config/sale/config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text('[models]\nbudget = "75m"\n')
    done = sale("models", "plan", "--pool", str(pool), cwd=pool.parent)
    assert done.returncode == 3
    assert "1 of 2 models of pool mine cannot run: l" in done.stderr
    assert "l: needs" in done.stderr
    assert "endpoint" in done.stderr
    (row,) = [line for line in done.stdout.splitlines() if line.startswith("l ")]
    assert row.split()[-1] == "no"
    pool.write_text(pool.read_text().replace("practice-l", "practice-none"))
    done = sale("models", "plan", "--pool", str(pool), cwd=pool.parent)
    assert done.returncode == 3
    assert "practice-none.gguf does not exist" in done.stderr


def test_what_was_made_smaller_to_fit_is_told_once(pool: Path) -> None:
    """As the budget leaves no room for the larger one's whole KV cache."""
    settings = Settings.model_validate({"models": {"budget": "86500000"}})
    with market(settings, load_pool(str(pool))) as made:
        told = [[list(agent.told()) for agent in made.agents] for _ in range(2)]
    said = "its KV cache is q8_0 instead of f16, which does not fit into memory"
    assert told == [[[], [said]], [[], []]]


@pytest.mark.slow
def test_what_the_bench_measures_is_kept(pool: Path) -> None:
    done = sale("models", "bench", "--pool", str(pool), "--rounds", "1", "--json", cwd=pool.parent)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["agent"] for row in rows] == ["xs", "l"]
    assert all(0 < row["decode_ratio"] < 20 and row["peak"] <= row["estimate"] for row in rows)
    kept = measured.read(model_identity(MODELS / "practice-l.gguf"))
    assert kept is not None
    assert kept.decode == rows[1]["decode"]
    spec = load_pool(str(pool))
    assert seen(spec.agents[1]) == kept
    with residency_of(Settings()) as residency:
        assert local(Settings(), spec.agents[1], residency)[0].threads == (kept.threads, kept.threads_prefill)


def test_models_on_servers_are_not_measured_here(pool: Path) -> None:
    pool.write_text(pool.read_text().replace('model = "', 'backend = "openai"\nendpoint = "gpu"\nmodel = "'))
    done = sale("models", "bench", "--pool", str(pool), cwd=pool.parent)
    assert done.returncode == 0
    assert done.stderr.splitlines() == ["on servers, and not measured here: xs, l"]
    assert "mine: 2 on servers" in sale("doctor", "--pool", str(pool), cwd=pool.parent).stdout
