"""`sale bench show` and `compare` as a user has them: a process of its own, on a made-up run."""

from __future__ import annotations

import copy
import os
import pty
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.bench.example import example, saved
from tests.e2e.world import SALE, sale

Values = dict[str, Any]


def row(values: Values, name: str) -> Values:
    found: Values = next(one for one in values["rows"] if one["name"] == name)
    return found


def told(folder: Path, *options: str, code: int = 0, **env: str) -> str:
    """What `sale bench show` prints of the run in `folder`."""
    done = sale("bench", "show", folder, *options, cwd=folder, **env)
    assert done.returncode == code, done.stderr
    return done.stdout


def refused(*arguments: str | Path, says: str, hint: str, cwd: Path) -> None:
    done = sale("bench", *arguments, cwd=cwd)
    assert done.returncode == 2, done.stdout
    assert done.stdout == ""
    first, second = done.stderr.splitlines()
    assert says in first
    assert hint in second


def test_show_tells_every_row_with_the_numbers_of_the_file(tmp_path: Path) -> None:
    values = example()
    text = told(saved(tmp_path, values))
    assert "\x1b" not in text
    assert text.startswith("SALE on practice: 60 tasks, pool practice\n")
    table = text.partition("All rows\n")[2].partition("Against l alone")[0]
    for one in values["rows"]:
        line = next((line for line in table.splitlines() if line.startswith(f"{one['name']}  ")), "")
        mean, low, high = (f"{100 * share:.1f}" for share in one["pass"])
        if one["kind"] == "ablation":
            assert line == ""
            assert re.search(rf"^{one['name']} +{mean} % +{low} to {high} %", text, re.M)
        else:
            assert f"{mean} %" in line
            assert f"{low} to {high} %" in line
            assert f"{1000 * one['usd_per_task'][0]:.3g}" in line
    for title in ("By level", "What each part is worth", "What memory does", "What each agent is worth"):
        assert f"\n{title}\n" in text
    assert "judges" in text
    assert "xs 0.005, s 0.01, m 0.015, l 0.02" in text


def on_a_terminal(folder: Path, columns: int, *options: str) -> str:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*SALE, "bench", "show", str(folder), *options],
        stdout=theirs,
        stderr=subprocess.PIPE,
        env={**os.environ, "TERM": "xterm", "COLUMNS": str(columns)},
    )
    os.close(theirs)
    seen = b""
    try:
        while piece := os.read(ours, 65_536):
            seen += piece
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    assert process.communicate()[1] == b""
    assert process.returncode == 0
    return seen.decode().replace("\r\n", "\n")


def test_a_narrow_terminal_goes_without_intervals_and_a_wide_one_has_them(tmp_path: Path) -> None:
    folder = saved(tmp_path, example())
    narrow = on_a_terminal(folder, 80, "--plain")
    assert max(map(len, narrow.splitlines())) <= 80
    assert "\x1b" not in narrow
    assert "pass@1  USD/1k tasks  USD/1k solved" in narrow
    wide = on_a_terminal(folder, 150)
    assert "\x1b[1" in wide
    plain = re.sub("\x1b\\[[0-9;]*m", "", wide)
    assert max(map(len, plain.splitlines())) <= 150
    assert re.search(r"pass@1 +95 % +USD/1k tasks", plain)


def verdicts(folder: Path) -> list[str]:
    part = told(folder).partition("What held\n")[2].partition("\n\n")[0]
    return part.splitlines()


def test_a_claim_holds_only_where_its_interval_says_so(tmp_path: Path) -> None:
    values = example()
    market = row(values, "SALE")
    market["against_largest"] = {"pass": [0.031, 0.01, 0.052], "usd": [-0.31, -0.36, -0.26]}
    market["pass"][0] = 0.99
    solves, saves, leads, learns, auction = verdicts(saved(tmp_path / "a", values))
    assert solves.startswith(
        "held: SALE solves at least 2.7 points more of the tasks than the largest agent, l"
    )
    assert "+3.1 points (95 % interval +1.0 to +5.2)" in solves
    assert saves.startswith("held: SALE spends at least 25 % less")
    assert "-31.0 % (95 % interval -36.0 to -26.0 %)" in saves
    assert leads.startswith("held: No agent alone and no router")
    assert "None of 9 does." in leads
    assert learns.startswith("held: The two smallest agents")
    assert "+24.0 points with memory" in learns
    assert auction.startswith("did not hold: The auction takes less than 1 %")
    assert "57.5 % (95 % interval 55.0 to 60.0 %)" in auction
    assert "0.19 % to 3.10 %" in auction

    market["against_largest"] = {"pass": [0.031, -0.01, 0.07], "usd": [-0.2, -0.24, -0.16]}
    values["win_share"]["smallest_two"]["without memory"]["last_minus_first"] = [0.1, 0.02, 0.2]
    market["auction_share"] = [0.004, 0.003, 0.005]
    solves, saves, leads, learns, auction = verdicts(saved(tmp_path / "b", values))
    assert solves.startswith("did not hold")
    assert solves.endswith("; the interval holds zero.")
    assert saves.startswith("did not hold")
    assert "5.0 points short of that" in saves
    assert learns.startswith("did not hold")
    assert auction.startswith("held")

    market["against_largest"]["pass"] = [0.02, 0.01, 0.03]
    assert "0.7 short of that" in verdicts(saved(tmp_path / "c", values))[0]

    values["rows"].remove(market)
    del values["win_share"], values["paired"]["SALE"]
    assert all(line.startswith("not measured") for line in verdicts(saved(tmp_path / "d", values)))


