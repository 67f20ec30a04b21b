"""What a call of a model takes and gives: turns, limits, tokens, usage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a chat.

    `ids`, where given, are the tokens that a model generated for this turn: they are evaluated as they
    are, never re-tokenised, so that the model's prefix cache always hits.
    A last turn of role "assistant" is left open: the model continues it.
    """

    role: Role
    text: str
    ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Token:
    """One generated token. `text` is empty while a multi-byte character is incomplete."""

    id: int
    text: str
    entropy: float
    """Shannon entropy of the next-token distribution it was drawn from, in nats."""
    logprob: float
    """Natural log-probability of this token in that distribution (temperature 1, no truncation)."""
    spread: float = 0.0
    """The true entropy lies within `entropy` +- this, where not all is known."""


StreamEnd = Literal["stop", "length", "cancelled"]


@dataclass(frozen=True, slots=True)
class Usage:
    """What one call to a model consumed."""

    prompt: int = 0
    """Tokens of the whole prompt."""
    evaluated: int = 0
    """Prompt tokens that were really evaluated, the prefix cache's hits left out."""
    generated: int = 0
    seconds: float = 0.0
    """Time that the model itself worked."""
    end: StreamEnd = "stop"
    thoughts: int = 0
    """The part of `generated` that was thought before the answer."""
    thought_nats: float = 0.0
    """Sum of the entropies of those tokens."""

    @property
    def thought_entropy(self) -> float:
        return self.thought_nats / self.thoughts if self.thoughts else 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt + other.prompt,
            self.evaluated + other.evaluated,
            self.generated + other.generated,
            self.seconds + other.seconds,
            other.end,
            self.thoughts + other.thoughts,
            self.thought_nats + other.thought_nats,
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """How a model may generate. Sampling defaults are Qwen's for the non-thinking mode."""

    max_tokens: int = 512
    temperature: float = 0.7
    top_p: float = 0.8
    top_k: int = 20
    seed: int = 0
    think: int = 0
    """Tokens of thinking allowed before the answer; 0 switches thinking off."""
    deadline: float | None = None
    """Seconds for the whole call."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A next-token distribution over a few options."""

    probabilities: tuple[float, ...]
    """In the order of the options, normalised over them."""
    mass: float
    """Share of the full distribution that the options hold together."""
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that became resident."""

    file: str
    bytes: int
    context: int
    vocabulary: int
    seconds: float
