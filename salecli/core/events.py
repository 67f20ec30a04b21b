"""What happened, one frozen dataclass per happening.

An event says what happened, never how to show it: no colours, no rounding, no wall-clock time. The journal
adds timestamps. `to_dict` and `from_dict` make a recording of any run.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from salecli.core.calls import Loaded, Usage
from salecli.core.decisions import Border
from salecli.core.limits import WorkLimits
from salecli.core.values import (
    Bid,
    Mark,
    Override,
    Pair,
    Patch,
    Score,
    Step,
    Task,
    Tests,
    Verdict,
    Weights,
    WorkEnd,
)

if TYPE_CHECKING:
    from pydantic import TypeAdapter


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a task."""

    task: str
    """The task's id."""


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    run: str
    details: Task
    pool: str
    prices: Mapping[str, float]
    """USD per million tokens by agent, in pool order."""
    weights: Weights
    plan_tokens: int
    """The pool's plan token limit, L."""
    seed: int
    remembered: int
    """Auctions in memory."""
    dirty: int = 0
    """Files the user had changed, all part of the snapshot."""
    jury: int = 0
    """Judges of each bid, its author among them; 0 is every agent of the pool."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Seconds per written token on this machine, by agent, where that was measured."""


@dataclass(frozen=True, slots=True)
class TestsBefore(Event):
    tests: Tests


@dataclass(frozen=True, slots=True)
class ModelLoading(Event):
    agent: str
    bytes: int = 0
    """Of its file; 0 where that is not known."""


@dataclass(frozen=True, slots=True)
class ModelLoaded(Event):
    agent: str
    loaded: Loaded


@dataclass(frozen=True, slots=True)
class ModelWarned(Event):
    """Something about an agent's model that its user should know; the run goes on."""

    agent: str
    reason: str


@dataclass(frozen=True, slots=True)
class BidStarted(Event):
    agent: str
    refined: bool


@dataclass(frozen=True, slots=True)
class PlanToken(Event):
    agent: str
    refined: bool
    text: str
    entropy: float


@dataclass(frozen=True, slots=True)
class BidMade(Event):
    bid: Bid


@dataclass(frozen=True, slots=True)
class AgentOut(Event):
    """An agent's plan or refinement failed; the auction goes on without it."""

    agent: str
    phase: str
    """Of "bid", "refine", "again" (its second bid failed, the old one stands), "excluded" (by the user)."""
    reason: str
    hint: str = ""
    """What the user may do about it."""
    usage: Usage = field(default_factory=Usage)
    """What the failed call took all the same."""


@dataclass(frozen=True, slots=True)
class Marked(Event):
    mark: Mark


@dataclass(frozen=True, slots=True)
class MarkReplaced(Event):
    """A judge failed on a bid: the mean of the bid's other marks stands in."""

    mark: Mark
    reason: str


@dataclass(frozen=True, slots=True)
class Scored(Event):
    score: Score
    plain_cost: float
    """c in [0, 1], before its weight."""
    plain_entropy: float
    """h in [0, 1], before its weight."""


@dataclass(frozen=True, slots=True)
class Led(Event):
    """The lowest score so far."""

    agent: str
    refined: bool


@dataclass(frozen=True, slots=True)
class PairsRead(Event):
    """An agent cheaper than the leader read these plans of past auctions before rewriting its bid."""

    agent: str
    pairs: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class SatOut(Event):
    """An agent that might have refined its bid did not."""

    agent: str
    reason: str


@dataclass(frozen=True, slots=True)
class Paused(Event):
    """The run stands still at a border until the user lets it go on."""

    at: Border | Literal[""] = ""
    """Empty in recordings of older runs, which did not say."""


@dataclass(frozen=True, slots=True)
class Resumed(Event):
    pass


@dataclass(frozen=True, slots=True)
class Reweighed(Event):
    """The user turned the weights; what is scored by them follows."""

    weights: Weights