def test_a_router_that_is_ahead_is_named_with_paired_intervals(tmp_path: Path) -> None:
    values = example()
    for name, share, usd, sign in (("SALE", 0.5, 3e-4, "01"), ("WTP", 1.0, 2e-4, "11")):
        row(values, name).update({"pass": [share] * 3, "usd_per_task": [usd] * 3})
        values["paired"][name] = {"solved": [sign * 30] * 3, "usd_per_task_by_task": [usd] * 60}
    for one in values["rows"]:
        if one["name"] not in ("SALE", "WTP"):
            one["pass"] = [0.1, 0.1, 0.1]
    said = verdicts(saved(tmp_path, values))[2]
    assert said.startswith("did not hold: No agent alone and no router")
    found = re.search(
        r"WTP: \+50\.0 points \(95 % interval \+(\d+\.\d) to \+(\d+\.\d)\), cost -33\.3 %", said
    )
    assert found, said
    # 60 tasks of which half differ: 50 points with a standard error of 6.5
    assert 34 <= float(found[1]) <= 41
    assert 59 <= float(found[2]) <= 66
    assert "l:" not in said


def test_markdown_is_well_formed_whatever_names_are(tmp_path: Path) -> None:
    values = example()
    row(values, "WTP")["name"] = "W|T*P` <b>\x1b[31m"
    del values["paired"]["WTP"]
    text = told(saved(tmp_path, values), "--markdown")
    assert text.startswith("# SALE on practice: 60 tasks, pool practice\n\n## What held\n\n- **")
    assert "\x1b" not in text
    assert "W\\|T\\*P\\` \\<b>\\\\x1b\\[31m" in text
    tables = re.findall(r"(?:^\|.*\|\n)+", text, re.M)
    assert len(tables) >= 10
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1
    assert "![" not in text
    assert not re.search(r"\bNone\b(?! of)", text)
    assert "nan" not in text


def drawn(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".svg", ".png")}


@pytest.mark.slow
def test_plots_are_whole_name_their_rows_and_come_out_the_same_again(tmp_path: Path) -> None:
    values = example()
    row(values, "WTP").update({"name": "W$T$P_{1}", "curve": [[1e-4, 0.3], [3e-4, 0.5]]})
    del values["paired"]["WTP"]
    folder = saved(tmp_path, values)
    text = told(folder, "--plots", "--markdown")
    assert all(f"]({name}.svg)" in text for name in ("pareto", "levels", "wins", "calibration"))
    first = drawn(folder)
    assert len(first) == 8
    words = {}
    for name, data in first.items():
        if name.endswith(".png"):
            assert data.startswith(b"\x89PNG\r\n\x1a\n")
            assert data.endswith(b"IEND\xaeB`\x82")
        else:
            words[name] = {one.strip() for one in ElementTree.fromstring(data).itertext()}
    compared = {one["name"] for one in values["rows"] if one["kind"] != "ablation"}
    assert compared <= words["pareto.svg"]
    assert {"xs", "s", "m", "l", "SALE", "oracle", "1", "5"} <= words["levels.svg"]
    assert {"xs", "s", "m", "l", "with memory", "without memory"} <= words["wins.svg"]
    assert {"xs", "s", "m", "l", "marks", "corrected marks"} <= words["calibration.svg"]
    told(folder, "--plots")
    assert drawn(folder) == first


def test_without_matplotlib_the_report_comes_and_plots_say_what_to_install(tmp_path: Path) -> None:
    folder = saved(tmp_path / "run", example())
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text("import sys\nsys.modules['matplotlib'] = None\n")
    path = os.pathsep.join([str(hook), *filter(None, [os.environ.get("PYTHONPATH")])])
    assert "What held" in told(folder, PYTHONPATH=path)
    done = sale("bench", "show", folder, "--plots", cwd=folder, PYTHONPATH=path)
    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        "sale: plots need matplotlib, which is not installed",
        "      pip install 'sale[bench]'",
    ]
    assert drawn(folder) == {}


def with_schema_1(values: Values) -> None:
    values["schema"] = 1


def as_proof(values: Values) -> None:
    values["pool"] = "gold"
    del values["rows"]


def without_rows(values: Values) -> None:
    values["rows"] = []


