"""How models fit into the machine: what each takes, how it is chosen, how often they load."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from salecli.adapters.fit import LEAST, Room, Wish, phases, place
from salecli.adapters.footprint import footprint
from salecli.adapters.gguf_header import Header, read
from salecli.adapters.llama import LlamaModel
from salecli.adapters.llama_refusal import refusal
from salecli.adapters.machine import default_budget, free_memory
from salecli.adapters.residency import Residency
from salecli.bench.bars.shapes import SHAPES, Shape, write
from salecli.bench.bars.speed import peak
from salecli.core.calls import Limits, Turn
from salecli.errors import ModelError
from tests.adapters.llama_fixtures import OPEN, drain
from tests.adapters.test_residency import MEMINFO, Lodger, tree

Make = Callable[..., LlamaModel]
ASK = [Turn("user", "sort " * 30), OPEN]
GIB = 1 << 30
SMALL = Shape(width=512, blocks=4, heads=8, hidden=1024, tied=False)


def header(size: str, bytes_: float) -> Header:
    """What the official file of a size says."""
    shape = SHAPES[size]
    return Header(
        "qwen3", 40_960, shape.blocks, shape.width, shape.blocks * 8 * 256, 151_936, int(bytes_ * 1e9),
        block_bytes=int(bytes_ * 0.9e9), output_bytes=int(bytes_ * 0.06e9),
    )  # fmt: skip


PAPER = {"4B": 2.50, "8B": 5.03, "14B": 9.00, "32B": 19.76}


def wishes(context: int = 2048) -> list[Wish]:
    return [Wish(name, header(name, size), context) for name, size in PAPER.items()]


@pytest.fixture(scope="module")
def shaped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A K-quantised file of a small Qwen3 shape with a large vocabulary."""
    file = tmp_path_factory.mktemp("shapes") / "small.gguf"
    write(file, SMALL, vocabulary=60_000, context=8192)
    return file


def test_the_official_sizes_come_out(tmp_path: Path) -> None:
    write(tmp_path / "a.gguf", SHAPES["0.6B"])
    found = read(tmp_path / "a.gguf")
    assert found.bytes == pytest.approx(0.397e9, rel=0.01)
    assert found.vocabulary == 151_936
    assert found.kv_values * 2 == 112 << 10
    assert 0.65 < found.block_bytes / found.bytes < 0.7
    assert found.tied
    assert found.block_bytes + found.output_bytes == pytest.approx(found.bytes, rel=0.02)


@pytest.mark.parametrize("kv", ["f16", "q8_0"])
@pytest.mark.parametrize("context", [2048, 8192])
def test_the_estimate_is_an_upper_bound(llama: Make, shaped: Path, context: int, kv: str) -> None:
    model = llama(shaped, context=context, kv=kv)
    tokens, usage = drain(model, [Turn("user", "the list of " * 88), OPEN], Limits(max_tokens=33))
    assert usage.evaluated > 512
    assert tokens
    most = peak(model.pid)
    assert most <= model.bytes <= most * 1.35 + (24 << 20)


def test_the_estimate_covers_a_batch_of_endings(llama: Make, shaped: Path) -> None:
    model = llama(shaped, context=2048, sequences=8)
    endings = [[Turn("user", f"step {number} " * 30), OPEN] for number in range(8)]
    assert len(model.choose(ASK[:1], endings, ["0", "1"])) == 8
    most = peak(model.pid)
    assert most <= model.bytes <= most * 1.35 + (24 << 20)
    more = footprint(model.header, 2048, gpu_layers=1).buffers - footprint(model.header, 2048).buffers
    assert more > 2 * 7 * 4 * model.header.vocabulary  # on either side


def test_a_quantised_cache_takes_half_and_marks_alike(llama: Make, shaped: Path) -> None:
    plain, short = llama(shaped, context=4096), llama(shaped, context=4096, kv="q8_0")
    assert short.footprint.cache == plain.footprint.cache * 17 // 32
    marks = [model.choose(ASK[:1], [[OPEN]], ["0", "1", "2"])[0] for model in (plain, short)]
    assert marks[0].probabilities == pytest.approx(marks[1].probabilities, abs=0.05)
    resident = [peak(model.pid) for model in (plain, short)]
    assert resident[0] - resident[1] > 0.5 * (plain.footprint.cache - short.footprint.cache)


