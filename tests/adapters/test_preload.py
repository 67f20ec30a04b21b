"""Models that load ahead of time: beside what is resident, and only where memory has room for both."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from salecli.adapters.llama import LlamaModel
from salecli.adapters.residency import Residency
from salecli.errors import ModelError
from tests.waiting import eventually

Make = Callable[..., LlamaModel]
ROOM = 1 << 30


def settled() -> None:
    """Wait until nothing loads ahead of time any more."""
    eventually(lambda: not any(thread.name.startswith("preload") for thread in threading.enumerate()))


def test_the_load_that_follows_tells_of_it_once(llama: Make, llama_random: Path) -> None:
    model = llama(llama_random, residency=Residency(ROOM))
    model.preload()
    eventually(lambda: model.loaded)
    pid = model.pid
    loaded = model.load()
    assert loaded is not None
    assert loaded.file == str(llama_random)
    assert model.load() is None
    assert model.pid == pid


def test_a_load_waits_for_the_one_that_is_under_way(llama: Make, llama_random: Path) -> None:
    model = llama(llama_random, residency=Residency(ROOM))
    model.preload()
    model.preload()
    assert model.load() is not None
    assert model.load() is None


def test_nobody_is_unloaded_for_it(llama: Make, llama_random: Path, llama_thinking: Path) -> None:
    first = llama(llama_random)
    budget = Residency(first.bytes + 1)
    first, second = llama(llama_random, residency=budget), llama(llama_thinking, residency=budget)
    first.load()
    second.preload()
    settled()
    assert (first.loaded, second.loaded) == (True, False)
    assert second.load() is not None
    assert not first.loaded


def test_where_others_have_taken_the_memory_it_waits_for_its_turn(llama: Make, llama_random: Path) -> None:
    model = llama(llama_random, residency=Residency(ROOM, free=lambda: 1))
    model.preload()
    settled()
    assert not model.loaded


def test_what_fails_is_said_by_the_load(llama: Make, llama_random: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(llama_random.read_bytes()[:4096])
    model = llama(broken, residency=Residency(ROOM))
    model.preload()
    settled()
    with pytest.raises(ModelError, match=r"broken\.gguf"):
        model.load()


def test_nothing_loads_after_the_end(llama: Make, llama_random: Path) -> None:
    residency = Residency(ROOM)
    model = llama(llama_random, residency=residency)
    model.preload()
    residency.close_all()
    settled()
    assert not model.loaded
    assert residency.used == 0
    model.preload()
    settled()
    assert not model.loaded
