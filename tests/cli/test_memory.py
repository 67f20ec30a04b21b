from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from salecli.adapters import records
from salecli.adapters.sqlite import SqliteMemory
from salecli.cli import main
from salecli.core.values import Override
from tests.adapters.auctions import WordCounter, auction, rich_auction, work


@dataclass
class Said:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class Sale(Protocol):
    """Calls `sale memory`."""

    def __call__(self, *arguments: str, memory: Path | None = ...) -> Said: ...


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A memory of three auctions."""
    path = tmp_path / "memory.sqlite3"
    memory = SqliteMemory(path, WordCounter(name="all-MiniLM-L6-v2"), "pool", "prompts")
    memory.record(auction(run="run-a", text="sum a list of prices"))
    failed = work("large", False, note="test_new failed: assert 1 == 2")
    memory.record(auction(run="run-b", text="date of a [red]tree[/red] 100%", works=(failed,)))
    memory.record(rich_auction())
    return path


@pytest.fixture
def sale(file: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Sale:
    monkeypatch.setenv("XDG_DATA_HOME", str(file.parent / "data"))

    def call(*arguments: str, memory: Path | None = file) -> Said:
        option = ["--memory", str(memory)] if memory else []
        code = main(["memory", *arguments, *option])
        out, err = capfd.readouterr()
        return Said(code, out, err)

    return call


def test_list_shows_the_newest_first(sale: Sale) -> None:
    said = sale("list")
    assert said.code == 0
    assert said.err == ""
    assert [line.split()[0] for line in said.lines] == ["id", "3", "2", "1"]
    assert "yes by small" in said.lines[1]
    assert "middle (chosen)" in said.lines[1]
    assert [line.split()[0] for line in sale("list", "--limit", "1").lines] == ["id", "3"]


def test_list_as_json_lines(sale: Sale) -> None:
    found = [json.loads(line) for line in sale("list", "--json").lines]
    assert [(one["id"], one["run"], one["solved"]) for one in found] == [
        (3, "rich", True),
        (2, "run-b", False),
        (1, "run-a", True),
    ]
    assert found[0]["solved_by"] == "small"


def test_show_tells_everything_and_obeys_nothing(sale: Sale) -> None:
    said = sale("show", "3")
    assert said.code == 0
    assert "\x1b" not in said.out
    assert "\u202e" not in said.out
    for part in (
        "\\x1b[31mred\\x1b[0m",
        "plan small, rewritten",
        "after reading 1, 2",
        "you chose middle: I like its plan",
        "test_new failed: assert 1 == 2",
        "model died",
        "verdict: solved",
        "seed 1180591620717411303424",
    ):
        assert part in said.out
    assert "[red]tree[/red]" in sale("show", "2").out


def test_show_speaks_of_refinement_only_where_there_was_one(file: Path, sale: Sale) -> None:
    memory = SqliteMemory(file, WordCounter(name="all-MiniLM-L6-v2"), "pool", "prompts")
    memory.record(auction(run="run-d", winner=("small", False), override=Override("small", "")))
    assert "large led; large won" in sale("show", "2").lines
    assert "large led before refinement; you chose middle: I like its plan" in sale("show", "3").lines
    assert "large led; you chose small: no reason given" in sale("show", "4").lines


def test_show_takes_a_run_and_gives_the_whole_record(sale: Sale) -> None:
    record = json.loads(sale("show", "rich", "--json").out)
    assert record.pop("id") == 3
    assert record.pop("created_at")
    assert records.adapter().validate_python(record) == rich_auction()


@pytest.mark.parametrize("name", ["99", "no-run", "9" * 50, "", "caf\udce9"])
def test_show_of_none_says_so(sale: Sale, name: str) -> None:
    said = sale("show", name)
    assert (said.code, said.out) == (2, "")
    assert "memory holds no auction" in said.err
    assert "sale memory list" in said.err


def test_search_finds_words_in_tasks_and_plans(sale: Sale) -> None:
    def found(*words: str) -> list[int]:
        return [json.loads(line)["id"] for line in sale("search", *words, "--json").lines]

    assert found("PRICES") == [1]
    assert found("rewritten") == [3]
    assert found("plan") == [3, 2, 1]
    assert found("plan", "--limit", "2") == [3, 2]
    assert found("100%") == [2]
    assert found("%") == [2]  # no wildcards
    assert found("_") == []
    nothing = sale("search", "caf\udce9")
    assert (nothing.code, nothing.out, nothing.err) == (0, "", "nothing found\n")
    assert sale("search", " ").code == 2


@pytest.mark.slow
def test_search_by_likeness_puts_the_most_alike_first(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from salecli.adapters.embedder import MiniLM

    embedder = MiniLM()
    memory = SqliteMemory(tmp_path / "m.sqlite3", embedder, "pool", "prompts")
    for text in ("Point the telescope at Saturn.", "Sort the prices in falling order."):
        memory.record(auction(run=text, text=text))
    embedder.close()
    arguments = ["search", "--like", "order costs from high to low", "--json", "--memory", str(memory.path)]
    assert main(["memory", *arguments]) == 0
    out, err = capfd.readouterr()
    found = [json.loads(line) for line in out.splitlines()]
    assert [one["id"] for one in found] == [2, 1]
    assert found[0]["likeness"] > 0.4 > found[1]["likeness"]
    assert err == ""  # no progress bar, no warning


def test_stats_add_up(sale: Sale) -> None:
    sums = json.loads(sale("stats", "--json").out)
    assert (sums["auctions"], sums["tasks"], sums["solved"], sums["overrides"]) == (3, 3, 2, 1)
    for name, total in (("wins", 3), ("solved", 2), ("refined", 1), ("refined_wins", 0), ("works", 5)):
        assert sum(agent[name] for agent in sums["agents"]) == total
    assert sums["refined"] == 1
    assert sums["usd"] == pytest.approx(6e-05)
    assert sums["usd_largest"] == pytest.approx(24e-05)
    said = sale("stats")
    assert "3 auctions of 3 tasks, 2 solved (67 %)" in said.out
    assert said.lines[-1].split() == ["all", "7", "1", "3", "0", "5", "2"]


def test_export_and_import_bring_all_of_it(sale: Sale, tmp_path: Path) -> None:
    target, other = tmp_path / "out.jsonl", tmp_path / "other" / "memory.sqlite3"
    said = sale("export", str(target))
    assert (said.code, said.out) == (0, "")
    assert "3 auctions written" in said.err
    assert sale("export", "-").out == target.read_text()
    assert sale("import", str(target), memory=other).out == "3 auctions added, 0 there already\n"
    assert sale("import", str(target), "--json", memory=other).out == '{"added":0,"known":3}\n'
    assert sale("export", "-", memory=other).out == target.read_text()
    left = {"memory.sqlite3", "memory.sqlite3-lock", "memory.sqlite3.copy", "out.jsonl", "other"}
    assert {one.name for one in tmp_path.iterdir()} == left


def test_export_replaces_nothing_unasked(sale: Sale, file: Path, tmp_path: Path) -> None:
    target = tmp_path / "mine.txt"
    target.write_text("mine")
    assert "is there already" in sale("export", str(target)).err
    assert target.read_text() == "mine"
    assert sale("export", str(target), "--force").code == 0
    assert target.read_text().startswith('{"format":"sale-memory"')
    before = file.read_bytes()
    said = sale("export", str(file), "--force")
    assert (said.code, file.read_bytes()) == (2, before)
    assert "is the memory file itself" in said.err
    said = sale("export", str(tmp_path / "none" / "x"))
    assert (said.code, "cannot be written" in said.err) == (2, True)


def test_a_damaged_auction_does_not_keep_the_others_in(sale: Sale, file: Path) -> None:
    import sqlite3

    connection = sqlite3.connect(file)
    connection.execute("UPDATE works SET steps = '[1' WHERE auction = 2")
    connection.commit()
    connection.close()
    said = sale("export", "-")
    assert said.code == 2
    assert [json.loads(line)["id"] for line in said.lines] == [1, 3]
    assert "1 auction left out: auction 2 in memory is damaged" in said.err


def test_import_names_a_wrong_line(sale: Sale, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('\n{"format": "other"}\n')
    said = sale("import", str(tmp_path / "bad.jsonl"))
    assert (said.code, said.out) == (2, "")
    assert "bad.jsonl, line 2: it is not a line of an export" in said.err
    assert sale("import", str(tmp_path / "none")).code == 2


@pytest.mark.parametrize("command", [["list"], ["stats"], ["search", "x"], ["search", "x", "--like"]])
def test_without_a_memory_nothing_is_made(sale: Sale, tmp_path: Path, command: list[str]) -> None:
    said = sale(*command, memory=None)
    assert (said.code, said.out) == (0, "")
    assert "nothing is remembered yet" in said.err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("command", [["list"], ["show", "1"], ["stats"], ["search", "x"], ["export", "-"]])
def test_a_damaged_file_is_a_message(sale: Sale, tmp_path: Path, command: list[str]) -> None:
    path = tmp_path / "bad.sqlite3"
    path.write_bytes(b"not a database" * 100)
    said = sale(*command, memory=path)
    assert (said.code, said.out) == (2, "")
    assert "is damaged" in said.err
    assert f"sale memory restore --memory {path}\n" in said.err
    assert path.read_bytes() == b"not a database" * 100


def left(sale: Sale) -> list[int]:
    return [json.loads(line)["id"] for line in sale("list", "--json").lines]


def test_delete_takes_auctions_out_for_good(sale: Sale) -> None:
    said = sale("delete", "run-a", "2", "2", "--yes")
    assert (said.code, said.out) == (0, "2 auctions deleted\n")
    assert said.err.splitlines() == [
        "auction 1: sum a list of prices",
        "auction 2: date of a [red]tree[/red] 100%",
    ]
    assert left(sale) == [3]
    assert sale("show", "1").code == 2
    said = sale("delete", "3", "--yes", "--json")
    assert json.loads(said.out) == {"deleted": [3]}
    assert left(sale) == []


@pytest.mark.parametrize("names", [["9"], ["1", "nothing"]])
def test_delete_of_none_deletes_none(sale: Sale, names: list[str]) -> None:
    said = sale("delete", *names, "--yes")
    assert (said.code, said.out) == (2, "")
    assert "sale memory list" in said.err
    assert left(sale) == [3, 2, 1]


def test_delete_in_a_script_wants_a_yes_of_its_own(sale: Sale) -> None:
    said = sale("delete", "1")
    assert said.code == 2
    assert "--yes" in said.err
    assert left(sale) == [3, 2, 1]


@pytest.mark.parametrize(
    ("typed", "code", "stay"),
    [("yes\n", 0, [3, 1]), ("y\n", 0, [3, 1]), ("\n", 1, [3, 2, 1]), ("no\n", 1, [3, 2, 1])],
)
def test_delete_asks_on_a_terminal(sale: Sale, file: Path, typed: str, code: int, stay: list[int]) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "salecli", "memory", "delete", "2", "--memory", str(file)]
    os.write(ours, typed.encode())
    done = subprocess.run(command, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, check=False)
    os.close(theirs)
    asked = os.read(ours, 10_000).decode()
    os.close(ours)
    assert done.returncode == code
    assert "auction 2: date of a [red]tree[/red] 100%" in asked
    assert "Type yes, or Enter to keep:" in asked
    assert left(sale) == stay


@pytest.mark.parametrize(
    "command", ["", "list", "show", "search", "delete", "stats", "export", "import", "check", "restore"]
)
def test_every_help_has_an_example(sale: Sale, command: str) -> None:
    said = sale(*([command] if command else []), "--help", memory=None)
    assert said.code == 0
    assert "Example" in said.out
    assert f"sale memory {command}".strip() in said.out


def test_looking_into_memory_loads_no_model_library(file: Path) -> None:
    code = (
        "import sys; from salecli.cli import main; main(['memory', 'list', '--memory', sys.argv[1]]); "
        "print(sorted({'torch', 'sentence_transformers', 'scipy', 'textual'} & set(sys.modules)))"
    )
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)],
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"