def with_a_word_for_a_number(values: Values) -> None:
    values["rows"][2]["pass"] = [0.1, "much", 0.3]


def with_a_short_pair(values: Values) -> None:
    values["paired"]["SALE"]["solved"][1] = "01"


def with_twins(values: Values) -> None:
    values["rows"].append(values["rows"][0])


@pytest.mark.parametrize(
    ("change", "says", "hint"),
    [
        (with_schema_1, "is of schema 1, and this version of sale reads schema 2", "measure anew"),
        (as_proof, "holds the proof by gold", "without --gold"),
        (without_rows, "holds no routers", "goes on"),
        (with_a_word_for_a_number, "is damaged: rows.2.pass", "measure anew"),
        (with_a_short_pair, "paired results of 'SALE' do not fit 60 tasks", "measure anew"),
        (with_twins, "two rows of one name", "measure anew"),
    ],
)
def test_other_and_damaged_results_are_refused(
    change: Callable[[Values], None], says: str, hint: str, tmp_path: Path
) -> None:
    values = example()
    change(values)
    saved(tmp_path, values)
    refused("show", tmp_path, says=says, hint=hint, cwd=tmp_path)


def test_what_is_not_there_or_no_json_is_refused_and_a_name_is_enough(
    tmp_path: Path, private_home: Path
) -> None:
    refused("show", "nowhere", says="no results.json in nowhere", hint="sale bench run SUITE", cwd=tmp_path)
    (tmp_path / "results.json").write_text('{"schema": 2,')
    refused("show", tmp_path, says="cannot be read", hint="measure anew", cwd=tmp_path)
    (tmp_path / "results.json").write_text("[1]")
    refused("show", tmp_path / "results.json", says="no JSON object", hint="measure anew", cwd=tmp_path)
    saved(private_home / ".local/share/sale/bench/practice-mine", example())
    done = sale("bench", "show", "practice-mine", cwd=tmp_path)
    assert done.returncode == 0
    assert "What held" in done.stdout
    refused("show", "other", says="no results.json", hint="there are practice-mine", cwd=tmp_path)


def compared(cwd: Path, *folders: Path) -> str:
    done = sale("bench", "compare", *folders, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_compare_pairs_tasks_by_name_not_by_place(tmp_path: Path) -> None:
    values = example()
    turned = copy.deepcopy(values)
    turned["tasks"].reverse()
    for one in turned["paired"].values():
        one["solved"] = [order[::-1] for order in one["solved"]]
        one["usd_per_task_by_task"].reverse()
    text = compared(tmp_path, saved(tmp_path / "a", values), saved(tmp_path / "b", turned))
    assert "Nothing differs that is recorded." in text
    assert "60 tasks in both." in text
    for name in values["paired"]:
        assert re.search(
            rf"^{re.escape(name)} .* \+0\.0 +\+0\.0 to \+0\.0 .* \+0\.0 % +\+0\.0 to \+0\.0 %$", text, re.M
        )


def test_compare_names_what_differs_and_counts_only_what_both_have(tmp_path: Path) -> None:
    values = example()
    other = example(seed=8, prompts_hash="other")
    other["weights"]["cost"] = 0.05
    for at, task in enumerate(other["tasks"]):
        if at >= 20:
            task["hash"] = f"new{at}"
    for one, signs in ((values, "01" * 10 + "1" * 40), (other, "11" * 10 + "0" * 40)):
        one["paired"]["SALE"] = {"solved": [signs] * 3, "usd_per_task_by_task": [2e-4] * 60}
    other["paired"]["mine"] = other["paired"].pop("CARROT")
    row(other, "CARROT")["name"] = "mine"
    text = compared(tmp_path, saved(tmp_path / "a", values), saved(tmp_path / "b", other))
    assert "20 tasks in both; 40 tasks only in A; 40 tasks only in B." in text
    assert re.search(r"^prompts +hash 4e5f6a7b +hash other$", text, re.M)
    assert re.search(r"^weights: cost +0\.02 +0\.05$", text, re.M)
    assert not re.search(r"^(pool|seed) ", text, re.M)
    assert re.search(
        r"^SALE +50\.0 % +100\.0 % +\+50\.0 +\+\d\d\.\d to \+\d\d\.\d +0\.200 +0\.200 +\+0\.0 %", text, re.M
    )
    assert "Only in A: CARROT." in text
    assert "Only in B: mine." in text


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    first = saved(tmp_path / "a", example())

    def against(says: str, hint: str, **changes: Any) -> None:
        second = saved(tmp_path / "b", {**example(), **changes})
        refused("compare", first, second, says=says, hint=hint, cwd=tmp_path)

    against("suite 'practice'", "one suite", suite="mbpp")
    against("no task is in both", "same data", tasks=[{**one, "hash": "x"} for one in example()["tasks"]])
    against("no row is in both", "same names", paired={"mine": example()["paired"]["l"]})
    against("schema 1", "measure anew", schema=1)
