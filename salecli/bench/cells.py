"""The outcome matrix as it is kept: a cell for every agent on every task, every judge's marks of all bids.

A file of JSON lines: what is measured, then a line for each cell and each judge's opinion as they come, and
for what the market asked beyond them. A line that a killed process left unfinished is dropped; of two lines
of one key the last one counts.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shlex
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from salecli.adapters import jsonlines
from salecli.core.calls import Choice, Usage
from salecli.core.values import Bid, Mark
from salecli.errors import EnvironmentFault, UsageError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

SCHEMA = 1
"""Of the matrix file."""
RESULTS_SCHEMA = 2
"""Of results.json: from 2 on it holds the routers."""
MATRIX, RESULTS = "matrix.jsonl", "results.json"

Outcome = Literal["passed", "failed", "error"]
"""What the tests said, or that they could not be asked: an error is tried again."""


@dataclass(frozen=True, slots=True)
class Worked:
    """How an agent carried out its plan."""

    end: str
    note: str
    """What went wrong, as memory would teach it."""
    verdict: str
    """What the tests of a fresh sandbox said, empty where they were not asked."""
    steps: tuple[str, ...]
    """The action of each step, with its target."""
    usage: Usage
    diff: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One agent on one task: its bid, and what came of carrying it out."""

    key: str
    """Hash of all that decides what comes out."""
    task: str
    agent: str
    outcome: Outcome
    reason: str = ""
    bid: Bid | None = None
    worked: Worked | None = None
    lost: Usage = Usage()
    """Tokens of a bid that came to nothing."""
    seconds: float = 0.0
    """From the first sandbox to the verdict."""

    @property
    def usage(self) -> Usage:
        """Of bid and work together."""
        spent = self.lost
        if self.bid is not None:
            spent += self.bid.usage
        return spent + self.worked.usage if self.worked is not None else spent


@dataclass(frozen=True, slots=True)
class Opinion:
    """One judge's marks of all bids on one task."""

    key: str
    task: str
    judge: str
    marks: tuple[Mark, ...]
    missing: Mapping[str, str] = field(default_factory=dict)
    """Why there is no mark, by the bid's agent."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model wrote in a call of the market: a plan's tokens, without ids and log-probabilities."""

    key: str
    agent: str
    texts: tuple[str, ...]
    entropies: tuple[float, ...]
    """Nats."""
    spreads: tuple[float, ...]
    """Empty where all entropies are exact."""
    usage: Usage
    vocabulary: int


@dataclass(frozen=True, slots=True)
class Choices:
    """What a judge read in a call of the market: a distribution for each plan."""

    key: str
    agent: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Attempt:
    """An agent's work on a plan that is not its first one."""

    key: str
    task: str
    agent: str
    outcome: Outcome
    worked: Worked
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Embedding:
    """A task's text as a vector."""

    key: str
    embedder: str
    vector: str
    """Little-endian float32, in base64."""


Item: TypeAlias = Cell | Opinion | Reply | Choices | Attempt | Embedding
_KINDS: Mapping[str, type[Any]] = {
    kind.__name__.lower(): kind for kind in (Cell, Opinion, Reply, Choices, Attempt, Embedding)
}
"""By what a line says that it is."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a matrix measures. Two of them that differ are not compared, and not continued."""

    suite: str
    pool: str
    """A pool's name, or "gold", or "null"."""
    pool_hash: str
    prompts_hash: str
    seed: int
    schema: int = SCHEMA

    def check(
        self,
        known: Mapping[str, Any],
        file: Path,
        hint: str = "name another folder with --out, or begin anew with --no-resume",
    ) -> None:
        """Refuse what another run wrote.

        Raises:
            UsageError: the first difference is named.
        """
        for name, wanted in asdict(self).items():
            found = known.get(name)
            if found != wanted:
                what = name.replace("_", " ")
                raise UsageError(f"{file} is of {what} {found!r}, not {wanted!r}", hint)


class Ledger:
    """The file of one matrix, held by this process alone until it is closed."""

    def __init__(self, folder: Path, header: Header, resume: bool = True) -> None:
        """Open the matrix in `folder`, or begin one.

        Raises:
            UsageError: what is there is another matrix, or damaged, or another process is at it.
            EnvironmentFault: it cannot be written.
        """
        self.file = folder / MATRIX
        self.header = header
        self.cells: dict[str, Cell] = {}
        self.opinions: dict[str, Opinion] = {}
        self.replies: dict[str, Reply] = {}
        self.choices: dict[str, Choices] = {}
        self.attempts: dict[str, Attempt] = {}
        self.embeddings: dict[str, Embedding] = {}
        self._kept: dict[type[Item], dict[str, Any]] = {
            Cell: self.cells,
            Opinion: self.opinions,
            Reply: self.replies,
            Choices: self.choices,
            Attempt: self.attempts,
            Embedding: self.embeddings,
        }
        self._writing = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self.file, os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise EnvironmentFault(
                f"{self.file} cannot be written: {error.strerror}", "name another folder: --out DIR"
            ) from error
        try:
            self._hold()
            if not resume:
                os.ftruncate(self._descriptor, 0)
                (folder / RESULTS).unlink(missing_ok=True)
            self._read()
        except BaseException:
            self.close()
            raise

    def add(self, one: Item) -> None:
        """Keep it; when this returns, it is on the disk. Threads may share a ledger.

        Raises:
            EnvironmentFault: it cannot be written.
        """
        with self._writing:
            self._write({"kind": type(one).__name__.lower(), **asdict(one)})
        self._kept[type(one)][one.key] = one

    def close(self) -> None:
        """Let go of the file; safe to call twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _hold(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(
                f"{self.file} is being written by another process",
                "wait for its end, or name another: --out DIR",
            ) from None

    def _read(self) -> None:
        known = jsonlines.whole(self._descriptor)
        os.ftruncate(self._descriptor, len(known))
        if not known:
            self._write({"kind": "matrix", **asdict(self.header)})
            return
        for number, line in enumerate(known.splitlines(), 1):
            try:
                if number == 1:
                    self.header.check(json.loads(line), self.file)
                    continue
                one = read_line(line)
                self._kept[type(one)][one.key] = one
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                said = str(error).splitlines()[0]
                raise UsageError(
                    f"{self.file}, line {number}, is damaged ({said})", "begin anew with --no-resume"
                ) from None

    def _write(self, record: Mapping[str, Any]) -> None:
        try:
            jsonlines.append(self._descriptor, record)
        except OSError as error:
            raise EnvironmentFault(
                f"{self.file} cannot be written: {error.strerror}",
                f"make room: df -h {shlex.quote(str(self.file.parent))}; then the same command goes on",
            ) from error


def read_line(line: bytes) -> Item:
    """What one line after the first holds; ValueError, KeyError and their like where it is none."""
    record = json.loads(line)
    found: Item = _adapter(record.pop("kind")).validate_python(record)
    return found


def hashed(*parts: object) -> str:
    """Identity of a few values that JSON knows."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]


@cache
def _adapter(kind: str) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter  # only where a matrix is continued

    return TypeAdapter(_KINDS[kind])
