"""Marks: the expected value over the digits 0 to 5, read from one next-token distribution per bid."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, replace

from salecli.core import events
from salecli.core.agent import Agent
from salecli.core.calibration import Correction
from salecli.core.calls import Choice, Turn, Usage
from salecli.core.values import Bid, Mark, Task
from salecli.errors import ContextFull, ModelError

DIGITS = ("0", "1", "2", "3", "4", "5")
ENOUGH_MASS = 0.5
"""Share of the full distribution below which the digits are not taken as the judge's own distribution."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a judge has no mark for a bid, and what it consumed in vain."""

    reason: str
    usage: Usage | None = None


Failures = dict[tuple[str, bool], Failure]
"""A judge's failures by (agent, refined)."""


def mark(
    judge: Agent, task: Task, bids: Sequence[Bid], correction: Correction | None = None
) -> Generator[events.Event, None, tuple[list[Mark], Failures]]:
    """One judge's marks of all bids, put right where there is a correction of this judge's marks.

    The prompt's common part is evaluated once.
    Where the bids do not fit the judge's context together or alone, or its process ends, the bids left
    without a mark are named with the reason.
    """
    marks: list[Mark] = []
    failures: Failures = {}
    try:
        yield from judge.load(task)
        for bid, choice in zip(bids, _choices(judge, task, bids, failures), strict=True):
            if choice is not None:
                given = _mark(judge, bid, choice)
                right = correction.of(given.value) if correction is not None else None
                marks.append(replace(given, corrected=right))
                yield events.Marked(task.id, marks[-1])
        yield from judge.warn(task)
    except ModelError as error:
        marked = {(one.agent, one.refined) for one in marks}
        # One call failed for all of them: what it consumed counts once.
        usage = error.usage
        for bid in bids:
            if (bid.agent, bid.refined) not in marked:
                failures[bid.agent, bid.refined] = Failure(error.message, usage)
                usage = None
    return marks, failures


def _choices(judge: Agent, task: Task, bids: Sequence[Bid], failures: Failures) -> list[Choice | None]:
    prefix, endings = _split(judge, task, bids)
    deadline = judge.sampling.deadline
    try:
        return list(judge.model.choose(prefix, endings, DIGITS, deadline))
    except ContextFull:
        # One plan may be too long for this judge: the others still get its mark.
        choices: list[Choice | None] = []
        for bid, ending in zip(bids, endings, strict=True):
            try:
                choices += judge.model.choose(prefix, [ending], DIGITS, deadline)
            except ContextFull as error:
                failures[bid.agent, bid.refined] = Failure(error.message)
                choices.append(None)
        return choices


def _split(judge: Agent, task: Task, bids: Sequence[Bid]) -> tuple[tuple[Turn, ...], list[tuple[Turn, ...]]]:
    """The turns that all judge prompts share, and what follows for each bid."""
    probes = [judge.render("judge", task, plan=plan) for plan in ("a", "b")]
    shared = 0
    while probes[0][shared] == probes[1][shared]:
        shared += 1
    rendered = [judge.render("judge", task, plan=bid.plan) for bid in bids]
    return probes[0][:shared], [turns[shared:] for turns in rendered]


def _mark(judge: Agent, bid: Bid, choice: Choice) -> Mark:
    expected = sum(digit * share for digit, share in enumerate(choice.probabilities))
    mark = Mark(
        judge=judge.name,
        agent=bid.agent,
        refined=bid.refined,
        value=expected,
        probabilities=choice.probabilities,
        mass=choice.mass,
        usage=choice.usage,
    )
    if choice.mass >= ENOUGH_MASS:
        return mark
    # The judge wanted to say something else. One digit generated under the constraint "a digit 0 to 5",
    # greedily, is the most likely of them: the distribution is at hand, so no second evaluation is needed.
    return replace(mark, value=float(mark.digit), source="constrained")


def fill(
    marks: Iterable[Mark], failures: dict[str, Failures], task: Task
) -> Generator[events.Event, None, list[Mark]]:
    """Marks with the missing ones replaced by the mean of the bid's other marks, an event for each."""
    filled = list(marks)
    for judge, missing in failures.items():
        for (agent, refined), failure in missing.items():
            others = [
                one
                for one in filled
                if one.agent == agent and one.refined == refined and one.source != "mean"
            ]
            if not others:
                continue  # nobody marked this bid: it is scored by cost and entropy alone
            value, right = (
                sum(values) / len(others)
                for values in ([one.value for one in others], [one.counted for one in others])
            )
            mean = Mark(judge, agent, refined, value, usage=failure.usage or Usage(), source="mean")
            if any(one.corrected is not None for one in others):
                mean = replace(mean, corrected=right)
            filled.append(mean)
            yield events.MarkReplaced(task.id, mean, failure.reason)
    return filled
