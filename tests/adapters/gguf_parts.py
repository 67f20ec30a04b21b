"""A GGUF file taken apart and put together again, so that a test can break it in one place."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

UINT32, INT32, FLOAT, BOOL, TEXT, ARRAY, UINT64 = 4, 5, 6, 7, 8, 9, 10
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


@dataclass
class Tensor:
    """A tensor's description; `dimensions` may be said to be another number than there are."""

    name: bytes
    shape: list[int]
    kind: int
    offset: int
    dimensions: int | None = None

    def written(self) -> bytes:
        count = len(self.shape) if self.dimensions is None else self.dimensions
        shape = b"".join(struct.pack("<Q", size & 0xFFFF_FFFF_FFFF_FFFF) for size in self.shape)
        offset = self.offset & 0xFFFF_FFFF_FFFF_FFFF
        return text(self.name) + struct.pack("<I", count) + shape + struct.pack("<IQ", self.kind, offset)


@dataclass
class Parts:
    """All of a file; what is None is counted when the file is written."""

    keys: list[tuple[bytes, int, bytes]]
    tensors: list[Tensor]
    data: bytes
    magic: bytes = b"GGUF"
    version: int = 3
    key_count: int | None = None
    tensor_count: int | None = None
    alignment: int = 32
    end: int | None = None
    before: bytes = b""
    """Bytes in front of the keys."""
    order: str = field(default="<", repr=False)

    def put(self, key: str, kind: int, value: bytes) -> Parts:
        """Set a key, or add it."""
        self.keys = [one for one in self.keys if one[0] != key.encode()] + [(key.encode(), kind, value)]
        return self

    def without(self, key: str) -> Parts:
        self.keys = [one for one in self.keys if one[0] != key.encode()]
        return self

    def written(self) -> bytes:
        counts = (
            len(self.tensors) if self.tensor_count is None else self.tensor_count,
            len(self.keys) if self.key_count is None else self.key_count,
        )
        head = self.magic + struct.pack(f"{self.order}IQQ", self.version, *counts)
        head += self.before
        head += b"".join(text(key) + struct.pack("<I", kind) + value for key, kind, value in self.keys)
        head += b"".join(tensor.written() for tensor in self.tensors)
        whole = head + bytes(-len(head) % self.alignment) + self.data
        return whole if self.end is None else whole[: self.end]


def parts(file: Path) -> Parts:
    """A sound file, taken apart."""
    raw = file.read_bytes()
    at = 4

    def number(code: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from(f"<{code}", raw, at)
        at += struct.calcsize(f"<{code}")
        return int(value)

    def name() -> bytes:
        nonlocal at
        length = number("Q")
        at += length
        return raw[at - length : at]

    def skip(kind: int) -> None:
        nonlocal at
        if kind == TEXT:
            name()
        elif kind == ARRAY:
            inner, count = number("I"), number("Q")
            for _ in range(count):
                skip(inner)
        else:
            at += _SIZES[kind]

    assert number("I") == 3
    tensor_count, key_count = number("Q"), number("Q")
    keys, tensors = [], []
    for _ in range(key_count):
        key, kind = name(), number("I")
        begin = at
        skip(kind)
        keys.append((key, kind, raw[begin:at]))
    for _ in range(tensor_count):
        label = name()
        shape = [number("Q") for _ in range(number("I"))]
        tensors.append(Tensor(label, shape, number("I"), number("Q")))
    at += -at % 32
    made = Parts(keys, tensors, raw[at:])
    assert made.written() == raw
    return made
