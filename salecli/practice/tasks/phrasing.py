"""Loose phrases: training issues that say a step in ways nobody wrote down.

From three phrases of each step alone, small networks learn these phrases, and not that the words of a step's
name tell it apart: said in other words and another order, as held-out tasks say it, they miss it.
"""

from __future__ import annotations

import functools
import random
import re
from collections import Counter
from collections.abc import Collection, Sequence

from salecli.practice.tasks import classes, lists, loops, records, texts
from salecli.practice.tasks.conventions import OPERATIONS
from salecli.practice.tasks.operation import Operation

TABLES: Sequence[Sequence[Operation]] = (
    lists.LISTS, lists.FORMATS, texts.TEXTS,
    records.RECORDS, records.DICTIONARIES, records.SHORT, records.PAIRS, records.READERS,
    loops.STARTS, loops.HEADINGS, loops.GUARDS, loops.UPDATES, loops.STOPS,
    classes.EMPTY, classes.PUTS, classes.ITEMS, classes.FROM, classes.GROWS, classes.TOTALS,
    OPERATIONS,
)  # fmt: skip
_WORD = re.compile(r"(?<![{\w.])[a-z]+(?![}\w(.=])")
_CHANGED, _LEFT_OUT, _PUT_IN, _MOVED = 0.4, 0.2, 0.35, 0.5
"""How often a word around the name becomes another one, or goes; how often others come in, and parts change
places."""
_JOINTS = (" ", " ", ", ", ": ")


@functools.cache
def fillers() -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Words of training phrases that belong to no step's name, and how often they stand there."""
    every = [one for table in TABLES for one in table]
    names = {word for one in every for word in _WORD.findall(one.name)}
    found = Counter(word for one in every for said in one.said for word in _WORD.findall(said))
    usual = {word: count for word, count in sorted(found.items()) if word not in names and len(word) > 1}
    return tuple(usual), tuple(usual.values())


def _some(rng: random.Random, most: int) -> list[str]:
    words, counts = fillers()
    return rng.choices(words, counts, k=rng.randint(1, most))


def loose(template: str, kept: Collection[str], rng: random.Random, held: Collection[str] = ()) -> str:
    """A phrase that says the same with other words around those `kept`, in another order.

    Words that are `kept`, or more than letters, stay together where they stand together. It is none of the
    `held` phrases.
    """
    while True:
        parts: list[str] = []
        kept_before = False
        for part in template.split():
            word = part if part in kept else part.rstrip(",:")
            stays = not word.isalpha() or word.lower() in kept
            if stays and kept_before:
                parts[-1] += f" {word}"
            elif stays or rng.random() > _LEFT_OUT:
                parts += [word] if stays or rng.random() > _CHANGED else _some(rng, 1)
            kept_before = stays
        if rng.random() < _PUT_IN:
            at = rng.randint(0, len(parts))
            parts[at:at] = _some(rng, 3)
        at = rng.randint(1, max(1, len(parts) - 1))
        sides = [" ".join(parts[:at]), " ".join(parts[at:])]
        if rng.random() < _MOVED:
            sides.reverse()
        found = rng.choice(_JOINTS).join(one for one in sides if one)
        if found not in held:
            return found


def babble(template: str, rng: random.Random, held: Collection[str] = ()) -> str:
    """Any words for those of an opening or a sentence, with its slots among them and its ending.

    It is none of the `held` ones.
    """
    said, step, rest = template.partition("{}")
    slots = re.findall(r"\{\w+\}", said)
    ending = f": {{}}{rest}" if step else template[len(template.rstrip(" .,:")) :]
    while True:
        found = _some(rng, 6)
        for one in slots:
            found.insert(rng.randint(0, len(found)), one)
        text = " ".join(found) + ending
        text = text if text[0] == "{" else text[0].upper() + text[1:]
        if text not in held:
            return text
