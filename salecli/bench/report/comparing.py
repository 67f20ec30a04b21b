"""Two runs of one suite side by side: what differs between them, and what that did, task by task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from salecli.bench.report.differences import chosen, difference, excess, solved, spent
from salecli.bench.report.document import facts
from salecli.bench.report.sections import (
    INTERVAL,
    Part,
    Section,
    Table,
    percent,
    points,
    signed,
    thousand,
    two,
)
from salecli.bench.results import Results
from salecli.core.words import plural
from salecli.errors import UsageError


def comparison(one: Results, other: Results, names: tuple[str, str]) -> list[Section]:
    """What `other` does otherwise than `one`, over the tasks and rows that both have.

    Raises:
        UsageError: they are of two suites, or have no task or no row in common.
    """
    if one.suite != other.suite:
        raise UsageError(
            f"{names[0]} is of suite {one.suite!r}, {names[1]} of suite {other.suite!r}",
            "compare two runs of one suite",
        )
    at = {(task.name, task.hash): place for place, task in enumerate(other.tasks)}
    shared = [
        (place, at[task.name, task.hash])
        for place, task in enumerate(one.tasks)
        if (task.name, task.hash) in at
    ]
    if not shared:
        raise UsageError(
            f"no task is in both {names[0]} and {names[1]}",
            "a task is the same where its name and its text are: compare runs on the same data",
        )
    rows = [name for name in one.paired if name in other.paired]
    if not rows:
        raise UsageError(
            f"no row is in both: {names[0]} has {', '.join(one.paired) or 'none'};"
            f" {names[1]} has {', '.join(other.paired) or 'none'}",
            "compare runs of pools whose agents have the same names",
        )
    return [_differs(one, other, names, len(shared)), _both(one, other, rows, shared)]


def _differs(one: Results, other: Results, names: tuple[str, str], shared: int) -> Section:
    known, others = dict(facts(one)), dict(facts(other))
    rows = [
        [name, known.get(name, "-"), others.get(name, "-")]
        for name in dict.fromkeys([*known, *others])
        if known.get(name) != others.get(name)
    ]
    alone = [
        f"{plural(len(results.tasks) - shared, 'task')} only in {letter}"
        for letter, results in (("A", one), ("B", other))
        if len(results.tasks) > shared
    ]
    parts: list[Part] = [
        f"A: {names[0]}",
        f"B: {names[1]}",
        "; ".join([f"{plural(shared, 'task')} in both", *alone]) + ".",
    ]
    parts.append(Table(["", "A", "B"], rows, left=3) if rows else "Nothing differs that is recorded.")
    return Section("What differs", parts)


def _both(one: Results, other: Results, rows: Sequence[str], shared: Sequence[tuple[int, int]]) -> Section:
    left, right = ([pair[side] for pair in shared] for side in (0, 1))

    def cells(name: str) -> Iterator[str]:
        ours, theirs = chosen(one.paired[name], left), chosen(other.paired[name], right)
        for shares in (solved(ours), solved(theirs)):
            yield percent(float(shares.mean()))
        yield from two(difference(solved(theirs), solved(ours)), points)
        for costs in (spent(ours), spent(theirs)):
            yield thousand(float(costs.mean()))
        yield from two(excess(spent(theirs), spent(ours)), signed)

    parts: list[Part] = [
        "pass@1 and USD for a thousand tasks, over the tasks that both have; B against A, paired by task.",
        Table(
            ["", "A", "B", "points", INTERVAL, "USD A", "USD B", "cost", INTERVAL],
            [[name, *cells(name)] for name in rows],
        ),
    ]
    for letter, ours, theirs in (("A", one, other), ("B", other, one)):
        alone = [name for name in ours.paired if name not in theirs.paired]
        if alone:
            parts.append(f"Only in {letter}: {', '.join(alone)}.")
    return Section("What it did", parts)
