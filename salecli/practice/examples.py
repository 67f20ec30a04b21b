"""Training examples: bids, marks, work, second tries, and bids rewritten from pairs.

The prompts for a bid, a mark and the work begin with the same turn, so all of these about one task are
trained as one tree of tokens. A refinement begins with the pairs and has a tree of its own: so the task
stands as near to the answer as in a bid.

An agent writes "?" for the code of a step that it does not know. In a refinement it finds such steps in the
plans of past tasks, or leaves them open: what a step means there is made up anew each time, so that only
reading helps.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from salecli.core import actions
from salecli.core.calls import Turn
from salecli.core.observe import seen_tests
from salecli.core.values import Pair
from salecli.practice import faults
from salecli.practice.copying import strange
from salecli.practice.mixtures import LEVEL_WEIGHTS, mixture, unknown
from salecli.practice.render import Encode, Prompts, pair
from salecli.practice.tasks.checks import Lines
from salecli.practice.tasks.conventions import CONVENTIONS, Convention, invent
from salecli.practice.tasks.curriculum import Practice, plan_of, sample
from salecli.practice.tasks.drafts import FAMILIES, LEVELS, UNKNOWN
from salecli.practice.tasks.operation import Operation
from salecli.practice.trees import MARK, Growth, Tree

OBSERVED = 240
"""Characters of a test run's observation."""
REFINED: Mapping[str, float] = {"xs": 0.2, "s": 0.2, "m": 0.2, "l": 0.04}
"""Share of refinements: the largest agent of its own pool never refines."""
_OPEN = 0.15
"""Share of the other trees that are about steps which the agent does not know."""
_CARRIED = 0.15
"""Share of refinements in whose place a plan with code that the agent never saw is carried out."""
_SECOND, _SECOND_EDIT = 0.25, 0.5
"""Share of work that is shown as a second try: a wrong edit leaves more to see than a wrong file."""
_BIDS = 0.5
"""Share of the other trees that hold a bid alone: it is the hardest to learn, and the shortest."""
_MADE = 0.5
"""Share of made-up names, and of issues with made-up words: held-out tasks have words that nobody learned."""
_COPIED_FIRST, _COPIED = 0.33, 0.1
"""Share of trees that are about carrying out strange plans alone, while tasks are short and later."""
_LONG_FROM, _REFINE_FROM, _MARK_FROM, _ALL_FROM = 0.15, 0.25, 0.3, 0.45
"""Parts of the training after which long tasks, refinements, marks, and then everything else join in.

Plans are written and carried out side by side from the first step on: of bids alone, networks learn to guess
names and numbers, and forget how to copy.
"""


