"""What the header of a GGUF file says: whether it is whole, whether it is a text model, what it will take.

The `gguf` package's reader turns every vocabulary entry into an object, which takes seconds on real
files; this one steps over what nobody asked for, and reads nothing beyond the header.
"""

from __future__ import annotations

import functools
import math
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salecli.errors import ModelError

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_MOST_SCALARS = 4096
"""Arrays of numbers up to this length are kept (a value per block); longer ones only by their length."""

_MOST_KEYS, _MOST_ENTRIES, _LARGEST = 1 << 16, 1 << 22, 1 << 28
"""Keys or tensors, entries of an array, bytes of a header: more is damage, whatever the counts say."""

# Elements and bytes of a block, by ggml type; types that are missing here are checked by offset alone.
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 40),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110),
    22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8),
    29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36),
}  # fmt: skip

# Architectures that llama.cpp loads but that do not write text: image parts, encoders, audio.
_NOT_TEXT = frozenset(
    [
        "clip",
        "bert",
        "modern-bert",
        "nomic-bert",
        "nomic-bert-moe",
        "neo-bert",
        "jina-bert-v2",
        "jina-bert-v3",
        "eurobert",
        "gemma-embedding",
        "llama-embed",
        "t5",
        "t5encoder",
        "wavtokenizer-dec",
    ]
)
_SPLIT = re.compile(r"^(.*)-(\d{5})-of-(\d{5})\.gguf$")
AGAIN = "download the file again, or name another one"


@dataclass(frozen=True)
class Header:
    """The figures of a model file that loading it depends on."""

    architecture: str
    context: int
    """Tokens of context that it was trained for."""
    blocks: int
    width: int
    kv_values: int
    """Numbers that the KV cache holds per token, all blocks together."""
    vocabulary: int
    bytes: int
    """Size of the file, all its parts together."""
    block_bytes: int = 0
    """Bytes of all blocks' weights, which can go to a GPU one by one."""
    output_bytes: int = 0
    """Bytes of the output's weights, which go there first."""
    tied: bool = False
    """Whether those are the embedding's, which stays where it is: a GPU gets a copy."""
    head: int = 128
    """Numbers of a head's key or value, the smaller of both."""


def read(file: Path) -> Header:
    """The header of a GGUF file.

    Raises:
        ModelError: missing, not a file, unreadable, empty, not GGUF, cut short, or not a text model.
    """
    try:
        status = file.stat()
        if file.is_dir():
            raise ModelError(f"{file} is a folder, not a model file", "name the .gguf file inside it")
        return _read(file, status.st_size, status.st_mtime_ns)
    except FileNotFoundError:
        raise ModelError(
            f"the model file {file} does not exist", "see `sale models list` for what is there"
        ) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise ModelError(
            f"the model file {file} cannot be read: {reason}", "check its permissions"
        ) from error


@functools.lru_cache(maxsize=64)
def _read(file: Path, size: int, _changed: int) -> Header:
    """Cached by size and time of change: a pool asks more than once."""
    if size == 0:
        raise ModelError(f"the model file {file} is empty", AGAIN)
    with file.open("rb") as stream:
        cursor = _Cursor(stream.read, file)
        keys, tensors, alignment = _parse(cursor)
    _check_whole(file, size, tensors, math.ceil(cursor.at / alignment) * alignment)
    _check_text(file, keys, len(tensors))
    return _header(file, size, {name: length for name, _, length in tensors}, keys)


