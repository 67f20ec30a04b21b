"""Model files of the true Qwen3 shapes with random weights, quantised as the official Q4_K_M files are.

Memory, loads and speed depend on shapes alone; what such a model writes means nothing. A file repeats one
buffer of random blocks, so that it is written as fast as the disk takes it.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salecli.bench.bars.scripted import byte_letters

VOCABULARY = 151_936
_CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>")
_BUFFER = 16 << 20
"""Bytes of random blocks."""
_HEAD, _KV_HEADS = 128, 8


@dataclass(frozen=True)
class Shape:
    """What the members of the family differ in."""

    width: int
    blocks: int
    heads: int
    hidden: int
    tied: bool
    """Whether the input's embedding is the output's matrix too."""


SHAPES = {
    "0.6B": Shape(1024, 28, 16, 3072, tied=True),
    "1.7B": Shape(2048, 28, 16, 6144, tied=True),
    "4B": Shape(2560, 36, 32, 9728, tied=True),
    "8B": Shape(4096, 36, 32, 12288, tied=False),
    "14B": Shape(5120, 40, 40, 17408, tied=False),
    "32B": Shape(5120, 64, 64, 25600, tied=False),
}


def shaped(size: str, folder: Path) -> Path:
    """The file of a shape in `folder`, written where it is not there yet."""
    file = folder / f"random-qwen3-{size}-Q4_K_M.gguf"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        growing = file.with_suffix(f".{os.getpid()}.part")
        try:
            write(growing, SHAPES[size])
            growing.replace(file)
        finally:
            growing.unlink(missing_ok=True)
    return file


def write(file: Path, shape: Shape, vocabulary: int = VOCABULARY, context: int = 40_960) -> None:
    """Write one file; minutes for the largest, as the disk allows."""
    import gguf  # of the training extra

    writer = gguf.GGUFWriter(file, "qwen3")
    _write_keys(writer, shape, vocabulary, context)
    tensors = list(_tensors(shape, vocabulary))
    for name, rows, columns, kind in tensors:
        dimensions = (rows, columns) if rows else (columns,)
        writer.add_tensor_info(f"{name}.weight", dimensions, None, _bytes(rows, columns, kind), _kind(kind))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    (out,) = writer.fout
    writer.write_padding(out, out.tell())
    buffers: dict[tuple[str, int], memoryview] = {}
    for _, rows, columns, kind in tensors:
        if (kind, columns) not in buffers:
            buffers[kind, columns] = memoryview(_blocks(kind, columns)).cast("B")
        left = _bytes(rows, columns, kind)
        while left:
            left -= out.write(buffers[kind, columns][:left])
        writer.write_padding(out, _bytes(rows, columns, kind))
    writer.close()


def _tensors(shape: Shape, vocabulary: int) -> Iterator[tuple[str, int, int, str]]:
    """(name, rows, columns, kind of block) of each tensor; a norm is a single row of 0."""
    queries, keys = shape.heads * _HEAD, _KV_HEADS * _HEAD
    yield "token_embd", vocabulary, shape.width, "Q6_K" if shape.tied else "Q4_K"
    if not shape.tied:
        yield "output", vocabulary, shape.width, "Q6_K"
    yield "output_norm", 0, shape.width, "F32"
    for block in range(shape.blocks):
        # Q4_K_M gives more bits to the first and last eighth of the blocks, and to each third between.
        eighth = shape.blocks // 8
        more = block < eighth or block >= 7 * eighth or (block - eighth) % 3 == 2
        high = "Q6_K" if more else "Q4_K"
        here = f"blk.{block}"
        for name, length in (
            ("attn", shape.width),
            ("attn_q", _HEAD),
            ("attn_k", _HEAD),
            ("ffn", shape.width),
        ):
            yield f"{here}.{name}_norm", 0, length, "F32"
        yield f"{here}.attn_q", queries, shape.width, "Q4_K"
        yield f"{here}.attn_k", keys, shape.width, "Q4_K"
        yield f"{here}.attn_v", keys, shape.width, high
        yield f"{here}.attn_output", shape.width, queries, "Q4_K"
        yield f"{here}.ffn_gate", shape.hidden, shape.width, "Q4_K"
        yield f"{here}.ffn_up", shape.hidden, shape.width, "Q4_K"
        yield f"{here}.ffn_down", shape.width, shape.hidden, high


_SIZES = {"Q4_K": (256, 144), "Q6_K": (256, 210), "F32": (1, 4)}
"""Numbers and bytes of a block."""


def _bytes(rows: int, columns: int, kind: str) -> int:
    numbers, size = _SIZES[kind]
    return max(rows, 1) * columns // numbers * size


def _kind(kind: str) -> Any:
    import gguf

    return gguf.GGMLQuantizationType[kind]


def _blocks(kind: str, columns: int) -> Any:
    """A buffer of blocks whose numbers have mean 0 and spread like trained ones: 1 / sqrt(columns)."""
    import numpy as np

    if kind == "F32":
        return np.ones(columns, np.float32)
    size = _SIZES[kind][1]
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 256, (_BUFFER // size, size), np.uint8)
    if kind == "Q4_K":
        # Each number is d * scale * 0..15 - least * offset, with scale and offset in 0..63.
        d = 1 / (258 * columns**0.5)
        blocks[:, :4] = np.array([d, 7.5 * d], np.float16).view(np.uint8)
    else:
        # Each number is d * scale * -32..31; scales of a byte, here in -8..7.
        blocks[:, 192:208] = rng.integers(-8, 8, (len(blocks), 16), np.int8).view(np.uint8)
        blocks[:, 208:] = np.array([1 / (85 * columns**0.5)], np.float16).view(np.uint8)
    return blocks


def _write_keys(writer: Any, shape: Shape, vocabulary: int, context: int) -> None:
    writer.add_type("model")
    writer.add_name("random weights of a Qwen3 shape")
    writer.add_context_length(context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.blocks)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(_KV_HEADS)
    writer.add_key_length(_HEAD)
    writer.add_value_length(_HEAD)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1e6)
    tokens, merges = _pieces(vocabulary - len(_CONTROL))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([*tokens, *_CONTROL])
    writer.add_token_types([1] * len(tokens) + [3, 3, 3, 4, 4])
    writer.add_token_merges(merges)
    writer.add_eos_token_id(len(tokens) + _CONTROL.index("<|im_end|>"))
    writer.add_pad_token_id(len(tokens))
    writer.add_add_bos_token(False)


def _pieces(count: int) -> tuple[list[str], list[str]]:
    """Tokens and merges: all bytes, all pairs of letters, and pairs of those as far as `count` goes.

    What such a model writes is read back in about as many tokens as it took.
    """
    letters = [*byte_letters().values()]
    small = "abcdefghijklmnopqrstuvwxyz"
    space = byte_letters()[ord(" ")]
    firsts = [left + right for left in small + space for right in small]
    inner = [pair for pair in firsts if pair[0] != space]
    pairs = [(pair[0], pair[1]) for pair in firsts]
    pairs += itertools.product(firsts, inner)
    pairs = pairs[: count - len(letters)]
    return [*letters, *map("".join, pairs)], list(map(" ".join, pairs))
