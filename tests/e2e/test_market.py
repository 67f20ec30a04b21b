"""A larger market as a user runs it: six agents, juries of three, two families, a price by time, thoughts."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from salecli.adapters import measured
from salecli.pool import load_pool, model_identity
from tests.e2e.world import practice, records, sale
from tests.models import Vocabulary, chain, chain_model
from tests.solved import SHORT

pytestmark = [pytest.mark.docker, pytest.mark.slow]

HEADERS = """\
{% for message in messages %}{{ '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' }}
{{- message.content + '<|eot_id|>' }}{% endfor %}
{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}"""


def six(folder: Path) -> Path:
    """The practice pool, one that thinks before each plan, and one with headers for turns."""
    after = {**chain("\n", "<think>", "plan", "step", "plan"), **chain("\n\n", "x", "y", "<|im_end|>")}
    chain_model(folder / "thinker.gguf", {**after, " ": "1"}, vocabulary=Vocabulary(think=True))
    marks = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
    headers = Vocabulary(control=marks, template=HEADERS)
    chain_model(folder / "headers.gguf", {**chain("\n\n", "x", "<|eot_id|>"), " ": "2"}, vocabulary=headers)
    shipped = load_pool("practice")
    head, _, tail = shipped.file.read_text().partition("[weights.judges]")
    tail = tail[tail.index("[[agents]]") :].replace('"practice-', f'"{shipped.file.parent}/practice-')
    tail = tail.replace("price = 0.36", 'price = "time"')
    for name, more in (("thinker", "sampling = { think = { bid = 30 } }\n"), ("headers", "")):
        tail += f'\n[[agents]]\nname = "{name}"\nmodel = "{name}.gguf"\nprice = 0.2\ncontext = 2048\n{more}'
    (folder / "six.toml").write_text(f"jury = {{ size = 3 }}\n{head}{tail}")
    return folder / "six.toml"


def test_six_agents_of_two_families_sell_a_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    pool, shop = six(tmp_path), practice(tmp_path / "shop", *SHORT)
    unmeasured = sale("solve", "issue.md", "--pool", pool, cwd=shop)
    assert unmeasured.returncode == 3
    assert f"sale models bench --pool {pool}" in unmeasured.stderr
    path = load_pool(str(pool)).agent("l").path
    measured.write(model_identity(path), measured.Measured(path.name, 1e-3, 0.0132, 1.0, 9, 9, 2048, 1, 1))

    done = sale("solve", "issue.md", "--pool", pool, "--json", cwd=shop)
    assert done.returncode in (0, 1), done.stderr
    seen = records(done.stdout)
    (began,) = [one for one in seen if one["event"] == "RunStarted"]
    assert (began["jury"], began["seconds"]) == (3, {"l": 0.0132})
    assert began["prices"]["l"] == pytest.approx(0.0132 * 1e6 * 0.10 / 3600)  # 0.37 USD per million tokens
    marks = [one["mark"] for one in seen if one["event"] == "Marked"]
    first = [mark for mark in marks if not mark["refined"]]
    assert set(Counter(mark["agent"] for mark in first).values()) == {3}
    assert set(Counter(mark["judge"] for mark in first).values()) == {3}
    bids = {one["bid"]["agent"]: one["bid"] for one in seen if one["event"] == "BidMade"}
    assert (bids["thinker"]["tokens"], bids["thinker"]["usage"]["thoughts"]) == (2, 30)
    assert (bids["headers"]["plan"], bids["headers"]["tokens"]) == ("x", 1)
    assert not [one for one in seen if one["event"] in ("AgentOut", "MarkReplaced")]

    story = sale("show", began["run"], cwd=shop).stdout
    for line in ("juries of 3 of 6", "ms/token", "thoughts", "of the models' time"):
        assert line in story
    lines = {line.split()[0]: line for line in story.splitlines() if line.split()}
    assert "0.37" in lines["price/Mt"]
    assert sum(line.split().count("-") for line in story.splitlines() if line.startswith("mark ")) == 18
    remembered = json.loads(sale("memory", "show", "1", "--json", cwd=shop).stdout)
    assert len(remembered["marks"]) == len(marks)
    assert remembered["prices"] == began["prices"]
