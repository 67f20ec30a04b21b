"""Rows of `sale bench` about models: what exact entropy costs, what the model's own process costs, and
how much of a jury's prompts is evaluated.

Measured on random-weight files that the bench writes itself: speed does not depend on what weights say.
Ratios are of runs that took turns, so that a busy machine slows both sides.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salecli.bench.bars import bare
from salecli.core.calls import Limits, Token, Turn, Usage

if TYPE_CHECKING:
    from salecli.adapters.llama import LlamaModel

Row = dict[str, object]

QWEN3_06B = {"width": 1024, "blocks": 28, "heads": 16, "kv_heads": 8, "head": 128, "hidden": 3072}
PRACTICE_L = {"width": 256, "blocks": 6, "heads": 4, "kv_heads": 2, "head": 32, "hidden": 704}
"""The largest practice model."""
QWEN3_VOCABULARY, PRACTICE_VOCABULARY = 151_936, 1024
TURNS = (
    Turn("system", "You plan small changes to Python code."),
    Turn("user", " ".join(f"{number} filter sort double the list of {number * 7}" for number in range(12))),
    Turn("assistant", ""),
)


def rows(repeats: int = 5) -> list[Row]:
    """All rows of this module; takes about two minutes on two cores.

    Computed in a process with the environment of a model's own.
    """
    return bare.apart("salecli.bench.bars.models", repeats)


def measure(repeats: int) -> list[Row]:
    """The rows, computed in this process."""
    with tempfile.TemporaryDirectory(prefix="sale-bench-") as folder:
        large = write_model(Path(folder) / "qwen3-0.6b-shape.gguf", QWEN3_06B, QWEN3_VOCABULARY)
        found = [entropy_share(large), overhead("0.6B shape", large, 48, repeats)]
        large.unlink()
        small = write_model(Path(folder) / "practice-shape.gguf", PRACTICE_L, PRACTICE_VOCABULARY)
        return [*found, overhead("practice shape", small, 200, 3 * repeats), shared_prefix(small)]


def entropy_share(file: Path, tokens: int = 32) -> Row:
    """Time for entropy and log-probability of a token, as a share of the time to decode it."""
    decoding, measuring = [], []
    with bare.opened(file) as sequence:
        sequence.evaluate(list(range(100, 164)))
        for token in range(tokens):
            began = time.perf_counter()
            sequence.step(200 + token)
            # llama.cpp may still be computing when it returns; reading the logits waits for it.
            sequence.logits()
            decoded = time.perf_counter()
            sequence.measures.take(sequence.logits())
            sequence.measures.figures([200])
            decoding.append(decoded - began)
            measuring.append(time.perf_counter() - decoded)
    share = 100 * statistics.median(measuring) / statistics.median(decoding)
    return row("entropy of a token, share of its decode time (0.6B shape)", share, "%", 3.0)


def overhead(label: str, file: Path, tokens: int, repeats: int) -> Row:
    """Wall time of a model in its own process against a bare llama.cpp loop over the same tokens.

    Both evaluate the whole prompt, then decode and sample token by token.
    """
    from salecli.adapters.llama import LlamaModel

    ratios = []
    with LlamaModel(file, context=2048) as model, bare.opened(file) as sequence:
        model.load()
        for number in range(repeats + 1):
            limits = Limits(max_tokens=tokens, seed=number)
            _forget(model)
            began = time.perf_counter()
            drawn, usage = _stream(model, limits)
            ours = time.perf_counter() - began
            prompt = [100 + place % 500 for place in range(usage.prompt)]
            theirs = bare.generate(sequence, prompt, len(prompt), [token.id for token in drawn], limits)
            if number:  # the first round warms both sides up
                ratios.append(ours / theirs)
    return row(f"model process against a bare llama.cpp loop ({label})", statistics.median(ratios), "x", 1.10)


def shared_prefix(file: Path, plans: int = 5) -> Row:
    """Prompt tokens that a judge evaluates for K plans, over prefix + the K plans."""
    from salecli.adapters.llama import LlamaModel

    endings = [
        (
            Turn("user", f"plan {number}: sort, then double the list " * (number + 1)),
            Turn("assistant", "Score: "),
        )
        for number in range(plans)
    ]
    with LlamaModel(file, context=2048) as model:
        alone = [one.usage.prompt for one in model.choose((), [TURNS[:2], *endings], ["0"])]
        model.unload()  # so that not even the first turn mark is held
        choices = model.choose(TURNS[:2], endings, list("012345"))
    evaluated = sum(choice.usage.evaluated for choice in choices)
    name = f"prompt tokens evaluated for {plans} plans, over prefix + plans"
    return row(name, evaluated / sum(alone), "x", 1.0)


def row(name: str, value: float, unit: str, bar: float) -> Row:
    """One line of the bench's table; smaller is better."""
    return {"name": name, "value": round(value, 4), "unit": unit, "bar": bar, "ok": value <= bar}


