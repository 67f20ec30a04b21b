"""The report's sections on what makes a market: its parts, memory, agents, opinions, plans and price.

Each is None where its numbers were not measured.
"""

from __future__ import annotations

from statistics import median

from salecli.bench.report.differences import difference, excess, solved, spent
from salecli.bench.report.sections import (
    INTERVAL,
    Part,
    Picture,
    Section,
    Table,
    number,
    percent,
    points,
    signed,
    span,
    thousand,
    two,
)
from salecli.bench.results import MARKET, NO_MEMORY, WITH, WITHOUT, Calibration, Results


def ablations(results: Results) -> Section | None:
    """SALE with one part left out or replaced."""
    ablations = [row for row in results.rows if row.kind == "ablation"]
    whole = [row for name in (MARKET, NO_MEMORY) if (row := results.by_name.get(name)) is not None]
    if not ablations:
        return None
    return Section(
        "What each part is worth",
        [
            f"One part at a time left out or replaced. Rows without refinement stand against {NO_MEMORY}.",
            Table(
                ["", "pass@1", INTERVAL, "USD/1k tasks", INTERVAL],
                [
                    [row.name, *two(row.solved, percent), *two(row.usd, thousand)]
                    for row in (*whole, *ablations)
                ],
            ),
        ],
    )


def memory(results: Results) -> Section | None:
    """SALE with memory against SALE without, and who wins as it grows."""
    parts: list[Part] = []
    both = [results.paired.get(name) for name in (MARKET, NO_MEMORY)]
    if both[0] is not None and both[1] is not None:
        more = difference(solved(both[0]), solved(both[1]))
        price = excess(spent(both[0]), spent(both[1]))
        cost = f", cost {signed(price.value)} ({span(price, signed)})" if price else ""
        parts.append(
            f"{MARKET} against {NO_MEMORY}: {points(more.value)} points (95 % interval"
            f" {span(more, points)}){cost}."
        )
    if results.win_share is not None:
        names = list(results.agents)
        rows = [
            [f"{plays}, {one.fifth}", *(percent(one.shares.get(name)) for name in names)]
            for plays, fifths in (
                (WITH, results.win_share.remembering),
                (WITHOUT, results.win_share.forgetful),
            )
            for one in fifths
        ]
        if rows:
            parts += [
                "Share of wins in each fifth of an order, as memory grows:",
                Table(["", *names], rows),
                Picture("wins", "share of wins by fifth of an order, with and without memory"),
            ]
    return Section("What memory does", parts) if parts else None


def shapley(results: Results) -> Section | None:
    """What each agent adds to a market."""
    plays = [name for name in (WITH, WITHOUT) if results.shapley.get(name)]
    if not plays:
        return None
    headers = [header for name in plays for header in (name, INTERVAL)]
    return Section(
        "What each agent is worth",
        [
            "Shapley values in points of pass@1: what an agent adds to the markets that it may join, on"
            " average, as bidder, judge, teacher and worker.",
            Table(
                ["", *headers],
                [
                    [
                        agent,
                        *(text for name in plays for text in two(results.shapley[name].get(agent), points)),
                    ]
                    for agent in results.agents
                ],
            ),
        ],
    )


def calibration(results: Results) -> Section | None:
    """How marks and scores agree with verdicts."""
    groups = {name: group for name, group in results.calibration.items() if group}
    if not groups:
        return None

    def row(group: str, name: str, one: Calibration) -> list[str]:
        return [group, name, *map(number, (one.brier, one.ece, one.spearman))]

    return Section(
        "Calibration",
        [
            "How opinions of a plan agree with what the tests said of the work. Brier and ECE: 0 is best;"
            " Spearman: 1 is best.",
            Table(
                ["", "of", "Brier", "ECE", "Spearman"],
                [row(group, name, one) for group, ones in groups.items() for name, one in ones.items()],
                left=2,
            ),
            Picture("calibration", "share solved against mean mark"),
        ],
    )


def plans(results: Results) -> Section | None:
    """How long plans are, and the work after them."""
    if not results.plan_and_work:
        return None
    rows = []
    for agent in results.agents:
        ours = [(plan, work) for plan, work, name in results.plan_and_work if name == agent]
        if ours:
            plan, work = (median(column) for column in zip(*ours, strict=True))
            rows.append([agent, number(plan), number(work), number(results.plan_work_spearman.get(agent))])
    return Section(
        "Plans and work",
        [
            "Tokens of plans and of the work after them (medians), and their rank correlation (Spearman).",
            Table(["", "plan", "work", "Spearman"], rows),
        ],
    )


def auction(results: Results) -> Section | None:
    """The auction's share of all tokens, here and where work is longer."""
    rows = [row for row in results.rows if row.kind == "market" and row.auction_share]
    if not rows and not results.real_lengths:
        return None
    parts: list[Part] = []
    if rows:
        parts += [
            "Share of all tokens that bids, marks and refinements take in this run:",
            Table(["", "auction", INTERVAL], [[row.name, *two(row.auction_share, percent)] for row in rows]),
        ]
    if results.real_lengths:
        parts += [
            f"The same auctions, were {results.largest}'s work as long as that of real agents, and all work"
            f" longer by as much; cost is that of the market against {results.largest} alone:",
            Table(
                ["work after", "tokens", "auction", "cost", INTERVAL],
                [
                    [one.source, f"{one.work_tokens:,.0f}", percent(one.share, 2), *two(one.usd, signed)]
                    for one in results.real_lengths
                ],
            ),
        ]
    return Section("What the auction takes", parts)
