"""The header scan, against the gguf package's own reader and against damage."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import gguf
import pytest

from salecli.adapters import gguf_header
from salecli.adapters.footprint import footprint
from salecli.errors import ModelError
from tests.models import Shape, Vocabulary, random_model


def test_figures_agree_with_the_gguf_package(tmp_path: Path) -> None:
    shape = Shape(width=96, blocks=3, heads=6, kv_heads=3, head=32, context=1234)
    file = random_model(tmp_path / "model.gguf", shape=shape, vocabulary=Vocabulary(size=5000))
    header = gguf_header.read(file)
    reader = gguf.GGUFReader(file)
    assert header.vocabulary == len(reader.fields["tokenizer.ggml.tokens"].data) == 5000
    assert (header.architecture, header.context, header.blocks, header.width) == ("qwen3", 1234, 3, 96)
    assert header.kv_values == 3 * 3 * (32 + 32)
    assert header.bytes == file.stat().st_size


def test_block_sizes_agree_with_the_gguf_package() -> None:
    theirs = {int(kind): sizes for kind, sizes in gguf.GGML_QUANT_SIZES.items()}
    assert {
        kind: sizes for kind, sizes in theirs.items() if kind in gguf_header._BLOCKS
    } == gguf_header._BLOCKS


def test_the_cache_of_the_estimate_is_what_qwen_models_take() -> None:
    """112 KiB per token at 28 blocks, 256 KiB at 64."""
    for blocks, per_token in ((28, 112 << 10), (36, 144 << 10), (64, 256 << 10)):
        header = gguf_header.Header("qwen3", 32768, blocks, 4096, blocks * 8 * (128 + 128), 151_936, 1 << 30)
        assert footprint(header, 8192).cache - footprint(header, 4096).cache == 4096 * per_token


def test_sizes_of_the_parts_add_up(tmp_path: Path) -> None:
    file = random_model(tmp_path / "m-00001-of-00002.gguf", split__count=2)
    (tmp_path / "m-00002-of-00002.gguf").write_bytes(bytes(12_345))
    assert gguf_header.read(file).bytes == file.stat().st_size + 12_345


def test_hostile_counts_end_with_the_file(tmp_path: Path) -> None:
    huge = struct.pack("<Q", 1 << 60)
    heads = [
        b"GGUF" + struct.pack("<I", 3) + huge + huge,
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + huge,
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<II", 9, 8) + huge,
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<II", 9, 4) + huge,
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<II", 9, 9) + huge,
        b"GGUF" + struct.pack(">IQQ", 3, 0, 1),
        b"GGUF" + struct.pack("<IQQ", 1, 0, 0),
    ]
    for number, head in enumerate(heads):
        file = tmp_path / f"{number}.gguf"
        file.write_bytes(head + bytes(200_000))
        with pytest.raises(ModelError, match=rf"{number}\.gguf"):
            gguf_header.read(file)


def test_any_damage_is_a_model_error_or_harmless(tmp_path: Path) -> None:
    whole = random_model(tmp_path / "whole.gguf").read_bytes()
    rng = random.Random(0)
    refused = 0
    for number in range(400):
        data = bytearray(whole)
        for _ in range(3):
            data[rng.randrange(8, 6_000)] = rng.randrange(256)
        file = tmp_path / f"{number}.gguf"
        file.write_bytes(data)
        try:
            gguf_header.read(file)
        except ModelError as error:
            refused += str(file) in error.message
        file.unlink()
    assert refused > 40
