"""A small byte-level BPE with Qwen2's pre-tokenisation, trained on rendered practice prompts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salecli.practice.render import SPECIAL

if TYPE_CHECKING:
    from tokenizers import Tokenizer

VOCABULARY = 1024
# llama.cpp's pre-tokeniser "qwen2": letters, single digits, runs of symbols, white space.
_QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def train(texts: Iterable[str], size: int = VOCABULARY) -> Tokenizer:
    """A tokenizer of at most `size` tokens: the control tokens, all 256 bytes, and merges."""
    # An optional dependency of the extra `train`.
    from tokenizers import models, pre_tokenizers, trainers

    tokenizer = _around(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        min_frequency=8,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _around(model: Any) -> Tokenizer:
    """Qwen2's pre-tokenisation and the byte-level alphabet around a BPE model."""
    from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers

    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_QWEN2), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def of_parts(tokens: Sequence[str], merges: Iterable[str]) -> Tokenizer:
    """The tokenizer that a GGUF file's tokens and merges describe."""
    from tokenizers import models

    pairs = [(left, right) for left, _, right in (merge.partition(" ") for merge in merges)]
    return _around(models.BPE({token: number for number, token in enumerate(tokens)}, pairs))


def load(path: Path) -> Tokenizer:
    """A tokenizer saved by `Tokenizer.save`."""
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(path))


def breaks(tokenizer: Tokenizer) -> frozenset[int]:
    """Ids of the tokens that hold a newline; the byte-level alphabet writes it as one letter."""
    return frozenset(id_ for token, id_ in tokenizer.get_vocab().items() if "\u010a" in token)


def pieces(tokenizer: Tokenizer) -> tuple[str, ...]:
    """The texts of tokens that may stand anywhere in a template, without the space in front: no digits."""
    texts = (tokenizer.decode([number]).strip(" ") for number in sorted(tokenizer.get_vocab().values()))
    return tuple(
        text for text in texts if text and text.isprintable() and not set(text) & set("0123456789{}\ufffd")
    )


def parts(tokenizer: Tokenizer) -> tuple[list[str], list[str]]:
    """Tokens in order of their ids, and merges as "a b", as a GGUF file wants them."""
    model = json.loads(tokenizer.to_str())["model"]
    tokens = [token for token, _ in sorted(model["vocab"].items(), key=lambda item: item[1])]
    merges = [one if isinstance(one, str) else " ".join(one) for one in model["merges"]]
    return tokens, merges
