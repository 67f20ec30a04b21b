"""Measures practice agents on held-out tasks: plans, marks, work and refinement."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from salecli.core import actions
from salecli.core.calls import Limits, Turn
from salecli.core.observe import seen_tests
from salecli.core.ports import Model
from salecli.core.values import Pair, Task
from salecli.errors import ContextFull
from salecli.practice import faults
from salecli.practice.examples import OBSERVED
from salecli.practice.mixtures import unknown
from salecli.practice.render import LIMIT, Prompts, pair
from salecli.practice.tasks.attempt import attempt
from salecli.practice.tasks.curriculum import Practice, plan_of, practice, sample
from salecli.practice.tasks.drafts import FAMILIES, LEVELS, UNKNOWN

REPLY_TOKENS = 320
TRIES = 2
_FIRST_SEED = 9_000_000
"""Seeds of the evaluation start here, so that `sale practice new` with a small seed shows other tasks."""
_DIGITS = ("0", "1", "2", "3", "4", "5")


@dataclass(frozen=True, slots=True)
class Contestant:
    """A model under measurement."""

    name: str
    model: Model
    sampling: Limits

    def say(self, turns: Sequence[Turn], most: int, seed: int) -> Turn:
        """The model's reply as a turn; its ids are the tokens generated."""
        tokens = list(self.model.stream(turns, replace(self.sampling, max_tokens=most, seed=seed)))
        return Turn("assistant", "".join(one.text for one in tokens), tuple(one.id for one in tokens))

    def bid(self, prompts: Prompts, task: Task, seed: int) -> Turn:
        """A plan."""
        return self.say(prompts.bid(task), LIMIT, seed)


@dataclass(frozen=True, slots=True)
class Result:
    """What one agent made of one task."""

    agent: str
    level: int
    family: str
    seed: int
    exact: bool
    """The plan equals the reference."""
    open: bool
    """The plan leaves a step open."""
    tokens: int
    """Of the plan."""
    mark_error: float
    """Mean distance of the expected mark from the deserved one, in points of 0 to 5."""
    reply: int
    """The number of the reply that solved the task, 0 where none did."""


@dataclass(frozen=True, slots=True)
class Row:
    """One agent on one level; shares are of the tasks."""

    agent: str
    level: int
    tasks: int
    exact: float
    """Plans equal to the reference."""
    tokens: float
    """Mean tokens of a plan."""
    mark_error: float
    """Mean distance of the expected mark from the deserved one, in points of 0 to 5."""
    first: float
    """Tasks solved by the first reply to the agent's own plan."""
    solved: float
    """Tasks solved within two replies."""


@dataclass(frozen=True, slots=True)
class Refined:
    """What refinement did to an agent's plans; shares are of the tasks."""

    agent: str
    about: str
    """"unknown": every task has a step that the agent was never trained on; "known": none has."""
    tasks: int
    before: float
    """Exact plans before refinement."""
    after: float
    """Exact plans after reading pairs of two similar tasks."""


def measure(
    contestant: Contestant, tasks: int, levels: Sequence[int] = tuple(LEVELS), first: int = 0
) -> Iterator[Result]:
    """A result for each of the same `tasks` held-out tasks a level; families take turns."""
    prompts = Prompts()
    for level in levels:
        for seed in range(_FIRST_SEED + first, _FIRST_SEED + first + tasks):
            given = practice(level, seed)
            plan = contestant.bid(prompts, given.task, seed % 1000)
            yield Result(
                contestant.name,
                level,
                given.family,
                seed,
                plan.text.strip() == given.plan,
                f": {UNKNOWN}" in plan.text,
                len(plan.ids),
                mark_error(contestant, prompts, given, random.Random(seed)),
                solve(contestant, prompts, given, plan.text),
            )


