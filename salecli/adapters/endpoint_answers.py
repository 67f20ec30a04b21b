"""Reads servers' answers: tokens with their log-probabilities, entropies from a part of them, marks.

Three shapes are known: llama-server's completions and every chat list objects with `top_logprobs`, vLLM's
completions have the older parallel lists, with tokens written "token_id:42" as it was asked to.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from salecli.adapters.endpoint_faults import Unusable

Name = int | str
"""A token's id, or its text where the server tells no ids."""
NEGLIGIBLE = 1e-4
"""Share of the options' mass that may hide below the server's top before it is asked for more."""
ROUNDED = 1e-5
"""What single precision may have lost of a whole distribution's sum."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One generated token of an answer."""

    id: int
    """-1 where the server tells none."""
    text: str
    logprob: float
    top: Mapping[Name, float]
    """Log-probabilities of the most likely tokens."""


def choice(answer: object) -> Mapping[str, Any]:
    """The first choice of an answer, or an empty one: a piece with the usage alone has none."""
    choices = answer.get("choices") if isinstance(answer, dict) else None
    if not isinstance(choices, list):
        raise Unusable("answers JSON without choices")
    first = choices[0] if choices else {}
    if not isinstance(first, dict):
        raise Unusable("answers choices that are no objects")
    return first


def pieces(chosen: Mapping[str, Any]) -> list[Piece]:
    """The tokens of one choice, or of one piece of a stream; none where it carries no text.

    Raises:
        Unusable: text without log-probabilities.
    """
    said = chosen.get("delta") or chosen.get("message") or {}
    text = chosen.get("text")
    if text is None:
        text = said.get("content")
    logprobs = chosen.get("logprobs")
    if not isinstance(logprobs, dict):
        if text:
            raise Unusable("returns no log-probabilities: without them there is no entropy and no mark")
        return []
    try:
        listed = logprobs.get("content")
        found = (
            [_entry(one) for one in listed] if isinstance(listed, list) else _parallel(logprobs, text or "")
        )
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise Unusable("returns log-probabilities in an unknown shape") from error
    if text and not found:
        raise Unusable("returns no log-probabilities: without them there is no entropy and no mark")
    return found


def _entry(one: Mapping[str, Any]) -> Piece:
    top = {_name(other): _logprob(other["logprob"]) for other in one.get("top_logprobs") or ()}
    number = one.get("id", -1)
    return Piece(number if isinstance(number, int) else -1, str(one["token"]), _logprob(one["logprob"]), top)


def _name(one: Mapping[str, Any]) -> Name:
    number = one.get("id")
    return number if isinstance(number, int) else str(one["token"])


def _parallel(logprobs: Mapping[str, Any], text: str) -> list[Piece]:
    tokens = logprobs["tokens"]
    found = []
    for place, token in enumerate(tokens):
        name = _numbered(token)
        top = {
            _numbered(other): _logprob(value)
            for other, value in (logprobs["top_logprobs"][place] or {}).items()
        }
        number = name if isinstance(name, int) else -1
        # The text belongs to all tokens of the piece together; it is shown with the last one.
        shown = text if place == len(tokens) - 1 else ""
        found.append(Piece(number, shown, _logprob(logprobs["token_logprobs"][place]), top))
    return found


def _numbered(token: str) -> Name:
    head, _, number = token.partition("token_id:")
    return int(number) if not head and number.isdigit() else token


def _logprob(value: Any) -> float:
    number = float(value)
    if math.isnan(number):
        raise ValueError("not a number")
    return min(number, 0.0)


def entropy(top: Iterable[float], vocabulary: int) -> tuple[float, float]:
    """The entropy in nats, as (middle, half width), where the most likely log-probabilities are known.

    The mass of the unknown tail lies between two extremes: as much of it as possible on tokens as likely as
    the last known one, or spread evenly over the rest of the vocabulary. Where all is known, the half is 0.
    """
    known = sorted(top, reverse=True)
    shares = [math.exp(logprob) for logprob in known]
    head = -sum(share * logprob for share, logprob in zip(shares, known, strict=True) if share > 0)
    hidden = vocabulary - len(known)
    rest = 1.0 - sum(shares)
    if hidden <= 0 or rest <= 0:
        return head, 0.0
    low = head - rest * math.log(min(rest, shares[-1])) if shares and shares[-1] > 0 else head
    high = max(low, head + rest * math.log(hidden / rest))
    return (low + high) / 2, (high - low) / 2


@dataclass(frozen=True, slots=True)
class Shares:
    """What an answer says of a few options."""

    of: tuple[float, ...]
    """Of the whole distribution, in the options' order; below the server's top half of what is possible."""
    hidden: float
    """Most that the shares of the options below the top can sum to."""

    @property
    def exact(self) -> bool:
        return self.hidden <= NEGLIGIBLE * sum(self.of)


def shares(top: Mapping[Name, float], options: Sequence[Name], vocabulary: int) -> Shares:
    """The shares of `options` in a distribution whose most likely log-probabilities are known.

    Tokens of the same text but for blanks count together where the server tells no ids.
    """
    found = [[math.exp(value) for name, value in top.items() if _is(name, option)] for option in options]
    missing = sum(not one for one in found)
    rest = max(0.0, 1.0 - sum(math.exp(value) for value in top.values())) + ROUNDED
    least = math.exp(min(top.values())) if top else 1.0
    if not missing or len(top) >= vocabulary:
        return Shares(tuple(sum(one) for one in found), 0.0)
    bound = min(least, rest / missing)
    return Shares(tuple(sum(one) if one else bound / 2 for one in found), bound * missing)


def _is(name: Name, option: Name) -> bool:
    if isinstance(name, str) and isinstance(option, str):
        return name.strip() == option.strip()
    return name == option
