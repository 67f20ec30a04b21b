"""Practice tasks of nine families in five levels, each determined by its level and seed.

A task is a small repository: a module with a stub or with faults, other modules that it may need, pytest
tests, and an issue. Which combinations of steps, names, phrases and sentences are for training and which are
held out is decided by hashes and tables: the two sides share none of them.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from salecli.core.tasks import make_task
from salecli.core.values import Task, Tests
from salecli.practice.tasks import checks, phrasing, trial, words
from salecli.practice.tasks.checks import Lines
from salecli.practice.tasks.conventions import Convention
from salecli.practice.tasks.drafts import FAMILIES, LEVELS, Draft, conventions
from salecli.practice.tasks.trial import Check
from salecli.practice.tasks.words import Side

TEST_COMMAND = "python3 -m pytest -q"
_HELD_OUT = 5
"""One combination of steps in this many is held out."""
_LOOSE = 0.75
"""Share of the phrases that are said loosely, in issues that do so at all."""


@dataclass(frozen=True)
class Practice:
    """One practice task with its reference plan and solution."""

    level: int
    seed: int
    module: str
    function: str
    """The function's or class's name."""
    issue: str
    draft: Draft = field(repr=False)
    checks: tuple[Check, ...] = field(repr=False)
    wrong: tuple[Lines, ...] = field(repr=False)
    """(name, code) lines of plausible solutions that the tests catch."""
    phrases: tuple[str, ...] = ()
    """The templates of all that the issue says."""

    @property
    def family(self) -> str:
        return self.draft.family

    @property
    def path(self) -> str:
        return f"{self.module}.py"

    @property
    def title(self) -> str:
        return self.issue.partition("\n")[0].lstrip("# ")

    @cached_property
    def lines(self) -> Lines:
        """(name, code) of every step."""
        return checks.lines(self.draft)

    @cached_property
    def planned(self) -> tuple[int, ...]:
        """The steps that the plan names: all of them, or those that are wrong now."""
        return tuple(sorted(self.draft.broken)) or tuple(range(len(self.lines)))

    @property
    def plan(self) -> str:
        """The reference plan."""
        return plan_of(self.lines[at] for at in self.planned)

    @property
    def now(self) -> Lines:
        """What the module is made of before the work."""
        return checks.before(self.draft)

    @cached_property
    def stub(self) -> str:
        """The module before the work."""
        if self.draft.broken:
            return self.draft.text(self.function, self.now, numbers=False)
        if self.draft.shape == "class":
            return f"class {self.function}:\n    pass\n"
        return f"def {self.function}({self.draft.takes}):\n    raise NotImplementedError\n"

    @property
    def solution(self) -> str:
        """The module after the reference work."""
        return self.made(self.lines)

    def made(self, lines: Lines) -> str:
        """The module that lines make."""
        return self.draft.text(self.function, lines, numbers=not self.draft.broken)

    @property
    def reply(self) -> str:
        """The reference action."""
        return self.answer(self.lines)

    def answer(self, lines: Lines, now: Lines = ()) -> str:
        """The action that brings the module from `now`, or from what it is before the work, to `lines`."""
        if not self.draft.broken:
            return f"```write {self.path}\n{self.made(lines)}```"
        old, new = self.made(now or self.now).splitlines(), self.made(lines).splitlines()
        passages = []
        for at, (found, wanted) in enumerate(zip(old, new, strict=True)):
            if found != wanted:
                # The comment above makes it unique, while and after the other passages are replaced.
                above = old[at - 1 : at] if old.count(found) > 1 or found in new else []
                search, replacement = "\n".join([*above, found]), "\n".join([*above, wanted])
                passages.append(f"<<<<<<< SEARCH\n{search}\n=======\n{replacement}\n>>>>>>> REPLACE\n")
        return f"```edit {self.path}\n{''.join(passages)}```"

    @property
    def tests(self) -> str:
        """The text of the task's test module."""
        return checks.test_text(self.module, self.function, self.checks)

    @cached_property
    def files(self) -> Mapping[str, str]:
        """The repository: text by path."""
        others = {f"{name}.py": text for name, text in self.draft.modules.items()}
        return {"issue.md": self.issue, self.path: self.stub, f"test_{self.path}": self.tests} | others

    @cached_property
    def task(self) -> Task:
        """The task as the auction knows it."""
        files = self.files
        base = f"{self.level}/{self.seed}"
        return make_task(self.issue, "", "", base, sorted(files), files.get, TEST_COMMAND)

    def tested(self, lines: Lines) -> Tests:
        """What the tests say of a module of our own making."""
        made = trial.compiled(self.checks)
        got = trial.values(self.made(lines), self.draft.modules, made)
        return trial.outcome(self.function.lower(), got, self.checks)


def numbered(lines: Iterable[str]) -> str:
    """Lines with their numbers in front."""
    return "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))


def plan_of(lines: Iterable[tuple[str, str]]) -> str:
    """Plan text from (name, code) lines."""
    return numbered(f"{name}: {code}" for name, code in lines)