def solve(contestant: Contestant, prompts: Prompts, given: Practice, plan: str) -> int:
    """The number of the reply that solved the task, 0 where none did."""
    turns = list(prompts.work(given.task, plan))
    content = given.stub
    for number in range(1, TRIES + 1):
        try:
            turns[-1] = contestant.say(turns, REPLY_TOKENS, number)
            action = actions.parse(turns[-1].text)
        except (actions.FormatError, ContextFull):
            return 0
        if not isinstance(action, actions.Write | actions.Edit) or action.path != given.path:
            return 0
        try:
            content = action.content if isinstance(action, actions.Write) else actions.edited(content, action)
        except actions.FormatError as error:
            turns += prompts.observe(str(error))
            continue
        tests = attempt(given, content)
        if tests.green:
            return number
        turns += prompts.observe(seen_tests(tests, OBSERVED, output=False))
    return 0


def mark_error(contestant: Contestant, prompts: Prompts, given: Practice, rng: random.Random) -> float:
    """Mean distance of expected from deserved marks for the reference plan and two faulty ones."""
    plans = [given.plan, *(faults.text_of(faults.faulty(given, rng, count)) for count in (1, 2))]
    turns = [prompts.judge(given.task, plan) for plan in plans]
    choices = contestant.model.choose(turns[0][:1], [one[1:] for one in turns], _DIGITS)
    expected = [sum(digit * share for digit, share in enumerate(one.probabilities)) for one in choices]
    errors = [
        abs(mark - faults.deserved(plan, given.plan)) for mark, plan in zip(expected, plans, strict=True)
    ]
    return sum(errors) / len(errors)


def rows(results: Sequence[Result]) -> Iterator[Row]:
    """Results of one agent by level."""
    for level in sorted({one.level for one in results}):
        part = [one for one in results if one.level == level]
        count = len(part)
        yield Row(
            part[0].agent,
            level,
            count,
            sum(one.exact for one in part) / count,
            sum(one.tokens for one in part) / count,
            sum(one.mark_error for one in part) / count,
            sum(one.reply == 1 for one in part) / count,
            sum(one.reply > 0 for one in part) / count,
        )


def measure_refinement(
    contestant: Contestant, tasks: int, levels: Sequence[int] = (2, 3, 4)
) -> Iterator[Refined]:
    """Exact plans before and after refinement, for tasks with steps unknown to the agent and for others."""
    prompts, names = Prompts(), unknown(contestant.name)
    families = tuple(FAMILIES)
    for about in ("unknown", "known") if names else ("known",):
        before = after = done = 0
        seed = 2 * _FIRST_SEED
        while done < tasks:
            seed += 1
            given = practice(levels[seed % len(levels)], seed, family=families[seed % len(families)])
            rare = [at for at in given.planned if given.draft.steps[at].operation.name in names]
            if bool(rare) != (about == "unknown"):
                continue
            done += 1
            plan: Turn = contestant.bid(prompts, given.task, seed % 1000)
            before += plan.text.strip() == given.plan
            pairs = similar(given, rare or list(given.planned[:1]), random.Random(seed))
            turns = prompts.refine(given.task, plan.text, pairs)
            refined = contestant.say(turns, LIMIT, seed % 1000).text
            after += refined.strip() == given.plan
        yield Refined(contestant.name, about, tasks, before / tasks, after / tasks)


def similar(given: Practice, shared: Sequence[int], rng: random.Random) -> list[Pair]:
    """Pairs as memory would return them: two training tasks of the family that hold the steps `shared`."""
    found = []
    for part in (shared[::2], shared[1::2]):
        other = sample(3, rng, False, given.family, tested=False)
        won = [other.lines[at] for at in other.planned]
        for at in part:
            won.insert(rng.randint(0, len(won)), given.lines[at])
        taught = {given.lines[at] for at in part} or {won[0]}
        lost = [(name, UNKNOWN if (name, code) in taught else code) for name, code in won]
        found.append(pair("", plan_of(lost), plan_of(won)))
    return found
