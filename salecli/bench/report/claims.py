"""What the paper claims of SALE, held against a run: a claim holds only where its interval says so too."""

from __future__ import annotations

from collections.abc import Callable

from salecli.bench.report.differences import difference, excess, solved, spent
from salecli.bench.report.sections import Claim, percent, points, signed, span
from salecli.bench.results import MARKET, WITH, WITHOUT, Estimate, Results, Row
from salecli.core.words import plural

SOLVES, SAVES, AUCTION = 0.027, 0.25, 0.01
"""The paper's: more tasks solved and less spent than by the largest agent; the auction's share of tokens."""
_TINY = 1e-9


def claims(results: Results) -> list[Claim]:
    """Each claim, and what became of it."""
    market = results.by_name.get(MARKET)
    return [
        _solves(results, market),
        _saves(results, market),
        _leads(results, market),
        _learns(results),
        _costs_little(results, market),
    ]


def _solves(results: Results, market: Row | None) -> Claim:
    claim = (
        f"{MARKET} solves at least {100 * SOLVES:.1f} points more of the tasks than the largest agent,"
        f" {results.largest}, alone"
    )
    if market is None or market.against is None:
        return _unmeasured(claim)
    one = market.against.solved
    found = f"Against {results.largest}: {points(one.value)} points ({_interval(one, points)})"
    if one.value < SOLVES - _TINY:
        found += f", {100 * (SOLVES - one.value):.1f} short of that"
    return Claim(claim, one.value >= SOLVES - _TINY and one.low > 0, f"{found}{_zero(one)}.")


def _saves(results: Results, market: Row | None) -> Claim:
    claim = f"{MARKET} spends at least {100 * SAVES:.0f} % less per task than {results.largest} alone"
    one = market.against.usd if market is not None and market.against is not None else None
    if one is None:
        return _unmeasured(claim)
    found = f"Against {results.largest}: {signed(one.value)} ({_interval(one, signed)})"
    if one.value > _TINY - SAVES:
        found += f", {100 * (one.value + SAVES):.1f} points short of that"
    found += _zero(one)
    for length in results.real_lengths:
        if length.usd is not None:
            found += f"; were the work {length.work_tokens:,.0f} tokens long: {signed(length.usd.value)}"
            found += f" ({_interval(length.usd, signed)})"
    return Claim(claim, one.value <= _TINY - SAVES and one.high < 0, f"{found}.")


def _leads(results: Results, market: Row | None) -> Claim:
    claim = f"No agent alone and no router solves more than {MARKET} and spends less as well"
    rivals = [row for row in results.rows if row.kind in ("agent", "router")]
    if market is None or not rivals:
        return _unmeasured(claim)
    ahead = [
        row for row in rivals if row.solved.value > market.solved.value and row.usd.value < market.usd.value
    ]
    if not ahead:
        return Claim(claim, True, f"None of {len(rivals)} does.")
    return Claim(claim, False, f"{'; '.join(_ahead(results, row, market) for row in ahead)}.")


def _ahead(results: Results, row: Row, market: Row) -> str:
    ours, theirs = results.paired.get(row.name), results.paired.get(market.name)
    if ours is None or theirs is None:
        more, cost = row.solved.value - market.solved.value, row.usd.value / market.usd.value - 1
        return f"{row.name}: {points(more)} points, cost {signed(cost)}"
    won, price = difference(solved(ours), solved(theirs)), excess(spent(ours), spent(theirs))
    said = f"{row.name}: {points(won.value)} points ({_interval(won, points)})"
    return said if price is None else f"{said}, cost {signed(price.value)} ({_interval(price, signed)})"


def _learns(results: Results) -> Claim:
    claim = "The two smallest agents win more of the tasks as memory grows, and without memory they do not"
    grown = results.win_share.smallest if results.win_share is not None else {}
    one, other = (grown[plays].last_minus_first if plays in grown else None for plays in (WITH, WITHOUT))
    if one is None or other is None:
        return _unmeasured(claim)
    found = (
        f"From the first fifth of an order to the last their share of wins changes by {points(one.value)}"
        f" points with memory ({_interval(one, points)}), by {points(other.value)} without"
        f" ({_interval(other, points)})."
    )
    return Claim(claim, one.low > 0 >= other.low, found)


def _costs_little(results: Results, market: Row | None) -> Claim:
    claim = f"The auction takes less than {100 * AUCTION:.0f} % of all tokens"
    if market is None or market.auction_share is None:
        return _unmeasured(claim)
    one = market.auction_share
    found = f"It takes {percent(one.value)} ({_interval(one, percent)})"
    if results.real_lengths:
        count = plural(len(results.real_lengths), "published work length")
        shares = sorted(length.share for length in results.real_lengths)
        low, high = (percent(share, 2) for share in (shares[0], shares[-1]))
        found += f"; at {count} of other agents it would take {low if low == high else f'{low} to {high}'}"
    return Claim(claim, one.high < AUCTION, f"{found}.")


def _unmeasured(claim: str) -> Claim:
    return Claim(claim, None, "This run does not hold what it takes.")


def _interval(one: Estimate, written: Callable[[float], str]) -> str:
    return f"95 % interval {span(one, written)}"


def _zero(one: Estimate) -> str:
    return "; the interval holds zero" if one.low <= 0 <= one.high else ""
