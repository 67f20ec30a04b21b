"""The cleaning gate on every way out: one hostile text in every source, looked for at every way out."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from salecli import resources
from salecli.adapters import interchange
from salecli.adapters.journal import JOURNAL, Run, new_run, runs_folder
from salecli.adapters.sqlite import SqliteMemory
from salecli.cli import main
from salecli.cli.junit import write_junit
from salecli.core import events
from salecli.core.batch import Result
from salecli.tui.app import SaleApp
from salecli.tui.replay import AT_ONCE, Replay
from tests.adapters.auctions import WordCounter, auction
from tests.cli.test_screen import Terminal
from tests.hostile_text import HOSTILE, PAYLOADS, bare, raw_in
from tests.models import Vocabulary, chain, chain_model
from tests.tui import scene

TESTS = f"""\
import sys
import pytest

NASTY = {HOSTILE!r}

@pytest.mark.parametrize("name", [NASTY], ids=[NASTY])
def test_one(name):
    print(NASTY)
    print(NASTY, file=sys.stderr)
    assert False, NASTY

def test_two():
    pass
"""
FOREIGN = {
    "text", "title", "plan", "reply", "observation", "output", "message", "name", "target", "reason",
    "hint", "note",
    "path", "repository", "test_command",
}  # fmt: skip
"""The fields of events that hold what a model, a repository or a test wrote."""


def poisoned(value: Any, key: str = "") -> Any:
    """A record with the hostile text behind each foreign one."""
    if isinstance(value, dict):
        return {name: poisoned(one, name) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [poisoned(one, key) for one in value]
    return f"{value} {HOSTILE}" if isinstance(value, str) and key in FOREIGN else value


Ask = Callable[..., tuple[str, str]]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Ask:
    """`sale` with these arguments in this folder: its stdout and stderr, neither of them a terminal."""

    def call(folder: Path, *arguments: str, **env: str) -> tuple[str, str]:
        monkeypatch.chdir(folder)
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        capfd.readouterr()
        main(list(arguments))
        return capfd.readouterr()

    return call


@dataclass
class Shop:
    """A repository whose every name and text is hostile, and the run that was made in it."""

    folder: Path
    home: dict[str, str]
    pool: Path
    run: str = ""
    seen: str = ""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """One real run on a terminal: a model that writes the hostile text works in a hostile repository."""
    top = tmp_path_factory.mktemp("hostile")
    folder = top / "shop\x1b]52;c;Q0xJUA==\x07CLIP\u202eDIRECTION"
    folder.mkdir()
    (folder / "test_shop.py").write_text(TESTS)
    (folder / f"{HOSTILE.replace('/', '')[:80]}.py").write_text("x = 1\n")
    (folder / "line\nbreak\x1b[2JCLEAR.txt").write_text("x\n")
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9\x9b31mC1CODE.py")).write_text("y = 2\n")
    (folder / "issue.md").write_text(f"# Mend it {HOSTILE}\r\nThe shop is broken: {HOSTILE}\n")
    home = {
        "HOME": str(top),
        "XDG_DATA_HOME": str(top / "data"),
        "XDG_CONFIG_HOME": str(top / "config"),
        "GIT_CONFIG_GLOBAL": str(top / "gitconfig"),
    }
    (top / "gitconfig").write_text("[user]\nname = T\nemail = t@example.invalid\n")
    branch = "main-\u202eDIRECTION-\x9b31mC1CODE-[@click=app.quit]MARKUP".replace("[", "(").replace(
        "\x9b", ""
    )
    for command in (["init", "-q", "-b", branch], ["add", "-A"], ["commit", "-qm", HOSTILE]):
        subprocess.run(["git", *command], cwd=folder, check=True, env={**os.environ, **home})
    reply = f"{HOSTILE}\n```run\nprintf '%s' '{HOSTILE}'; cat /nonexistent\n```\n"
    model = chain_model(
        top / "nasty.gguf", chain("\n", reply, "<|im_end|>"), vocabulary=Vocabulary(words=(reply,))
    )
    pool = top / "pool.toml"
    practice = resources.pools() / "practice-m.gguf"
    pool.write_text(
        f'name = "nasty"\n[[agents]]\nname = "nasty"\nmodel = "{model}"\nprice = 0.1\ncontext = 2048\n'
        f'[[agents]]\nname = "m"\nmodel = "{practice}"\nprice = 0.2\ncontext = 2048\n'
        '[prompts]\nprofile = "compact"\n'
    )
    made = Shop(folder, home, pool)
    terminal = Terminal(
        folder, "solve", "issue.md", "--pool", str(pool), "--agent", "nasty", "--attempts", "1", **home
    )
    try:
        terminal.end()
    finally:
        terminal.close()
    made.seen = terminal.seen.decode("utf-8", "surrogateescape")
    runs = [path.name for path in (top / "data/sale/runs").glob("*")]
    assert len(runs) == 1, made.seen[-3000:]
    made.run = runs[0]
    return made


@pytest.mark.docker
@pytest.mark.slow
def test_a_run_on_a_terminal(shop: Shop) -> None:
    assert raw_in(shop.seen) == []
    # Broken into lines where the terminal ends.
    seen = "".join(re.sub("\x1b\\[[0-9;?]*[a-zA-Z]", "", shop.seen).split())
    for shown in ("\\x1b[31mCOLOUR", "\\x9b31mC1CODE", "\\u202eDIRECTION"):
        assert shown in seen


WAYS: dict[str, Callable[[Shop], tuple[str, ...]]] = {
    "show": lambda shop: ("show", shop.run),
    "show --plans": lambda shop: ("show", shop.run, "--plans"),
    "show --json": lambda shop: ("show", shop.run, "--json"),
    "memory list": lambda shop: ("memory", "list"),
    "memory list --json": lambda shop: ("memory", "list", "--json"),
    "memory show": lambda shop: ("memory", "show", "1"),
    "memory show --json": lambda shop: ("memory", "show", "1", "--json"),
    "memory search": lambda shop: ("memory", "search", "shop"),
    "memory stats": lambda shop: ("memory", "stats"),
    "memory export": lambda shop: ("memory", "export", "-"),
    "apply": lambda shop: ("apply", shop.run),
    "a folder's name": lambda shop: ("solve", f"missing-{HOSTILE}.md"),
    "a pool's name": lambda shop: ("solve", "issue.md", "--pool", HOSTILE),
    "an agent's name": lambda shop: ("solve", "issue.md", "--agent", HOSTILE, "--pool", str(shop.pool)),
    "a run's name": lambda shop: ("show", HOSTILE),
    "an issue's text": lambda shop: ("solve", "missing.md", "--repo", HOSTILE),
}


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_way_out_of_the_command_line(shop: Shop, ask: Ask, way: str) -> None:
    out, err = ask(shop.folder, *WAYS[way](shop), **shop.home)
    assert bare(out + err) == []
    assert raw_in(out + err) == []
    if way.endswith("json") or way == "memory export":
        found = [one for line in out.splitlines() for one in walked(json.loads(line))]
        assert any(PAYLOADS["colour"] in str(one) for one in found)
    elif way.startswith("show") or way == "memory show":
        assert "\\x1b[31mCOLOUR" in out + err


def walked(value: Any) -> Iterator[Any]:
    """Every text inside."""
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from walked(one)
    else:
        yield value


@pytest.mark.docker
@pytest.mark.slow
def test_the_journal_and_the_memory_hold_no_raw_code(shop: Shop) -> None:
    folder = Path(shop.home["XDG_DATA_HOME"], "sale", "runs", shop.run)
    journal = (folder / JOURNAL).read_text(encoding="utf-8", errors="surrogateescape")
    assert journal.isascii()
    assert bare(journal) == []
    assert "MARKUP" in journal


def recorded(tmp_path: Path) -> Run:
    """A run of which every foreign text is hostile."""
    run = new_run(runs_folder())
    run.note(repository=str(tmp_path), issue=HOSTILE, title=HOSTILE, pool="scripted")
    with (run.folder / JOURNAL).open("w") as file:
        for at, event in enumerate(scene.run_events()):
            record = json.loads(json.dumps(events.to_dict(event), default=str))
            bad = events.to_dict(events.from_dict(poisoned(record)))
            file.write(json.dumps({**bad, "_at": 1000.0 + at}, default=str) + "\n")
    return run


def test_a_recorded_run_on_the_screens(tmp_path: Path) -> None:
    run = recorded(tmp_path)
    folder = tmp_path / "shop"
    seen: dict[str, str] = {}

    async def go() -> None:
        app = SaleApp(folder, scene.wiring(folder), first=lambda: Replay(run, AT_ONCE))
        try:
            async with app.run_test(size=(140, 45)) as pilot:
                for key in (
                    "f3",
                    "p",
                    "escape",
                    "f4",
                    "f5",
                    "f2",
                    "f6",
                    "f7",
                    "question_mark",
                    "escape",
                    "ctrl+p",
                ):
                    await pilot.press(key)
                    await pilot.pause(0.3)
                    seen[key] = scene.drawn(app)
                    clicks(app)
        finally:
            await asyncio.to_thread(app.close)

    scene.run_async(go())
    for key, text in seen.items():
        assert raw_in(text) == [], key
        assert bare(text.replace("\n", "")) == [], key
    everything = "".join("".join(line.split()) for line in seen.values())
    assert "\\x1b[31mCOLOUR" in everything
    assert "[@click=app.quit]MARKUP[/]" in everything


def clicks(app: SaleApp) -> None:
    """No foreign text is a button."""
    for strip in app.screen._compositor.render_strips():
        for segment in strip:
            action = segment.style.meta.get("@click") if segment.style else None
            foreign = any(word in segment.text for word in ("MARKUP", "COLOUR", "CLIP"))
            assert not (action and foreign), segment


def test_a_recorded_run_in_lines(tmp_path: Path, ask: Ask) -> None:
    run = recorded(tmp_path)
    for options in ([], ["--plans"], ["--json"]):
        out, err = ask(tmp_path, "show", run.id, *options)
        assert bare(out + err) == []
        assert raw_in(out + err) == []
        assert "COLOUR" in out + err
    terminal = Terminal(tmp_path, "show", run.id, "--plans")
    try:
        terminal.end()
    finally:
        terminal.close()
    assert raw_in(terminal.seen.decode("utf-8", "surrogateescape")) == []
    assert b"COLOUR" in terminal.seen


def test_a_memory_of_somebody_else(tmp_path: Path, ask: Ask) -> None:
    """What an import may bring: every text hostile, on the way in, in messages, and on the way out."""
    memory = SqliteMemory(tmp_path / "theirs.sqlite3", WordCounter(), "pool", "prompts")
    memory.record(auction(run="a", text=HOSTILE))
    (line,) = interchange.exported(memory.path)
    assert isinstance(line, str)
    record = json.loads(line)
    record["auction"] = poisoned(record["auction"])
    good, odd = tmp_path / "good.jsonl", tmp_path / "odd.jsonl"
    good.write_text(json.dumps(record) + "\n")
    record["auction"]["winner"] = HOSTILE
    odd.write_text(json.dumps(record) + "\n")
    ours = ("--memory", str(tmp_path / "ours.sqlite3"))
    for arguments in (
        ("import", str(good), *ours), ("import", str(odd), *ours), ("list", *ours), ("show", "1", *ours),
        ("show", "1", "--json", *ours), ("stats", *ours), ("export", "-", *ours), ("search", "sum", *ours),
    ):  # fmt: skip
        out, err = ask(tmp_path, "memory", *arguments)
        assert bare(out + err) == [], arguments
        assert raw_in(out + err) == [], arguments
        if arguments[0] in ("show", "export"):
            assert "COLOUR" in out + err, arguments
    assert PAYLOADS["clipboard"] in json.loads(line)["auction"]["task"]["text"]


def test_a_batchs_junit_file(tmp_path: Path) -> None:
    file = tmp_path / "junit.xml"
    result = Result(HOSTILE, "failed", HOSTILE, 0.5, 7, 1.5, "abc", HOSTILE, HOSTILE, (HOSTILE, HOSTILE))
    write_junit(file, HOSTILE, [result], [HOSTILE], HOSTILE)
    text = file.read_text(encoding="utf-8")
    assert raw_in(text) == []
    assert bare(text) == []
    (case, left) = ElementTree.fromstring(text)
    assert "\\x1b[31mCOLOUR" in case.attrib["name"]
    assert "MARKUP" in left.attrib["name"]
