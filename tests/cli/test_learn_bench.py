"""`sale learn --from` a bench: weights, corrected marks, and files that come along with a pool."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from salecli import __version__
from salecli.adapters import learned
from salecli.bench.cells import MATRIX
from salecli.build import market
from salecli.cli import main
from salecli.cli.output import Output
from salecli.cli.story import Story
from salecli.config import load_settings
from salecli.core import events
from salecli.core.agent import Pool
from salecli.core.auction import hold
from salecli.core.decisions import Decisions
from salecli.core.round import Round
from salecli.core.scoring import TOP_MARK
from salecli.core.values import Weights
from salecli.pool import PoolSpec, load_pool
from salecli.weighing import in_use
from tests.core.world import TASK, play
from tests.past_benches import bench
from tests.past_markets import prompts_hash

LABELLED = ("--objective", "labelled")
Sale = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def practised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the practice pool, own.toml, a bench of it, and the weights of that."""
    folder = tmp_path_factory.mktemp("practised")
    shipped = load_pool("practice")
    for agent in shipped.agents:
        shutil.copy(agent.path, folder)
    text = shipped.file.read_text()
    assert 'name = "practice"' in text
    (folder / "own.toml").write_text(text.replace('name = "practice"', 'name = "own"', 1))
    bench(folder / "bench", load_pool(str(folder / "own.toml")))
    homes = {f"XDG_{name}_HOME": str(folder / "home") for name in ("DATA", "CONFIG", "CACHE")}
    words = ["learn", *LABELLED, "--from", "bench", "--pool", "./own.toml", "--ship", "kept.weights.json"]
    command = [sys.executable, "-m", "salecli", *words]
    done = subprocess.run(command, cwd=folder, env=os.environ | homes, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "it has to stand at" in done.stderr
    assert not (folder / "home").exists(), "nothing of the user's was written"
    return folder


@pytest.fixture
def own(practised: Path, tmp_path: Path) -> Path:
    """That pool in a folder of this test's own."""
    folder = tmp_path / "pools"
    folder.mkdir()
    for path in (*practised.glob("*.gguf"), practised / "own.toml"):
        shutil.copy(path, folder)
    return folder / "own.toml"


@pytest.fixture
def brought(own: Path, practised: Path) -> Path:
    """Weights that come along with it."""
    path = own.with_name("own.weights.json")
    shutil.copy(practised / "kept.weights.json", path)
    return path


@pytest.fixture
def done(practised: Path, tmp_path: Path) -> Path:
    """A finished bench of it, in which only corrected marks tell."""
    shutil.copytree(practised / "bench", tmp_path / "bench")
    return tmp_path / "bench"


@pytest.fixture
def sale(own: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Sale:
    """Calls `sale COMMAND ... --pool own.toml`; gives exit code, stdout and stderr."""
    monkeypatch.chdir(own.parent)

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        code = main([*map(str, arguments), "--pool", str(own)])
        return code, *capfd.readouterr()

    return call


def stocked(own: Path, **overrides: object) -> Pool:
    """The pool as a run has it, but for its models."""
    with market(load_settings(overrides=overrides), load_pool(str(own))) as pool:
        return replace(pool, agents=())


def saved(path: Path) -> learned.Saved:
    found = learned.read(path)
    assert found is not None
    return found


def store(own: Path) -> Path:
    spec = load_pool(str(own))
    return learned.store(spec.hash(), prompts_hash(spec))


def changed(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_marks_are_put_right_where_that_does_better_and_the_switch_takes_it_back(
    sale: Sale, own: Path, done: Path
) -> None:
    before = stocked(own)
    assert (before.corrections, before.source) == ({}, "those of own.toml")
    code, out, err = sale("learn", "--from", done, *LABELLED)
    assert code == 0, err
    assert "200 tasks of the suite practice" in err
    assert "them: they help" in out
    assert out.splitlines()[-1].endswith("marks corrected")
    found = saved(store(own))
    assert found.calibrated is not None
    assert found.calibrated.helps
    assert (found.suite, found.tasks, found.sale) == ("practice", 200, __version__)

    after = stocked(own)
    assert after.weights == found.calibrated.weights
    assert set(after.corrections) == {"xs", "s", "m", "l"}
    assert after.corrections["l"].of(4.9) - after.corrections["l"].of(4.6) > 1
    assert "200 tasks of the suite practice" in after.source
    plain = stocked(own, calibration=False)
    assert (plain.corrections, plain.weights) == ({}, found.weights)
    assert found.weights != found.calibrated.weights

    shown = sale("learn", "--show")
    assert "marks count as" in shown[1]
    assert f"200 tasks of the suite practice on {found.at[:10]} by sale {__version__}" in shown[2]
    assert "for corrected marks" in sale("models", "list")[2]
    assert (
        "for corrected marks"
        not in sale("learn", "--show", "--no-calibration", "--json")[1].split('"learned"')[0]
    )
    assert sale("learn", "--forget")[0] == 0
    assert stocked(own) == before


def sold(own: Path, **overrides: object) -> tuple[list[dict[str, Any]], Round, str]:
    """An auction of the pool's real models: its events without times, the round, and the story of it."""
    record, stream = Round(), io.StringIO()
    with market(load_settings(overrides=overrides), load_pool(str(own))) as pool:
        seen, _ = play(hold(pool, TASK, None, Decisions(), 1, record))
    began = events.RunStarted(
        TASK.id, "r", TASK, pool.name, pool.prices, pool.weights, pool.plan_tokens, 1, 0
    )
    with Story(Output(stderr=stream)) as story:
        for event in (began, *seen):
            story.tell(event)
    return [timeless(events.to_dict(one)) for one in seen], record, stream.getvalue()


def timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: timeless(one) for name, one in value.items() if name != "seconds"}
    return value


def test_an_auction_goes_by_corrected_marks_and_the_switch_leaves_no_trace(own: Path, brought: Path) -> None:
    seen, record, told = sold(own)
    pool = stocked(own)
    assert len(record.marks) == 16
    for mark in record.marks:
        assert mark.corrected == pool.corrections[mark.judge].of(mark.value)
    assert any(abs(mark.counted - mark.value) > 0.2 for mark in record.marks)
    judges = pool.weights.judges
    for score in record.scores:
        given = {mark.judge: mark.counted for mark in record.marks if mark.agent == score.agent}
        assert score.jury == pytest.approx(sum(judges[one] * given[one] / TOP_MARK for one in judges))
    assert "marks count as past verdicts put them right" in told
    [line] = [line for line in told.splitlines() if line.startswith("mark xs")]
    assert line.count("->") == 4

    off, plain, silent = sold(own, calibration=False)
    assert "->" not in silent
    assert "corrected" not in json.dumps(off)
    assert [mark.value for mark in plain.marks] == [mark.value for mark in record.marks]
    changed(brought, calibrated=None)
    assert sold(own)[0] == off
    assert off != seen


def test_marks_that_tell_nothing_are_left_alone(sale: Sale, own: Path, tmp_path: Path) -> None:
    dull = bench(tmp_path / "dull", load_pool(str(own)), count=60, praise=0.0)
    code, out, _ = sale("learn", "--from", dull, *LABELLED, "--force", "--json")
    told = json.loads(out)
    assert (code, told["calibration"]["helps"], told["calibration"]["saved"]) == (0, False, False)
    assert told["calibration"]["gain"]["low"] <= 0
    assert stocked(own).corrections == {}
    assert set(stocked(own, calibration=True).corrections) == {"xs", "s", "m", "l"}
    assert "as you want it" in sale("learn", "--show", "--calibration")[2]


def test_who_does_not_want_it_is_not_tried_on_it(sale: Sale, own: Path, done: Path) -> None:
    _, out, _ = sale("learn", "--from", done, *LABELLED, "--no-calibration", "--force", "--json")
    told = json.loads(out)
    assert told["calibration"] is None
    assert not any(one["corrected"] for one in told["results"])
    assert saved(store(own)).calibrated is None
    assert stocked(own, calibration=True).corrections == {}


def test_a_pool_file_has_its_say_and_the_user_the_last_word(own: Path, brought: Path) -> None:
    assert stocked(own).corrections
    own.write_text(f"calibration = false\n{own.read_text()}")
    assert stocked(own).corrections == {}
    assert stocked(own, calibration=True).corrections


def test_a_bench_of_another_pool_or_other_prompts_is_refused_with_the_difference(
    sale: Sale, own: Path, done: Path, tmp_path: Path
) -> None:
    spec = load_pool(str(own))
    first, _, rest = (done / MATRIX).read_text().partition("\n")
    for name, value, says in (
        ("pool", "laptop", "pool 'laptop', not 'own'"),
        ("pool_hash", "0" * 16, f"pool hash '{'0' * 16}', not '{spec.hash()}'"),
        ("prompts_hash", "abc", "prompts hash 'abc', not"),
        ("schema", 99, "schema 99, not"),
    ):
        other = tmp_path / name
        other.mkdir()
        (other / MATRIX).write_text(json.dumps(json.loads(first) | {name: value}) + "\n" + rest)
        code, out, err = sale("learn", "--from", other)
        assert (code, out) == (2, "")
        assert says in err
        assert "sale learn --from DIR" in err
    for arguments in (("--from", tmp_path / "nowhere"), ("--from", done, "--memory", "x.sqlite3")):
        code, out, _ = sale("learn", *arguments)
        assert (code, out) == (2, "")
    assert not store(own).exists()


def test_a_bench_that_was_cut_short_teaches_what_is_whole(sale: Sale, done: Path) -> None:
    lines = (done / MATRIX).read_text().splitlines()
    cut = [line for line in lines if '"task":"task-7"' not in line or '"agent":"l"' not in line]
    (done / MATRIX).write_text("\n".join(cut) + '\n{"kind":"cell","key":"k9"')
    _, out, err = sale("learn", "--from", done, *LABELLED, "--no-calibration", "--json")
    assert "199 tasks of the suite practice" in err
    assert "1 without an outcome of every agent are left out" in err
    assert sum(json.loads(out)["in_use"]["held_out"]["outcomes"]) == 199
    (done / MATRIX).write_text("\n".join([*cut[:5], "{", *cut[5:]]) + "\n")
    code, out, err = sale("learn", "--from", done)
    assert (code, out) == (2, "")
    assert "line 6, is damaged" in err


def test_weights_come_along_with_a_pool_unless_its_user_has_learned_some(
    sale: Sale, own: Path, brought: Path
) -> None:
    found = saved(brought)
    assert (found.pool_hash, found.suite) == (load_pool(str(own)).hash(), "practice")
    assert found.calibrated is not None
    pool = stocked(own)
    assert (pool.weights, pool.corrections) == (found.calibrated.weights, found.calibrated.corrections)
    said = f"those of own.weights.json, learned from 200 tasks of the suite practice on {found.at[:10]}"
    assert pool.source.startswith(said)
    assert said in sale("models", "list")[2]
    assert "they came with the pool" in sale("learn", "--show")[2]

    mine = replace(
        found, weights=Weights(0.3, 0.0, {"xs": 0.0, "s": 0.0, "m": 0.0, "l": 1.0}), calibrated=None
    )
    learned.write(store(own), mine)
    assert stocked(own).weights == mine.weights
    assert stocked(own).source.startswith("your own, learned from")
    assert "those of own.weights.json" in sale("learn", "--forget")[1]
    assert stocked(own) == pool


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"prompts_hash": "abc"}, "they are of other prompts (prompts hash 'abc', not "),
        ({"pool_hash": "\x1b[31mxyz"}, "they are of other agents or models (pool hash "),
        ({"pool_hash": ""}, "they are of other agents or models"),
    ],
)
def test_weights_of_another_market_are_not_used_and_it_is_said(
    change: dict[str, str], why: str, sale: Sale, own: Path, brought: Path
) -> None:
    changed(brought, **change)
    assert stocked(own).weights == load_pool(str(own)).market_weights()
    for command in (("learn", "--show"), ("models", "list")):
        code, out, err = sale(*command)
        assert code == 0
        [line] = [line for line in err.splitlines() if "own.weights.json" in line]
        assert f"are not used: {why}" in line
        assert "\x1b" not in out + err


