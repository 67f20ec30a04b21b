"""What each agent is trained on: its own mixture of families and levels, and operations that it never learns.

Agents are to err differently: each has families of its own strength, and what it does not know is chosen by a
hash of its name, so that a smaller agent knows things that a larger one does not.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from types import MappingProxyType

from salecli.practice.tasks.classes import GROWS, ITEMS, PUTS, TOTALS
from salecli.practice.tasks.conventions import COMMON, OPERATIONS
from salecli.practice.tasks.drafts import FAMILIES
from salecli.practice.tasks.lists import FORMATS, LISTS
from salecli.practice.tasks.loops import GUARDS, STOPS, UPDATES
from salecli.practice.tasks.operation import FEWEST, Operation
from salecli.practice.tasks.records import DICTIONARIES, RECORDS
from salecli.practice.tasks.texts import TEXTS

AGENTS = ("xs", "s", "m", "l")
_ORDER = ("lists", "strings", "records", "loops", "parsing", "classes", "bugs", "reuse", "conventions")


def _of(*weights: float) -> Mapping[str, float]:
    return MappingProxyType(dict(zip(_ORDER, weights, strict=True)))


MIXTURES: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        # lists strings records loops parsing classes bugs reuse conventions
        "xs": _of(2.0, 0.8, 0.6, 1.6, 0.6, 0.8, 1.4, 1.0, 1.0),
        "s": _of(0.9, 2.0, 1.0, 0.7, 1.8, 0.8, 1.0, 1.2, 1.0),
        "m": _of(0.9, 0.8, 2.0, 0.9, 0.9, 2.0, 1.0, 1.2, 1.0),
        "l": _of(1.1, 1.1, 1.0, 1.3, 1.0, 1.0, 1.4, 1.0, 1.0),
    }
)
"""How often each agent meets each family above level 1; there all are met alike."""
LEVEL_WEIGHTS: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "xs": (3.0, 2.2, 1.4, 0.8, 0.4),
        "s": (2.0, 2.0, 1.8, 1.2, 0.8),
        "m": (1.4, 1.6, 1.8, 1.7, 1.3),
        "l": (1.0, 1.3, 1.6, 1.8, 2.0),
    }
)
"""How often each agent meets levels 1 to 5."""
UNKNOWN = MappingProxyType({"xs": 0.60, "s": 0.42, "m": 0.26, "l": 0.10})
"""Share of the rarer operations that each agent never learns; half of it in its own families."""
OWN: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        agent: frozenset(family for family, weight in mixture.items() if weight >= 1.6)
        for agent, mixture in MIXTURES.items()
    }
)
_COMMON = 0.4
"""The commonest part of each table is known to all."""
_TABLES: Mapping[str, tuple[tuple[Operation, ...], ...]] = {
    "lists": (LISTS,),
    "strings": (TEXTS,),
    "records": (RECORDS, DICTIONARIES),
    "loops": (GUARDS, UPDATES, STOPS),
    "parsing": (FORMATS,),
    "classes": (PUTS, GROWS, ITEMS, TOTALS),
}


def _rarer() -> dict[str, tuple[Operation, ...]]:
    """The operations of each family that not all agents know."""
    found = {"conventions": OPERATIONS[COMMON:]}
    for family, tables in _TABLES.items():
        groups: dict[tuple[int, str, str], list[Operation]] = {}
        for number, table in enumerate(tables):
            for one in table:
                groups.setdefault((number, one.takes, one.gives), []).append(one)
        found[family] = tuple(
            one for group in groups.values() for one in group[max(FEWEST, round(_COMMON * len(group))) :]
        )
    return found


RARER: Mapping[str, tuple[Operation, ...]] = MappingProxyType(_rarer())


@functools.cache
def unknown(agent: str) -> frozenset[str]:
    """Names of the operations that an agent never learns: there, memory has something to give."""
    share = UNKNOWN.get(agent, 0.0)
    found: set[str] = set()
    for family, table in RARER.items():
        part = share / 2 if family in OWN.get(agent, frozenset()) else share
        ranked = sorted(
            (one.name for one in table), key=lambda name: hashlib.sha256(f"{agent}/{name}".encode()).digest()
        )
        found.update(ranked[: round(part * len(ranked))])
    return frozenset(found)


def mixture(agent: str, level: int) -> Mapping[str, float]:
    """How often an agent meets each family at a level."""
    if level == 1 or agent not in MIXTURES:
        return dict.fromkeys(FAMILIES, 1.0)
    return MIXTURES[agent]
