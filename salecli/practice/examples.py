"""Training examples: one task as a shared beginning, with a branch for each thing an agent does with it.

The prompts for a bid, a mark and the work begin with the same turn, so all of these about one task are
trained as one tree of tokens: every branch sees the beginning and itself alone. A refinement begins with
the pairs and has a tree of its own: so the task stands as near to the answer as in a bid.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence

from salecli.core.calls import Turn
from salecli.core.observe import seen_tests
from salecli.core.values import Pair, Tests
from salecli.practice import faults
from salecli.practice.curriculum import (
    FUNCTIONS,
    MODULES,
    Pipeline,
    Practice,
    code,
    describe,
    draw,
    pipeline,
    run,
    sample,
)
from salecli.practice.execute import outcomes
from salecli.practice.invented import invent
from salecli.practice.operations import LISTS, NUMBERS, Operation, Step, step
from salecli.practice.render import Encode, Prompts, pair, reply, task_of
from salecli.practice.trees import Growth, Tree

_TAIL = 22
"""List operations from this rank on may be missing from what an agent learns."""
MISSING = {"xs": 0.40, "s": 0.28, "m": 0.16, "l": 0.06}
"""Share of the tail that each agent never learns: there, memory has something to give."""
_OBSERVED = 300
_LEVELS = (1, 2, 3, 4, 5)
_LEVEL_WEIGHTS = (1.0, 1.3, 1.6, 1.6, 1.8)
_MARK_WEIGHT = 4.0
_INVENTED = {"xs": 0.2, "s": 0.35, "m": 0.35, "l": 0.1}
"""Share of refinements about invented operations, once everything is trained; before that it is higher.

In its own pool the largest agent never refines, and the smallest has little room to learn it.
"""
_REFINED = 0.12
"""Share of refinements about known operations."""
_WORK_FROM, _ALL_FROM = 0.2, 0.5
"""Parts of the training after which work, and then everything else, joins the bids.

