"""Plans of made-up steps: what they say cannot be known, so that only copying carries them out.

From usual plans alone an agent learns to write the usual line of a name, or of what the issue asks for, and
fails wherever a plan says something else.
"""

from __future__ import annotations

import random

from salecli.practice.tasks.checks import Lines
from salecli.practice.tasks.curriculum import Practice
from salecli.practice.tasks.drafts import rival
from salecli.practice.tasks.words import made_up

_BITS = ("x", "xs", "s", "i", "for", "in", "if", "len", "sum", "sorted", *"+-*%><()[]:,.'123456789", "==")


def strange(practice: Practice, rng: random.Random, without: frozenset[str]) -> Lines:
    """The lines of a task with made-up or misplaced steps; what is not planned stays as it is now."""
    draft = practice.draft
    lines = list(practice.now)
    free = draft.shape == "steps" and not draft.broken
    for at in practice.planned:
        name, code = practice.lines[at]
        if code.startswith("for "):
            continue
        head = "".join(code.partition("= ")[:2]) if "= " in code else ""
        misplaced = not draft.broken and rng.random() < 0.4
        said = rival(draft, at, rng, without).code if misplaced else head + _soup(rng)
        lines[at] = (_name(rng) if free and rng.random() < 0.6 else name, said)
    return tuple(lines)


def _name(rng: random.Random) -> str:
    words = [made_up(rng) for _ in range(rng.choice((1, 1, 2)))]
    if rng.random() < 0.4:
        words.append(str(rng.randint(1, 40)))
    return " ".join(words)


def _soup(rng: random.Random) -> str:
    """Bits of code and made-up words in any order."""
    bits = [made_up(rng) if rng.random() < 0.3 else rng.choice(_BITS) for _ in range(rng.randint(3, 10))]
    between = rng.choice(("", "", " "))
    return between.join(bits)
