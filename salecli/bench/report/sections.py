"""The parts of a report, the same on a screen and in Markdown; and how its numbers are written."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from salecli.bench.results import Estimate, known
from salecli.core.text import clean

INTERVAL = "95 %"
"""Heads the columns that a narrow screen goes without."""
NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of texts; all columns but the first `left` hold numbers."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: int = 1

    @property
    def narrow(self) -> Table:
        """The same without its intervals."""
        kept = [place for place, header in enumerate(self.headers) if header != INTERVAL]
        return Table(
            [self.headers[place] for place in kept],
            [[row[place] for place in kept] for row in self.rows],
            self.left,
        )


@dataclass(frozen=True, slots=True)
class Picture:
    """A plot by the name of its file, without ending, and what it shows in words."""

    name: str
    shows: str


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that was said of SALE, and what became of it here."""

    claim: str
    held: bool | None
    """None where it was not measured."""
    found: str

    @property
    def verdict(self) -> str:
        return {True: "held", False: "did not hold", None: "not measured"}[self.held]


Part = str | Table | Picture | Claim


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it."""

    title: str
    parts: Sequence[Part]


def percent(share: float | None, digits: int = 1, sign: str = "") -> str:
    """0.611 as "61.1 %"."""
    return f"{100 * share:{sign}.{digits}f} %" if known(share) else NOTHING


def points(share: float | None) -> str:
    """A difference of two shares, in points: "+2.7"."""
    return f"{100 * share:+.1f}" if known(share) else NOTHING


def thousand(usd: float | None) -> str:
    """USD for a thousand tasks, in three digits that count."""
    return number(1000 * usd) if known(usd) else NOTHING


def number(value: float | None) -> str:
    """A number in three digits that count, never as a power of ten."""
    if not known(value):
        return NOTHING
    places = 2 - math.floor(math.log10(abs(value))) if value else 0
    return f"{value:,.{max(0, places)}f}"


def span(one: Estimate | None, written: Callable[[float], str] = percent) -> str:
    """The interval of an estimate: "58.0 to 64.2 %"."""
    if one is None or not (known(one.low) and known(one.high)):
        return NOTHING
    low, high = written(one.low), written(one.high)
    return f"{low.removesuffix(' %')} to {high}"


def signed(share: float | None) -> str:
    """A change as a share: "+4.2 %"."""
    return percent(share, sign="+")


def two(one: Estimate | None, written: Callable[[float], str]) -> tuple[str, str]:
    """An estimate as two cells: value and interval."""
    return (written(one.value) if one is not None else NOTHING, span(one, written))


def markdown(sections: Sequence[Section], level: int = 2, pictures: str | None = "") -> str:
    """Sections as Markdown; `pictures` goes before the names of their files, None leaves them out."""
    blocks = []
    for section in sections:
        if section.title:
            blocks.append(f"{'#' * level} {_plain(section.title)}")
        for place, part in enumerate(section.parts):
            item = _block(part, pictures)
            if place and isinstance(part, Claim) and isinstance(section.parts[place - 1], Claim):
                blocks[-1] += f"\n{item}"
            elif item:
                blocks.append(item)
    return "\n\n".join(blocks) + "\n"


def _block(part: Part, pictures: str | None) -> str:
    if isinstance(part, Table):
        return _table(part)
    if isinstance(part, Picture):
        return f"![{_plain(part.shows)}]({pictures}{part.name}.svg)" if pictures is not None else ""
    if isinstance(part, Claim):
        return f"- **{part.verdict}**: {_plain(part.claim)}. {_plain(part.found)}"
    return _plain(part)


def _table(table: Table) -> str:
    rule = ["---" if place < table.left else "--:" for place in range(len(table.headers))]
    rows = [table.headers, rule, *table.rows]
    return "\n".join(
        f"| {' | '.join(cell if row is rule else _plain(cell) for cell in row)} |" for row in rows
    )


def _plain(text: str) -> str:
    """Text that means nothing to Markdown, on one line."""
    text = clean(text, newlines=False)
    for sign in "\\`*|[<":
        text = text.replace(sign, f"\\{sign}")
    return text