def test_what_fits_is_taken_as_asked_for() -> None:
    (one, *_) = [place(wish, Room(21 * GIB)) for wish in wishes(8192)]
    assert (one.context, one.kv, one.gpu_layers, one.advice) == (8192, "f16", 0, "")


def test_the_cache_shrinks_before_the_context() -> None:
    wish = Wish("32B", header("32B", 19.76), 32_768)
    whole = footprint(wish.header, 32_768).memory
    half = place(wish, Room(whole - GIB))
    assert (half.context, half.kv, half.advice) == (32_768, "q8_0", "")
    assert half.less == "its KV cache is q8_0 instead of f16, which does not fit into memory"
    short = place(wish, Room(int(19.76e9) + 2 * GIB))
    assert (short.context, short.kv, short.advice) == (8_192, "q8_0", "")
    assert short.footprint.memory <= int(19.76e9) + 2 * GIB
    kept = place(Wish("32B", wish.header, 32_768, kv="f16"), Room(int(19.76e9) + 2 * GIB))
    assert (kept.context, kept.kv) == (4_096, "f16")
    assert kept.less.startswith("its context is 4,096 tokens instead of 32,768")
    assert place(Wish("32B", wish.header, 32_768, kv="q8_0"), Room(whole - GIB)).less == ""


def test_what_cannot_fit_comes_with_advice() -> None:
    wish = Wish("32B", header("32B", 19.76), 8_192)
    tight = place(wish, Room(16 * GIB))
    assert "a quantisation whose file takes 15." in tight.advice
    assert tight.context == 8_192
    assert "an endpoint" in place(wish, Room(4 * GIB)).advice
    pinned = Wish("32B", wish.header, 32_768, kv="f16")
    assert f"context = {LEAST}" in place(pinned, Room(int(20.6e9))).advice


def test_a_gpu_takes_the_layers_that_it_has_room_for() -> None:
    wish = Wish("14B", header("14B", 9.0), 8192)
    all_of_it = place(wish, Room(16 * GIB, 24 * GIB))
    assert all_of_it.gpu_layers == 41
    assert all_of_it.footprint.memory < 2 * GIB
    part = place(wish, Room(16 * GIB, 6 * GIB))
    assert 15 < part.gpu_layers < 30
    assert part.footprint.vram <= 6 * GIB
    assert part.footprint.memory < footprint(wish.header, 8192).memory
    assert place(Wish("14B", wish.header, 8192, gpu_layers=10), Room(16 * GIB, 6 * GIB)).gpu_layers == 10
    # A layer more would not fit; without memory for the rest, neither does the model.
    assert footprint(wish.header, 8192, "f16", part.gpu_layers + 1).vram > 6 * GIB
    assert place(wish, Room(2 * GIB, 3 * GIB)).advice


def test_four_that_do_not_fit_together_load_seven_times() -> None:
    one_at_a_time = [place(wish, Room(20 * GIB)) for wish in wishes()]
    bids, marks, refined, again = phases(one_at_a_time, Room(20 * GIB))
    assert bids.loads == ("4B", "8B", "14B", "32B")
    assert marks.loads == ("14B", "8B", "4B")
    assert len(refined.loads) + len(again.loads) <= 2 * 4 - 3


def test_where_a_server_may_lead_all_models_refine() -> None:
    one_at_a_time = [place(wish, Room(20 * GIB)) for wish in wishes()]
    _, _, refined, again = phases(one_at_a_time, Room(20 * GIB), served=True)
    assert refined.loads == ("32B",)  # the others have just marked, and stay
    assert again.loads == ("14B", "8B", "4B")


def test_one_at_a_time_is_the_worst_and_bounded() -> None:
    alike = [Wish(name, header("4B", 2.5), 2048) for name in "abcdef"]
    places = [place(wish, Room(4 * GIB)) for wish in alike]
    loads = [len(phase.loads) for phase in phases(places, Room(4 * GIB))]
    assert sum(loads[:2]) == 2 * 6 - 1
    assert sum(loads[2:]) == 2 * 6 - 3
    assert [len(phase.loads) for phase in phases(places, Room(40 * GIB))] == [6, 0, 0, 0]


