"""What weights do on tasks that they were not learned from: cross-validation, with intervals."""

from __future__ import annotations

import hashlib
import math
import random
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from salecli.core.learning import (
    OBJECTIVES,
    Case,
    Fit,
    Objective,
    Parts,
    fit,
    full_marks,
    leading,
    orders,
    solver,
    total,
    winner,
)
from salecli.core.program import Solve
from salecli.core.values import Weights
from salecli.core.words import plural
from salecli.errors import UsageError

FOLDS = 5
LEAST = 20
"""Tasks with a verdict and a choice between bids, without which nothing is learned."""
LEAST_ORDERED = 10
"""Tasks on which the tests tell bids apart, without which `labelled` learns nothing."""
_RESAMPLES = 1_000
_LEAST_ENTROPY = 1e-4
_SEED = 1
"""Of the resamples: the same auctions give the same intervals."""

Regress = Callable[[Sequence[Sequence[float]], Sequence[bool]], Callable[[Sequence[float]], float]]
"""From rows of features and their outcomes, what gives the chance of the outcome for another row."""

Seen = Callable[[Case], Case]
"""A case as its marks count."""
Correct = Callable[[Sequence[Case]], Seen]
"""From cases whose outcomes are known, what puts the marks of another case right."""

_Chances = Callable[[Case], Callable[[Parts], float]]
"""How likely a bid of a case solves its task."""
_Held = Mapping[int, tuple[Weights, Case]]
"""By the place of a held-out case: the weights that are tried on it, and the case as they see it."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean, and between which two numbers it lies with 95 % by the bootstrap over tasks."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Trial:
    """What weights did on tasks that they had not seen."""

    solved: Interval
    """Share of the tasks; a winner that never worked counts by how likely such a plan is to solve one."""
    price: Interval
    """The winner's price, as a share of the dearest agent's."""
    gain: Interval
    """What the score stands for, solved minus thrift * cost, above that of the weights in use."""
    wins: Mapping[str, float]
    """Share of the tasks, by agent."""
    outcomes: tuple[int, int, int]
    """Tasks whose winner is known to have solved them, to have failed, and to have never worked on them."""


@dataclass(frozen=True, slots=True)
class Loss:
    """A task that went to a bid that failed, though another is known to have solved it."""

    case: Case
    chosen: Parts
    better: Parts
    by: float
    """How far apart their scores were, the wrong way round."""


@dataclass(frozen=True, slots=True)
class Change:
    """A task that would have another winner."""

    case: Case
    before: Parts
    after: Parts


@dataclass(frozen=True, slots=True)
class Result:
    """One program's weights, and what they are worth."""

    fit: Fit
    corrected: bool
    """Whether it saw the marks as past verdicts put them right; its weights are for such marks."""
    trial: Trial
    losses: tuple[Loss, ...]
    """Of the held-out tasks, the worst first."""
    changes: tuple[Change, ...]
    """Of all tasks, under the weights that were learned from all."""

    @property
    def better(self) -> bool:
        """Whether they did better than the weights in use, and would decide anything otherwise."""
        return self.trial.gain.mean > 1e-9 and bool(self.changes)


@dataclass(frozen=True, slots=True)
class Learned:
    """What all programs came to, beside the weights in use."""

    now: Trial
    results: tuple[Result, ...]
    calibration: Interval | None = None
    """What corrected marks gain, at their best, over the best there is without them; None: not tried."""

    @property
    def helps(self) -> bool:
        """Whether correcting marks does better, and not by chance."""
        return self.calibration is not None and self.calibration.low > 0

    def best(self, corrected: bool) -> Result:
        """The one that did best on held-out tasks, of those with or without corrected marks."""
        return _best(one for one in self.results if one.corrected == corrected)


Progress = Generator[tuple[Objective, bool, int, int], None, Learned]
"""(objective, whether on corrected marks, part, of how many parts) before each program is solved."""


def usable(cases: Sequence[Case]) -> list[Case]:
    """The cases that say anything: a choice between agents, and at least one verdict."""
    return [
        case
        for case in cases
        if len({bid.agent for bid in case.bids}) > 1 and any(bid.solved is not None for bid in case.bids)
    ]


def lacking(cases: Sequence[Case], objective: Objective) -> str:
    """What is too little in usable cases for `objective`, with what is needed; empty where it is enough."""
    tasks = len({case.task for case in cases})
    if tasks < LEAST:
        found = plural(tasks, "task")
        return f"{found} with a verdict and a choice between agents; {LEAST} are needed"
    told = len({case.task for case, *_ in orders(cases)})
    if objective == "labelled" and told < LEAST_ORDERED:
        found = plural(told, "task")
        return f"{found} that one bid solved and another failed; {LEAST_ORDERED} are needed"
    return ""


