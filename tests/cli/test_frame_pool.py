"""Pool files: the shipped ones load, and every mistake in one's own names file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from salecli.adapters import measured
from salecli.core.values import Weights
from salecli.errors import ConfigError
from salecli.pool import known_pools, load_pool, model_identity
from salecli.pricing import Price, price_of
from salecli.sampling import PHASES

OWN = """\
name = "own"
plan_tokens = 64

[weights]
cost = 0.4
entropy = -0.2
[weights.judges]
small = 0.3
large = 0.5

[[agents]]
name = "small"
model = "small.gguf"
price = 0.05

[[agents]]
name = "large"
model = "large.gguf"
price = 0.36
context = 4096
sampling = { temperature = 0.5 }
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    (tmp_path / "small.gguf").write_bytes(b"GGUF" + bytes(2_000_000))
    (tmp_path / "large.gguf").write_bytes(b"GGUF" + bytes(3_000_000))
    return path


@pytest.mark.parametrize("name", sorted(known_pools()))
def test_every_shipped_pool_loads(name: str) -> None:
    pool = load_pool(name)
    assert pool.name == name
    weights = pool.market_weights()
    assert set(weights.judges) == set(pool.names)
    assert abs(weights.entropy) + sum(weights.judges.values()) == pytest.approx(1)
    prices = [agent.price for agent in pool.agents]
    assert prices == sorted(prices)
    assert (pool.prompt_folder() / "bid.md").is_file()


def test_the_practice_pool_comes_with_its_models() -> None:
    pool = load_pool("practice")
    assert pool.names == ("xs", "s", "m", "l")
    assert [agent.price for agent in pool.agents] == [0.05, 0.09, 0.16, 0.36]
    assert [agent.path for agent in pool.agents if not agent.path.is_file()] == []
    assert sum(agent.path.stat().st_size for agent in pool.agents) <= 15_000_000


def test_a_pool_file_of_ones_own(own: Path) -> None:
    pool = load_pool(str(own))
    assert [agent.path for agent in pool.agents] == [own.parent / "small.gguf", own.parent / "large.gguf"]
    assert pool.market_weights() == Weights(0.4, -0.2, {"small": 0.3, "large": 0.5})
    assert pool.market_weights(thrift=1.5).cost == 1.5
    small, large = (pool.limits_of(agent) for agent in pool.agents)
    assert (small.max_tokens, small.temperature, small.top_k) == (64, 0.7, 20)
    assert (large.temperature, large.top_p) == (0.5, 0.8)


