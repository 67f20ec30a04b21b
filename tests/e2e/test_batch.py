"""`sale batch` from end to end: scripted models in llama.cpp, real containers, the real pre-commit."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.e2e.batches import Tasks, ended, finishing, records
from tests.e2e.scene import Scene
from tests.e2e.world import below, contents, owned_containers

pytestmark = [pytest.mark.docker, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
COLOURED = re.compile(r"^(.*)\x1b\[([\d;]+)m(Passed|Failed|Skipped)\x1b\[0?m$")


@pytest.fixture
def tasks(tmp_path: Path, private_home: Path) -> Iterator[Tasks]:
    scene = Scene(tmp_path, private_home)
    yield Tasks(scene)
    left = below(private_home)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == []
    assert list(scene.temporary.iterdir()) == []


def on_a_terminal(command: list[str | Path], cwd: Path) -> tuple[int, list[str]]:
    """Exit code, and what a command writes on stdout where that is a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        list(map(str, command)),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TERM": "xterm-256color", "PATH": f"{BIN}:{os.environ['PATH']}"},
    )
    os.close(theirs)
    data = b""
    try:
        while piece := os.read(ours, 4096):
            data += piece
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    return process.wait(60), data.decode().replace("\r\n", "\n").splitlines()


def shown(lines: list[str]) -> list[tuple[int, str, set[str]]]:
    """(columns, word, colour) of each line that says how something ended."""
    found = []
    for line in lines:
        match = COLOURED.match(line)
        if match:
            assert "..." in match[1]
            # Bold or not is no colour; "30;43" and "43;30" are the same one.
            found.append((len(match[1]) + len(match[3]), match[3], set(match[2].split(";"))))
    return found


def test_lines_like_those_of_pre_commit(tasks: Tasks) -> None:
    tasks.add("cart-rounding")
    tasks.add("knit-levels", f'repository = "{tasks.asking(43)}"\nattempts = 1\n')
    tasks.add("later", 'skip = "not before the others"\n')
    hooks = "".join(
        f"  - {{id: {name}, name: {name}, entry: '{entry}', language: system, pass_filenames: false, "
        "always_run: true}\n"
        for name, entry in (("cart-rounding", "true"), ("knit-levels", "false"), ("later", "true"))
    )
    (tasks.shop / ".pre-commit-config.yaml").write_text(f"repos:\n- repo: local\n  hooks:\n{hooks}")
    subprocess.run(["git", "add", "--all"], cwd=tasks.shop, check=True)
    subprocess.run(["git", "commit", "-qm", "hooks"], cwd=tasks.shop, check=True)
    before = contents(tasks.folder), contents(tasks.shop)
    model = on_a_terminal(
        ["env", "SKIP=later", BIN / "pre-commit", "run", "--all-files", "--color", "always"], tasks.shop
    )
    files = tasks.scene.folder
    ours = on_a_terminal(
        [BIN / "sale", *tasks.command("--junit", files / "r.xml", "--patches", files / "patches")], tasks.shop
    )
    assert shown(ours[1]) == shown(model[1]) != []
    assert ours[0] == model[0] == 1
    first, second, *details = (line for line in ours[1] if line.strip())
    assert re.fullmatch(r"cart-rounding\.{3,}\(cheap, 0\.0+\d+ USD, \d+\.\d s\).*Passed.*", first)
    assert second.startswith("knit-levels...")
    assert [line.partition(":")[0].replace("\x1b[2m", "") for line in details[:2]] == ["- run", "- tests"]
    assert "assert 42 == 43" in details[1]
    assert "3 tasks: 1 passed, 1 failed, 1 skipped; 0.0" in details[-1]
    suite = ElementTree.parse(files / "r.xml").getroot()
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["3", "1", "0", "1"]
    assert [(case.get("name"), [part.tag for part in case][-1]) for case in suite] == [
        ("cart-rounding", "properties"),
        ("knit-levels", "failure"),
        ("later", "skipped"),
    ]
    assert [path.name for path in (files / "patches").iterdir()] == ["cart-rounding.patch"]
    assert (contents(tasks.folder), contents(tasks.shop)) == before
    patch = (files / "patches" / "cart-rounding.patch").read_bytes()
    subprocess.run(["git", "apply"], input=patch, cwd=tasks.shop, check=True)
    assert "return 42" in (tasks.shop / "answer.py").read_text()
    assert tasks.auctions() == 2