def learn(
    cases: Sequence[Case],
    now: Weights,
    thrift: float,
    judges: Sequence[str],
    solve: Solve,
    regress: Regress,
    seconds: float,
    objectives: Sequence[Objective] = OBJECTIVES,
    correct: Correct | None = None,
    seen_now: Seen = lambda case: case,
) -> Progress:
    """Weights by each objective, tried on tasks that they were not learned from.

    `seconds` is the time for all programs together. `now` are the weights in use, on marks as `seen_now` has
    them, which the new ones, with `thrift` as their w_c, have to beat. With `correct` each objective is tried
    twice: on marks as they were given, and as `correct` puts them right.

    Raises:
        SaleError: too few cases, or a program has no solution.
    """
    cases = usable(cases)
    for objective in objectives:
        few = lacking(cases, objective)
        if few:
            raise UsageError(f"too little to learn from: {few}", "more tasks: sale batch TASKS")
    ways: dict[bool, Correct] = {False: lambda _: lambda case: case}
    if correct is not None:
        ways[True] = correct
    kinds = [(objective, corrected) for corrected in ways for objective in objectives]
    part, parts = 0, (FOLDS + 1) * len(kinds)
    share = seconds / parts
    chance: dict[int, Callable[[Parts], float]] = {}
    held: dict[tuple[Objective, bool], dict[int, tuple[Weights, Case]]] = {kind: {} for kind in kinds}
    for fold in _folds(cases):
        inside = set(fold)
        rest = [case for at, case in enumerate(cases) if at not in inside]
        chances = _chances(rest, judges, regress)
        chance |= {at: chances(cases[at]) for at in fold}
        views, filled = {one: way(rest) for one, way in ways.items()}, _filled(rest, chances)
        for objective, corrected in kinds:
            part += 1
            yield objective, corrected, part, parts
            seen = views[corrected]
            found = fit(objective, list(map(seen, filled)), thrift, judges, solve, share)
            held[objective, corrected] |= {at: (found.weights, seen(cases[at])) for at in fold}
    used = {at: (now, seen_now(case)) for at, case in enumerate(cases)}
    bench = _Bench(cases, chance, thrift, used)
    results = []
    views, filled = (
        {one: way(cases) for one, way in ways.items()},
        _filled(cases, _chances(cases, judges, regress)),
    )
    for objective, corrected in kinds:
        part += 1
        yield objective, corrected, part, parts
        seen = views[corrected]
        found = fit(objective, list(map(seen, filled)), thrift, judges, solve, share)
        tried = held[objective, corrected]
        after = {at: (found.weights, seen(case)) for at, case in enumerate(cases)}
        changes = _changes(cases, used, after)
        results.append(Result(found, corrected, bench.trial(tried), bench.losses(tried), changes))
    calibration = None
    if correct is not None:
        plain, right = (_best(one for one in results if one.corrected == way) for way in ways)
        without = held[plain.fit.objective, False] if plain.better else used
        calibration = bench.gain(held[right.fit.objective, True], without)
    return Learned(bench.trial(used), tuple(results), calibration)


def _best(results: Iterable[Result]) -> Result:
    return max(results, key=lambda one: (one.better, one.trial.gain.mean))


def _changes(cases: Sequence[Case], before: _Held, after: _Held) -> tuple[Change, ...]:
    """The cases that would have another winner."""
    both = ((case, _won(before[at]), _won(after[at])) for at, case in enumerate(cases))
    return tuple(Change(case, case.bids[a], case.bids[b]) for case, a, b in both if a != b)


def _won(held: tuple[Weights, Case]) -> int:
    """The place of the bid that wins a case as it is seen."""
    weights, case = held
    return leading(case, weights)


