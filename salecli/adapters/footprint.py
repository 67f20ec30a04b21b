"""What a model takes when it is loaded, from its header alone: weights, KV cache, buffers, the process."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from salecli.adapters.gguf_header import Header

if TYPE_CHECKING:
    from salecli.adapters.machine import Device

Kv = Literal["f16", "q8_0"]
"""Type of the KV cache's numbers."""
KINDS: tuple[Kv, ...] = get_args(Kv)
_BYTES: dict[Kv, float] = {"f16": 2, "q8_0": 34 / 32}
_BLOCK = 32
"""Numbers of a block of q8_0: a head has to be made of whole ones."""

SEQUENCES = 8
"""Endings of a prompt that are evaluated in one batch where layers lie on a GPU."""
PROCESS = 64 << 20
"""Bytes of a process that holds no model yet: the interpreter, numpy, llama.cpp."""
_PIECE = 224
"""Bytes of a vocabulary's entry with its merge in llama.cpp's tables."""
_DRIVER, _GPU_CONTEXT = 320 << 20, 512 << 20
"""Bytes that a GPU's driver takes for a process, in memory and on the GPU."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes, by what they are for; `vram` is what of them lies on GPUs."""

    weights: int
    cache: int
    buffers: int
    process: int
    vram: int = 0
    shared: bool = False
    """Whether the GPU has no memory of its own, but takes the processor's."""

    @property
    def total(self) -> int:
        """Bytes in memory and on GPUs together."""
        return self.weights + self.cache + self.buffers + self.process

    @property
    def memory(self) -> int:
        """Bytes in memory."""
        return self.total if self.shared else self.total - self.vram


def footprint(
    header: Header,
    context: int,
    kv: Kv = "f16",
    gpu_layers: int = 0,
    batch: int = 512,
    sequences: int | None = None,
    devices: Sequence[Device] = (),
) -> Footprint:
    """What a model takes with a context of so many tokens; an upper bound.

    Measured: 2 to 5 % above the resident size for the 0.6B and 1.7B shapes at contexts of 2,048 and 8,192
    with either KV type, up to 26 MiB above for models of 0.3 to 4.4 MB. What lies on a GPU is reckoned by the
    same figures, layer by layer as llama.cpp places them, with a driver's part on top: the first layer that
    goes is the output, then the last blocks. Several `devices` share the layers, with buffers on each.
    """
    cache = int(_BYTES[kv] * header.kv_values * (math.ceil(context / 256) * 256))
    sequences = sequences or (SEQUENCES if gpu_layers > 0 else 1)
    outputs = sequences + 1 if sequences > 1 else 1  # of logits, which llama.cpp holds twice
    buffers = 4 * (min(batch, context) * header.width * 24 + 2 * (outputs + 1) * header.vocabulary)
    process = PROCESS + _PIECE * header.vocabulary
    if gpu_layers <= 0:
        return Footprint(header.bytes, cache, buffers, process)
    gpus, shared = max(1, len(devices)), any(device.shared for device in devices)
    blocks = min(gpu_layers - 1, header.blocks)
    share = blocks / max(1, header.blocks)
    moved = header.output_bytes + int(header.block_bytes * share)
    kept = header.bytes - moved + header.output_bytes * header.tied
    # A layer lies on one GPU whole, so that each but one may have to take a layer more than its part.
    spare = (gpus - 1) * max(header.output_bytes, header.block_bytes // max(1, header.blocks))
    driver = gpus * _GPU_CONTEXT
    on_gpu = moved + int(cache * share) + gpus * buffers + spare + driver
    # Copies of the buffers stay on this side.
    buffers = (gpus + 1) * buffers + spare
    return Footprint(kept + moved, cache, buffers, process + _DRIVER + driver, on_gpu, shared)


def quantises(header: Header) -> bool:
    """Whether the KV cache can be held in q8_0."""
    return header.head % _BLOCK == 0