def test_a_batch_that_is_cut_short_goes_on(tasks: Tasks) -> None:
    for name in "abc":
        tasks.add(name)
    before = contents(tasks.folder), contents(tasks.shop)
    told: list[str] = []
    for number, code, word in (
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "terminated"),
        (None, 0, ""),
    ):
        process = tasks.start()
        found = []
        with finishing(process) as story:
            for record in records(process):
                found.append(record)
                if record["kind"] == "task" and not record["earlier"]:
                    told.append(record["task"])
                    if number is not None:
                        process.send_signal(number)
                        number = None
        assert process.returncode == code, story
        assert set(ended(found)) >= set(told), "what was told once is known"
        assert found[-1]["kind"] == "end"
        if word:
            assert story[-1] == f"sale: {word}"
            assert f"sale batch {tasks.folder} --pool {tasks.pool}" in story[-2]
        assert owned_containers(process.pid) == []
    assert sorted(told) == ["a", "b", "c"]
    assert ended(found) == dict.fromkeys("abc", "passed")
    assert "2 of 3 tasks finished already" in story[0]
    assert (contents(tasks.folder), contents(tasks.shop)) == before
    assert tasks.auctions() == 3


def test_a_run_that_ended_before_its_line_was_written_is_not_run_again(tasks: Tasks) -> None:
    for name in "abc":
        tasks.add(name)
    process = tasks.start()
    with finishing(process):
        for record in records(process):
            if record["kind"] == "task" and record["task"] == "b":
                process.kill()
                run = record["run"]
    # As if the process had been killed after the run's end and before the batch's own line.
    (journal,) = (tasks.scene.home / ".local/share/sale/batches").glob("*.jsonl")
    lines = [json.loads(line) for line in journal.read_text().splitlines(True) if line[-1] == "\n"]
    kept = [line for line in lines if (line["kind"], line.get("task")) != ("task", "b")]
    assert len(kept) < len(lines)
    journal.write_text("".join(json.dumps(line) + "\n" for line in kept))
    process = tasks.start("--patches", tasks.scene.folder / "patches")
    with finishing(process) as story:
        found = list(records(process))
    assert process.returncode == 0, story
    assert "2 of 3 tasks finished already" in story[0]
    (b,) = (record for record in found if record.get("task") == "b")
    assert (b["run"], b["outcome"], b["earlier"]) == (run, "passed", True)
    assert b["usd"] > 0 < b["seconds"]
    assert sorted(path.name for path in (tasks.scene.folder / "patches").iterdir()) == [
        "a.patch", "b.patch", "c.patch",
    ]  # fmt: skip
    # "c" may have ended as well, or been killed halfway: then it is remembered once all the same.
    assert tasks.auctions() == 3


def test_an_error_stays_with_its_task_and_is_tried_again(tasks: Tasks) -> None:
    empty = tasks.scene.repository("empty", {"a.py": "x = 1\n"})
    old = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=tasks.shop, capture_output=True, text=True, check=True
    )
    (tasks.shop / "test_answer.py").write_text("def test_nothing():\n    assert False\n")
    subprocess.run(["git", "commit", "-qam", "broken"], cwd=tasks.shop, check=True)
    plain = tasks.scene.folder / "plain"
    shutil.copytree(tasks.shop, plain, ignore=shutil.ignore_patterns(".git"))
    (plain / "test_answer.py").write_text("from answer import answer\ndef test_it(): assert answer() == 42\n")
    tasks.add("base", f'repository = "{tasks.shop}"\nbase = "{old.stdout.strip()[:10]}"\n')
    tasks.add("no-tests", f'repository = "{empty}"\n')
    tasks.add("plain", f'path = "{plain}"\n')
    process = tasks.start("--jobs", "2", "--frozen-memory")
    with finishing(process) as story:
        found = list(records(process))
    assert process.returncode == 1, story
    assert ended(found) == {"base": "passed", "no-tests": "error", "plain": "passed"}
    (error,) = (one for one in found if one.get("outcome") == "error")
    assert "has no tests that sale can find" in error["reason"]
    assert error["usd"] == 0
    assert "go on with 1 error" in story[-1]
    assert tasks.auctions() == 0, "a frozen memory takes nothing in"
    (empty / "test_a.py").write_text("from a import x\n\n\ndef test_x():\n    assert x == 1\n")
    process = tasks.start("--frozen-memory")
    with finishing(process) as story:
        found = list(records(process))
    assert {one["task"]: one["earlier"] for one in found if one["kind"] == "task"} == {
        "base": True,
        "plain": True,
        "no-tests": False,
    }
    assert process.returncode == 0, story
    assert ended(found)["no-tests"] == "passed"
    batches = tasks.scene.home / ".local/share/sale/batches"
    assert [path.suffix for path in batches.iterdir() if path.suffix not in (".jsonl", ".lock")] == []


