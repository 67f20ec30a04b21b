"""Prices by time and thoughts: a pool's file, real models, what is said of them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from salecli.adapters import measured
from salecli.build import market
from salecli.cli import main
from salecli.cli.exits import Exit
from salecli.cli.output import Output
from salecli.cli.story import Story
from salecli.config import load_settings
from salecli.core import events
from salecli.core.auction import hold
from salecli.core.decisions import Decisions
from salecli.core.round import Round
from salecli.core.values import Pair, Plan
from salecli.pool import load_pool, model_identity
from tests.core.world import TASK, ListMemory, only, play
from tests.models import Vocabulary, chain, chain_model, random_model

POOL = """\
name = "own"
plan_tokens = 64
[prompts]
profile = "compact"
[[agents]]
name = "small"
model = "small.gguf"
price = "time"
context = 1024
[[agents]]
name = "large"
model = "large.gguf"
price = 0.36
context = 1024
"""


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pool of which one agent is priced by time, in a working directory that is no repository."""
    for seed, name in enumerate(("small", "large")):
        random_model(tmp_path / f"{name}.gguf", seed=seed)
    (tmp_path / "own.toml").write_text(POOL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "own.toml"


def measure(pool: Path, seconds: float) -> None:
    """What `sale models bench` would keep of the small model."""
    path = load_pool(str(pool)).agent("small").path
    found = measured.Measured(path.name, seconds / 9, seconds, 1.0, 9, 9, 1024, 2, 2)
    measured.write(model_identity(path), found)


def test_a_price_by_time_asks_for_the_measurement(pool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list", "--pool", "own.toml"]) == Exit.SOLVED
    said = capsys.readouterr()
    assert "small: priced by time: sale models bench --pool " in said.err
    assert main(["doctor", "--pool", "own.toml"]) != Exit.SOLVED
    assert "small: priced by time, which was not measured" in capsys.readouterr().out


def test_usd_and_seconds_stand_side_by_side(pool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measure(pool, 0.09)
    (pool.parent / "config" / "sale").mkdir(parents=True)
    (pool.parent / "config" / "sale" / "config.toml").write_text("[models]\nhour = 0.2\n")
    assert main(["models", "list", "--pool", "own.toml", "--json"]) == Exit.SOLVED
    small, large = map(json.loads, capsys.readouterr().out.splitlines())
    assert (small["price"], small["seconds"]) == (pytest.approx(0.09 * 1e6 * 0.2 / 3600), 0.09)
    assert (large["price"], large["seconds"]) == (0.36, None)
    assert main(["models", "list", "--pool", "own.toml"]) == Exit.SOLVED
    table = capsys.readouterr().out
    assert "ms/token" in table
    assert "5.00      90.0" in table


def test_an_hour_is_the_users_to_price(tmp_path: Path) -> None:
    (tmp_path / "sale.toml").write_text("[models]\nhour = 9.0\n")
    with pytest.raises(Exception, match=r"models\.hour is yours to set"):
        load_settings(tmp_path)


def sold(pool: Path, memory: ListMemory | None = None) -> tuple[list[events.Event], Round, str]:
    """An auction of the pool's real models, and the story that is told of it."""
    spec, record, stream = load_pool(str(pool)), Round(), io.StringIO()
    with market(load_settings(None, {"pool": str(pool)}), spec) as agents:
        seen, _ = play(hold(agents, TASK, memory, Decisions(), 1, record))
    seconds = {one.name: one.seconds for one in agents.agents if one.seconds}
    started = events.RunStarted(
        TASK.id,
        "r",
        TASK,
        spec.name,
        agents.prices,
        agents.weights,
        64,
        1,
        0,
        jury=agents.jury,
        seconds=seconds,
    )
    with Story(Output(stderr=stream)) as story:
        for event in [started, *seen]:
            story.tell(event)
    return seen, record, stream.getvalue()


def thinker(folder: Path) -> Path:
    """A pool of two agents of one file, which thinks without end, answers "x y" and marks with a 4."""
    after = {**chain("\n", "<think>", "plan", "step", "plan"), **chain("\n\n", "x", "y", "<|im_end|>")}
    chain_model(folder / "thinker.gguf", {**after, " ": "4"}, vocabulary=Vocabulary(think=True))
    text = POOL.replace("small.gguf", "thinker.gguf").replace("large.gguf", "thinker.gguf")
    text = text.replace('price = "time"', "price = 0.05\nsampling = { think = { bid = 40, refine = 70 } }")
    (folder / "own.toml").write_text(text)
    return folder / "own.toml"


def test_thoughts_are_no_part_of_a_bid_and_are_on_the_record(pool: Path) -> None:
    own = thinker(pool.parent)
    pair = Pair(7, "an older task", 0.9, Plan("small", "lost it"), Plan("large", "won it"))
    own.write_text(own.read_text().replace("price = 0.36", "price = 0.01\n"))
    seen, record, told = sold(own, ListMemory({"small": [pair], "large": [pair]}))
    first = {bid.agent: bid for bid in record.bids if not bid.refined}
    small, large = first["small"], first["large"]
    assert (small.plan, small.tokens, small.entropy) == (large.plan, large.tokens, large.entropy)
    assert (small.plan, small.tokens) == ("xy", 2)
    assert (small.usage.thoughts, large.usage.thoughts) == (40, 0)
    assert (small.usage.generated, large.usage.generated) == (42, 2)
    assert all(mark.usage.thoughts == 0 for mark in record.marks)
    assert record.winner == "large"  # the plans are alike, and cost goes by the plan
    written = [events.to_dict(event) for event in only(seen, events.BidMade)]
    assert [one["bid"]["usage"]["thoughts"] for one in written] == [40, 0]
    assert next(line for line in told.splitlines() if line.startswith("thoughts")).split() == [
        "thoughts",
        "40",
        "0",
    ]


def test_each_phase_has_its_own_cap(pool: Path) -> None:
    own = thinker(pool.parent)
    pair = Pair(7, "an older task", 0.9, Plan("small", "lost it"), Plan("large", "won it"))
    with market(load_settings(None, {"pool": str(own)}), load_pool(str(own))) as agents:
        small = agents.agent("small")
        _, bid = play(small.bid(TASK, 1))
        _, refined = play(small.refine(TASK, bid, [pair], 1))
    assert (bid.usage.thoughts, refined.usage.thoughts, small.limits("work").think) == (40, 70, 0)
    assert (refined.plan, refined.tokens, refined.usage.generated) == ("xy", 2, 72)