@dataclass(frozen=True, slots=True)
class Refused(Event):
    """Something that the user asked for cannot be done."""

    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class WinnerChosen(Event):
    agent: str
    refined: bool
    override: Override | None = None
    """Set where the user chose, not the auction."""


@dataclass(frozen=True, slots=True)
class WorkStarted(Event):
    agent: str
    refined: bool
    attempt: int
    """Counted from 1, revisions too."""
    attempts: int = 0
    """How many there are at most; 0 for a revision, and in recordings of older runs."""
    limits: WorkLimits | None = None
    """None in recordings of older runs."""


@dataclass(frozen=True, slots=True)
class WorkToken(Event):
    agent: str
    text: str


@dataclass(frozen=True, slots=True)
class Hinted(Event):
    """The agent reads what the user said before its next reply, below its last observation or its plan."""

    agent: str
    text: str


@dataclass(frozen=True, slots=True)
class StepTaken(Event):
    agent: str
    step: Step


@dataclass(frozen=True, slots=True)
class WorkEnded(Event):
    agent: str
    end: WorkEnd
    reason: str
    usage: Usage


@dataclass(frozen=True, slots=True)
class PatchMade(Event):
    agent: str
    patch: Patch


@dataclass(frozen=True, slots=True)
class VerdictReached(Event):
    agent: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Rejected(Event):
    """The user does not want the patch, whatever the tests said; the run's end follows anew."""

    agent: str
    """Whose patch it is."""
    reason: str


@dataclass(frozen=True, slots=True)
class Remembered(Event):
    auction: int
    """Its id in memory, where it is already durable."""


@dataclass(frozen=True, slots=True)
class NotRemembered(Event):
    """Memory could not be written; the run's result stands all the same."""

    reason: str


@dataclass(frozen=True, slots=True)
class MemoryWarned(Event):
    """Memory was damaged and restored, leaves an auction out of learning, or could not be copied."""

    reason: str


@dataclass(frozen=True, slots=True)
class RunEnded(Event):
    solved: bool
    agent: str
    """Who solved it, or who worked last; empty where nobody did."""
    patch: Patch | None
    tokens: int
    usd: float
    usd_work: float
    """The part of `usd` that the work took; the rest is the auction's."""
    usd_largest: float
    seconds: float = 0.0
    """Time that all models worked; 0 in recordings of older runs."""


@dataclass(frozen=True, slots=True)
class RunFailed(Event):
    """The run cannot go on, and why."""

    reason: str
    hint: str


@cache
def _adapter(name: str) -> TypeAdapter[Event] | None:
    # pydantic is not needed to run an auction, only to read one back.
    from pydantic import TypeAdapter

    # `slots=True` makes each class anew: of two of one name, the last is the one that is used.
    kind = {one.__name__: one for one in Event.__subclasses__()}.get(name)
    return TypeAdapter(kind) if kind is not None else None


Stream = Generator[Event, None, None]
"""Events in program order, from something that returns nothing else."""


def to_dict(event: Event) -> dict[str, Any]:
    """The event as JSON-ready values, its class name under "event"."""
    record = {"event": type(event).__name__, **asdict(event)}
    if isinstance(event, Marked | MarkReplaced) and event.mark.corrected is None:
        del record["mark"][
            "corrected"
        ]  # without calibration, a recording is what it was before there was any
    return record


def from_dict(record: Mapping[str, Any]) -> Event:
    """The event that `to_dict` wrote; keys that begin with "_" (a journal's timestamps) are left out.

    Raises:
        ValueError: an unknown kind of event, or fields that do not fit it.
    """
    adapter = _adapter(str(record.get("event")))
    if adapter is None:
        raise ValueError(f"unknown event {record.get('event')!r}")
    fields = {key: value for key, value in record.items() if key != "event" and not key.startswith("_")}
    return adapter.validate_python(fields)
