"""The journal of a batch: what is in it after a kill, and who may go on with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from salecli.adapters.frozen import freeze
from salecli.adapters.results import VERSION, Results, open_results
from salecli.adapters.sqlite import SqliteMemory
from salecli.core.batch import Result
from salecli.errors import EnvironmentFault, UsageError
from tests.adapters.auctions import WordCounter, auction, rich_auction

TERMS = {"seed": 3}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "tasks"
    made.mkdir()
    return made


def opened(folder: Path, resume: bool = True, **terms: int) -> Results:
    return open_results(folder, ["a", "b"], terms or TERMS, resume, folder.parent / "batches")


def result(task: str, outcome: str = "passed") -> Result:
    return Result(task, outcome, "xs", 0.5, 7, 1.5, "abc", "why \x1b[31m\udcff", "do", ("one", "two"))  # type: ignore[arg-type]


def test_an_unfinished_batch_goes_on_with_what_it_has(folder: Path) -> None:
    with opened(folder) as results:
        results.add(result("a"), "digest")
        first = results.id
    with opened(folder) as results:
        assert (results.resumed, results.id, results.tasks) == (True, first, ["a", "b"])
        assert results.finished["a"].result == result("a")
        assert results.finished["a"].digest == "digest"
        results.add(result("b", "error"), "d")
        results.add(result("b"), "d")
        assert [one.result.outcome for one in results.finished.values()] == ["passed", "passed"]
        results.end()
    with opened(folder) as results:
        assert (results.resumed, results.finished) == (False, {})
        assert results.id != first


def test_a_batch_without_a_result_is_forgotten(folder: Path) -> None:
    for _ in range(3):
        opened(folder).close()
    assert len(list((folder.parent / "batches").glob("*.jsonl"))) == 1


def test_beginning_anew_keeps_the_old_one(folder: Path) -> None:
    with opened(folder) as results:
        results.add(result("a"), "d")
    with opened(folder, resume=False) as results:
        assert results.finished == {}
        results.add(result("b"), "d")
    with opened(folder) as results:
        assert list(results.finished) == ["b"]


def test_a_line_that_was_cut_off_is_dropped_and_written_over(folder: Path) -> None:
    with opened(folder) as results:
        results.add(result("a"), "d")
        file = results.file
    whole = file.read_bytes()
    for cut in (1, 30, len(whole.splitlines()[-1])):
        file.write_bytes(whole + whole.splitlines()[-1][:cut])
        with opened(folder) as results:
            assert list(results.finished) == ["a"]
            results.add(result("b"), "d")
        with opened(folder) as results:
            assert list(results.finished) == ["a", "b"]


WRITER = """
import os, sys
from pathlib import Path
from salecli.adapters.frozen import freeze
from salecli.adapters.results import open_results
from salecli.core.batch import Result
results = open_results(Path(sys.argv[1]), ["a"], {"seed": 3}, True, Path(sys.argv[2]))
for number in range(100_000):
    results.add(Result(f"task-{number}", "passed", details=("x" * 300,) * 20), "d")
    os.write(1, b"%d\\n" % number)
"""


def test_what_was_said_is_there_after_a_kill(folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, folder, folder.parent / "batches"], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(50)]
    process.send_signal(signal.SIGKILL)
    said += process.stdout.readlines()
    process.wait()
    process.stdout.close()
    last = int([line for line in said if line.endswith(b"\n")][-1])
    with opened(folder) as results:
        assert set(results.finished) >= {f"task-{number}" for number in range(last + 1)}
        assert len(results.finished) - (last + 1) in (0, 1)


def test_one_process_at_a_time(folder: Path) -> None:
    with (
        opened(folder),
        pytest.raises(UsageError, match=f"under way already .process {os.getpid()}.") as caught,
    ):
        opened(folder)
    assert "wait" in caught.value.hint
    opened(folder).close()


def test_other_terms_are_refused(folder: Path) -> None:
    with opened(folder) as results:
        results.add(result("a"), "d")
    with pytest.raises(UsageError, match="was begun with --seed at 3, not at 4") as caught:
        opened(folder, seed=4)
    assert caught.value.hint == f"begin anew: sale batch {folder} --no-resume"
    opened(folder, resume=False, seed=4).close()


def test_another_version_and_a_damaged_line(folder: Path) -> None:
    with opened(folder) as results:
        results.add(result("a"), "d")
        file = results.file
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b'"version":%d' % VERSION, b'"version":99'))
    with pytest.raises(UsageError, match="of another version of sale") as caught:
        opened(folder)
    assert "--no-resume" in caught.value.hint
    head, task = whole.splitlines(keepends=True)
    for middle in (b"garbage\n", b"[]\n", b"{}\n", b'{"kind":"task"}\n', b"\xff\n"):
        file.write_bytes(head + middle + task)
        with pytest.raises(UsageError, match="line 2, is damaged") as caught:
            opened(folder)
        assert "--no-resume" in caught.value.hint


def test_a_full_disk_leaves_no_half_line(folder: Path) -> None:
    import resource

    with opened(folder) as results:
        results.add(result("a"), "d")
        size = results.file.stat().st_size
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, limits[1]))
        try:
            with pytest.raises(EnvironmentFault, match="cannot be written down") as caught:
                results.add(result("b"), "d")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, before)
        assert "df -h" in caught.value.hint
        assert results.file.stat().st_size == size
        assert list(results.finished) == ["a"]


def test_a_frozen_memory_stays_what_it_was_and_goes_with_its_batch(folder: Path) -> None:
    path = folder.parent / "memory.sqlite3"
    memory = SqliteMemory(path, WordCounter(), "pool", "prompts")
    memory.record(auction())
    with opened(folder) as results:
        freeze(path, results.frozen)
        memory.record(rich_auction())
        frozen = SqliteMemory(results.frozen, WordCounter(), "pool", "prompts")
        assert (memory.size(), frozen.size()) == (2, 1)
        assert results.frozen.stat().st_mode & 0o777 == 0o600
        results.add(result("a"), "d")
        results.end()
        assert list(results.file.parent.glob("*.sqlite3*")) == []
        freeze(folder / "none", results.frozen)
        assert not results.frozen.exists()


def test_every_line_is_json_without_anything_raw(folder: Path) -> None:
    with opened(folder) as results:
        results.add(result("a"), "d")
        data = results.file.read_bytes()
    assert all(32 <= byte < 127 for byte in data.replace(b"\n", b""))
    assert [json.loads(line)["kind"] for line in data.splitlines()] == ["batch", "task"]
