"""The words around the steps of an issue: names of modules and functions, openings, distractors, joints.

Every list has two sides, for training and for held-out tasks; names are divided by a hash. Much of what a
training task says can be made up: held-out tasks say things in words that no agent has read.
"""

from __future__ import annotations

import builtins
import hashlib
import keyword
import random
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

MODULES = (
    "lists", "series", "items", "rows", "marks", "scores", "prices", "counts", "sizes", "levels", "points",
    "orders", "stock", "votes", "laps", "coins", "cards", "bins", "logs", "notes", "tables", "files", "parts",
    "routes", "seats", "shifts", "tickets", "units",
)  # fmt: skip
SPARE = ("rules", "shared", "common", "tools", "sums", "steps")
"""Modules that hold what others use."""
_VERBS = (
    "trim", "tidy", "pick", "blend", "shape", "pack", "mix", "scan", "comb", "forge", "grade", "knit", "mend",
    "press", "weigh", "build", "check", "split", "make",
    "find", "get", "load", "read", "merge", "plan", "rate",
    "show", "sum", "track", "wrap",
)  # fmt: skip
_NOUNS = (
    "rows", "list", "bill", "card", "case", "data", "day",
    "deck", "file", "form", "grid", "hand", "item", "key",
    "lane", "line", "load", "mark", "name", "note", "page",
    "part", "path", "plan", "rate", "set", "shop", "team",
    "time", "unit", "week", "word",
)  # fmt: skip
_COLOURS = (
    "Red",
    "Blue",
    "Green",
    "Grey",
    "Old",
    "New",
    "Big",
    "Small",
    "Open",
    "Long",
    "Fast",
    "Flat",
    "Dry",
    "Main",
)
_THINGS = (
    "Box",
    "Tray",
    "Bag",
    "Jar",
    "Bin",
    "Cart",
    "Desk",
    "Shelf",
    "Stack",
    "Case",
    "Pot",
    "Rack",
    "Tank",
    "Meter",
)
_CALLED = (
    "absorb", "assess", "attach", "bend", "bundle", "chain", "compile", "deepen", "drain", "extend", "fuse",
    "harden", "hoist", "inspect", "loosen", "mature", "notch", "order", "pivot", "quote", "relax", "season",
    "settle", "refine", "align", "adjust", "convert", "soften", "weight", "balance", "rescale",
    "correct", "smooth", "sharpen", "mask", "patch", "polish", "probe", "repair",
    "resize", "score", "shrink", "stretch", "thread", "update",
)  # fmt: skip
_ONE_IN = 6
"""One name in this many is for held-out tasks."""


@dataclass(frozen=True, slots=True)
class Side:
    """A side of the split."""

    held_out: bool
    made: float = 0.0
    """Share of the names that are made up, and of the texts in which other words than a step's own are."""
    pieces: tuple[str, ...] = ()
    """What half of the made-up words in texts are made of: an agent's tokens, so that it reads them all."""

    def has(self, name: str) -> bool:
        """Whether a name belongs to this side."""
        return (hashlib.sha256(name.encode()).digest()[0] % _ONE_IN == 0) is self.held_out

    def makes(self, rng: random.Random) -> bool:
        """Whether the next name or text has made-up words; nothing is drawn where none has."""
        return self.made > 0 and rng.random() < self.made


_PIECES = (*_VERBS, *_NOUNS, *_CALLED, *(one.lower() for one in (*_COLOURS, *_THINGS)))
_KNOWN = frozenset((*dir(builtins), *keyword.kwlist, *_PIECES))


def made_up(rng: random.Random) -> str:
    """A word of the pieces of others, that can only be copied."""
    while True:
        word = rng.choice(_PIECES)[: rng.randint(2, 4)] + rng.choice(_PIECES)[-rng.randint(2, 4) :]
        if len(word) > 4 and word not in _KNOWN:
            return word


_WORD = re.compile(r"\{\w*\}|[A-Za-z]+")


def blurred(text: str, rng: random.Random, kept: Collection[str] = (), pieces: Sequence[str] = ()) -> str:
    """A text with made-up words for half of those that are not `kept`, in braces, or very short.

    Half of the made-up words are made of `pieces`, where there are any.
    """

    def said(found: re.Match[str]) -> str:
        word = found[0]
        if len(word) < 3 or word[0] == "{" or word.lower() in kept or rng.random() < 0.5:
            return word
        if pieces and rng.random() < 0.5:
            return "".join(rng.choices(pieces, k=rng.choice((1, 1, 2))))
        made = made_up(rng)
        return made.capitalize() if word[0].isupper() else made

    return _WORD.sub(said, text)