class Engine:
    """The way to the Docker engine, which can be cut."""

    def __init__(self, folder: Path) -> None:
        self.address = folder / "engine.sock"
        self.open: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.address))
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near = self._listener.accept()[0]
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect("/var/run/docker.sock")
            self.open += [near, far]
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def cut(self) -> None:
        self._listener.close()
        self.address.unlink(missing_ok=True)
        for one in self.open:
            with suppress(OSError):  # the other end was first
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@pytest.mark.skipif(not Path("/var/run/docker.sock").exists(), reason="the engine is elsewhere")
def test_an_engine_that_goes_away_is_no_failure(
    tasks: Tasks, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for name in "abc":
        tasks.add(name)
    engine = Engine(tmp_path_factory.mktemp("e"))
    process = tasks.start(DOCKER_HOST=f"unix://{engine.address}")
    found = []
    with finishing(process) as story:
        for record in records(process):
            found.append(record)
            if record["kind"] == "task":
                engine.cut()
    assert process.returncode == 3, story
    assert ended(found) == {"a": "passed"}
    assert found[-1] == {**found[-1], "failed": 0, "error": 0, "left": 2}
    assert any(line.startswith("waiting: ") for line in story)
    assert story[-2].startswith("sale: no Docker engine answers")
    process = tasks.start()
    with finishing(process) as story:
        found = list(records(process))
    assert process.returncode == 0, story
    assert ended(found) == dict.fromkeys("abc", "passed")


def test_as_a_hook_of_pre_commit(tasks: Tasks) -> None:
    hooks = tasks.scene.repository(
        "hooks", {".pre-commit-hooks.yaml": (ROOT / ".pre-commit-hooks.yaml").read_text()}
    )
    (tasks.shop / "tasks").mkdir()
    (tasks.shop / "tasks" / "answer.md").write_text("# Write answer in answer.py\nIt returns 42.\n")
    subprocess.run(["git", "add", "--all"], cwd=tasks.shop, check=True)
    config = tasks.scene.home / ".config/sale"
    config.mkdir(parents=True)
    (config / "config.toml").write_text(f'pool = "{tasks.pool}"\n')
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    options = ["--all-files", "--verbose", "--color", "never"]
    # try-repo takes no arguments for the hook: a configuration of one's own has them.
    rev = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=hooks, capture_output=True, text=True, check=True
    ).stdout
    (tasks.shop / ".pre-commit-config.yaml").write_text(
        f"repos:\n- repo: {hooks}\n  rev: {rev}  hooks:\n  - id: sale-batch\n    args: [tasks, --plain]\n"
    )
    subprocess.run(["git", "add", "--all"], cwd=tasks.shop, check=True)
    done = subprocess.run(
        [BIN / "pre-commit", "run", *options],
        cwd=tasks.shop,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert any(re.fullmatch(r"sale batch\.+Passed", line) for line in lines)
    assert any(re.fullmatch(r"answer\.+\(cheap, .*\)Passed", line) for line in lines)
    tried = subprocess.run(
        [BIN / "pre-commit", "try-repo", hooks, "sale-batch", *options],
        cwd=tasks.shop,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert tried.returncode == 1, "no folder of tasks is named"
    assert "- exit code: 2" in tried.stdout
    assert "Missing argument 'TASKS'" in tried.stdout


def test_json_alone_stands_on_stdout(tasks: Tasks) -> None:
    tasks.add("a")
    end = tasks.scene.run(*tasks.command("--json", "--budget-usd", "0"))
    assert end.code == 1
    assert [json.loads(line)["kind"] for line in end.stdout.splitlines()] == ["batch", "end"]
    assert re.search(r"^a\.+\(budget spent\)Skipped$", end.stderr, re.MULTILINE)
    assert "1 task: none finished, 1 not run (budget spent)" in end.stderr