def _stream(model: LlamaModel, limits: Limits) -> tuple[list[Token], Usage]:
    stream, drawn = model.stream(TURNS, limits), []
    while True:
        try:
            drawn.append(next(stream))
        except StopIteration as stop:
            return drawn, stop.value


def _forget(model: LlamaModel) -> None:
    """Make the model hold another prompt, so that the next one is evaluated whole."""
    model.choose((), [(Turn("assistant", ""),)], ["0"])


def write_model(file: Path, shape: dict[str, int], vocabulary: int) -> Path:
    """Write a qwen3 GGUF of random Q8_0 blocks: seconds for a file of 0.6 GB."""
    import gguf  # of the training extra
    import numpy as np

    rng = np.random.default_rng(0)
    patch = np.empty((1 << 18, 34), np.uint8)
    patch[:, 2:] = rng.integers(0, 256, (len(patch), 32), np.uint8)

    def blocks(rows: int, columns: int) -> Any:
        """Rows of blocks whose values spread like those of a trained model: 1 / sqrt(columns)."""
        scale = np.array([1 / (74 * columns**0.5)], np.float16)
        patch[:, :2] = scale.view(np.uint8)
        count = rows * columns // 32
        whole = np.resize(patch, (count, 34)) if count > len(patch) else patch[:count].copy()
        return whole.reshape(rows, columns // 32 * 34)

    writer = gguf.GGUFWriter(file, "qwen3")
    _write_keys(writer, shape, vocabulary)
    width, head, hidden = shape["width"], shape["head"], shape["hidden"]
    queries, keys = shape["heads"] * head, shape["kv_heads"] * head
    matrices = {
        "attn_q": (queries, width),
        "attn_k": (keys, width),
        "attn_v": (keys, width),
        "attn_output": (width, queries),
        "ffn_gate": (hidden, width),
        "ffn_up": (hidden, width),
        "ffn_down": (width, hidden),
    }
    norms = {"attn_norm": width, "attn_q_norm": head, "attn_k_norm": head, "ffn_norm": width}
    kind = gguf.GGMLQuantizationType.Q8_0
    writer.add_tensor("token_embd.weight", blocks(vocabulary, width), raw_dtype=kind)
    writer.add_tensor("output_norm.weight", np.ones(width, np.float32))
    for block in range(shape["blocks"]):
        for name, length in norms.items():
            writer.add_tensor(f"blk.{block}.{name}.weight", np.ones(length, np.float32))
        for name, (rows, columns) in matrices.items():
            writer.add_tensor(f"blk.{block}.{name}.weight", blocks(rows, columns), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _write_keys(writer: Any, shape: dict[str, int], vocabulary: int) -> None:
    writer.add_type("model")
    writer.add_context_length(32_768)
    writer.add_embedding_length(shape["width"])
    writer.add_block_count(shape["blocks"])
    writer.add_feed_forward_length(shape["hidden"])
    writer.add_head_count(shape["heads"])
    writer.add_head_count_kv(shape["kv_heads"])
    writer.add_key_length(shape["head"])
    writer.add_value_length(shape["head"])
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1e6)
    # The 256 letters of a byte-level vocabulary, then tokens that no text contains.
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(byte) for byte in kept] + [chr(256 + number) for number in range(256 - len(kept))]
    control = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    unused = ["ab", *(f"unused {number}" for number in range(vocabulary - len(letters) - len(control) - 1))]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([*letters, *unused, *control])
    writer.add_token_types([1] * (len(letters) + len(unused)) + [3] * len(control))
    writer.add_token_merges(["a b"])  # llama.cpp wants one at least
    writer.add_eos_token_id(vocabulary - 1)
    writer.add_add_bos_token(False)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(int(sys.argv[1]))))