Which step comes next is the hard part to learn, and bids alone teach it several times faster.
"""


def missing(agent: str) -> frozenset[str]:
    """Names of the operations that an agent is not trained on."""
    share = MISSING.get(agent, 0.0)
    names = [one.name for one in LISTS[_TAIL:]] + [one.name for one in NUMBERS[5:]]
    ranked = sorted(names, key=lambda name: hashlib.sha256(f"{agent}/{name}".encode()).digest())
    return frozenset(ranked[: round(share * len(ranked))])


class Examples:
    """An endless stream of training trees for one agent."""

    def __init__(self, agent: str, encode: Encode, breaks: frozenset[int], seed: int) -> None:
        """`breaks` are the ids of all tokens that hold a newline."""
        self._encode = encode
        self._growth = Growth(encode, breaks)
        self._rng = random.Random(f"{agent}/{seed}")
        self._missing = missing(agent)
        self._inventing = _INVENTED.get(agent, 0.3)
        self._prompts = Prompts()
        self.part = 1.0
        """How much of the training has passed: first bids, then work and looking up, then everything."""
        self._unknown = [one for one in (*LISTS, *NUMBERS) if one.name in self._missing]

    def tree(self) -> Tree:
        """The next tree."""
        rng = self._rng
        everything = self.part >= _ALL_FROM
        roll = rng.random() if self.part >= _WORK_FROM else 1.0
        if roll < (self._inventing if everything else 1.6 * self._inventing):
            return self._invented()
        level = rng.choices(_LEVELS, _LEVEL_WEIGHTS)[0]
        practice = sample(level, rng, False, self._missing)
        if everything and roll < self._inventing + _REFINED:
            return self._refinement(practice)
        task = task_of(practice)
        tree, plan = Tree(), practice.pipeline.plan
        bid = self._prompts.bid(task)
        self._growth.begin(tree, bid[0])
        self._growth.grow(tree, bid[1:], plan)
        if self.part >= _WORK_FROM:
            if everything and rng.random() < 0.15:
                self._second_try(tree, practice)
            else:
                work = self._prompts.work(task, plan)[1:]
                self._growth.grow(tree, work, reply(practice.path, practice.solution))
        if everything:
            self._grow_marks(tree, practice)
        return tree

    def _grow_marks(self, tree: Tree, practice: Practice) -> None:
        right = self._rng.random() < 0.7
        for number in range(3):
            self._mark(tree, practice, 0 if right and number == 0 else self._rng.choice((1, 1, 2, 3)))

    def _refinement(self, practice: Practice) -> Tree:
        """A refinement whose pairs repeat what the agent knows anyway; a right plan is kept."""
        rng, plan, steps = self._rng, practice.pipeline.plan, practice.pipeline.steps
        yours = plan if rng.random() < 0.5 else self._faulty(steps)
        turns = self._prompts.refine(task_of(practice), yours, self._pairs(steps, rng.randint(1, 3)))
        return self._growth.chain(turns, plan)

    def _faulty(self, steps: Sequence[Step]) -> str:
        return faults.plan_of(faults.faulty(steps, self._rng, self._rng.choice((1, 1, 2, 3))))

    def _mark(self, tree: Tree, practice: Practice, count: int) -> None:
        lines = faults.faulty(practice.pipeline.steps, self._rng, count)
        plan = faults.plan_of(lines)
        mark = faults.rightness(plan, practice.pipeline.plan)
        turns = self._prompts.judge(task_of(practice), plan)[1:]
        self._growth.grow(tree, turns, str(mark), _MARK_WEIGHT, [ok for _, ok in lines])

    def _second_try(self, tree: Tree, practice: Practice) -> None:
        """A wrong first reply, what the tests said, and the right reply."""
        rng, task = self._rng, task_of(practice)
        lines = faults.faulty(practice.pipeline.steps, rng, rng.choice((1, 1, 2)))
        plan = faults.plan_of(lines) if rng.random() < 0.7 else practice.pipeline.plan
        wrong = [line.partition(": ")[2] for line, _ in lines]
        first = reply(practice.path, code(practice.function, [line for line, _ in lines]))
        turns = [*self._prompts.work(task, plan)[1:]]
        turns[-1] = Turn("assistant", first, tuple(self._encode(first)))
        seen = seen_tests(tested(practice, wrong), _OBSERVED, output=False)
        turns += self._prompts.observe(seen)
        self._growth.grow(tree, turns, reply(practice.path, practice.solution))

    def _pairs(
        self, steps: Sequence[Step], count: int, taught: Sequence[tuple[Operation, Step]] = ()
    ) -> list[Pair]:
        """Pairs of past tasks; each operation of `taught` stands in one of them, with any constant."""
        rng = self._rng
        drawn = [draw(rng.choice((1, 2, 3, 4)), rng, self._missing) for _ in range(count)]
        homes: list[list[Step]] = [list(pipeline(one, rng).steps) for one in drawn]
        for operation, _ in taught:
            home = rng.choice(homes)
            shown = step(operation, rng.choice(operation.constants) if operation.constants else None)
            home.insert(rng.randrange(len(home)), shown)
        if not taught:
            for home in homes:
                if rng.random() < 0.7:
                    home[rng.randrange(len(home))] = rng.choice(list(steps))
        found: list[Pair] = []
        for home in homes:
            lost = self._faulty(home)
            found.append(pair("", lost, faults.plan_of([(one.line, True) for one in home])))
        return found

    def _invented(self) -> Tree:
        """A task with unknown operations whose how stands in the pairs alone.

        Half of them are short and mostly unknown: looking a name up is learned from those.
        """
        rng = self._rng
        short = rng.random() < 0.5 or self.part < _ALL_FROM
        drawn = draw(rng.choice((1, 2, 3) if short else (2, 3, 4, 5)), rng, self._missing)
        most = len(drawn) if short else min(len(drawn), 4)
        taught: list[tuple[Operation, Step]] = []
        for at in rng.sample(range(len(drawn)), rng.randint((most + 1) // 2 if short else 1, most)):
            one = invent(rng, self._unknown)
            constant = rng.choice(one.constants) if one.constants else None
            drawn[at] = (one, constant)
            taught.append((one, step(one, constant)))
        found: Pipeline = pipeline(drawn, rng)
        module, function = rng.choice(MODULES), rng.choice(FUNCTIONS)
        issue = describe(found, module, function, rng)
        practice = Practice(0, 0, module, function, issue, found, ())
        task = task_of(practice)
        if rng.random() < 0.1:
            return self._growth.chain(
                self._prompts.work(task, found.plan), reply(practice.path, practice.solution)
            )
        yours = self._misread(found, {one.name for _, one in taught})
        pairs = self._pairs(found.steps, 1 if short else rng.choice((1, 2, 3)), taught)
        return self._growth.chain(self._prompts.refine(task, yours, pairs), found.plan)

    def _misread(self, found: Pipeline, unknown: set[str]) -> str:
        """The plan of an agent that guessed the unknown steps."""
        rng = self._rng
        lines = []
        for one in found.steps:
            roll = rng.random()
            if one.name in unknown and roll < 0.85:
                guess = faults.any_step(rng, False)
                lines.append(guess.line if roll < 0.3 else f"{one.name}: {guess.expression}")
            else:
                lines.append(one.line)
        return faults.plan_of([(line, True) for line in lines])


def tested(practice: Practice, expressions: Sequence[str]) -> Tests:
    """The tests' outcome for a wrong pipeline, as pytest would report it."""
    messages = []
    for given in practice.inputs:
        wanted = run(practice.pipeline.expressions, given)
        try:
            got = run(expressions, given)
            messages.append("" if got == wanted else f"assert {got!r} == {wanted!r}")
        except Exception as error:  # whatever a wrong solution raises is what the test shows
            messages.append(f"{type(error).__name__}: {error}")
    return outcomes(practice, messages)
