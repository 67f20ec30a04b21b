"""The nine families: which steps a task of a level is made of, and the code that they make."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from salecli.practice.tasks import words
from salecli.practice.tasks.classes import EMPTY, FROM, GROWS, ITEMS, PUTS, TOTALS
from salecli.practice.tasks.conventions import COMMON, CONVENTIONS, Convention, body
from salecli.practice.tasks.lists import FORMATS, LISTS
from salecli.practice.tasks.loops import GUARDS, HEADINGS, STARTS, STOPS, UPDATES
from salecli.practice.tasks.operation import FEWEST, Operation, Step, shared
from salecli.practice.tasks.records import DICTIONARIES, PAIRS, READERS, RECORDS, SHORT
from salecli.practice.tasks.texts import TEXTS
from salecli.practice.tasks.words import Side

Shape = Literal["steps", "loop", "class"]
UNKNOWN = "?"
"""What an agent writes in place of a code that it does not know."""


@dataclass(frozen=True, slots=True)
class Level:
    """What a level draws from."""

    fewest: int
    most: int
    """Steps of a pipeline or a body, methods of a class."""
    share: float
    """Of each table, the commonest operations."""
    exponent: float
    """Of the Zipf law by which rarer operations are drawn less; 0 draws all alike."""
    distractors: tuple[int, int]
    """Fewest and most."""
    marked: int
    """Faults to mend, or conventions to follow, at most."""
    conventions: int
    """The first of the table."""


LEVELS: Mapping[int, Level] = MappingProxyType(
    {
        1: Level(2, 2, 0.30, 0.5, (0, 1), 1, COMMON),
        2: Level(2, 3, 0.45, 0.8, (0, 1), 1, 12),
        3: Level(3, 4, 0.65, 0.7, (0, 2), 2, 18),
        4: Level(4, 5, 0.85, 0.5, (1, 2), 3, len(CONVENTIONS)),
        5: Level(6, 7, 1.00, 0.2, (1, 3), 4, len(CONVENTIONS)),
    }
)


@dataclass(frozen=True, slots=True)
class Draft:
    """The steps of a task, with what might stand in their places, and how they become code."""

    family: str
    shape: Shape
    takes: str
    """The function's parameter, empty for a class."""
    steps: tuple[Step, ...]
    rivals: tuple[tuple[Operation, ...], ...]
    """Of each step: operations that fit in its place."""
    broken: Mapping[int, Step]
    """What stands in the place of a step before the work; empty where nothing is written yet."""
    modules: Mapping[str, str]
    """Text of other modules by name."""

    @property
    def key(self) -> str:
        """The combination of steps, whatever the values in their slots."""
        return "|".join([*(one.operation.name for one in self.steps), *map(str, sorted(self.broken))])

    def text(self, name: str, lines: Sequence[tuple[str, str]], numbers: bool = True) -> str:
        """The module that (name, code) lines make."""
        made = _class if self.shape == "class" else _function
        texts = [f"# {at}. {said}" if numbers else f"# {said}" for at, (said, _) in enumerate(lines, 1)]
        used = [one for one in self.modules if any(f"{one}." in code for _, code in lines)]
        head = "".join(f"import {one}\n" for one in used) + ("\n\n" if used else "")
        return head + made(name, self.takes, self.shape, texts, [code for _, code in lines])


def _function(name: str, takes: str, shape: Shape, said: Sequence[str], codes: Sequence[str]) -> str:
    found, indent, gives = [f"def {name}({takes}):"], "    ", "total" if shape == "loop" else takes
    for comment, code in zip(said, codes, strict=True):
        found.append(indent + comment)
        if code == UNKNOWN:
            continue
        found.append(indent + code)
        if shape == "steps":
            gives = code.partition(" = ")[0]
        elif code.startswith("for "):
            indent = "        "
    if shape == "loop" and found[-1].lstrip().startswith("#"):
        found.append(f"{indent}pass")
    return "\n".join([*found, f"    return {gives}"]) + "\n"


