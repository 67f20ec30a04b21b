"""Trying a model out: whether it speaks, how fast, and whether its entropies are such."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from salecli.core.calls import Limits, Turn
from salecli.errors import ModelError

if TYPE_CHECKING:
    from salecli.adapters.llama import LlamaModel

TOKENS = 64
"""Most tokens that a model is asked for."""
PROMPT = (Turn("user", "Write a short plan: add a function to a Python file, and a test for it."),)


@dataclass(frozen=True, slots=True)
class Tried:
    """What a model did when it was asked for a few tokens."""

    tokens: int
    seconds: float
    """From the first token to the last."""
    entropy: float
    """Mean over the tokens, in nats."""
    loading: float | None
    """Seconds, None where it was loaded already."""

    @property
    def speed(self) -> float | None:
        """Tokens a second; None where there were too few to say."""
        return (self.tokens - 1) / self.seconds if self.tokens > 1 and self.seconds > 0 else None


def try_out(model: LlamaModel) -> Tried:
    """Load the model and let it speak; always the same prompt and seed.

    Raises:
        ModelError: it cannot be loaded, says nothing, or its entropies are no entropies.
    """
    loaded = model.load()
    stamps, entropies = [], []
    for token in model.stream(PROMPT, Limits(max_tokens=TOKENS)):
        stamps.append(time.monotonic())
        entropies.append(token.entropy)
    if not stamps:
        raise ModelError(f"{model.name} ended its reply at once", "use another model file")
    most = math.log(model.vocabulary) + 1e-3
    wrong = next((one for one in entropies if not -1e-6 <= one <= most), None)
    if wrong is not None:
        raise ModelError(
            f"{model.name} gives an entropy of {wrong:g} nats, which lies outside of 0 to {most:.2f}",
            "install the llama-cpp-python that sale was tested with, see constraints.txt",
        )
    mean = math.fsum(entropies) / len(entropies)
    return Tried(len(stamps), stamps[-1] - stamps[0], mean, loaded.seconds if loaded else None)
