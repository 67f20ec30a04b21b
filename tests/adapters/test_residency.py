"""The memory budget: who stays, who goes, who waits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from salecli.adapters.llama import LlamaModel
from salecli.adapters.machine import free_memory
from salecli.adapters.residency import Residency
from salecli.core.calls import Limits, Turn
from salecli.errors import ModelError
from tests.adapters.llama_fixtures import OPEN, drain

Make = Callable[..., LlamaModel]
ASK = [Turn("user", "sort"), OPEN]


class Lodger:
    """A tenant that remembers whether it is loaded."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.loaded = False

    def unload(self) -> None:
        self.loaded = False

    def work(self, residency: Residency, size: int) -> None:
        with residency.use(self, size):
            self.loaded = True


def test_the_least_recently_used_goes_first() -> None:
    residency = Residency(100)
    a, b, c = Lodger("a"), Lodger("b"), Lodger("c")
    a.work(residency, 40)
    b.work(residency, 40)
    a.work(residency, 40)
    c.work(residency, 40)
    assert list(residency.resident) == ["a", "c"]
    assert (a.loaded, b.loaded, c.loaded) == (True, False, True)
    assert residency.used == 80
    b.work(residency, 90)
    assert list(residency.resident) == ["b"]
    assert residency.used <= residency.budget


def test_what_can_never_fit_is_refused_with_numbers() -> None:
    residency = Residency(5 << 30)
    a, big = Lodger("a"), Lodger("big")
    a.work(residency, 40)
    with pytest.raises(ModelError, match=r"big needs about 9\.0 GiB, and models may take 5\.0 GiB") as caught:
        big.work(residency, 9 << 30)
    assert caught.value.hint
    assert a.loaded


def test_a_model_in_use_stays_and_its_own_user_does_not_wait_for_ever() -> None:
    residency = Residency(100)
    a, b, idle = Lodger("a"), Lodger("b"), Lodger("idle")
    idle.work(residency, 30)
    with residency.use(a, 60):
        a.loaded = True
        with pytest.raises(ModelError, match=r"no room for b.*: a in use"):
            b.work(residency, 60)
        assert a.loaded
        assert idle.loaded  # nothing was thrown out for a plan that could not work
    b.work(residency, 60)
    assert not a.loaded


def test_another_thread_waits_until_a_model_is_idle() -> None:
    residency = Residency(100)
    a, b = Lodger("a"), Lodger("b")
    order: list[str] = []

    def want() -> None:
        with residency.use(b, 60):
            order.append("b")

    with residency.use(a, 60):
        thread = threading.Thread(target=want)
        thread.start()
        thread.join(0.1)
        order.append("a")
    thread.join()
    assert order == ["a", "b"]


def test_waiting_has_an_end() -> None:
    residency = Residency(100, patience=0.05)
    a, b = Lodger("a"), Lodger("b")
    caught: list[ModelError] = []

    def want() -> None:
        try:
            b.work(residency, 60)
        except ModelError as error:
            caught.append(error)

    with residency.use(a, 60):
        thread = threading.Thread(target=want)
        thread.start()
        thread.join()
    assert "a in use" in caught[0].message


def test_many_threads_never_exceed_the_budget() -> None:
    residency = Residency(100)
    lodgers = [Lodger(str(number)) for number in range(6)]
    most: list[int] = []

    def work(lodger: Lodger) -> None:
        for _ in range(50):
            with residency.use(lodger, 30):
                lodger.loaded = True
                most.append(sum(other.loaded for other in lodgers))
                assert lodger.loaded

    threads = [threading.Thread(target=work, args=(lodger,)) for lodger in lodgers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 300
    assert max(most) <= 3
    residency.close_all()
    assert not any(lodger.loaded for lodger in lodgers)
    assert residency.used == 0


def test_models_make_room_for_each_other(llama: Make, llama_random: Path, llama_thinking: Path) -> None:
    sizes = [llama(file).bytes for file in (llama_random, llama_thinking)]
    with Residency(max(sizes) + min(sizes) // 2) as residency:
        first = llama(llama_random, residency=residency)
        second = llama(llama_thinking, residency=residency)
        assert first.load() is not None
        assert first.load() is None
        assert second.load() is not None
        assert (first.loaded, second.loaded) == (False, True)
        assert drain(first, ASK, Limits(max_tokens=2))[1].generated == 2
        assert (first.loaded, second.loaded) == (True, False)
        stream = first.stream(ASK, Limits(max_tokens=50))
        next(stream)
        with pytest.raises(ModelError, match="no room"):
            second.load()
        stream.close()
        first.close()
        assert residency.used == 0
        second.load()
    assert not second.loaded


def test_a_model_that_cannot_fit_starts_no_process(llama: Make, llama_random: Path) -> None:
    model = llama(llama_random, residency=Residency(1 << 20))
    with pytest.raises(ModelError, match=r"random\.gguf needs about"):
        model.load()
    assert model.pid is None


def test_a_file_that_cannot_load_keeps_no_place(llama: Make, llama_random: Path, tmp_path: Path) -> None:
    file = tmp_path / "unknown.gguf"
    file.write_bytes(llama_random.read_bytes().replace(b"qwen3", b"qwenX"))
    residency = Residency(1 << 30)
    with pytest.raises(ModelError, match="qwenX"):
        llama(file, residency=residency).load()
    assert residency.used == 0


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


MEMINFO = "MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    800 kB\n"


def test_free_memory_is_what_every_limit_leaves(tmp_path: Path) -> None:
    assert free_memory(tree(tmp_path / "bare", {"proc/meminfo": MEMINFO})) == 800 * 1024
    second = {
        "proc/meminfo": MEMINFO,
        "proc/self/cgroup": "0::/outer/inner\n",
        "sys/fs/cgroup/outer/memory.max": "500000\n",
        "sys/fs/cgroup/outer/memory.current": "300000\n",
        "sys/fs/cgroup/outer/memory.stat": "anon 1\ninactive_file 50000\n",
        "sys/fs/cgroup/outer/inner/memory.max": "max\n",
        "sys/fs/cgroup/outer/inner/memory.current": "200000\n",
    }
    assert free_memory(tree(tmp_path / "second", second)) == 250_000
    first = {
        "proc/meminfo": MEMINFO,
        "proc/self/cgroup": "5:cpu,cpuacct:/\n4:memory:/docker/abc\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "400000\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": "100000\n",
        "sys/fs/cgroup/memory/memory.stat": "total_inactive_file 1000\n",
    }
    assert free_memory(tree(tmp_path / "first", first)) == 301_000
    assert free_memory(tmp_path / "nothing") > 0


def test_the_default_budget_is_a_share_of_what_is_free() -> None:
    assert 0.5 < Residency().budget / free_memory() < 1