def _class(name: str, takes: str, shape: Shape, said: Sequence[str], codes: Sequence[str]) -> str:
    found = [f"class {name}:"]
    for comment, code in zip(said, codes, strict=True):
        found += [f"    {comment}", f"    def {signature(comment)}:"]
        found.append(f"        {'pass' if code == UNKNOWN else code}")
    return "\n".join(found) + "\n"


def signature(name: str) -> str:
    """The heading of a step's method: "2. add(x) behind" is add(self, x)."""
    method, found, rest = name.removeprefix("# ").rpartition(". ")[2].partition("(")
    if not found:
        return "__init__(self)"
    return f"{method}(self, x)" if rest.startswith("x)") else f"{method}(self)"


def _weights(count: int, exponent: float) -> list[float]:
    return [(rank + 3.0) ** -exponent for rank in range(count)]


def _pick(
    table: Sequence[Operation],
    level: Level,
    rng: random.Random,
    without: frozenset[str],
    fewest: int = FEWEST,
) -> Operation:
    """An operation of the level's part of a table, rarer ones less often."""
    known = [one for one in shared(table, level.share, fewest) if one.name not in without]
    known = known or [one for one in table if one.name not in without] or list(table)
    return rng.choices(known, _weights(len(known), level.exponent))[0]


def _walk(
    tables: tuple[Operation, ...],
    start: str,
    level: Level,
    rng: random.Random,
    without: frozenset[str],
    last: str = "",
) -> list[Operation]:

    count = rng.randint(level.fewest, level.most)
    while True:
        found: list[Operation] = []
        kind = start
        while len(found) < count:
            rest = count - len(found)
            fitting = [
                one
                for one in _taking(kind, tables)
                if one not in found
                and (one.gives != "n" or (rest == 1 and not last))
                and (rest > 1 or not last or one.gives == last)
            ]
            if rest == 1 and rng.random() < 0.4:
                fitting = [one for one in fitting if one.gives == "n"] or fitting
            if not fitting:
                break
            found.append(_pick(fitting, level, rng, without))
            kind = found[-1].gives
        if len(found) == count:
            return found


@functools.cache
def _taking(kind: str, tables: tuple[Operation, ...]) -> tuple[Operation, ...]:
    return tuple(one for one in tables if one.takes == kind)


@functools.cache
def _kind(takes: str, gives: str, tables: tuple[Operation, ...]) -> tuple[Operation, ...]:
    return tuple(one for one in tables if (one.takes, one.gives) == (takes, gives))


def _alike(one: Operation, tables: tuple[Operation, ...]) -> tuple[Operation, ...]:
    """Operations that take and give the same variables."""
    return _kind(one.takes, one.gives, tables)


_RECORDS = (*RECORDS, *DICTIONARIES, *LISTS)
_PARSING = (*LISTS, *DICTIONARIES, *FORMATS, *PAIRS)
_TEXTS = (*TEXTS, *SHORT)


def _steps(
    family: str, takes: str, tables: tuple[Operation, ...], found: Sequence[Operation], rng: random.Random
) -> Draft:
    steps = tuple(one.filled(rng) for one in found)
    return Draft(family, "steps", takes, steps, tuple(_alike(one, tables) for one in found), {}, {})


def lists(level: Level, rng: random.Random, side: Side, without: frozenset[str]) -> Draft:
    """A pipeline over a list of numbers."""
    return _steps("lists", "xs", LISTS, _walk(LISTS, "xs", level, rng, without), rng)


def strings(level: Level, rng: random.Random, side: Side, without: frozenset[str]) -> Draft:
    """A pipeline over a text and its words."""
    return _steps("strings", "s", _TEXTS, _walk(_TEXTS, "s", level, rng, without), rng)


def records(level: Level, rng: random.Random, side: Side, without: frozenset[str]) -> Draft:
    """A pipeline over dictionaries in a list."""
    return _steps("records", "rows", _RECORDS, _walk(_RECORDS, "rows", level, rng, without), rng)