class _Cursor:
    """Reads forward through a file, a growing piece at a time."""

    def __init__(self, more: Callable[[int], bytes], file: Path) -> None:
        self._more, self.file = more, file
        self._data = b""
        self._base = 0
        self._next = 1 << 16
        self._position = 0

    @property
    def at(self) -> int:
        return self._base + self._position

    def _fill(self, count: int) -> None:
        if self._base > _LARGEST:
            raise damaged(self.file)
        part = self._more(max(count, self._next))
        self._next = min(self._next * 2, 1 << 24)
        self._base += self._position
        self._data = self._data[self._position :] + part
        self._position = 0
        if len(self._data) < count:
            raise ModelError(f"the model file {self.file} ends within its header", AGAIN)

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        if self._position + count > len(self._data):
            self._fill(count)
        part = self._data[self._position : self._position + count]
        self._position += count
        return part

    def number(self, code: str) -> Any:
        """The next little-endian number of a struct code."""
        return struct.unpack("<" + code, self.take(struct.calcsize("<" + code)))[0]

    def text(self) -> str:
        """The next string; one that is longer than any key or name is damage."""
        length = self.number("Q")
        if length > 1 << 24:
            raise damaged(self.file)
        return self.take(length).decode("utf-8", "replace")

    def skip(self, count: int) -> None:
        """Step over `count` bytes, in pieces: a damaged count must not ask for a terabyte."""
        while count:
            part = min(count, 1 << 24)
            self.take(part)
            count -= part

    def skip_texts(self, count: int) -> None:
        """Step over `count` strings; a vocabulary and its merges hold 300,000."""
        while count:
            data, position, end = self._data, self._position, len(self._data) - 8
            unpack = _LONG.unpack_from
            while count and position <= end:
                following = position + 8 + unpack(data, position)[0]
                if following > end + 8:
                    break
                position = following
                count -= 1
            self._position = position
            if count:
                self.skip(self.number("Q"))
                count -= 1


_LONG = struct.Struct("<Q")


def damaged(file: Path) -> ModelError:
    """What a header says cannot be."""
    return ModelError(f"the model file {file} has a damaged header", AGAIN)


