"""Measures practice agents on held-out tasks: plans, marks, work and refinement."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from salecli.core import actions
from salecli.core.calls import Limits, Turn
from salecli.core.observe import seen_tests
from salecli.core.ports import Model
from salecli.core.values import Pair, Task
from salecli.errors import ContextFull
from salecli.practice import faults
from salecli.practice.curriculum import LEVELS, Pipeline, Practice, practice, sample
from salecli.practice.examples import missing
from salecli.practice.execute import attempt
from salecli.practice.operations import Step
from salecli.practice.render import LIMIT, Prompts, pair, task_of

REPLY_TOKENS = 320
OBSERVATION = 240
TRIES = 2
_DIGITS = ("0", "1", "2", "3", "4", "5")
_FIRST_SEED = 7_000_000
"""Seeds of the evaluation start here, so that `sale practice new` with a small seed shows other tasks."""


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

    def solve(self, prompts: Prompts, given: Practice, plan: str) -> int:
        """The number of the reply that solved the task, 0 where none did."""
        turns = list(prompts.work(task_of(given), plan))
        for number in range(1, TRIES + 1):
            try:
                turns[-1] = self.say(turns, REPLY_TOKENS, number)
                action = actions.parse(turns[-1].text)
            except (actions.FormatError, ContextFull):
                return 0
            if not isinstance(action, actions.Write) or action.path != given.path:
                return 0
            tests = attempt(given, action.content)
            if tests.green:
                return number
            turns += prompts.observe(seen_tests(tests, OBSERVATION, output=False))
        return 0

    def mark_errors(self, prompts: Prompts, given: Practice, rng: random.Random) -> list[float]:
        """Distances of expected from deserved marks for the reference plan and two faulty ones."""
        task, reference = task_of(given), given.pipeline.plan
        steps = given.pipeline.steps
        plans = [reference, *(faults.plan_of(faults.faulty(steps, rng, count)) for count in (1, 2))]
        turns = [prompts.judge(task, plan) for plan in plans]
        choices = self.model.choose(turns[0][:1], [one[1:] for one in turns], _DIGITS)
        expected = [sum(digit * share for digit, share in enumerate(one.probabilities)) for one in choices]
        return [
            abs(mark - faults.rightness(plan, reference)) for mark, plan in zip(expected, plans, strict=True)
        ]


def measure(contestant: Contestant, tasks: int, levels: Sequence[int] = tuple(LEVELS)) -> Iterator[Row]:
    """One row per level, over the same held-out tasks for every agent."""
    prompts = Prompts()
    for level in levels:
        exact = first = solved = tokens = 0
        errors: list[float] = []
        for seed in range(_FIRST_SEED, _FIRST_SEED + tasks):
            given = practice(level, seed)
            plan = contestant.bid(prompts, task_of(given), seed % 1000)
            exact += plan.text.strip() == given.pipeline.plan
            tokens += len(plan.ids)
            errors += contestant.mark_errors(prompts, given, random.Random(seed))
            number = contestant.solve(prompts, given, plan.text)
            first += number == 1
            solved += number > 0
        yield Row(
            contestant.name,
            level,
            tasks,
            exact / tasks,
            tokens / tasks,
            sum(errors) / len(errors),
            first / tasks,
            solved / tasks,
        )


def measure_refinement(
    contestant: Contestant, tasks: int, levels: Sequence[int] = (3, 4, 5)
) -> Iterator[Refined]:
    """Exact plans before and after refinement, for tasks with steps unknown to the agent and for others."""
    prompts = Prompts()
    unknown = missing(contestant.name)
    for about in ("unknown", "known") if unknown else ("known",):
        before = after = done = 0
        seed = 2 * _FIRST_SEED
        while done < tasks:
            seed += 1
            given = practice(levels[seed % len(levels)], seed)
            rare = [one for one in given.pipeline.steps if kind(one) in unknown]
            if bool(rare) != (about == "unknown"):
                continue
            done += 1
            task = task_of(given)
            plan = contestant.bid(prompts, task, seed % 1000).text
            before += plan.strip() == given.pipeline.plan
            pairs = similar(given, rare or list(given.pipeline.steps[:2]), random.Random(seed))
            refined = contestant.say(prompts.refine(task, plan, pairs), LIMIT, seed % 1000).text
            after += refined.strip() == given.pipeline.plan
        yield Refined(contestant.name, about, tasks, before / tasks, after / tasks)


def similar(given: Practice, shared: Sequence[Step], rng: random.Random) -> list[Pair]:
    """Pairs as memory would return them: two training tasks that hold the kinds of `shared` between them."""
    wanted = [kind(one) for one in shared]
    found: list[Pipeline] = []
    for want in (wanted[::2], wanted[1::2]):
        best = sample(4, rng, False).pipeline
        open_kinds = list(want)
        steps = list(best.steps)
        while open_kinds:
            other = sample(5, rng, False).pipeline
            hits = [one for one in other.steps if kind(one) in open_kinds]
            if hits:
                steps[rng.randrange(len(steps))] = hits[0]
                open_kinds.remove(kind(hits[0]))
        found.append(Pipeline(tuple(steps), ()))
    return [pair("", faults.plan_of(faults.faulty(one.steps, rng, 1)), one.plan) for one in found]


def kind(one: Step) -> str:
    """The operation's name of a step, its constant left open."""
    return re.sub(r"\d+$", "{c}", one.name)