def parsing(level: Level, rng: random.Random, side: Side, without: frozenset[str]) -> Draft:
    """Reading a text, working on what it says, and writing it out."""
    reader = _pick(READERS, replace(level, exponent=0.0), rng, without, len(READERS))
    fewer = replace(level, fewest=max(2, level.fewest - 1), most=max(2, level.most - 1))
    found = _walk(_PARSING, reader.gives, fewer, rng, without, last="s")
    return _steps("parsing", "s", (*READERS, *_PARSING), [reader, *found], rng)


def loops(level: Level, rng: random.Random, side: Side, without: frozenset[str]) -> Draft:
    """A loop with conditions over a list, or over the digits of a number."""
    count = max(1, rng.randint(level.fewest, level.most) - 1)
    body_tables = [UPDATES]
    if count > 1 and rng.random() < 0.5:
        body_tables.append(STOPS)
    if count > 4:
        body_tables.insert(0, UPDATES)
    body_tables = [GUARDS] * (count - len(body_tables)) + body_tables
    found: list[Operation] = []
    tables = (STARTS, HEADINGS, *body_tables)
    for table in tables:
        fresh = [one for one in table if one not in found]
        found.append(_pick(fresh, level, rng, without, len(table) if table in (STARTS, HEADINGS) else FEWEST))
    steps = tuple(one.filled(rng) for one in found)
    takes = found[1].takes
    rivals = tuple(tuple(one for one in table if one.takes in ("", takes)) for table in tables)
    return Draft("loops", "loop", takes, steps, rivals, {}, {})


def classes(level: Level, rng: random.Random, side: Side, without: frozenset[str]) -> Draft:
    """A class with a start and small methods."""
    starts, puts, rest = (EMPTY, PUTS, ITEMS) if rng.random() < 0.6 else (FROM, GROWS, TOTALS)
    found = [_pick(starts, level, rng, without), _pick(puts, level, rng, without)]
    count = rng.randint(level.fewest, level.most)
    while len(found) < count + 1:
        taken = {_method(one) for one in found}
        found.append(_pick([one for one in rest if _method(one) not in taken], level, rng, without))
    steps = tuple(one.filled(rng) for one in found)
    rivals = tuple((starts, puts)[at] if at < 2 else _variants(one, rest) for at, one in enumerate(found))
    return Draft("classes", "class", "", steps, rivals, {}, {})


def _method(one: Operation) -> str:
    return one.name.partition("(")[0]


def _variants(one: Operation, table: Sequence[Operation]) -> tuple[Operation, ...]:
    """Methods of the same name and others that take the same."""
    return tuple(other for other in table if signature(other.name)[-4:] == signature(one.name)[-4:])


def bugs(level: Level, rng: random.Random, side: Side, without: frozenset[str]) -> Draft:
    """A finished function with lines that are wrong: to be edited, not written anew."""
    longer = replace(level, most=min(level.most + 1, 7))
    family = rng.choice((lists, lists, strings, records, loops))
    draft = family(longer, rng, side, without)
    first = 1 if family is loops else 0  # the start and the heading of a loop may be wrong, too
    places = list(range(first, len(draft.steps)))
    broken: dict[int, Step] = {}
    for at in rng.sample(places, min(len(places), rng.randint(max(1, level.marked - 1), level.marked))):
        broken[at] = rival(draft, at, rng)
    return replace(draft, family="bugs", broken=broken)


def rival(draft: Draft, at: int, rng: random.Random, without: frozenset[str] = frozenset()) -> Step:
    """What might stand in a step's place by mistake: another value in a slot, or another operation."""
    own = draft.steps[at]
    rivals = [one for one in draft.rivals[at] if one.name not in without] or [own.operation]
    while True:
        operation = own.operation if own.filling and rng.random() < 0.4 else rng.choice(rivals)
        other = operation.filled(rng)
        if other.code != own.code:
            return other
        if len(rivals) == 1 and not own.filling:
            return replace(own, operation=replace(own.operation, code=f"{own.code.partition(' ')[0]} = None"))


