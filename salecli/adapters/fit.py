"""How a pool's models fit into the machine: KV type, context and GPU layers of each, and which load when.

Reckoned from the files' headers before anything is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from salecli.adapters.footprint import KINDS, Footprint, Kv, footprint, quantises
from salecli.adapters.gguf_header import Header
from salecli.adapters.machine import Device
from salecli.adapters.residency import Residency, gib
from salecli.core.round import in_turn

LEAST = 2_048
"""Tokens of context below which none is made shorter to fit."""


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes that models may take: of memory, and of GPUs."""

    memory: int
    vram: int = 0
    devices: tuple[Device, ...] = ()
    """The GPUs, where it matters how many they are, or whether their memory is the processor's."""

    def holds(self, taken: Footprint) -> bool:
        """Whether one model fits in alone."""
        return taken.memory <= self.memory and taken.vram <= self.vram


@dataclass(frozen=True, slots=True)
class Wish:
    """What a pool asks for one agent; None leaves a choice."""

    name: str
    header: Header
    context: int
    kv: Kv | None = None
    gpu_layers: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """How one agent's model is loaded."""

    wish: Wish
    context: int
    kv: Kv
    gpu_layers: int
    footprint: Footprint
    advice: str = ""
    """What would make it fit; empty where it does."""

    @property
    def less(self) -> str:
        """What of it is less than was asked for, so that it fits; empty where nothing is."""
        if self.advice:
            return ""
        if self.context < self.wish.context:
            return (
                f"its context is {self.context:,} tokens instead of {self.wish.context:,}: more does not fit "
                "into memory"
            )
        if self.wish.kv is None and self.kv != KINDS[0]:
            return f"its KV cache is {self.kv} instead of {KINDS[0]}, which does not fit into memory"
        return ""


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of an auction, and the models that it loads, in order."""

    name: str
    loads: tuple[str, ...]


def place(wish: Wish, room: Room) -> Place:
    """The best way in which a model fits alone; where there is none, as asked for, with advice.

    First the KV cache shrinks to q8_0, then the context by halves down to LEAST; layers that a GPU has no
    room for stay in memory.
    """
    for context, kv in _ways(wish):
        layers, taken = _layers(wish, context, kv, room)
        if room.holds(taken):
            return Place(wish, context, kv, layers, taken)
    context, kv = next(_ways(wish))
    layers, taken = _layers(wish, context, kv, room)
    return Place(wish, context, kv, layers, taken, _advice(wish, room))


def _ways(wish: Wish) -> Iterator[tuple[int, Kv]]:
    """(context, KV type), the best first."""
    kinds = KINDS if quantises(wish.header) else KINDS[:1]
    kinds = kinds if wish.kv is None else (wish.kv,)
    context = wish.context
    yield from ((context, kv) for kv in kinds)
    while context > LEAST:
        context = max(LEAST, context // 2)
        yield context, kinds[-1]


def _layers(wish: Wish, context: int, kv: Kv, room: Room) -> tuple[int, Footprint]:
    """The layers on a GPU, as many as fit there where the pool leaves it open, and what is taken then."""
    header = wish.header

    def taken(layers: int) -> Footprint:
        return footprint(header, context, kv, layers, devices=room.devices)

    if wish.gpu_layers is not None:
        asked = min(wish.gpu_layers, header.blocks + 1) if room.vram else 0
        return asked, taken(asked)
    fitting = (layers for layers in range(header.blocks + 1, 0, -1) if taken(layers).vram <= room.vram)
    layers = next(fitting, 0)
    return layers, taken(layers)


def _advice(wish: Wish, room: Room) -> str:
    """What to change so that it fits: a context, a smaller quantisation, another machine."""
    least = footprint(wish.header, LEAST, "q8_0" if quantises(wish.header) else "f16")
    apart = 0 if any(device.shared for device in room.devices) else room.vram
    left = room.memory + apart - (least.total - least.weights)
    if left > wish.header.bytes:
        return f'let it choose: context = {LEAST} or less, kv = "q8_0", no gpu_layers'
    if left < wish.header.bytes // 4:  # no quantisation makes a quarter of it
        return "choose a smaller model, or serve it from another machine as an endpoint"
    return (
        f"choose a quantisation whose file takes {gib(left)} or less instead of {gib(wish.header.bytes)}, "
        "a smaller model, or serve it from another machine as an endpoint"
    )


def phases(places: Sequence[Place], room: Room, served: bool = False) -> list[Phase]:
    """The loads of an auction one model at a time: of bids, of marks, and at most of refinement.

    They are counted by the residency itself, for tenants of these sizes. Where agents on servers bid too
    (`served`), one of them may lead, and all of these models refine.
    """
    residency = Residency(room.memory, vram=room.vram, free=lambda: 1 << 62)
    tenants = [_Counted(one) for one in places if not one.advice]

    def went(name: str, order: Sequence[_Counted]) -> Phase:
        return Phase(name, tuple(one.name for one in order if one.load(residency)))

    def judges() -> list[_Counted]:
        return in_turn(tenants, lambda one: one.loaded)

    return [
        went("bids", tenants),
        went("marks", judges()),
        went("refined bids, at most", tenants if served else tenants[:-1]),
        went("their marks, at most", judges() if served or len(tenants) > 1 else []),
    ]


class _Counted:
    """A model that takes its place and no memory."""

    def __init__(self, one: Place) -> None:
        self.name = one.wish.name
        self.loaded = False
        self._taken = one.footprint

    def unload(self) -> None:
        self.loaded = False

    def load(self, residency: Residency) -> bool:
        """Use a place; whether that took a load."""
        before = self.loaded
        with residency.use(self, self._taken.memory, vram=self._taken.vram):
            self.loaded = True
        residency.settle(self)
        return not before