def test_models_are_found_in_the_models_folder_too(own: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (own.parent / "large.gguf").rename(models / "large.gguf")
    pool = load_pool(str(own), models)
    assert pool.agent("small").path == own.parent / "small.gguf"
    assert pool.agent("large").path == models / "large.gguf"


def test_without_weights_all_judges_count_the_same(own: Path) -> None:
    head, _, tail = OWN.partition("[weights]")
    own.write_text(head + "[[agents]]" + tail.partition("[[agents]]")[2])
    assert load_pool(str(own)).market_weights() == Weights(0.5, 0.0, {"small": 0.5, "large": 0.5})


def test_the_hash_is_of_what_shapes_bids(own: Path) -> None:
    first = load_pool(str(own)).hash()
    assert len(first) == 16
    assert int(first, 16) >= 0
    own.write_text(OWN.replace("cost = 0.4", "cost = 0.9"))
    assert load_pool(str(own)).hash() == first, "weights judge bids, they do not shape them"
    for change in (("price = 0.05", "price = 0.06"), ("64", "65"), ('"small"', '"tiny"'), ("0.5 }", "0.6 }")):
        text = OWN.replace(*change)
        text = text.replace("small = 0.3", "tiny = 0.3") if "tiny" in text else text
        own.write_text(text)
        assert load_pool(str(own)).hash() != first, change
    own.write_text(OWN)
    with (own.parent / "small.gguf").open("r+b") as file:
        file.seek(100)
        file.write(b"x")
    assert load_pool(str(own)).hash() != first
    (own.parent / "small.gguf").unlink()
    assert load_pool(str(own)).hash() != first


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("price = 0.36", "price = -0.36", ["line 19", "agents[1].price", "more than 0"]),
        ("price = 0.36", "price = 0", ["line 19", "agents[1].price"]),
        ("price = 0.36\n", "", ["line 16", "agents[1].price", "missing"]),
        ("price = 0.36", "prise = 0.36", ["line 19", "'agents[1].prise'", "'agents.price'"]),
        ('name = "large"', 'name = "small"', ["line 17", "agents[1].name", "'small'", "twice"]),
        ('name = "large"', 'name = "a b"', ["line 17", "agents[1].name must be of letters", "'a b'"]),
        ("large = 0.5", "lrge = 0.5", ["line 9", "'lrge'", "not in the pool"]),
        ("large = 0.5", "large = 0.9", ["line 7", "weights.judges", "1.4"]),
        ("large = 0.5", "large = 'x'", ["line 9", "weights.judges.large", "number"]),
        ("plan_tokens = 64", "plan_tokens = 0", ["line 2", "plan_tokens", "at least 8"]),
        ("context = 4096", "context = 10", ["line 20", "agents[1].context", "at least 256"]),
        ("price = 0.36", 'price = "tme"', ["line 19", "agents[1].price", '"time"']),
        ("plan_tokens = 64", "jury = { size = 0 }", ["line 2", "jury.size", "at least 1"]),
        ("plan_tokens = 64", "jury = { size = 3 }", ["line 2", "jury.size is 3", "2 agents"]),
        ("plan_tokens = 64", "sampling = { think = -1 }", ["line 2", "sampling.think", "at least 0"]),
        ("plan_tokens = 64", "sampling = { think = { mark = 9 } }", ["line 2", "'sampling.think.mark'"]),
        (
            "plan_tokens = 64",
            'sampling = { think = "x" }',
            ["line 2", "sampling.think must be a whole", "bid"],
        ),
        (
            "plan_tokens = 64",
            "sampling = { think = { bid = -1 } }",
            ["sampling.think.bid must be at least 0"],
        ),
        ("price = 0.36", 'price = 1\nhub = "x"', ["line 20", 'hub must be "OWNER/NAME"', "not 'x'"]),
        (
            "price = 0.36",
            'price = 1\nhub = "a/b"\nrevision = "a b"',
            ["line 21", "revision must be a branch"],
        ),
        ("price = 0.36", 'price = 1\nrevision = "v1"', ["line 20", "agents[1].revision is of no repository"]),
        ("price = 0.36", 'price = 1\nkv = "q4_0"', ["line 20", "agents[1].kv must be 'f16' or 'q8_0'"]),
        (
            "price = 0.36",
            'price = 1\nbackend = "openai"\nendpoint = "http://a/v1"',
            ["line 21", "endpoint is"],
        ),
        *(
            (
                "price = 0.36",
                f'price = 1\nbackend = "openai"\nendpoint = "e"\n{line}',
                ["line 22", "on a server"],
            )
            for line in ('hub = "a/b"', 'kv = "f16"', "gpu_layers = 1")
        ),
        ('name = "own"\n', "", ["'name' is missing"]),
        ("cost = 0.4", "path = 3", ["line 5", "'weights.path'"]),
    ],
)
def test_a_fault_in_a_pool_file(own: Path, old: str, new: str, wanted: list[str]) -> None:
    assert old in OWN
    own.write_text(OWN.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load_pool(str(own))
    said = caught.value.message
    assert said.startswith(str(own))
    assert [one for one in wanted if one not in said] == []
    assert caught.value.hint


@pytest.mark.parametrize(
    "text", ['name = "own"\n', 'name = "own"\nagents = []\n', "agents = 3\nname = 'x'\n"]
)
def test_a_pool_without_agents(own: Path, text: str) -> None:
    own.write_text(text)
    with pytest.raises(ConfigError, match="agents"):
        load_pool(str(own))


def test_an_unknown_pool_names_the_known_ones() -> None:
    with pytest.raises(ConfigError) as caught:
        load_pool("practise")
    assert "'practise'" in caught.value.message
    assert "practice" in caught.value.message
    assert "--pool practice" in caught.value.hint


def test_a_missing_pool_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no pool file .*nowhere\.toml"):
        load_pool(str(tmp_path / "nowhere.toml"))


def test_an_unknown_agent_names_the_known_ones(own: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_pool(str(own)).agent("larg")
    assert "small, large" in caught.value.message
    assert "'large'" in caught.value.hint


def test_thinking_is_said_for_all_phases_or_for_each(own: Path) -> None:
    pool = load_pool(str(own))
    never = pool.hash()
    own.write_text(OWN.replace("[weights]\n", "[sampling]\nthink = 0\n[weights]\n"))
    assert load_pool(str(own)).hash() == never
    own.write_text(
        OWN.replace("[weights]\n", "[sampling]\nthink = { bid = 512, work = 2048 }\n[weights]\n").replace(
            "{ temperature = 0.5 }", "{ temperature = 0.5, think = 64 }"
        )
    )
    pool = load_pool(str(own))
    assert pool.hash() != never
    small, large = pool.agents
    bid, refine, work = (pool.limits_of(small, phase) for phase in PHASES)
    assert (bid.think, refine.think, work.think) == (512, 0, 2048)
    assert (bid.temperature, bid.top_p, bid.top_k) == (0.6, 0.95, 20)  # Qwen's for thinking
    assert (refine.temperature, refine.top_p, refine.top_k) == (0.7, 0.8, 20)
    own_way = pool.limits_of(large, "refine")
    assert (own_way.think, own_way.temperature, own_way.top_p) == (64, 0.5, 0.95)


def test_a_price_by_time_is_that_word_in_the_hash(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(own.parent / "home"))
    plain = load_pool(str(own)).hash()
    own.write_text(OWN.replace("price = 0.36", 'price = "time"'))
    pool = load_pool(str(own))
    timed, large = pool.hash(), pool.agent("large")
    assert timed != plain
    assert price_of(large, 0.1) == Price(None)
    found = measured.Measured("large.gguf", 0.01, 0.09, 1.0, 9, 9, 4096, 2, 2)
    measured.write(model_identity(large.path), found)
    price = price_of(large, 0.1)
    assert price.usd == pytest.approx(0.09 * 1e6 * 0.1 / 3600)
    assert price.seconds == 0.09
    assert price_of(pool.agent("small"), 0.1) == Price(0.05)
    assert load_pool(str(own)).hash() == timed


def test_a_jury_is_left_out_of_the_hash_and_fits_the_pool(own: Path) -> None:
    plain = load_pool(str(own)).hash()
    own.write_text(OWN.replace("plan_tokens = 64", "plan_tokens = 64\njury = { size = 1 }"))
    pool = load_pool(str(own))
    assert pool.jury is not None
    assert (pool.jury.size, pool.hash()) == (1, plain)
