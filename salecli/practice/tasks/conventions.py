"""Conventions: rules that an issue names by a word alone, and that a module of the repository holds.

What a rule does stands neither in the issue nor in a file that it names: an agent knows it from its training
or from the plans of memory. Some are known to all agents, of the others each agent knows its own part.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from salecli.practice.tasks.operation import Operation
from salecli.practice.tasks.words import made_up

COMMON = 6
"""So many conventions, the first ones, are known to all agents."""
_SAID = (
    "apply the {} rule",
    "use the {} rule on the list",
    "the {} rule comes next",
    "run the numbers through the {} rule",
)
_HELD = ("follow the {} rule", "here the {} rule holds", "what the {} rule says is done")


@dataclass(frozen=True, slots=True)
class Convention:
    """A rule's word, and the function of a module that carries it out."""

    word: str
    module: str
    function: str
    body: str
    """An expression over `xs`."""

    @property
    def operation(self) -> Operation:
        """The step that follows the rule."""
        return Operation(
            f"{self.word} rule",
            f"xs = {self.module}.{self.function}(xs)",
            tuple(one.format(self.word) for one in _SAID),
            tuple(one.format(self.word) for one in _HELD),
            "xs",
            "xs",
        )

    @property
    def text(self) -> str:
        """The function."""
        return f"def {self.function}(xs):\n    return {self.body}\n"


def _of(*rows: str) -> tuple[Convention, ...]:
    return tuple(Convention(*row.split(" ", 3)) for row in rows)


CONVENTIONS = _of(
    "harbor ledger fit [x-x%5 for x in xs]",
    "winter tariff lift [x+3 if x>9 else x for x in xs]",
    "market ledger net [x*2-1 for x in xs]",
    "garden quota even [x+x%2 for x in xs]",
    "bakery tariff slim [x for x in xs if x%7]",
    "tower quota crop xs[1:-1]",
    "copper ledger fold [x+y for x,y in zip(xs,xs[::-1])]",
    "lantern tariff dim [x-2 for x in xs if x>2]",
    "meadow quota thin xs[::3]",
    "anchor ledger bond [x*x%11 for x in xs]",
    "violin tariff tune [x+len(xs) for x in xs]",
    "pepper quota sift [x for x in xs if x%3!=1]",
    "marble ledger gild [max(x,2*x-7) for x in xs]",
    "saddle tariff gird [min(x+4,15) for x in xs]",
    "orchid quota prune sorted(xs)[1:]",
    "timber ledger stack [x*(i+1) for i,x in enumerate(xs)]",
    "feather tariff ease [x//3 for x in xs]",
    "rocket quota boost [x+10 for x in xs if x>=0]",
    "velvet ledger trim [x for x in xs if abs(x)<12]",
    "cinder tariff burn [x-4 if x>4 else 0 for x in xs]",
    "island quota lone [x for x in xs if xs.count(x)==1]",
    "walnut ledger crack [x//2+x%2 for x in xs]",
    "ribbon tariff bind xs[-2:]+xs[:-2]",
    "summit quota climb [max(xs[:i+1]) for i in range(len(xs))]",
)  # fmt: skip
OPERATIONS = tuple(one.operation for one in CONVENTIONS)

_WORDS = (
    "amber", "apple", "basket", "bridge", "candle", "castle", "clever", "corner", "crystal", "dancer",
    "desert", "dragon", "echo", "ember", "forest", "frost", "ginger", "hollow", "ivory", "jungle", "ladder",
    "lemon", "mellow", "mirror", "needle", "ocean", "olive", "orange", "paper", "pilot", "planet", "pocket",
    "prism", "quiet", "river", "salt", "shadow", "silver", "spiral", "spring", "stone", "storm", "sugar",
    "summer", "thunder", "tunnel", "valley", "violet", "willow", "wonder", "yellow", "zebra",
)  # fmt: skip
_MODULES = ("ledger", "tariff", "quota", "policy", "basis", "scheme", "custom", "charter")
_FUNCTIONS = (
    "fit", "lift", "net", "even", "slim", "crop", "fold", "dim",
    "thin", "bond", "tune", "sift", "gild", "gird",
    "prune", "stack", "ease", "boost", "trim", "burn", "lone",
    "crack", "bind", "climb", "melt", "wind", "lace",
    "carve", "drift", "glaze", "hush", "knot", "leap", "mold",
    "nudge", "pave", "quell", "roam", "seal", "tilt",
)  # fmt: skip
BODIES = (
    "[x*{a}+{b} for x in xs]", "[x-{a} for x in xs if x>{b}]", "[x%{a}+{b} for x in xs]", "xs[{b}:]+xs[:{b}]",
    "[max(x,{a})*{b} for x in xs]", "[x*x-{a} for x in xs]", "[x+{a} if x>{b} else x for x in xs]",
    "[x for x in xs if x%{a}!={b}]", "[x//{a}+{b} for x in xs]", "[x+{b}*i for i,x in enumerate(xs)]",
)  # fmt: skip


def body(rng: random.Random) -> str:
    """An expression over `xs` that no phrase describes."""
    return rng.choice(BODIES).format(a=rng.randint(2, 9), b=rng.randint(1, 4))


def invent(rng: random.Random, unknown: tuple[Convention, ...] = (), made: float = 0.0) -> Convention:
    """A rule that nobody knows: what it does stands in the prompt's pairs alone.

    Half of them have the word of an `unknown` one, whose own function is never told; of the other words and
    of all functions, the share `made` is made up.
    """

    def drawn(table: tuple[str, ...]) -> str:
        return made_up(rng) if made and rng.random() < made else rng.choice(table)

    word = rng.choice(unknown).word if unknown and rng.random() < 0.5 else drawn(_WORDS)
    return Convention(word, rng.choice(_MODULES), drawn(_FUNCTIONS), body(rng))