def reuse(level: Level, rng: random.Random, side: Side, without: frozenset[str]) -> Draft:
    """A pipeline with steps that a function of another file carries out."""
    found = _walk(LISTS, "xs", level, rng, without)
    module = words.spare(rng, side)
    names: list[str] = []
    while len(names) < 3:
        name = words.called(rng, side)
        names += [name] if name not in names else []
    texts, table = [], []
    for name in names:
        each = rng.random() < 0.5
        made = body(rng)
        if each:
            a, b = rng.randint(2, 9), rng.randint(1, 9)
            made = rng.choice(
                (f"x*{a}+{b}", f"x%{a}-{b}", f"x*x-{a}", f"max(x,{a})+{b}", f"x+{a} if x>{b} else {b}")
            )
        texts.append(f"def {name}({'x' if each else 'xs'}):\n    return {made}\n")
        table.append(_call(module, name, each))
    places = list(range(len(found) - 1 if found[-1].gives == "n" else len(found)))
    most = min(len(places), 1 + (level.marked > 2))
    rivals: list[tuple[Operation, ...]] = [_alike(one, LISTS) for one in found]
    for at, one in zip(sorted(rng.sample(places, most)), rng.sample(table, most), strict=True):
        found[at], rivals[at] = one, tuple(table)
    steps = tuple(one.filled(rng) for one in found)
    return Draft("reuse", "steps", "xs", steps, tuple(rivals), {}, {module: "\n\n".join(texts)})


# A function stands in the issue, the plan and the code as module.function: the tokens of words that
# nobody learned differ with the sign in front of them.
_CALLS = {
    True: (
        (
            "call {h} of {q} on each number", "give each to {h} of {q}", "on each number use {h} from {q}",
        ),
        ("let {h} of {q} work on each", "each goes through {h} from {q}"),
    ),
    False: (
        (
            "call {h} of {q} on the list", "give the list to {h} of {q}",
            "on the whole list use {h} from {q}",
        ),
        ("let {h} of {q} work on the list", "the list goes through {h} from {q}"),
    ),
}  # fmt: skip


def _call(module: str, name: str, each: bool) -> Operation:
    """The step that calls a function of a module."""
    said, held = _CALLS[each]
    called = f"{module}.{name}"

    def told(phrases: Sequence[str]) -> tuple[str, ...]:
        return tuple(one.replace("{h}", called).replace("{q}", f"{module}.py") for one in phrases)

    code = f"xs = [{called}(x) for x in xs]" if each else f"xs = {called}(xs)"
    return Operation(f"{called} {'each' if each else 'list'}", code, told(said), told(held), "xs", "xs")


def conventions(
    level: Level,
    rng: random.Random,
    side: Side,
    without: frozenset[str],
    known: Sequence[Convention] = (),
) -> Draft:
    """A pipeline with rules that the issue names and does not explain; `known` stands for the usual ones."""
    found = _walk(LISTS, "xs", level, rng, without)
    usual = [one for one in CONVENTIONS[: level.conventions] if one.operation.name not in without]
    rules = list(known) or usual
    places = list(range(len(found) - 1 if found[-1].gives == "n" else len(found)))
    count = min(len(places), len(rules), rng.randint(1, max(1, level.marked - 1)))
    chosen = rng.sample(rules, count)
    rivals: list[tuple[Operation, ...]] = [_alike(one, LISTS) for one in found]
    table = tuple(one.operation for one in (known or CONVENTIONS))
    for at, rule in zip(rng.sample(places, count), chosen, strict=True):
        found[at], rivals[at] = rule.operation, (*table, *LISTS[:3])
    every = chosen if known else CONVENTIONS
    modules = {
        module: "\n\n".join(one.text for one in every if one.module == module)
        for module in sorted({one.module for one in every})
    }
    steps = tuple(one.filled(rng) for one in found)
    return Draft("conventions", "steps", "xs", steps, tuple(rivals), {}, modules)


FAMILIES: Mapping[str, Callable[[Level, random.Random, Side, frozenset[str]], Draft]] = MappingProxyType(
    {
        "lists": lists,
        "strings": strings,
        "records": records,
        "loops": loops,
        "parsing": parsing,
        "classes": classes,
        "bugs": bugs,
        "reuse": reuse,
        "conventions": conventions,
    }
)
