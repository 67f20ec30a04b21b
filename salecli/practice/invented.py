"""Operations that nobody knows: what teaches an agent to read an expression out of (lost, won) pairs."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from salecli.practice.operations import LISTS, NUMBERS, Operation

_SYLLABLES = (
    "ba", "be", "bo", "da", "do", "fa", "fi", "ga", "go", "ka", "ko", "la", "li", "lo", "ma", "mi",
    "mo", "na", "ne", "no", "pa", "po", "ra", "ri", "ro", "sa", "so", "ta", "ti", "to", "va", "ve",
    "wa", "zo",
)  # fmt: skip
_WORDS = (
    "amber", "anchor", "apple", "basket", "bridge", "candle", "castle", "clever", "copper",
    "corner", "crystal", "dancer", "desert", "dragon", "echo", "ember", "feather", "forest",
    "frost", "garden", "ginger", "harbor", "hollow", "island", "ivory", "jungle", "ladder",
    "lantern", "lemon", "marble", "meadow", "mellow", "mirror", "needle", "ocean", "olive",
    "orange", "paper", "pepper", "pilot", "planet", "pocket", "prism", "quiet", "ribbon", "river",
    "rocket", "saddle", "salt", "shadow", "silver", "spiral", "spring", "stone", "storm", "sugar",
    "summer", "thunder", "timber", "tunnel", "valley", "velvet", "violet", "walnut", "willow",
    "winter", "wonder", "yellow", "zebra",
)  # fmt: skip


def invent(rng: random.Random, unknown: Sequence[Operation]) -> Operation:
    """An operation that nobody knows: made-up words, or the name of one the agent never learned.

    Its expression is random in either case: what it does stands in the prompt's pairs alone.
    """
    roll = rng.random()
    if unknown and roll < 0.5:
        one = rng.choice(unknown)
        return replace(one, expression=_expression(rng, bool(one.constants)), final=False)
    constants = (2, 3, 4, 5, 6, 7, 8, 9) if rng.random() < 0.3 else ()
    if roll < 0.8:
        name = " ".join(rng.sample(_WORDS, rng.choice((1, 1, 2))))
    else:
        name = "".join(rng.choices(_SYLLABLES, k=rng.choice((2, 3))))
    if constants:
        name += " {c}"
    phrases = (
        name,
        f"{name} each",
        f"{name} the list",
        f"take {name}",
        f"keep the {name} ones",
        f"return the {name}",
    )
    return Operation(name, _expression(rng, bool(constants)), phrases, constants)


def _expression(rng: random.Random, constant: bool) -> str:
    c = "{c}" if constant else str(rng.randint(2, 9))
    if rng.random() < 0.4:
        like = rng.choice([one for one in (*LISTS, *NUMBERS) if bool(one.constants) == constant])
        return like.expression
    d = str(rng.randint(1, 9))
    value = rng.choice(
        (
            f"x*{c}",
            f"x+{c}",
            f"x%{c}",
            f"{c}-x",
            f"x*x-{c}",
            f"max(x,{c})",
            f"xs.count(x)*{c}",
            f"abs(x)//{c}",
        )
    )
    value = rng.choice((value, f"{value}+{d}", f"({value})*{d}"))
    test = rng.choice((f"x>{c}", f"x%{c}=={d}", f"x*x<{c}", f"x!={c}", f"xs.count(x)<{c}", f"x%{d}<{c}"))
    couple = rng.choice((f"a*b+{c}", f"a-b*{c}", f"max(a,b)%{c}", f"a*{c}+b"))
    return rng.choice(
        (
            f"[{value} for x in xs]",
            f"[{value} for x in xs if {test}]",
            f"[x for x in xs if {test}]",
            f"[{couple} for a,b in zip(xs,xs[1:])]",
            f"xs[{c}:]+xs[{d}:]",
            f"xs[:{c}]+xs[::-1]",
            f"sorted(xs,key=lambda x:{value})",
            f"sorted(xs)[{c}::{d}]",
            f"[{value}+i for i,x in enumerate(xs)]",
            f"[x for i,x in enumerate(xs) if i%{c}!={d}]",
        )
    )
