"""What `sale memory` says where the file is not what it should be: what is wrong, and what to type."""

from __future__ import annotations

import json
import os
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from salecli.adapters.examine import examine
from salecli.adapters.sqlite import SqliteMemory
from salecli.adapters.sqlitefile import copy_of
from salecli.cli import main
from salecli.errors import MemoryFault
from tests.adapters.auctions import WordCounter, auction

SALE = Path(sys.executable).with_name("sale")


def opened(path: Path) -> SqliteMemory:
    return SqliteMemory(path, WordCounter(), "pool", "prompts")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Three auctions; the copy holds the first."""
    path = tmp_path / "its memory.sqlite3"
    memory = opened(path)
    for number in range(1, 4):
        memory.record(auction(run=f"r{number}", text=f"sum number {number}"))
    return path


def said(capfd: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    code = main(["memory", *map(str, arguments)])
    return (code, *capfd.readouterr())


def changed(file: Path, statement: str) -> None:
    connection = sqlite3.connect(file)
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_check_of_a_sound_file(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capfd, "check", "--memory", file)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith(f"{file}: 3 auctions, ")
    assert lines[1].startswith("copy of ")
    assert lines[1].endswith(f" with 1 auction: {copy_of(file)}")
    assert lines[2] == "sound: pages, references and checksums"
    record = json.loads(said(capfd, "check", "--json", "--memory", file)[1])
    assert (record["sound"], record["auctions"], record["copy"]["auctions"]) == (True, 3, 1)


def test_check_names_what_changed_and_restore_brings_it_back(
    file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    changed(file, "UPDATE bids SET plan = 'plan of nobody' WHERE auction = 1")
    code, out, err = said(capfd, "check", "--memory", file)
    assert code == 2
    assert "not as they were written, and left out of learning: 1\n" in out
    assert "sound" not in out
    command = f"sale memory restore --memory {shlex.quote(str(file))}"
    assert command in err
    assert json.loads(said(capfd, "check", "--json", "--memory", file)[1])["changed"] == [1]
    code, out, err = said(capfd, *shlex.split(command)[2:])
    assert (code, err) == (0, "")
    assert "1 auction not as written. It was restored: 1 auction from the copy of " in out
    assert "and 2 auctions from the damaged file; none is missing. The damaged file stands in" in out
    assert said(capfd, "check", "--memory", file)[0] == 0
    assert said(capfd, "restore", "--memory", file)[1] == f"{file} is sound: nothing to restore\n"
    assert json.loads(said(capfd, "restore", "--json", "--memory", file)[1])["restored"] is None


def test_check_finds_broken_references_and_pages(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    changed(file, "DELETE FROM bids WHERE auction = 2")
    code, out, _ = said(capfd, "check", "--memory", file)
    assert code == 2
    assert "pages: row" in out
    assert "of lessons names a row of bids that is not there" in out


def test_looking_restores_nothing(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file.write_bytes(b"x" * 9000)
    for command in (["list"], ["stats"], ["check"], ["export", "-"]):
        code, out, err = said(capfd, *command, "--memory", file)
        assert (code, out) == (2, "")
        assert f"sale memory restore --memory {shlex.quote(str(file))}\n" in err
    assert file.read_bytes() == b"x" * 9000
    file.unlink()
    assert "it is gone, and its copy is there" in said(capfd, "list", "--memory", file)[2]


def test_restore_touches_nothing_that_is_not_ours(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    other, newer = tmp_path / "browser.sqlite", tmp_path / "newer.sqlite3"
    changed(other, "CREATE TABLE history (url)")
    opened(newer).record(auction())
    changed(newer, "PRAGMA user_version = 99")
    for path, why in ((other, "of another program"), (newer, "written by a newer sale")):
        before = path.read_bytes()
        code, out, err = said(capfd, "restore", "--memory", path)
        assert (code, out) == (2, "")
        assert why in err
        assert path.read_bytes() == before
    assert not list(tmp_path.glob("*.damaged*"))
    for command in ("check", "restore"):
        assert "there is no memory file" in said(capfd, command, "--memory", tmp_path / "none")[2]
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("command", ["list", "check", "restore", "stats"])
def test_a_folder(tmp_path: Path, capfd: pytest.CaptureFixture[str], command: str) -> None:
    code, out, err = said(capfd, command, "--memory", tmp_path)
    assert (code, out) == (2, "")
    assert "is a folder" in err
    assert f"--memory {tmp_path}/FILE" in err


def test_a_file_that_another_process_keeps(
    file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("salecli.adapters.sqlitefile.PATIENCE", 0.1)
    assert said(capfd, "export", tmp_path / "all", "--memory", file)[0] == 0
    other = opened(tmp_path / "other.sqlite3").path
    holder = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
    holder += "c.execute('BEGIN IMMEDIATE'); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", holder, other], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert said(capfd, "list", "--memory", other)[0] == 0  # readers do not wait
        code, _, err = said(capfd, "import", tmp_path / "all", "--memory", other)
        assert code == 2
        assert f"is being written by process {process.pid}" in err
        assert f"kill {process.pid}" in err
        assert "database is locked" not in err
        process.kill()
    assert said(capfd, "import", tmp_path / "all", "--memory", other)[0] == 0


def limited(command: list[str | Path], kib: int) -> subprocess.CompletedProcess[str]:
    """The command where no file may grow beyond `kib`."""
    script = f"ulimit -f {kib}; exec " + " ".join(shlex.quote(str(part)) for part in command)
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)


def test_a_file_that_may_not_grow(file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    many = opened(tmp_path / "many.sqlite3")
    for number in range(20):
        many.record(auction(run=f"m{number}", text=f"date number {number}"))
    export = tmp_path / "many.jsonl"
    assert said(capfd, "export", export, "--memory", many.path)[0] == 0
    size = file.stat().st_size // 1024
    done = limited([SALE, "memory", "import", export, "--memory", file], size + 8)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert f"df -h {shlex.quote(str(tmp_path))}" in done.stderr
    assert (examine(file).auctions, examine(file).sound) == (3, True)
    assert said(capfd, "import", export, "--memory", file)[0] == 0
    assert (examine(file).auctions, examine(file).sound) == (23, True)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "sale-test", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_disk_that_fills_up_loses_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "600k") as disk:
        memory = opened(disk / "memory.sqlite3")
        kept: dict[str, int] = {}

        def fill() -> None:
            for number in range(10_000):
                kept[f"r{number}"] = memory.record(auction(run=f"r{number}", text=f"sum number {number}"))

        with pytest.raises(MemoryFault, match="does not fit: the disk is full") as caught:
            fill()
        assert caught.value.hint == f"make room, and see it with: df -h {disk}"
        assert len(kept) > 5
        (copy_of(memory.path)).unlink()  # room again, for a little more
        again = opened(memory.path)
        assert again.record(auction(run="more")) == len(kept) + 1
        found = examine(memory.path)
        assert (found.sound, found.auctions) == (True, len(kept) + 1)
        for run, number in kept.items():
            assert again.auction(number).run == run
        # There is no room for a copy: the record stands, and the user is told.
        os.utime(memory.path)
        (told,) = again.told()
        assert told.startswith("no copy of the memory could be made: ")
        assert f"df -h {disk}" in told


@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_may_not_be_written_says_what_to_type(
    file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], what: str
) -> None:
    export = tmp_path / "all.jsonl"
    assert said(capfd, "export", export, "--memory", file)[0] == 0
    command: list[str | Path] = [SALE, "memory", "import", export, "--memory", file]
    if os.geteuid() == 0:  # without root's right to pass over permissions
        kept = "-dac_override,-dac_read_search"
        command = ["setpriv", f"--bounding-set={kept}", f"--inh-caps={kept}", *command]
    place = file if what == "file" else file.parent
    place.chmod(0o444 if what == "file" else 0o555)
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        place.chmod(0o700)
    assert done.returncode == 2
    assert f"chmod u+w {shlex.quote(str(place))}" in done.stderr
    assert "Traceback" not in done.stderr