def _parse(cursor: _Cursor) -> tuple[dict[str, Any], list[tuple[str, int, int]], int]:
    """Metadata, tensors as (name, offset, bytes), and the alignment of their data."""
    magic = cursor.take(4)
    if magic != b"GGUF":
        raise ModelError(f"the model file {cursor.file} is not a GGUF file", "name a file that ends in .gguf")
    version = cursor.number("I")
    if version not in (2, 3):
        raise ModelError(
            f"the model file {cursor.file} is GGUF version {version & 0xFFFF or version >> 24}",
            "convert it to version 3, little-endian",
        )
    tensor_count, key_count = cursor.number("Q"), cursor.number("Q")
    if max(tensor_count, key_count) > _MOST_KEYS:
        raise damaged(cursor.file)
    keys = {}
    for _ in range(key_count):
        name = cursor.text()
        keys[name] = _value(cursor, cursor.number("I"))
    tensors = []
    for _ in range(tensor_count):
        name, dimensions = cursor.text(), cursor.number("I")
        count = math.prod(cursor.number("Q") for _ in range(min(dimensions, 8)))
        elements, block = _BLOCKS.get(cursor.number("I"), (1, 0))
        tensors.append((name, cursor.number("Q"), count // elements * block))
    alignment = keys.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 1 <= alignment <= 1 << 20:
        raise damaged(cursor.file)
    return keys, tensors, alignment


def _value(cursor: _Cursor, kind: int) -> Any:
    """One metadata value; a long array, or one of strings, is only counted."""
    if kind == _STRING:
        return cursor.text()
    if kind in _SCALARS:
        return cursor.number(_SCALARS[kind])
    if kind != _ARRAY:
        raise damaged(cursor.file)
    kind, count = cursor.number("I"), cursor.number("Q")
    if count > _MOST_ENTRIES:
        raise damaged(cursor.file)
    if kind == _STRING:
        cursor.skip_texts(count)
        return _Counted(count)
    if kind not in _SCALARS:
        raise damaged(cursor.file)
    if count <= _MOST_SCALARS:
        return [cursor.number(_SCALARS[kind]) for _ in range(count)]
    cursor.skip(count * struct.calcsize("<" + _SCALARS[kind]))
    return _Counted(count)


@dataclass(frozen=True)
class _Counted:
    """An array that was stepped over."""

    count: int


def _check_whole(file: Path, size: int, tensors: list[tuple[str, int, int]], data: int) -> None:
    """Every tensor's data must lie within the file."""
    wanted = max((data + offset + length for _, offset, length in tensors), default=data)
    if wanted > size:
        raise ModelError(f"the model file {file} is cut short: {size:,} of {wanted:,} bytes", AGAIN)


def _check_text(file: Path, keys: dict[str, Any], tensors: int) -> None:
    """The file must hold a model that continues text."""
    architecture = keys.get("general.architecture")
    kind = keys.get("general.type", "model")
    hint = "name a GGUF of a text model, such as Qwen3"
    if not isinstance(architecture, str) or not architecture or len(architecture) > 64:
        raise ModelError(f"the model file {file} does not say its architecture", hint)
    if architecture in _NOT_TEXT:
        raise ModelError(f"{file} is no text model: its architecture is {architecture!r}", hint)
    if kind != "model":
        raise ModelError(f"{file} is no model on its own: it says it is of type {str(kind)[:64]!r}", hint)
    if keys.get(f"{architecture}.pooling_type", 0) not in (0, None):
        raise ModelError(f"{file} is an embedding model: it does not write text", hint)
    if "tokenizer.ggml.tokens" not in keys:
        raise ModelError(f"{file} holds no vocabulary", hint)
    if not tensors and not keys.get("split.count"):
        raise ModelError(f"{file} holds a vocabulary alone, no weights", hint)


def _header(file: Path, size: int, lengths: dict[str, int], keys: dict[str, Any]) -> Header:
    architecture = keys["general.architecture"]

    def figure(name: str, default: int | None = None) -> Any:
        value = keys.get(f"{architecture}.{name}", default)
        if value is None:
            raise ModelError(f"the model file {file} lacks the key {architecture}.{name}", AGAIN)
        # A value for each block, or one for all.
        if not all(type(one) is int and 0 <= one < 1 << 31 for one in _listed(value)):
            raise ModelError(f"the model file {file} has a damaged key {architecture}.{name}", AGAIN)
        return value

    def number(name: str, default: int | None = None) -> int:
        return max(0, *_listed(figure(name, default)), 0)

    blocks, width = number("block_count"), number("embedding_length")
    heads = max(1, number("attention.head_count", 1))
    kv_heads = figure("attention.head_count_kv", heads)
    kv_heads = sum(kv_heads) if isinstance(kv_heads, list) else kv_heads * blocks
    head = number("attention.key_length", width // heads)
    values = number("attention.value_length", width // heads)
    tokens = keys["tokenizer.ggml.tokens"]
    if not isinstance(tokens, list | _Counted):
        raise damaged(file)
    whole = size + _other_parts(file, keys.get("split.count", 0))
    in_blocks = sum(length for name, length in lengths.items() if name.startswith("blk."))
    output = sum(length for name, length in lengths.items() if name.startswith("output"))
    if tied := "output.weight" not in lengths:
        output += lengths.get("token_embd.weight", 0)
    if whole != size:  # the other parts' headers are not read: what they hold is blocks, but for the output
        in_blocks = int(whole * blocks / (blocks + 1))
        output, tied = whole - in_blocks, False
    return Header(
        architecture=architecture,
        context=number("context_length"),
        blocks=blocks,
        width=width,
        kv_values=kv_heads * (head + values),
        vocabulary=tokens.count if isinstance(tokens, _Counted) else len(tokens),
        bytes=whole,
        block_bytes=in_blocks,
        output_bytes=output,
        tied=tied,
        head=min(head, values),
    )


def _listed(value: Any) -> list[int]:
    return value if isinstance(value, list) else [value]


def _other_parts(file: Path, parts: object) -> int:
    """Bytes of the further files of a model that is split over several."""
    if not isinstance(parts, int) or parts > 99_999:
        raise damaged(file)
    if parts < 2:
        return 0
    named = _SPLIT.match(file.name)
    if not named or int(named[2]) != 1 or int(named[3]) != parts:
        raise ModelError(
            f"the model file {file} is one of {parts} parts, and not the first",
            f"name the file that ends in -00001-of-{parts:05}.gguf",
        )
    total = 0
    for number in range(2, parts + 1):
        part = file.with_name(f"{named[1]}-{number:05}-of-{parts:05}.gguf")
        if not part.is_file():
            raise ModelError(f"a part of the model is missing: {part}", AGAIN)
        total += part.stat().st_size
    return total