def _drawn(rng: random.Random, side: Side, *parts: tuple[str, ...], between: str = "") -> str:
    made = side.makes(rng)
    while True:
        found = [made_up(rng) if made else rng.choice(part) for part in parts]
        if parts[0][0].istitle():
            found = [one.capitalize() for one in found]
        name = between.join(found)
        if side.has(name):
            return name


def function(rng: random.Random, side: Side) -> str:
    """A function's name from one side of the split."""
    return _drawn(rng, side, _VERBS, _NOUNS, between="_")


def class_name(rng: random.Random, side: Side) -> str:
    """A class's name from one side of the split."""
    return _drawn(rng, side, _COLOURS, _THINGS)


def called(rng: random.Random, side: Side) -> str:
    """The name of a function that another module holds, from one side of the split."""
    return _drawn(rng, side, _CALLED)


def spare(rng: random.Random, side: Side) -> str:
    """The name of a module that holds what others use; both sides have the same ones."""
    return made_up(rng) if side.makes(rng) else rng.choice(SPARE)


TITLES = (
    ("Write {f} in {p}", "Add {f} to {p}", "{p} needs {f}", "Please write {f} in {p}"),
    ("Implement {f} in {p}", "Wanted: {f} for {p}"),
)
REPAIRS = (
    ("Fix {f} in {p}", "{f} in {p} is wrong", "Mend {f} in {p}", "Bug in {f} of {p}"),
    ("Repair {f} in {p}", "Wrong results of {f} from {p}"),
)
OPENINGS = (
    (
        "It is still a stub.", "Here is what it has to do.", "This is what we agreed on.", "The steps:",
        "In this order, please:", "What it does:", "From top to bottom:",
    ),
    ("Its body is missing.", "These are the steps that we want.", "Do it in the following order:"),
)  # fmt: skip
FAULTS = (
    (
        "One line is wrong; right would be: {}.",
        "This is not done as it should be: {}.", "It was meant to do this: {}.",
        "Since the last change this fails: {}.", "The tests ask for this: {}.",
    ),
    ("What users expect: {}.", "A line does something else than needed: {}."),
)  # fmt: skip
JOINTS = (
    (("First, ", "Begin so: ", "At first, "), ("Then ", "Next, ", "After this, ", "Now ")),
    (("To begin, ", "Start like this: "), ("Following this, ", "Later, ", "As the next step, ")),
)
DISTRACTORS = (
    (
        "{who} asked for it on {day}.", "Nothing else in {p} changes.", "The old report had {n} lines.",
        "We talked about it in room {n}.", "Keep it short.", "{who} will read the result.",
        "No new packages, please.", "The shop opens at {n}.", "There were {n} complaints last week.",
        "It is not urgent.", "{who} and {whom} share the work.", "We had another idea before, forget it.",
        "The numbers come from {who}.", "Names may change later.", "Last year it took {n} days.",
        "Speed does not matter here.",
        "{whom} wrote the tests on {day}.", "See also page {n} of the handbook.",
    ),
    (
        "It should be ready by {day}.", "{who} found {n} cases of this.", "Other modules are fine.",
        "In spring {whom} had a similar wish.", "About {n} people use it.", "Comments are welcome but few.",
        "The manual mentions it in chapter {n}.", "Thanks to {who} for the report.",
    ),
)  # fmt: skip
_PEOPLE = ("Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gil", "Hana", "Ivo", "June", "Kim", "Leo")
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")


def distractors(
    rng: random.Random, side: Side, path: str, count: int
) -> list[tuple[str, dict[str, str | int]]]:
    """Templates of different sentences that have nothing to do with the steps, and what fills them."""
    found: list[tuple[str, dict[str, str | int]]] = []
    for said in rng.sample(DISTRACTORS[side.held_out], count):
        who, whom = rng.sample(_PEOPLE, 2)
        found.append(
            (said, {"who": who, "whom": whom, "day": rng.choice(_DAYS), "n": rng.randint(2, 40), "p": path})
        )
    return found