class Examples:
    """An endless stream of training trees for one agent."""

    def __init__(
        self, agent: str, encode: Encode, breaks: frozenset[int], seed: int, pieces: tuple[str, ...] = ()
    ) -> None:
        """`breaks` are the ids of all tokens that hold a newline, `pieces` the texts of the others."""
        self._agent = agent
        self._encode = encode
        self._growth = Growth(encode, breaks)
        self._rng = random.Random(f"{agent}/{seed}")
        self._unknown = unknown(agent)
        self._rules = tuple(one for one in CONVENTIONS if one.operation.name in self._unknown)
        self._refined = REFINED.get(agent, 0.25)
        # In what the tokenizer learns from, pieces of made-up words would crowd out usual words.
        self._pieces = pieces
        self._made = 0.0 if agent == "tokenizer" else _MADE
        self._prompts = Prompts()
        self.part = 1.0
        """How much of the training has passed: first bids and work, then refinements, then everything."""

    def tree(self) -> Tree:
        """The next tree."""
        rng = self._rng
        if self._made and rng.random() < (_COPIED_FIRST if self.part < _LONG_FROM else _COPIED):
            return self._copying()
        if self.part >= _REFINE_FROM and rng.random() < self._refined:
            return self._refinement()
        beyond = self._unknown and self.part >= _LONG_FROM and rng.random() < _OPEN
        practice = self._beyond() if beyond else self._task(self._unknown, tested=self.part >= _ALL_FROM)
        tree, plan = Tree(), masked(practice, self._unknown)
        bid = self._prompts.bid(practice.task)
        self._growth.begin(tree, bid[0])
        self._growth.grow(tree, bid[1:], plan)
        if self.part >= _LONG_FROM and rng.random() < _BIDS:
            return tree
        if plan != practice.plan:
            return tree  # how its other steps are done must not be seen
        if practice.checks:
            self._second_try(tree, practice)
        else:
            self._work(tree, practice)
        if self.part >= _MARK_FROM:
            right = rng.random() < 0.8
            for number in range(2):
                self._mark(tree, practice, 0 if right and number == 0 else rng.choice((1, 1, 1, 2, 3)))
        return tree

    def _task(self, without: frozenset[str], family: str = "", tested: bool = False) -> Practice:
        """A training task of the agent's own mixture; some have tests, which take most of the time."""
        rng = self._rng
        agent = "xs" if self.part < _LONG_FROM else self._agent
        level = rng.choices(tuple(LEVELS), LEVEL_WEIGHTS.get(agent, LEVEL_WEIGHTS["l"]))[0]
        weights = mixture(self._agent, level)
        family = family or rng.choices(tuple(weights), tuple(weights.values()))[0]
        tested = tested and rng.random() < (_SECOND_EDIT if family == "bugs" else _SECOND)
        return sample(level, rng, False, family, without, tested=tested, made=self._made, pieces=self._pieces)

    def _beyond(self) -> Practice:
        """A task with a step that the agent does not know; such steps are rare below the third level."""
        while True:
            level, family = self._rng.choice((2, 3, 4, 5)), self._rng.choice(tuple(FAMILIES))
            practice = sample(
                level, self._rng, False, family, tested=False, made=self._made, pieces=self._pieces
            )
            if self._unknown & set(_names(practice)):
                return practice

    def _copying(self) -> Tree:
        """Some strange plans for the same task, each carried out."""
        practice = self._task(self._unknown)
        tree = Tree()
        self._growth.begin(tree, self._prompts.bid(practice.task)[0])
        for _ in range(2):
            self._carried(tree, practice, strange(practice, self._rng, self._unknown))
        return tree

    def _carried(self, tree: Tree, practice: Practice, lines: Lines) -> None:
        """A plan of these lines, carried out."""
        plan = plan_of(lines[at] for at in practice.planned)
        self._growth.grow(tree, self._prompts.work(practice.task, plan)[1:], practice.answer(lines))

    def _work(self, tree: Tree, practice: Practice) -> None:
        """Carry out a plan, now and then one with open steps."""
        lines = practice.lines
        at = self._rng.choice(practice.planned)
        if self._rng.random() < 0.1 and not lines[at][1].startswith("for "):
            lines = (*lines[:at], (lines[at][0], UNKNOWN), *lines[at + 1 :])
        plan = plan_of(lines[at] for at in practice.planned)
        if practice.draft.broken:  # what is not known stays as it is
            lines = tuple(
                now if line[1] == UNKNOWN else line for now, line in zip(practice.now, lines, strict=True)
            )
        answer = practice.answer(lines) if lines != practice.now else practice.reply
        self._growth.grow(tree, self._prompts.work(practice.task, plan)[1:], answer)

    def _mark(self, tree: Tree, practice: Practice, count: int) -> None:
        lines = faults.faulty(practice, self._rng, count, self._unknown)
        plan = faults.text_of(lines)
        turns = self._prompts.judge(practice.task, plan)[1:]
        mark = faults.deserved(plan, practice.plan)
        self._growth.grow(tree, turns, str(mark), MARK, [right for _, _, right in lines])

    def _second_try(self, tree: Tree, practice: Practice) -> None:
        """A first action that failed, what the work loop shows of it, and the right one."""
        rng, task = self._rng, practice.task
        first, seen, now = self._failed(practice)
        plan = practice.plan
        if now != practice.now and len(now) == len(practice.lines) and rng.random() < 0.5:
            plan = plan_of(now[at] for at in practice.planned)
        turns = [*self._prompts.work(task, plan)[1:]]
        turns[-1] = Turn("assistant", first, tuple(self._encode(first)))
        turns += self._prompts.observe(seen)
        self._growth.grow(tree, turns, practice.answer(practice.lines, now))

    def _failed(self, practice: Practice) -> tuple[str, str, Lines]:
        """A wrong action, its observation, and the lines that stand there after it."""
        rng = self._rng
        if practice.draft.broken and rng.random() < 0.3:
            first = _missed(practice, rng)
            action = actions.parse(first)
            assert isinstance(action, actions.Edit)
            try:
                actions.edited(practice.stub, action)
            except actions.FormatError as error:
                return first, str(error), practice.now
        wrong = [one for one in practice.wrong if one != practice.now]
        now = rng.choice(wrong)
        seen = seen_tests(practice.tested(now), OBSERVED, output=False)
        return practice.answer(now), seen, now

    def _refinement(self) -> Tree:
        """A bid rewritten after pairs that explain unknown steps, repeat known ones, or do neither."""
        rng = self._rng
        roll = rng.random()
        if roll < 0.25:
            practice = self._task(self._unknown)
            yours = practice.plan
            if rng.random() < 0.5:
                yours = faults.text_of(faults.faulty(practice, rng, rng.choice((1, 1, 2)), self._unknown))
            steps = [practice.lines[at] for at in practice.planned]
            return self._rewritten(practice, yours, practice.plan, rng.sample(steps, rng.randint(0, 1)))
        practice = self._strange()
        if rng.random() < _CARRIED:
            turns = self._prompts.work(practice.task, practice.plan)
            return self._growth.chain(turns, practice.answer(practice.lines))
        opened = {name for name in _names(practice) if name in self._unknown or name.endswith(" rule")}
        lines = [practice.lines[at] for at in practice.planned]
        unknown_lines = [one for one in lines if one[0] in self._filled(practice, opened)]
        taught = unknown_lines
        if roll > 0.88 and unknown_lines:
            taught = rng.sample(unknown_lines, len(unknown_lines) - 1)
        hidden = [one for one in unknown_lines if one not in taught]
        yours = plan_of((name, self._guess(practice, name, code, unknown_lines)) for name, code in lines)
        said = plan_of((name, UNKNOWN if (name, code) in hidden else code) for name, code in lines)
        asked = [at for at, line in enumerate(lines) if line in unknown_lines]
        return self._rewritten(practice, yours, said, taught, asked)

    def _strange(self) -> Practice:
        """A task with steps whose meaning is made up: rules, or operations that the agent never learned."""
        rng = self._rng
        while True:
            if not self._unknown or rng.random() < 0.6:
                rules = [invent(rng, self._rules, self._made) for _ in range(rng.choice((1, 1, 2, 3)))]
                level = rng.choice((1, 1, 2, 2, 3, 4, 5))
                chosen = _distinct(rules)
                return sample(
                    level,
                    rng,
                    False,
                    "conventions",
                    self._unknown,
                    chosen,
                    tested=False,
                    made=self._made,
                    pieces=self._pieces,
                )
            practice = self._beyond()
            changed = {
                name: _other_code(practice, name, rng) for name in _names(practice) if name in self._unknown
            }
            if practice.family != "conventions" and changed:
                steps = tuple(
                    replace(one, operation=replace(one.operation, code=changed[one.operation.name]))
                    if one.operation.name in changed
                    else one
                    for one in practice.draft.steps
                )
                return replace(practice, draft=replace(practice.draft, steps=steps))

    def _filled(self, practice: Practice, names: Collection[str]) -> set[str]:
        return {one.name for one in practice.draft.steps if one.operation.name in names}

    def _guess(
        self, practice: Practice, name: str, code: str, unknown_lines: Sequence[tuple[str, str]]
    ) -> str:
        """What the agent's first plan said of a step."""
        if (name, code) not in unknown_lines:
            return code
        roll = self._rng.random()
        if roll < 0.75:
            return UNKNOWN
        at = next(at for at, line in enumerate(practice.lines) if line == (name, code))
        return self._rng.choice(practice.draft.rivals[at]).filled(self._rng).code

    def _rewritten(
        self,
        practice: Practice,
        yours: str,
        said: str,
        taught: Sequence[tuple[str, str]],
        asked: Sequence[int] = (),
    ) -> Tree:
        """A refinement whose pairs hold the steps of `taught`, each in one of them.

        `asked` are the numbers of the lines that only the pairs can tell.
        """
        rng = self._rng
        count = rng.randint(1, 3)
        homes: list[list[tuple[str, str]]] = []
        for _ in range(count):
            similar = practice.family if rng.random() < 0.8 else ""
            other = self._task(self._unknown, similar)
            homes.append([other.lines[at] for at in other.planned])
        steps = {(one.name, one.code): one.operation for one in practice.draft.steps}
        shown = [self._elsewhere(steps[line]) if rng.random() < 0.5 else line for line in taught]
        if rng.random() < 0.3:  # a rule that the task does not ask for
            shown.append(self._elsewhere(invent(rng, self._rules, self._made).operation))
        for line in shown:
            home = rng.choice(homes)
            home.insert(rng.randint(0, len(home)), line)
        pairs = [self._pair(home, shown) for home in homes]
        return self._growth.chain(self._prompts.refine(practice.task, yours, pairs), said, asked)

    def _elsewhere(self, operation: Operation) -> tuple[str, str]:
        """A step of the same operation in another task: its slots may hold other values."""
        other = operation.filled(self._rng)
        return other.name, other.code

    def _pair(self, won: Sequence[tuple[str, str]], taught: Sequence[tuple[str, str]]) -> Pair:
        """A plan that won, and one that lost on what is taught, or on any step."""
        rng = self._rng
        weak = [at for at, line in enumerate(won) if line in taught] or [rng.randrange(len(won))]
        lost = list(won)
        for at in weak:
            guess = rng.choice(won)[1]
            lost[at] = (won[at][0], UNKNOWN if rng.random() < 0.7 or guess == won[at][1] else guess)
        return pair("", plan_of(lost), plan_of(won))


