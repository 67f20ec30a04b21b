"""A real GGUF file that says one thing: whatever it is asked, the same reply and the same mark.

A qwen3 model without attention, whose next token depends on the last one alone. It goes in by a pool file, as
any model does, and runs in llama.cpp.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

_WIDTH, _HIDDEN, _HEADS, _KV_HEADS, _HEAD = 256, 32, 4, 2, 32
_CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def write_scripted(file: Path, reply: str, mark: int = 4, context: int = 2048) -> Path:
    """Write a model that answers every prompt with `reply`, and marks every plan with `mark`."""
    import gguf  # of the training extra
    import numpy as np

    known = byte_letters()
    letters = [known[byte] for byte in range(256)]
    # The reply is one token: in a chain of tokens none may come twice.
    said = "".join(letters[byte] for byte in reply.encode())
    tokens = [*letters, said, *_CONTROL]
    after = {letters[ord("\n")]: said, said: "<|im_end|>", letters[ord(" ")]: str(mark)}
    # Random signs are nearly orthogonal: each token's direction is its own.
    directions = np.random.default_rng(0).choice(np.array([-1, 1], np.float32), (len(tokens), _WIDTH))
    output = np.zeros_like(directions)
    for last, following in after.items():
        output[tokens.index(following)] += directions[tokens.index(last)] * (40 / _WIDTH)
    writer = gguf.GGUFWriter(file, "qwen3")
    _write_keys(writer, context, tokens)
    for name, tensor in {"token_embd": directions, "output": output, **_block()}.items():
        writer.add_tensor(f"{name}.weight", tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def byte_letters() -> dict[int, str]:
    """The printable letter that stands for each byte in a byte-level vocabulary, plain ones first."""
    kept = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    letters = {byte: chr(byte) for byte in kept}
    for byte in range(256):
        if byte not in letters:
            letters[byte] = chr(256 + len(letters) - len(kept))
    return letters


def _block() -> dict[str, Any]:
    """The tensors of one block that adds nothing, and of the norms."""
    import numpy as np

    shapes = {
        "attn_q": (_HEADS * _HEAD, _WIDTH),
        "attn_k": (_KV_HEADS * _HEAD, _WIDTH),
        "attn_v": (_KV_HEADS * _HEAD, _WIDTH),
        "attn_output": (_WIDTH, _HEADS * _HEAD),
        "ffn_gate": (_HIDDEN, _WIDTH),
        "ffn_up": (_HIDDEN, _WIDTH),
        "ffn_down": (_WIDTH, _HIDDEN),
    }
    norms = {"attn_norm": _WIDTH, "attn_q_norm": _HEAD, "attn_k_norm": _HEAD, "ffn_norm": _WIDTH}
    tensors: dict[str, Any] = {f"blk.0.{name}": np.zeros(shape, np.float32) for name, shape in shapes.items()}
    tensors |= {f"blk.0.{name}": np.ones(length, np.float32) for name, length in norms.items()}
    return {**tensors, "output_norm": np.ones(_WIDTH, np.float32)}


def _write_keys(writer: Any, context: int, tokens: list[str]) -> None:
    writer.add_type("model")
    writer.add_context_length(context)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(_HIDDEN)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_KV_HEADS)
    writer.add_key_length(_HEAD)
    writer.add_value_length(_HEAD)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10_000.0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * (len(tokens) - len(_CONTROL)) + [3] * len(_CONTROL))
    # llama.cpp wants one at least; the reply's own letters are never put together from a prompt.
    first, second = next(pairwise(tokens[-4]))
    writer.add_token_merges([f"{first} {second}"])
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_bos_token_id(tokens.index("<|endoftext|>"))
    writer.add_add_bos_token(False)


def write_pool(file: Path, models: dict[str, Path]) -> Path:
    """Write a pool of these agents, the cheapest first, with the short prompts and an even jury."""
    agents = "".join(
        f'[[agents]]\nname = "{name}"\nmodel = "{model}"\nprice = {0.05 * number:.2f}\ncontext = 2048\n'
        for number, (name, model) in enumerate(models.items(), 1)
    )
    file.write_text(
        f'name = "scripted"\nplan_tokens = 64\n[prompts]\nprofile = "compact"\n[limits]\nsteps = 2\n'
        f"deadline = 60\n[weights]\ncost = 0.02\n{agents}"
    )
    return file
