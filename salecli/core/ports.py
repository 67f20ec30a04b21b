"""What the core needs from the outside, as Protocols. Adapters fit them without inheriting."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Protocol

from salecli.core.calls import Choice, Limits, Loaded, Token, Turn, Usage
from salecli.core.values import Auction, Completed, Pair, Patch, Task, Tests


class Model(Protocol):
    """A language model. All methods may raise ModelError; ContextFull and ModelTimeout are kinds of it.

    An error of `stream` or `choose` carries what the call had consumed, where that is known.
    """

    @property
    def vocabulary(self) -> int:
        """Size of the vocabulary that entropies are over; known once the model was loaded."""

    @property
    def size(self) -> int:
        """Bytes of its file, 0 where that is not known before it is loaded."""

    @property
    def loaded(self) -> bool:
        """Whether the model is resident now."""

    def load(self) -> Loaded | None:
        """Make the model resident; None where it already was."""

    def preload(self) -> None:
        """Begin to load beside what is resident, where memory has room for both; returns at once.

        What fails is said by the `load` that follows, which returns what was loaded here.
        """

    def stream(self, turns: Sequence[Turn], limits: Limits) -> Generator[Token, None, Usage]:
        """Continue a chat token by token; closing the generator cancels the model's work."""

    def choose(
        self,
        prefix: Sequence[Turn],
        endings: Sequence[Sequence[Turn]],
        options: Sequence[str],
        deadline: float | None = None,
    ) -> list[Choice]:
        """The next-token distribution over `options` after prefix + ending, for each ending.

        The prefix is evaluated once; the first choice's usage carries it. The joint between prefix and
        ending is a turn border. Every option is a single token of the model's vocabulary. `deadline` is in
        seconds for the whole call.
        """

    def cancel(self) -> None:
        """End the calls that other threads are in: they raise ModelError within half a second.

        Returns at once. Calls that begin later are not touched.
        """


class Embedder(Protocol):
    """Turns texts into unit vectors."""

    name: str

    def embed(self, text: str) -> Sequence[float]:
        """The text's embedding, of length 1."""


class Memory(Protocol):
    """Past auctions."""

    def size(self) -> int:
        """How many auctions are remembered."""

    def pairs(self, task: Task, agent: str, k: int) -> Sequence[Pair]:
        """(lost, won) pairs of the k most similar past tasks in which `agent` wrote at least one side.

        Most similar first; only auctions of the same pool and prompts.
        """

    def record(self, auction: Auction) -> int:
        """Remember an auction durably, and return its id."""

    def amend(self, number: int, auction: Auction) -> None:
        """Put the works of `auction`, and what came of them, in place of those recorded under this id."""

    def told(self) -> list[str]:
        """What was mended or left out since the last call, for the user."""


class Sandbox(Protocol):
    """One open sandbox holding a copy of the snapshot. Methods raise SandboxError when it has gone."""

    def write(self, path: str, content: str) -> None:
        """Write a file below the tree's root; a path that leaves it raises ValueError."""

    def read(self, path: str) -> str | None:
        """A file's text, None where there is none; what is not UTF-8 stands in it as lone surrogates."""

    def run(self, command: str) -> Completed:
        """Run a shell command at the tree's root, within the sandbox's time and output limits."""

    def test(self) -> Tests:
        """Run the task's tests by our own runner."""

    def collect(self) -> Patch:
        """The changed tree as a diff against the snapshot; hostile bytes raise PatchRefused."""

    def close(self) -> None:
        """End and remove the sandbox; safe to call twice."""


class Workspace(Protocol):
    """Opens sandboxes on a task's snapshot. The user's checkout itself is never written."""

    def open(self) -> Sandbox:
        """A fresh sandbox holding the snapshot."""

    def verify(self, patch: Patch) -> Tests:
        """Run the original tests on snapshot + patch in a fresh sandbox; its test edits do not count."""