def held_out(draft: Draft) -> bool:
    """True where this combination of steps is kept from training."""
    return hashlib.sha256(draft.key.encode()).digest()[0] % _HELD_OUT == 0


def practice(level: int, seed: int, held_out: bool = True, family: str | None = None) -> Practice:
    """The task of a level and seed, from the held-out or from the training side; families take turns."""
    chosen = family or tuple(FAMILIES)[seed % len(FAMILIES)]
    side = "held out" if held_out else "training"
    return sample(level, random.Random(f"2/{level}/{seed}/{side}/{chosen}"), held_out, chosen, seed=seed)


def sample(
    level: int,
    rng: random.Random,
    is_held: bool,
    family: str,
    without: frozenset[str] = frozenset(),
    rules: Sequence[Convention] = (),
    seed: int = 0,
    tested: bool = True,
    made: float = 0.0,
    pieces: tuple[str, ...] = (),
) -> Practice:
    """A random task of a level and family from one side of the split.

    It has no operation that is named in `without`; `rules` stand for the usual conventions. Where it need not
    be `tested`, it has no tests, and making it takes a tenth of the time. `made` is the share of names that
    are made up, and of issues with made-up words around the steps, half of them of `pieces`.
    """
    side = Side(is_held, made, pieces)
    while True:
        if rules:
            draft = conventions(LEVELS[level], rng, side, without, rules)
        else:
            draft = FAMILIES[family](LEVELS[level], rng, side, without)
        if held_out(draft) is not is_held:
            continue
        named = words.class_name if draft.shape == "class" else words.function
        name = named(rng, side)
        chosen = checks.choose(draft, name, rng) if tested else ((), ())
        module = rng.choice(words.MODULES)
        if chosen is None or not _clear(draft, name):
            continue
        issue, phrases = describe(draft, level, module, name, rng, side)
        return Practice(level, seed, module, name, issue, draft, *chosen, phrases)


def _clear(draft: Draft, name: str) -> bool:
    """Whether every line that has to be edited stands there once."""
    if not draft.broken:
        return True
    text = draft.text(name, checks.before(draft), numbers=False).splitlines()
    found = [line.strip() for line in text]
    return all(found.count(one.code) == 1 for one in draft.broken.values())


def describe(
    draft: Draft, level: int, module: str, name: str, rng: random.Random, side: Side
) -> tuple[str, tuple[str, ...]]:
    """An issue text, and the templates it was made of."""
    path = f"{module}.py"
    used: list[str] = []
    blurs, loosens = side.makes(rng), side.makes(rng)

    def worded(template: str, kept: str = "") -> str:
        used.append(template)
        return words.blurred(template, rng, re.findall("[a-z]+", kept), side.pieces) if blurs else template

    def said_loosely() -> bool:
        return loosens and rng.random() < _LOOSE

    def pick(sides: tuple[tuple[str, ...], tuple[str, ...]]) -> str:
        chosen = rng.choice(sides[side.held_out])
        if said_loosely():
            chosen = phrasing.babble(chosen, rng, sides[True])
        return worded(chosen)

    said = []
    for at in sorted(draft.broken) or range(len(draft.steps)):
        operation = draft.steps[at].operation
        template = rng.choice(operation.phrases(side.held_out))
        if said_loosely():
            template = phrasing.loose(template, operation.name.split(), rng, operation.held)
        said.append(draft.steps[at].fill(worded(template, f"{operation.name} {operation.code}".lower())))
    called = f"class {name}" if draft.shape == "class" else f"{name}({draft.takes})"
    title = pick(words.REPAIRS if draft.broken else words.TITLES).format(f=called, p=path)
    low, high = LEVELS[level].distractors
    noise = []
    for template, values in words.distractors(rng, side, path, rng.randint(low, high)):
        if said_loosely():
            template = phrasing.babble(template, rng, words.DISTRACTORS[True])
        used.append(template)
        sentence = template.format(**values)
        noise.append(words.blurred(sentence, rng, (), side.pieces) if blurs else sentence)
    if draft.broken:
        sentences = [pick(words.FAULTS).format(one) for one in said]
        body = _between(sentences, noise, rng)
    elif rng.random() < 0.6:
        opening = [pick(words.OPENINGS)] if rng.random() < 0.5 else []
        cut = rng.randint(0, len(noise))
        body = "\n".join([*noise[:cut], *opening, numbered(said), *noise[cut:]])
    else:
        sentences = []
        for number, one in enumerate(said):
            joint = pick((words.JOINTS[False][number > 0], words.JOINTS[True][number > 0]))
            sentences.append(f"{joint}{one}.")
        body = _between(sentences, noise, rng)
    return f"# {title}\n{body}\n", tuple(used)


def _between(sentences: Sequence[str], noise: Sequence[str], rng: random.Random) -> str:
    """Sentences in their order, with others anywhere between them."""
    found = list(sentences)
    for one in noise:
        found.insert(rng.randint(0, len(found)), one)
    return " ".join(found)
