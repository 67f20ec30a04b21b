"""Small GGUF files of the qwen3 architecture, built on the spot: real files for real llama.cpp.

`random_model` has random weights, so every token matters for the next distribution. `chain_model`
follows a table "after this token comes that one", so what it generates can be written down in a test.
Both have a byte-level BPE vocabulary with Qwen2 pre-tokenisation.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from salecli.bench.bars.scripted import byte_letters

CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
THINK = ("<think>", "</think>")
WORDS = (
    "\n\n", "system", "user", "assistant", "Score", ":", " the", " a", " of", "plan", "step", " list",
    " sort", " filter", "def", " return", "    ", "é", "€", "日", "x", "y",
)  # fmt: skip
NORMAL, CONTROL_TYPE, USER_DEFINED = 1, 3, 4


def spell(text: str) -> str:
    """`text` in the letters of a byte-level vocabulary."""
    letters = byte_letters()
    return "".join(letters[byte] for byte in text.encode())


@dataclass
class Vocabulary:
    """Tokens, types and merges of a small byte-level vocabulary."""

    think: bool = False
    control: tuple[str, ...] = CONTROL
    """The begin mark first, the end mark last."""
    template: str = ""
    begins: bool = False
    """Whether prompts want the begin mark."""
    words: tuple[str, ...] = WORDS
    size: int = 0
    """Filled up with unused tokens to this size, 0 for none."""
    tokens: list[str] = field(default_factory=list)
    types: list[int] = field(default_factory=list)
    merges: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tokens = list(byte_letters().values())
        for word in self.words:
            self._merge([*spell(word)])
        for times in (1, 2, 4, 8, 16):
            self._join("-" * times, "-" * times)
        self._join("-" * 32, "-" * 8)  # one token of 40 bytes
        while len(self.tokens) < self.size - len(self.control) - 2 * self.think:
            self.tokens.append(f"unused{len(self.tokens)}")
        self.types = [NORMAL] * len(self.tokens)
        self.tokens += self.control
        self.types += [CONTROL_TYPE] * len(self.control)
        if self.think:
            self.tokens += THINK
            self.types += [USER_DEFINED] * len(THINK)

    def _merge(self, letters: list[str]) -> None:
        for end in range(1, len(letters)):
            self._join("".join(letters[:end]), letters[end])

    def _join(self, left: str, right: str) -> None:
        if left + right not in self.tokens:
            self.tokens.append(left + right)
            self.merges.append(f"{left} {right}")

    def id(self, text: str | bytes) -> int:
        """The id of the token with this text, or with these bytes."""
        if isinstance(text, bytes):
            return self.tokens.index("".join(byte_letters()[byte] for byte in text))
        return self.tokens.index(text if text in self.control + THINK else spell(text))


@dataclass(frozen=True)
class Shape:
    """The size of a model."""

    width: int = 64
    blocks: int = 2
    heads: int = 4
    kv_heads: int = 2
    head: int = 32
    hidden: int = 128
    context: int = 2048


def random_model(
    path: Path,
    *,
    shape: Shape | None = None,
    vocabulary: Vocabulary | None = None,
    seed: int = 0,
    **keys: Any,
) -> Path:
    """Write a model of random weights; `keys` are further metadata, or override what is written."""
    import numpy as np

    shape, vocabulary = shape or Shape(), vocabulary or Vocabulary()
    rng = np.random.default_rng(seed)

    def weights(rows: int, columns: int, scale: float = 1.0) -> Any:
        return (rng.standard_normal((rows, columns)) * scale / columns**0.5).astype(np.float32)

    # A spread of 4 between the logits: neither certain nor uniform.
    tensors = {"token_embd": weights(len(vocabulary.tokens), shape.width, 4.0)}
    for block in range(shape.blocks):
        tensors |= _block(block, shape, weights)
    return _write(path, shape, vocabulary, tensors, keys)


def chain_model(
    path: Path,
    after: Mapping[str | bytes, str | bytes],
    *,
    vocabulary: Vocabulary | None = None,
    context: int = 2048,
    sureness: float = 40,
    **keys: Any,
) -> Path:
    """Write a model that gives nearly all probability to `after[last token]`, whatever stands before."""
    import numpy as np

    vocabulary = vocabulary or Vocabulary(think=True)
    shape = Shape(width=256, blocks=1, hidden=32, context=context)
    rng = np.random.default_rng(0)
    # Random signs are nearly orthogonal: each token's direction is its own.
    directions = rng.choice(np.array([-1, 1], np.float32), (len(vocabulary.tokens), shape.width))
    output = np.zeros_like(directions)
    for last, following in after.items():
        output[vocabulary.id(following)] += directions[vocabulary.id(last)] * (sureness / shape.width)

    def nothing(rows: int, columns: int, scale: float = 1.0) -> Any:
        return np.zeros((rows, columns), np.float32)

    tensors = {"token_embd": directions, "output": output, **_block(0, shape, nothing)}
    return _write(path, shape, vocabulary, tensors, keys)


def _block(number: int, shape: Shape, weights: Any) -> dict[str, Any]:
    """The tensors of one transformer block, by name."""
    import numpy as np

    queries, keys = shape.heads * shape.head, shape.kv_heads * shape.head
    tensors = {
        "attn_norm": np.ones(shape.width, np.float32),
        "attn_q": weights(queries, shape.width),
        "attn_k": weights(keys, shape.width),
        "attn_v": weights(keys, shape.width),
        "attn_q_norm": np.ones(shape.head, np.float32),
        "attn_k_norm": np.ones(shape.head, np.float32),
        "attn_output": weights(shape.width, queries, 2.0),
        "ffn_norm": np.ones(shape.width, np.float32),
        "ffn_gate": weights(shape.hidden, shape.width),
        "ffn_up": weights(shape.hidden, shape.width),
        "ffn_down": weights(shape.width, shape.hidden, 2.0),
    }
    return {f"blk.{number}.{name}": tensor for name, tensor in tensors.items()}


def _write(
    path: Path, shape: Shape, vocabulary: Vocabulary, tensors: dict[str, Any], keys: dict[str, Any]
) -> Path:
    import gguf
    import numpy as np

    architecture = keys.pop("architecture", "qwen3")
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type(keys.pop("type", "model"))
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.blocks)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head)
    writer.add_value_length(shape.head)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10_000.0)
    if keys.pop("with_vocabulary", True):
        _write_vocabulary(writer, vocabulary)
    for key, value in keys.items():
        writer.add_uint32(key.replace("__", "."), value)
    tensors["output_norm"] = np.ones(shape.width, np.float32)
    for name, tensor in tensors.items():
        writer.add_tensor(f"{name}.weight", tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _write_vocabulary(writer: Any, vocabulary: Vocabulary) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.types)
    writer.add_token_merges(vocabulary.merges)
    writer.add_eos_token_id(vocabulary.id(vocabulary.control[-1]))
    writer.add_bos_token_id(vocabulary.id(vocabulary.control[0]))
    writer.add_pad_token_id(vocabulary.id(vocabulary.control[0]))
    writer.add_add_bos_token(vocabulary.begins)
    if vocabulary.template:
        writer.add_chat_template(vocabulary.template)


def chain(*texts: str | bytes) -> dict[str | bytes, str | bytes]:
    """A table for `chain_model`: each text is followed by the next one."""
    return dict(itertools.pairwise(texts))
