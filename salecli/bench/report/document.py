"""The report of a run: every number and every verdict in it comes from results.json."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from salecli.bench.played import PHASES
from salecli.bench.report import findings
from salecli.bench.report.claims import claims
from salecli.bench.report.sections import (
    INTERVAL,
    Picture,
    Section,
    Table,
    markdown,
    number,
    percent,
    points,
    signed,
    thousand,
    two,
)
from salecli.bench.results import Results, Row
from salecli.core.words import plural, rate
from salecli.errors import EnvironmentFault

FILE = "report.md"
_HEADERS = ("", "pass@1", INTERVAL, "USD/1k tasks", INTERVAL, "USD/1k solved", INTERVAL, "USD/Mt", "auction")


def write(folder: Path, results: Results, pictures: bool) -> Path:
    """Write report.md, with or without links to plots beside it.

    Raises:
        EnvironmentFault: it cannot be written.
    """
    file = folder / FILE
    try:
        file.write_text(text(results, pictures), encoding="utf-8")
    except OSError as error:
        raise EnvironmentFault(
            f"{file} cannot be written: {error.strerror}", "name another folder: --out DIR"
        ) from error
    return file


def text(results: Results, pictures: bool) -> str:
    """The report as Markdown."""
    return f"# {title(results)}\n\n{markdown(sections(results), pictures='' if pictures else None)}"


def title(results: Results) -> str:
    """What the report is about, in a line."""
    return f"SALE on {results.suite}: {plural(len(results.tasks), 'task')}, pool {results.pool}"


def sections(results: Results) -> list[Section]:
    """The whole report; a section whose numbers were not measured is left out."""
    built = [
        Section("What held", claims(results)),
        _measured(results),
        _rows(results),
        _against(results),
        _by_level(results),
        _shares(results),
        findings.ablations(results),
        findings.memory(results),
        findings.shapley(results),
        findings.calibration(results),
        findings.plans(results),
        findings.auction(results),
    ]
    return [section for section in built if section is not None]


def facts(results: Results) -> list[tuple[str, str]]:
    """What was measured on what, as (name, value)."""
    levels = ", ".join(f"{name}: {count}" for name, count in results.levels.items())
    agents = ", ".join(f"{name} {rate(one.usd_per_million)}" for name, one in results.agents.items())
    return [
        ("suite", f"{results.suite}, {plural(len(results.tasks), 'task')} (hash {results.content or '-'})"),
        ("tasks by level", levels),
        ("pool", f"{results.pool} (hash {results.pool_hash})"),
        ("agents", f"{agents} (USD per million tokens)"),
        ("prompts", f"hash {results.prompts_hash}"),
        ("orders of the tasks", str(results.orders)),
        ("seed", str(results.seed)),
        ("sale", results.sale),
        *((f"weights: {name}", _said(value)) for name, value in results.weights.items()),
    ]


def _measured(results: Results) -> Section:
    return Section(
        "What was measured",
        [
            "Every agent worked on every task once, in a sandbox, and unit tests judged its patch in a fresh"
            " one. Every router was then played over these outcomes. What a router learns, it learned on"
            " other tasks than those that it is judged on (five folds).",
            "Intervals are 95 % by the bootstrap over tasks; orders of the tasks are averaged within a task.",
            Table(["", "this run"], facts(results), left=2),
        ],
    )


def _said(value: Any) -> str:
    """Weights, however they are nested, on one line."""
    if isinstance(value, Mapping):
        return ", ".join(
            f"{name} ({_said(one)})" if isinstance(one, Mapping) else f"{name} {_said(one)}"
            for name, one in value.items()
        )
    if isinstance(value, list):
        return "; ".join(map(_said, value))
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _rows(results: Results) -> Section:
    return Section(
        "All rows",
        [
            "USD for a thousand tasks, and for a thousand solved ones; USD/Mt is what a million tokens cost"
            " on average; auction is the share of tokens that go before the work. Every row pays for all"
            " that it needs: SALE for all bids and marks, an agent alone for its plan and its work. The"
            " oracle knows who will solve a task, and takes the cheapest. Routers that learn are set to"
            " the highest pass@1 at no more than the market's cost.",
            Table(
                _HEADERS,
                [
                    [
                        row.name,
                        *two(row.solved, percent),
                        *two(row.usd, thousand),
                        *two(row.usd_per_solved, thousand),
                        number(row.usd_per_million.value if row.usd_per_million else None),
                        percent(row.auction_share.value if row.auction_share else None),
                    ]
                    for row in results.compared
                ],
            ),
            Picture("pareto", "pass@1 against USD per thousand tasks, all rows with intervals"),
            *(f"Left out: {name}: {why}." for name, why in results.left_out.items()),
        ],
    )


def _against(results: Results) -> Section:
    rows = [row for row in results.compared if row.name != results.largest]
    return Section(
        f"Against {results.largest} alone",
        [
            "Paired by task. Over: share of the tasks that went to a dearer agent than the cheapest one that"
            " solves them. Under: of those that went to a cheaper one, which did not solve them.",
            Table(
                ["", "points", INTERVAL, "cost", INTERVAL, "over", "under"],
                [
                    [
                        row.name,
                        *two(row.against.solved if row.against else None, points),
                        *two(row.against.usd if row.against else None, signed),
                        percent(row.over),
                        percent(row.under),
                    ]
                    for row in rows
                ],
            ),
        ],
    )


def _by_level(results: Results) -> Section | None:
    levels = list(results.levels)
    rows = [row for row in results.compared if row.levels]
    if len(levels) < 2 or not rows:
        return None

    def cells(row: Row) -> Iterable[str]:
        for level in levels:
            one = row.levels.get(level)
            yield from two(one.solved if one else None, percent)

    def costs(row: Row) -> Iterable[str]:
        for level in levels:
            one = row.levels.get(level)
            yield thousand(one.usd.value if one and one.usd else None)

    headers = [header for level in levels for header in (level, INTERVAL)]
    return Section(
        "By level",
        [
            "pass@1:",
            Table(["", *headers], [[row.name, *cells(row)] for row in rows]),
            "USD for a thousand tasks:",
            Table(["", *levels], [[row.name, *costs(row)] for row in rows]),
            Picture("levels", "pass@1 by level"),
        ],
    )


def _shares(results: Results) -> Section:
    names = list(results.agents)
    rows = [row for row in results.compared if row.kind != "agent"]
    return Section(
        "Who works, and where tokens go",
        [
            "Share of the tasks (the last one who worked on it):",
            Table(
                ["", *names],
                [[row.name, *(percent(row.task_share.get(name)) for name in names)] for row in rows],
            ),
            "Share of the tokens:",
            Table(
                ["", *names],
                [[row.name, *(percent(row.token_share.get(name)) for name in names)] for row in rows],
            ),
            "Tokens per task, by phase:",
            Table(
                ["", *PHASES],
                [
                    [row.name, *(number(row.tokens.get(phase)) for phase in PHASES)]
                    for row in results.compared
                    if row.tokens
                ],
            ),
        ],
    )
