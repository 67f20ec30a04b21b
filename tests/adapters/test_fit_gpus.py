"""How models fit onto GPUs, for lists of devices that are simulated: there is none where tests run."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from salecli import fitted
from salecli.adapters import machine
from salecli.adapters.fit import Room, Wish, place
from salecli.adapters.footprint import footprint
from salecli.adapters.gguf_header import read
from salecli.adapters.machine import Device
from salecli.bench.bars.shapes import write
from salecli.config import ModelSettings, Settings
from salecli.errors import ModelError
from salecli.pool import load_pool
from tests.adapters.test_fit import GIB, SMALL, header

CARD = Device("a card", 24 * GIB, 24 * GIB)
WISH = Wish("14B", header("14B", 9.0), 8192)
BLOCKS = WISH.header.blocks


def on_gpu(layers: int, *devices: Device) -> int:
    return footprint(WISH.header, 8192, gpu_layers=layers, devices=devices).vram


def test_the_output_goes_first_and_then_the_last_blocks() -> None:
    """As llama.cpp counts layers: it has one more than blocks, and takes them from the end."""
    block = WISH.header.block_bytes // BLOCKS
    steps = [on_gpu(layers + 1) - on_gpu(layers) for layers in range(1, BLOCKS + 1)]
    assert min(steps) > block
    assert max(steps) - min(steps) < 4
    assert on_gpu(1) > WISH.header.output_bytes
    assert on_gpu(BLOCKS + 1) > WISH.header.output_bytes + WISH.header.block_bytes
    assert on_gpu(99) == on_gpu(BLOCKS + 1)
    assert place(replace(WISH, gpu_layers=99), Room(16 * GIB, 24 * GIB)).gpu_layers == BLOCKS + 1


def test_tied_weights_lie_on_both_sides(tmp_path: Path) -> None:
    for tied in (False, True):
        write(tmp_path / "a.gguf", replace(SMALL, tied=tied), vocabulary=20_000)
        found = read(tmp_path / "a.gguf")
        assert found.tied == tied
        taken, none = (footprint(found, 2048, gpu_layers=layers) for layers in (99, 0))
        assert (taken.weights > none.weights) == tied
        # The embedding is looked up in memory.
        assert taken.weights - found.block_bytes - found.output_bytes > 20_000 * SMALL.width // 2


def test_several_gpus_need_buffers_and_a_spare_layer_each() -> None:
    one, two = on_gpu(20, CARD), on_gpu(20, CARD, CARD)
    assert two - one > 512 << 20
    assert on_gpu(20) == one
    few, many = (
        place(WISH, Room(16 * GIB, 8 * GIB, (Device("a part", size, size),) * (8 * GIB // size)))
        for size in (4 * GIB, 8 * GIB)
    )
    assert 0 < few.gpu_layers < many.gpu_layers
    assert few.footprint.vram <= 8 * GIB


def test_memory_that_is_shared_is_taken_once() -> None:
    """An integrated GPU's bytes are the processor's: what lies there leaves less for the others."""
    shared = (Device("within the processor", 12 * GIB, 16 * GIB, shared=True),)
    fits = place(WISH, Room(13 * GIB, 12 * GIB, shared))
    assert fits.gpu_layers == BLOCKS + 1
    assert fits.footprint.memory == fits.footprint.total > fits.footprint.vram > 9e9
    assert place(WISH, Room(9 * GIB, 12 * GIB, shared)).advice
    assert not place(WISH, Room(9 * GIB, 12 * GIB, (CARD,))).advice


def test_an_integrated_gpu_is_used_for_want_of_another() -> None:
    from salecli.adapters.llama_devices import used

    card, within = {"name": "card"}, {"name": "within"}
    assert used([(2, within), (1, card), (1, card)]) == [card, card]
    assert used([(2, within)]) == [within]
    assert used([]) == []


def test_the_devices_are_asked_for_in_a_process_of_its_own() -> None:
    command = [sys.executable, "-P", "-m", "salecli.adapters.llama_devices"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert [Device(**row) for row in json.loads(done.stdout)] == list(machine.devices())


def test_a_pool_on_a_gpu_is_reckoned_alike_by_plan_and_load(monkeypatch: pytest.MonkeyPatch) -> None:
    devices = (CARD, replace(CARD, free=2 * GIB))
    monkeypatch.setattr(machine, "devices", lambda: devices)
    settings = Settings(models=ModelSettings(budget="4g"))
    have = fitted.room(settings)
    assert have.devices == devices
    assert 24 * GIB < have.vram < 26 * GIB
    with fitted.residency_of(settings) as residency:
        for agent in load_pool("practice").agents:
            fits = fitted.placed(settings, agent, have)
            model, less = fitted.local(settings, agent, residency)
            assert model.footprint == fits.footprint
            assert model.footprint.vram > 1 << 30  # two contexts of a driver
            assert fits.gpu_layers == model.header.blocks + 1
            assert less == []


def test_a_card_that_is_full_leaves_the_layers_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "devices", lambda: (replace(CARD, free=100 << 20),))
    settings = Settings(models=ModelSettings(budget="4g"))
    agent = load_pool("practice").agents[0]
    assert fitted.placed(settings, agent, fitted.room(settings)).gpu_layers == 0
    pinned = agent.model_copy(update={"gpu_layers": 3})
    assert fitted.placed(settings, pinned, fitted.room(settings)).advice
    with fitted.residency_of(settings) as residency:
        model, _ = fitted.local(settings, pinned, residency)
        with pytest.raises(ModelError, match="on the GPU, and models may take"):
            model.load()
