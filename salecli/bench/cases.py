"""A finished matrix as cases to learn weights from: what came of every agent's plan is known there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from salecli.bench.cells import MATRIX, Cell, Header, Opinion, read_line
from salecli.core.learning import Case, Parts
from salecli.errors import UsageError

_HINT = "name the folder of a `sale bench run` with this pool, as it is now: sale learn --from DIR"


@dataclass(frozen=True, slots=True)
class Benched:
    """The cases of a matrix."""

    suite: str
    cases: tuple[Case, ...]
    tasks: int
    """Of the matrix, also those of which there is no case."""


def read(folder: Path, wanted: Header, prices: Mapping[str, float], plan_tokens: int) -> Benched:
    """The cases of the matrix in `folder`; tasks without a cell of every agent of `prices` are left out.

    Suite and seed of `wanted` do not matter. `prices` are USD per million tokens, in pool order;
    `plan_tokens` is the pool's L.

    Raises:
        UsageError: there is no matrix, it is damaged, or of another pool or other prompts; the first
            difference is named.
    """
    file = folder / MATRIX
    try:
        text = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}", _HINT) from error
    cells: dict[str, dict[str, Cell]] = {}
    opinions: dict[str, dict[str, Opinion]] = {}
    suite = ""
    # What a killed process, or one that is at it, left unfinished ends in no line end.
    for number, line in enumerate(text[: text.rfind(b"\n") + 1].splitlines(), 1):
        try:
            if number == 1:
                known = json.loads(line)
                suite = str(known["suite"])
                replace(wanted, suite=suite, seed=known["seed"]).check(known, file, _HINT)
            else:
                one = read_line(line)
                if isinstance(one, Cell):
                    cells.setdefault(one.task, {})[one.agent] = one
                elif isinstance(one, Opinion):
                    opinions.setdefault(one.task, {})[one.judge] = one
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            said = str(error).splitlines()[0]
            raise UsageError(f"{file}, line {number}, is damaged ({said})", _HINT) from None
    cases = (
        _case(task, by_agent, opinions.get(task, {}), prices, plan_tokens)
        for task, by_agent in cells.items()
        if by_agent.keys() >= prices.keys()
    )
    return Benched(suite, tuple(cases), len(cells))


def _case(
    task: str,
    cells: Mapping[str, Cell],
    opinions: Mapping[str, Opinion],
    prices: Mapping[str, float],
    plan_tokens: int,
) -> Case:
    parts = []
    for agent in prices:
        cell = cells[agent]
        if cell.bid is None:
            continue
        given = {
            judge: mark.value
            for judge in prices
            if judge in opinions
            for mark in opinions[judge].marks
            if mark.agent == agent
        }
        # As in an auction: for the judge who failed stands the mean of the others.
        mean = sum(given.values()) / len(given) if given else None
        failed = [judge for judge in opinions if agent in opinions[judge].missing and judge not in given]
        parts.append(
            Parts.of(
                cell.bid,
                prices,
                plan_tokens,
                marks=given | (dict.fromkeys(failed, mean) if mean is not None else {}),
                solved={"passed": True, "failed": False}.get(cell.outcome),
            )
        )
    return Case(task, task, tuple(parts))