def test_memory_that_somebody_else_took_refuses_a_load(
    llama: Make, llama_random: Path, tmp_path: Path
) -> None:
    files = tree(tmp_path, {"proc/meminfo": MEMINFO.replace("800 kB", f"{1 << 20} kB")})
    with Residency(free=partial(free_memory, files)) as residency:
        assert residency.budget == default_budget(GIB)
        model = llama(llama_random, residency=residency)
        model.load()
        model.unload()
        residency.leave(model)
        tree(tmp_path, {"proc/meminfo": MEMINFO.replace("800 kB", "2048 kB")})
        with pytest.raises(
            ModelError, match=r"random\.gguf needs about .* 2\.0 MiB of memory is free"
        ) as refused:
            model.load()
        assert model.pid is None
        assert residency.used == 0
        assert "models plan" in refused.value.hint


def test_idle_models_go_before_a_load_is_refused(
    llama: Make, llama_random: Path, llama_thinking: Path, tmp_path: Path
) -> None:
    """The budget holds both, the memory does not any more."""
    first, second = (llama(file) for file in (llama_random, llama_thinking))
    need = max(first.bytes, second.bytes)

    def free() -> int:
        return int(need * 1.5) - (first.bytes if first.loaded else 0)

    with Residency(4 * need, free=free) as residency:
        first, second = (llama(file, residency=residency) for file in (llama_random, llama_thinking))
        first.load()
        assert second.load() is not None
        assert not first.loaded


def test_a_load_waits_until_another_one_shows_what_it_takes() -> None:
    """A model that is loading holds a part of its memory already: that is no reason to refuse the next."""
    taken = [30]
    residency = Residency(100, free=lambda: 100 - taken[0])
    order: list[str] = []
    first, second = Lodger("first"), Lodger("second")

    def want() -> None:
        with residency.use(second, 50):
            order.append("second")

    with residency.use(first, 40):
        thread = threading.Thread(target=want)
        thread.start()
        thread.join(0.2)
        order.append("first")
        taken[0] = 40
        residency.settle(first)
        thread.join()
    assert order == ["first", "second"]


def test_a_gpu_that_is_full_is_said() -> None:
    said = refusal({"error": "vram", "wanted": 6 * GIB, "free": GIB}, "14B", Path("m.gguf"), 8192)
    assert said.message == "14B needs about 6.0 GiB on the GPU, and 1.0 GiB is free there now"
    assert "gpu_layers" in said.hint


def test_a_place_on_a_gpu_counts_apart() -> None:
    residency = Residency(100, vram=50, free=lambda: 1000)
    first, second = Lodger("first"), Lodger("second")
    with residency.use(first, 10, vram=30):
        first.loaded = True
    with residency.use(second, 10, vram=30):
        assert not first.loaded
    with pytest.raises(ModelError, match="on the GPU"), residency.use(Lodger("large"), 10, vram=60):
        pass


def test_an_evicted_model_has_left_when_the_next_one_starts(llama: Make, shaped: Path) -> None:
    """The kernel has all its memory back: there is no process any more."""
    size = llama(shaped, context=8192).bytes
    with Residency(int(size * 1.5)) as residency:
        first, second = (llama(shaped, context=8192, residency=residency) for _ in range(2))
        first.load()
        taken, pid = peak(first.pid), first.pid
        assert taken > size // 2
        assert second.load() is not None
        assert not Path(f"/proc/{pid}").exists()


def test_a_file_replaced_while_loaded_is_said_at_the_next_load(
    llama: Make, llama_random: Path, llama_thinking: Path, tmp_path: Path
) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(llama_random.read_bytes())
    model = llama(file)
    model.load()
    other = tmp_path / "new.gguf"
    other.write_bytes(llama_thinking.read_bytes())
    other.replace(file)
    assert not model.same
    assert drain(model, ASK, Limits(max_tokens=2))[1].generated == 2  # what is loaded is loaded
    model.unload()
    with pytest.raises(ModelError, match="was replaced or changed since") as refused:
        model.load()
    assert "run it again" in refused.value.hint
    assert llama(file).load() is not None
    file.unlink()
    with pytest.raises(ModelError, match="does not exist"):
        model.load()
