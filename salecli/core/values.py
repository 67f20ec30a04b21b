"""The values that an auction is made of: frozen, comparable, without behaviour beyond arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from salecli.core.calls import Usage


@dataclass(frozen=True, slots=True)
class Task:
    """What the user wants done, in which repository."""

    id: str
    title: str
    text: str
    repository: str = ""
    """The repository's name, for people."""
    base: str = ""
    """Git tree id of the snapshot that the task starts from."""
    test_command: str = ""
    files: tuple[str, ...] = ()
    """Every path of the snapshot, sorted."""
    named: tuple[tuple[str, str], ...] = ()
    """(path, text) of the files that the task's text names."""


@dataclass(frozen=True, slots=True)
class Bid:
    """An agent's plan, with what it took to write it."""

    agent: str
    plan: str
    tokens: int
    entropy: float
    """Mean token entropy in nats, over `vocabulary` tokens."""
    vocabulary: int
    entropy_kind: Literal["exact", "interval"] = "exact"
    spread: float = 0.0
    """Nats; the true mean lies within `entropy` +- this."""
    refined: bool = False
    pairs: tuple[int, ...] = ()
    """Memory ids of the auctions whose plans were read before this bid was rewritten."""
    usage: Usage = Usage()


MarkSource = Literal["expected", "constrained", "mean"]


@dataclass(frozen=True, slots=True)
class Mark:
    """One judge's opinion of one bid, 0 to 5."""

    judge: str
    agent: str
    refined: bool
    value: float
    """Expectation over the digits 0 to 5."""
    probabilities: tuple[float, ...] = ()
    """Of the digits 0 to 5; empty where the mark was replaced by a mean."""
    mass: float = 0.0
    source: MarkSource = "expected"
    usage: Usage = Usage()
    corrected: float | None = None
    """0 to 5, as past verdicts put it right; None where marks count as they were given."""

    @property
    def counted(self) -> float:
        """What the score is reckoned by."""
        return self.value if self.corrected is None else self.corrected

    @property
    def digit(self) -> int:
        """The most likely digit, for screens."""
        if not self.probabilities:
            return round(self.value)
        return max(range(len(self.probabilities)), key=self.probabilities.__getitem__)


@dataclass(frozen=True, slots=True)
class Weights:
    """How cost, entropy and each judge count."""

    cost: float
    entropy: float
    judges: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Score:
    """Cost, value and cost minus value of one bid. The lowest total wins."""

    agent: str
    refined: bool
    cost: float
    """Weighted cost."""
    entropy: float
    """Weighted entropy, a part of the value."""
    jury: float
    """Weighted marks, a part of the value."""

    @property
    def value(self) -> float:
        return self.entropy + self.jury

    @property
    def total(self) -> float:
        return self.cost - self.value


@dataclass(frozen=True, slots=True)
class Case:
    """One test case as JUnit names it."""

    name: str
    outcome: Literal["passed", "failed", "error", "skipped"]
    message: str = ""
    """First line of the failure, empty for a passed test."""


@dataclass(frozen=True, slots=True)
class Tests:
    """One run of a repository's tests."""

    __test__: ClassVar[bool] = False  # pytest would take the name for a test class

    exit_code: int
    cases: tuple[Case, ...] = ()
    output: str = ""
    """Head and tail of what was printed."""
    ran: bool = True
    """False where the suite never started: that is a broken setup, not a failed task."""
    timed_out: bool = False

    def count(self, outcome: str) -> int:
        """How many cases ended with `outcome`."""
        return sum(case.outcome == outcome for case in self.cases)

    @property
    def passed(self) -> int:
        return self.count("passed")

    @property
    def failed(self) -> int:
        """Failed cases and errors together."""
        return self.count("failed") + self.count("error")

    @property
    def green(self) -> bool:
        return self.ran and not self.timed_out and self.exit_code == 0


@dataclass(frozen=True, slots=True)
class Completed:
    """A finished command in a sandbox."""

    exit_code: int
    output: str
    """Standard output and error together, head and tail where it was long."""
    timed_out: bool = False
    cut: int = 0
    """Bytes left out of `output`."""
    out_of_memory: bool = False


ActionKind = Literal["write", "edit", "run", "done", "none"]


@dataclass(frozen=True, slots=True)
class Step:
    """One turn of the work: what the agent did, and what it saw."""

    number: int
    action: ActionKind
    target: str
    """The path, or the command; empty for `done` and for a reply without a valid action."""
    reply: str
    observation: str
    tests: Tests | None = None
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True)
class Change:
    """One changed file of a patch."""

    path: str
    status: Literal["added", "modified", "deleted"]
    added: int
    removed: int
    flags: tuple[str, ...] = ()
    """Why a person should look twice: "test", "runs on the host", "hidden"."""


@dataclass(frozen=True, slots=True)
class Patch:
    """Our own diff between the snapshot and what came out of the sandbox."""

    base: str
    """Tree id of the snapshot."""
    tree: str
    """Tree id after the patch, in the run's private object folder."""
    diff: str
    """Unified diff in git's binary-safe form, decoded as UTF-8 with surrogateescape."""
    changes: tuple[Change, ...] = ()

    @property
    def empty(self) -> bool:
        return not self.changes


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the unit tests say of a patch, in a fresh sandbox with the original tests."""

    solved: bool
    reason: str
    before: Tests
    after: Tests


WorkEnd = Literal[
    "tests pass",
    "done",
    "step limit",
    "token limit",
    "time limit",
    "format errors",
    "repeated action",
    "truncated",
    "context full",
    "model died",
    "sandbox died",
    "patch refused",
    "handed over",
]


@dataclass(frozen=True, slots=True)
class Work:
    """One agent carrying out its own plan: how it went, and what came of it."""

    agent: str
    refined: bool
    end: WorkEnd
    steps: tuple[Step, ...] = ()
    usage: Usage = Usage()
    patch: Patch | None = None
    verdict: Verdict | None = None
    note: str = ""
    """What went wrong, in a line that memory can teach: failing tests, last error, the user's objection."""

    @property
    def solved(self) -> bool:
        return self.verdict is not None and self.verdict.solved


@dataclass(frozen=True, slots=True)
class Override:
    """The user chose another winner."""

    agent: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan as memory teaches it."""

    agent: str
    text: str
    note: str = ""
    """What failed when it was carried out, or why the user rejected what came of it."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A lost and a won plan of one past auction."""

    auction: int
    task: str
    """Text of the past task."""
    similarity: float
    """Cosine between the two task embeddings."""
    lost: Plan
    won: Plan


@dataclass(frozen=True, slots=True)
class Auction:
    """The finished record of one market round."""

    run: str
    task: Task
    pool: str
    pool_hash: str
    prompts_hash: str
    seed: int
    prices: Mapping[str, float]
    """USD per million tokens, by agent, in pool order."""
    weights: Weights
    bids: tuple[Bid, ...]
    marks: tuple[Mark, ...]
    scores: tuple[Score, ...]
    provisional: str
    """The agent that led before refinement."""
    winner: str
    winner_refined: bool
    override: Override | None = None
    works: tuple[Work, ...] = ()
    tokens: int = 0
    """Generated and evaluated tokens of the whole run."""
    usd: float = 0.0
    usd_largest: float = 0.0
    """Had the dearest agent written one plan and done the work alone."""

    @property
    def solved(self) -> bool:
        return any(work.solved for work in self.works)
