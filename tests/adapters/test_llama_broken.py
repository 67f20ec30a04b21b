"""Broken model files, the kinds of llama.cpp's own test among them: a refusal in one line, never a crash.

Each is the smallest practice model with one thing wrong. Half of them are refused by our own look at the
header; the rest reach llama.cpp in its process.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from salecli import resources
from salecli.adapters import gguf_header
from salecli.adapters.llama import LlamaModel
from salecli.core.calls import Limits, Turn
from salecli.core.text import clean
from salecli.errors import ModelError
from tests.adapters.gguf_parts import ARRAY, FLOAT, INT32, TEXT, UINT32, UINT64, Parts, parts, text
from tests.adapters.llama_fixtures import OPEN
from tests.e2e.world import sale

SOUND = resources.pools() / "practice-xs.gguf"
Make = Callable[..., LlamaModel]
ASK = [Turn("user", "x"), OPEN]
Damage = Callable[[Parts], object]


def u32(value: int) -> bytes:
    return struct.pack("<I", value)


def every_key(change: Callable[[bytes, int, bytes], tuple[bytes, int, bytes]]) -> Damage:

    def damage(whole: Parts) -> None:
        whole.keys = [change(*key) for key in whole.keys]

    return damage


def tensor(**changes: object) -> Damage:
    """The first tensor changed; a function takes the old value."""

    def change(whole: Parts) -> None:
        for name, value in changes.items():
            one = whole.tensors[0]
            setattr(one, name, value(getattr(one, name)) if callable(value) else value)

    return change


def twice(whole: Parts) -> None:
    whole.keys[-1] = whole.keys[-2]


def aligned(value: int, kind: int = UINT32, write: int = 32) -> Damage:
    def change(whole: Parts) -> None:
        whole.put("general.alignment", kind, u32(value)).alignment = write

    return change


def misplaced(alignment: int) -> Damage:
    """Data that does not begin where the said alignment has it begin."""

    def change(whole: Parts) -> None:
        whole.put("filler", TEXT, text(""))
        whole.alignment = 1
        rest = (7 - (len(whole.written()) - len(whole.data))) % 64
        whole.put("filler", TEXT, text("x" * rest)).alignment = alignment

    return change


def overlapping(whole: Parts) -> None:
    for one in whole.tensors[:2]:
        one.shape, one.kind = [0x7FFF_FFFF_FFFF_FFC0], 24  # bytes that add up to almost nothing


def key(name: str, kind: int, value: bytes) -> Damage:
    return lambda whole: whole.put(name, kind, value)


def figure(name: str, value: int) -> Damage:
    return key(f"qwen3.{name}", UINT32, u32(value))


def change(**values: object) -> Damage:
    return lambda whole: whole.__dict__.update(values)


def cut(share: float) -> Damage:
    return lambda whole: setattr(whole, "end", int(len(whole.written()) * share))


HUGE = (1 << 64) - 1
STRINGS = struct.pack("<IQ", TEXT, HUGE)

# The kinds of llama.cpp's tests/test-gguf.cpp, in its order and by its names.
LLAMA_CPP: dict[str, Damage] = {
    "header: bad magic": change(magic=b"FUGG"),
    "header: bad version 0": change(version=0),
    "header: bad version 1": change(version=1),
    "header: bad version of the future": change(version=4),
    "header: bad number of keys": change(key_count=HUGE),
    "header: bad number of tensors": change(tensor_count=HUGE),
    "header: empty": change(keys=[], tensors=[], data=b""),
    "keys: bad key size": change(before=struct.pack("<Q", HUGE)),
    "keys: empty key": every_key(lambda name, kind, value: (b"", kind, value)),
    "keys: bad type": every_key(lambda name, kind, value: (name, 13, value)),
    "keys: bad value size": key("qwen3.more", TEXT, struct.pack("<Q", HUGE)),
    "keys: duplicate key": twice,
    "keys: bad alignment": aligned(13),
    "keys: alignment of the wrong type": aligned(32, INT32),
    "keys: alone": change(tensors=[], data=b""),
    "tensors: bad name size": tensor(name=lambda name: name + b"_with_a_very_long_name" * 4),
    "tensors: bad number of dimensions": tensor(dimensions=5),
    "tensors: bad shape": tensor(shape=lambda shape: [-1 for _ in shape]),
    "tensors: a dimension of zero": tensor(shape=lambda shape: [shape[0], 0]),
    "tensors: too many elements": tensor(shape=[4 * (2**31 - 1)] * 2),
    "tensors: too many bytes": tensor(shape=[int(math.sqrt(2**61 * 1.02))] * 2, kind=27),
    "tensors: bad type": tensor(kind=200),
    "tensors: bad offset": tensor(offset=-1),
    "tensors: duplicate name": lambda whole: setattr(whole.tensors[0], "name", whole.tensors[1].name),
    "tensors: bad alignment": lambda whole: setattr(whole.tensors[1], "offset", whole.tensors[1].offset + 13),
    "tensors: inconsistent alignment": misplaced(1),
    "tensors: alone": change(data=b""),
    "tensors: custom alignment": aligned(1, write=1),
    "data: not enough": cut(0.9999),
    "data: bad alignment": aligned(13, write=13),
    "data: inconsistent alignment": lambda whole: misplaced(32)(whole.put("general.alignment", UINT32,
    u32(64))),
    "data: sizes that overflow": overlapping,
    "data: custom alignment": aligned(64, write=64),
}  # fmt: skip

# What else a file can say.
OTHERS: dict[str, Damage] = {
    "big-endian": change(order=">"),
    "version 3 of nothing": change(key_count=0, tensor_count=0),
    "an architecture that nobody knows": key("general.architecture", TEXT, text("qwen3x")),
    "an architecture of another shape": key("general.architecture", TEXT, text("llama")),
    "an architecture with escape codes": key("general.architecture", TEXT, text("\x1b]52;c;aGk=\x07\x1b[2J")),
    "an architecture that is a number": key("general.architecture", UINT32, u32(3)),
    "no architecture": lambda whole: whole.without("general.architecture"),
    "no vocabulary": lambda whole: whole.without("tokenizer.ggml.tokens"),
    "a vocabulary of numbers": key("tokenizer.ggml.tokens", ARRAY, struct.pack("<IQI", UINT32, 1, 7)),
    "a vocabulary that is a number": key("tokenizer.ggml.tokens", UINT32, u32(7)),
    "a vocabulary of one": key("tokenizer.ggml.tokens", ARRAY, struct.pack("<IQ", TEXT, 1) + text("a")),
    "a vocabulary without end": key("tokenizer.ggml.tokens", ARRAY, STRINGS),
    "no merges": lambda whole: whole.without("tokenizer.ggml.merges"),
    "a tokenizer that nobody knows": key("tokenizer.ggml.model", TEXT, text("abacus")),
    "an end token beyond the vocabulary": key("tokenizer.ggml.eos_token_id", UINT32, u32(1 << 30)),
    "arrays in arrays": key("x", ARRAY, struct.pack("<IQ", ARRAY, HUGE)),
    "a context that is text": key("qwen3.context_length", TEXT, text("long")),
    "no context": figure("context_length", 0),
    "no blocks": figure("block_count", 0),
    "a million blocks": figure("block_count", 1_000_000),
    "more blocks than a number holds": key("qwen3.block_count", UINT64, struct.pack("<Q", HUGE)),
    "no width": figure("embedding_length", 0),
    "twice the width": figure("embedding_length", 128),
    "no heads": figure("attention.head_count", 0),
    "heads that do not divide": figure("attention.head_count", 7),
    "more key heads than heads": figure("attention.head_count_kv", 1000),
    "heads for each block, as text": key("qwen3.attention.head_count", ARRAY, struct.pack("<IQ", TEXT,
    1) + text("x")),
    "a head of a billion": figure("attention.key_length", 1_000_000_000),
    "a width that is no number": key("qwen3.embedding_length", FLOAT, struct.pack("<f", math.nan)),
    "a norm that is no number": key("qwen3.attention.layer_norm_rms_epsilon", FLOAT, struct.pack("<f",
    math.nan)),
    "parts without number": key("split.count", TEXT, text("many")),
    "weights that are no numbers": lambda whole: setattr(whole, "data", b"\xff" * len(whole.data)),
    "a tensor of another name": tensor(name=b"token_embd.height"),
    "a tensor of another shape": tensor(shape=lambda shape: shape[::-1]),
    **{f"cut at {share:.1%}": cut(share) for share in (0.00005, 0.0005, 0.01, 0.04, 0.1, 0.5, 0.99)},
}  # fmt: skip

HARMLESS = {
    "data: custom alignment",
    "tensors: custom alignment",
    "an end token beyond the vocabulary",
}
"""What llama.cpp may take: a plan then comes out of it."""


@pytest.fixture(scope="module")
def sound() -> bytes:
    return SOUND.read_bytes()


@pytest.mark.parametrize("kind", [*LLAMA_CPP, *OTHERS])
def test_a_broken_file_is_refused_in_one_line(llama: Make, tmp_path: Path, kind: str) -> None:
    whole = parts(SOUND)
    {**LLAMA_CPP, **OTHERS}[kind](whole)
    file = tmp_path / "broken.gguf"
    file.write_bytes(whole.written())
    model = llama(file, context=512)
    if kind in HARMLESS:
        assert list(model.stream(ASK, Limits(max_tokens=3)))
        return
    with pytest.raises(ModelError) as caught:
        list(model.stream(ASK, Limits(max_tokens=3, deadline=60)))
    shown = clean(caught.value.message, newlines=False)
    assert "broken.gguf" in shown
    assert len(shown) < 700
    assert caught.value.hint
    assert not model.loaded or "not finite" in shown


def test_the_sound_file_is_sound(llama: Make, tmp_path: Path) -> None:
    file = tmp_path / "sound.gguf"
    file.write_bytes(parts(SOUND).written())
    assert list(llama(file, context=512).stream(ASK, Limits(max_tokens=3)))


def test_a_file_of_a_terabyte_of_nothing_is_refused_at_once(llama: Make, tmp_path: Path) -> None:
    for number, head in enumerate(
        [b"GGUF" + struct.pack("<IQQ", 3, 0, 60_000), b"GGUF" + struct.pack("<IQQ", 3, 60_000, 0), b""]
    ):
        file = tmp_path / f"{number}.gguf"
        with file.open("wb") as stream:
            stream.write(head)
            stream.truncate(1 << 40)
        with pytest.raises(ModelError, match=rf"{number}\.gguf"):
            llama(file).load()


@pytest.mark.parametrize(("tensors", "keys"), [(0, 1 << 17), (1 << 17, 0)])
def test_counts_beyond_reason_are_not_counted_out(tmp_path: Path, tensors: int, keys: int) -> None:
    file = tmp_path / "many.gguf"
    file.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, tensors, keys) + bytes((1 << 17) * 24))
    with pytest.raises(ModelError, match="damaged header"):
        gguf_header.read(file)


def test_the_command_line_says_so_in_a_line(tmp_path: Path) -> None:
    broken = parts(SOUND)
    broken.put("general.architecture", TEXT, text("\x1b]0;owned\x07[@click=app.quit]x[/]"))
    (tmp_path / "broken.gguf").write_bytes(broken.written())
    pool = tmp_path / "pool.toml"
    pool.write_text('name = "p"\n[[agents]]\nname = "a"\nprice = 1\nmodel = "broken.gguf"\n')
    done = sale("models", "list", "--pool", str(pool), cwd=tmp_path)
    assert "\x1b" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "broken.gguf" in done.stdout
