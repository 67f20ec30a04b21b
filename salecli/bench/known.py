"""Calls that are made once: a model, or an embedder, before the real one, that knows what it was asked.

A call is known by its content: the agent with all that decides what comes out, the turns, the limits.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import TypeVar

import numpy as np

from salecli.bench.cells import Attempt, Choices, Embedding, Ledger, Reply, hashed
from salecli.bench.contestants import Bidder
from salecli.bench.passing import Passing
from salecli.core.agent import Agent
from salecli.core.calls import Choice, Limits, Loaded, Token, Turn, Usage
from salecli.core.ports import Embedder
from salecli.errors import ContextFull, EnvironmentFault, ModelError, ModelTimeout

Answer = TypeVar("Answer", Reply, Choices, Attempt)


class Once:
    """Asks for what a ledger does not hold yet, once, whichever thread wants it first."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.cancelled = False
        """Whether nothing is asked any more: what was under way then is not kept."""
        self._asking: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, known: Mapping[str, Answer], key: str, ask: Callable[[], Answer]) -> Answer:
        """What is `known` under `key`, or what `ask` comes to.

        Raises:
            EnvironmentFault: the run was cancelled.
            SaleError: what `ask` raises; it is asked again the next time.
        """
        with self._lock:
            mine = self._asking.setdefault(key, threading.Lock())
        with mine:
            found = known.get(key)
            if found is None:
                self._go_on()
                found = ask()
                self._go_on()
                self.ledger.add(found)
            return found

    def _go_on(self) -> None:
        if self.cancelled:
            raise EnvironmentFault("cancelled")


class Known(Passing):
    """A bidder's model in auctions: what it said before, it says again. Fits core's Model.

    It is asked in its bidder's turn, and counts as loaded: it loads where it is really asked.
    """

    def __init__(self, bidder: Bidder, once: Once) -> None:
        super().__init__(bidder.agent.model)
        self._bidder = bidder
        self._once = once
        self._vocabulary = 0

    @property
    def vocabulary(self) -> int:
        """That of the last reply."""
        return self._vocabulary or self._model.vocabulary

    @property
    def loaded(self) -> bool:
        """It is never waited for."""
        return True

    def load(self) -> Loaded | None:
        """Nothing to do yet."""
        return None

    def preload(self) -> None:
        """Nothing to do yet."""

    def stream(self, turns: Sequence[Turn], limits: Limits) -> Generator[Token, None, Usage]:
        """The reply to a call, all of it at once."""
        same = replace(limits, deadline=None)  # how long one waits is not a part of the question
        key = hashed("reply", self._bidder.identity, _plain(turns), asdict(same))
        reply = self._once.get(self._once.ledger.replies, key, lambda: self._ask(key, turns, limits))
        self._vocabulary = reply.vocabulary
        spreads = reply.spreads or (0.0,) * len(reply.texts)
        for text, entropy, spread in zip(reply.texts, reply.entropies, spreads, strict=True):
            yield Token(-1, text, entropy, 0.0, spread)
        return reply.usage

    def _ask(self, key: str, turns: Sequence[Turn], limits: Limits) -> Reply:
        tokens: list[Token] = []
        with self._asked():
            stream = self._model.stream(turns, limits)
            try:
                while True:
                    tokens.append(next(stream))
            except StopIteration as stop:
                usage: Usage = stop.value
            finally:
                stream.close()
        spreads = tuple(token.spread for token in tokens)
        return Reply(
            key,
            self._bidder.name,
            tuple(token.text for token in tokens),
            tuple(token.entropy for token in tokens),
            spreads if any(spreads) else (),
            usage,
            self._model.vocabulary,
        )

    def choose(
        self,
        prefix: Sequence[Turn],
        endings: Sequence[Sequence[Turn]],
        options: Sequence[str],
        deadline: float | None = None,
    ) -> list[Choice]:
        """The next-token distribution over `options` after each ending."""
        key = hashed(
            "choices", self._bidder.identity, _plain(prefix), list(map(_plain, endings)), list(options)
        )

        def ask() -> Choices:
            with self._asked():
                found = self._model.choose(prefix, endings, options, deadline)
            return Choices(key, self._bidder.name, tuple(found))

        return list(self._once.get(self._once.ledger.choices, key, ask).choices)

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """A real call, in the bidder's turn; a model that has gone ends the run, and not the agent's part."""
        with self._bidder.turn:
            try:
                yield
            except (ContextFull, ModelTimeout):
                raise
            except ModelError as error:
                if self._model.loaded:
                    raise
                raise EnvironmentFault(f"agent {self._bidder.name}: {error.message}", error.hint) from error


def known(bidder: Bidder, once: Once) -> Agent:
    """The bidder's agent with a model that is asked nothing twice; it stays in the thread that calls it."""
    return replace(bidder.agent, model=Known(bidder, once), remote=False)


class KnownEmbedder:
    """Embeddings that a ledger holds, or keeps from now on. Fits core's Embedder."""

    def __init__(self, embedder: Embedder, ledger: Ledger) -> None:
        self.name = embedder.name
        self._embedder = embedder
        self._ledger = ledger

    def embed(self, text: str) -> Sequence[float]:
        """The text's embedding, of length 1."""
        key = hashed("embedding", self.name, text)
        found = self._ledger.embeddings.get(key)
        if found is None:
            values = np.asarray(self._embedder.embed(text), dtype="<f4")
            found = Embedding(key, self.name, base64.b64encode(values.tobytes()).decode())
            self._ledger.add(found)
        vector: list[float] = np.frombuffer(base64.b64decode(found.vector), dtype="<f4").tolist()
        return vector


def _plain(turns: Sequence[Turn]) -> list[list[object]]:
    return [[turn.role, turn.text, list(turn.ids)] for turn in turns]
