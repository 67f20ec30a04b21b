"""Exact figures of what a model puts out: entropies, log-probabilities and shares over its vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from salecli.adapters.llama_faults import NativeError

DAMAGED = "the model's output is not finite: its weights are damaged"
_MEASURED, _MEASURED_BYTES = 32, 4 << 20
"""Most distributions that wait to be measured, and most bytes of them."""


class Measures:
    """Exact figures of next-token distributions over the full vocabulary, several measured in one go.

    Between two decodes the caches are cold: for a tiny model, eight numpy calls a token cost 40 to 55 us
    (measured); one copy a token, and the calls for a dozen of them together, cost 20.
    """

    def __init__(self, size: int) -> None:
        """`size`: entries of the vocabulary. A large one leaves room for few distributions."""
        self.room = max(1, min(_MEASURED, _MEASURED_BYTES // (4 * size)))
        self.held = 0
        self._logits = np.empty((self.room, size), np.float32)
        self._shares = np.empty_like(self._logits)
        self._totals = np.empty(0, np.float32)

    def take(self, logits: Any) -> None:
        """Copy one more distribution; llama.cpp writes the next one over it."""
        self._logits[self.held] = logits
        self.held += 1

    def clear(self) -> None:
        """Forget what is held."""
        self.held = 0

    def figures(self, tokens: Sequence[int]) -> list[tuple[float, float]]:
        """(entropy in nats, natural log-probability of the token) of each distribution; forgets them.

        `tokens` may be fewer than the distributions: the last token drawn may not count any more.
        """
        self.held = len(tokens)
        if not tokens:
            return []
        logits, shares = self._weigh()
        self.clear()
        with np.errstate(invalid="ignore"):
            # Row by row: BLAS adds up more exactly than einsum, and one result does not depend on the others.
            means = np.array([share.dot(row) for share, row in zip(shares, logits, strict=True)])
            means /= self._totals
        for row in np.flatnonzero(np.isnan(means)):
            # A token ruled out by -inf adds nothing, but 0 * -inf is no number.
            kept = shares[row] > 0
            means[row] = shares[row, kept].dot(logits[row, kept]) / self._totals[row]
        logs = np.log(self._totals)
        chosen = logits[np.arange(len(tokens)), tokens] - logs
        return list(zip(np.maximum(logs - means, 0.0).tolist(), chosen.tolist(), strict=True))

    def probabilities(self, logits: Any, tokens: Sequence[int]) -> list[float]:
        """Probabilities of some tokens in one distribution; forgets what is held."""
        self.clear()  # a stream that failed may have left some
        self.take(logits)
        _, shares = self._weigh()
        self.clear()
        found: list[float] = (shares[0, list(tokens)] / self._totals[0]).tolist()
        return found

    def _weigh(self) -> tuple[Any, Any]:
        """Logits less their largest, and their exponentials, of each distribution held."""
        logits, shares = self._logits[: self.held], self._shares[: self.held]
        np.subtract(logits, logits.max(axis=1, keepdims=True), out=logits)
        np.exp(logits, out=shares)
        self._totals = shares.sum(axis=1)
        if not np.isfinite(self._totals).all():
            raise NativeError(DAMAGED)
        return logits, shares