def test_weights_in_the_pool_file_that_were_changed_since_count(own: Path, brought: Path) -> None:
    spec: PoolSpec = load_pool(str(own))
    weights = spec.weights.model_copy(update={"cost": 0.77})
    used = in_use(spec.model_copy(update={"weights": weights}), prompts_hash(spec))
    assert (used.weights.cost, used.kind) == (0.77, "file")
    assert "the weights in own.toml were changed since" in used.unused[0]


def test_a_damaged_file_beside_the_pool_is_named(sale: Sale, brought: Path) -> None:
    rest = json.loads(brought.read_text())["calibrated"]
    falling = {"points": [[1, 3], [2, 2]], "plans": 9}
    for text in ("{", json.dumps(json.loads(brought.read_text()) | {
        "calibrated": {**rest, "corrections": {"xs": falling}}
    })):  # fmt: skip
        brought.write_text(text)
        code, out, err = sale("learn", "--show")
        assert (code, out) == (2, "")
        assert f"{brought} does not hold learned weights" in err


def test_shipping_asks_for_a_bench_and_for_the_right_name(sale: Sale, own: Path, done: Path) -> None:
    text = own.read_text()
    for arguments in (("--ship", "own.weights.json"), ("--from", done, "--ship", own)):
        code, out, err = sale("learn", *arguments)
        assert (code, out) == (2, "")
        assert "--from DIR --ship NAME.weights.json" in err
    assert own.read_text() == text