def _folds(cases: Sequence[Case]) -> list[list[int]]:
    """Places of the cases in FOLDS parts of much the same size; one text is never in two of them."""
    places: dict[str, list[int]] = {}
    for at, case in enumerate(cases):
        places.setdefault(case.task, []).append(at)
    # By a digest, so that a task's fold does not hang on when it was sold: agents change as memory grows.
    order = sorted(places, key=lambda text: hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    return [[at for text in order[start::FOLDS] for at in places[text]] for start in range(FOLDS)]


def _filled(cases: Sequence[Case], chances: _Chances) -> list[Case]:
    """The cases with what never worked taken for what is more likely.

    In a memory the winner worked and hardly anybody else: an order of bids that it knows for sure is one that
    the weights in use got wrong, and learning from these alone would turn their every choice round.
    """
    found = []
    for case in cases:
        chance = chances(case)
        bids = (
            bid if bid.solved is not None else replace(bid, solved=chance(bid) > 0.5) for bid in case.bids
        )
        found.append(replace(case, bids=tuple(bids)))
    return found


def _chances(known: Sequence[Case], judges: Sequence[str], regress: Regress) -> _Chances:
    """How likely each bid of a case solves its task: what is known, else what is learned from `known`.

    Past weights chose which bids were tried. So an agent's record alone would flatter weights like those, and
    the bids' marks and entropy, which tell a good plan from a bad one, are asked as well.
    """
    agents = list(dict.fromkeys(bid.agent for case in known for bid in case.bids))

    def features(case: Case, bid: Parts) -> list[float]:
        hard = any(other.solved is False and other.agent != bid.agent for other in case.bids)
        own = [float(bid.agent == agent) for agent in agents]
        marks = full_marks(bid, judges).values()
        # Entropies of agents may be orders of magnitude apart: by their logarithm they compare.
        return [*own, *marks, bid.entropy, math.log(bid.entropy + _LEAST_ENTROPY), float(hard)]

    tried = [
        (features(case, bid), bid.solved) for case in known for bid in case.bids if bid.solved is not None
    ]
    chance = regress([row for row, _ in tried], [solved for _, solved in tried])
    return lambda case: lambda bid: chance(features(case, bid)) if bid.solved is None else float(bid.solved)


class _Bench:
    """Plays weights over cases, each with the chances that its fold's other cases give."""

    def __init__(
        self, cases: Sequence[Case], chance: Mapping[int, Callable[[Parts], float]], thrift: float, now: _Held
    ) -> None:
        self._cases, self._chance, self._thrift, self._now = cases, chance, thrift, now
        groups: dict[str, list[int]] = {}
        for at, case in enumerate(cases):
            groups.setdefault(case.task, []).append(at)
        self._groups = list(groups.values())
        rng = random.Random(_SEED)
        count = len(self._groups)
        self._drawn = [rng.choices(range(count), k=count) for _ in range(_RESAMPLES)]

    def _worth(self, held: _Held) -> list[float]:
        """Of each case's winner: its chance to solve the task, less what it costs."""
        won = (case.bids[_won(held[at])] for at, case in enumerate(self._cases))
        return [self._chance[at](bid) - self._thrift * bid.cost for at, bid in enumerate(won)]

    def gain(self, held: _Held, over: _Held) -> Interval:
        """How much more what wins is worth."""
        both = zip(self._worth(held), self._worth(over), strict=True)
        return self._interval([one - other for one, other in both])

    def trial(self, held: _Held) -> Trial:
        """What came of the bids that win."""
        won = [case.bids[_won(held[at])] for at, case in enumerate(self._cases)]
        count = len(won)
        agents = Counter(bid.agent for bid in won)
        known = Counter(bid.solved for bid in won)
        order = dict.fromkeys(bid.agent for case in self._cases for bid in case.bids)
        return Trial(
            solved=self._interval([self._chance[at](bid) for at, bid in enumerate(won)]),
            price=self._interval(
                [bid.price / max(one.price for one in self._cases[at].bids) for at, bid in enumerate(won)]
            ),
            gain=self.gain(held, self._now),
            wins={agent: agents[agent] / count for agent in order},
            outcomes=(known[True], known[False], known[None]),
        )

    def losses(self, held: _Held) -> tuple[Loss, ...]:
        """The cases that went to a bid that failed, though another is known to have solved them."""
        found = []
        for at, case in enumerate(self._cases):
            weights, seen = held[at]
            chosen, better = winner(seen, weights), solver(seen)
            if chosen.solved is False and better is not None:
                by = total(better, weights) - total(chosen, weights)
                found.append(Loss(case, chosen, better, by))
        return tuple(sorted(found, key=lambda loss: -loss.by))

    def _interval(self, values: Sequence[float]) -> Interval:
        sums = [sum(values[at] for at in group) for group in self._groups]
        sizes = [len(group) for group in self._groups]
        means = sorted(
            sum(sums[at] for at in drawn) / sum(sizes[at] for at in drawn) for drawn in self._drawn
        )
        tail = round(0.025 * len(means))
        return Interval(sum(values) / len(values), means[tail], means[-1 - tail])