def masked(practice: Practice, names: Collection[str]) -> str:
    """The reference plan of an agent that does not know the operations of these names."""
    return plan_of(
        (practice.lines[at][0], UNKNOWN)
        if practice.draft.steps[at].operation.name in names
        else practice.lines[at]
        for at in practice.planned
    )


def _names(practice: Practice) -> list[str]:
    """Names of the operations that the plan is made of."""
    return [practice.draft.steps[at].operation.name for at in practice.planned]


def _other_code(practice: Practice, name: str, rng: random.Random) -> str:
    """The code of another operation that fits in the place of the one of this name."""
    at = next(at for at in practice.planned if practice.draft.steps[at].operation.name == name)
    own = practice.draft.steps[at].operation
    slots = {slot for slot, _ in practice.draft.steps[at].filling}
    fitting = [
        one.code
        for one in practice.draft.rivals[at]
        if one.code != own.code and _slots(one) <= slots and "?" not in one.code
    ]
    return rng.choice(fitting) if fitting else own.code.replace("=", "= not", 1)


def _slots(operation: Operation) -> set[str]:
    return {slot for slot, _ in operation.filled(random.Random(0)).filling}


def _distinct(rules: Sequence[Convention]) -> list[Convention]:
    """One rule of each word."""
    return list({one.word: one for one in rules}.values())


def _missed(practice: Practice, rng: random.Random) -> str:
    """The reference edit with a passage that is not in the file."""
    first, passage = practice.reply.split("\n=======", 1)
    head, _, line = first.rpartition("\n")
    kind = rng.randrange(3)
    if kind == 0:
        wrong = line.strip()  # without its indentation
    elif kind == 1:
        wrong = line[:-1]
    else:
        at = min(practice.draft.broken)
        wrong = line[: len(line) - len(line.lstrip())] + practice.lines[at][1]
    return f"{head}\n{wrong}\n=======" + passage
