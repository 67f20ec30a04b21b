"""Weights from past auctions: two programs that choose them, and what they do on tasks they have not seen.

Both keep |w_h| + sum of w_j = 1, w_j >= 0, and the user's cost dial w_c as it is (`thrift`).

`minimax` is the paper's program: over the tasks, the worst winning score is to be as low as possible. It asks
for no outcome, and w_h >= 0 there.

`labelled` goes by what the tests said: the cheapest bid that solved a task is to stay ahead of those that did
not solve it. The sign of w_h is free. A violation counts in units of the spread that the weights leave
between bids: on tasks that cannot all be kept, the smallest violations would else be had by putting all the
weight where bids hardly differ. And it is the mean of the worst tenth that is minimised, not the one worst
task, on which chance decides. What was never tried is in no order: who wants it to count says what it is
taken for.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from salecli.core.program import Program, Row, Solve, Variable
from salecli.core.scoring import TOP_MARK, plain_cost, plain_entropy, weighed
from salecli.core.values import Bid, Weights
from salecli.errors import UsageError

Objective = Literal["minimax", "labelled"]
OBJECTIVES: tuple[Objective, ...] = ("minimax", "labelled")
WORST = 0.1
"""Share of the tasks over whose violations `labelled` takes the mean."""
_CLOSE = 1e-6
"""Scores that differ by less are the same."""
_UP, _DOWN = "entropy +", "entropy -"
"""w_h and -w_h, as variables beside the judges', which are called as the judges are: names without spaces."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What one bid's score is made of, and what came of the bid."""

    agent: str
    price: float
    """USD per million tokens."""
    cost: float
    """c of salecli.core.scoring, in [0, 1]."""
    entropy: float
    """h of salecli.core.scoring, in [0, 1]."""
    marks: Mapping[str, float]
    """0 to 5, by judge; not every judge need have marked it."""
    solved: bool | None = None
    """What the tests said of its work; None where it never worked."""
    refined: bool = False

    @classmethod
    def of(
        cls,
        bid: Bid,
        prices: Mapping[str, float],
        plan_tokens: int,
        marks: Mapping[str, float],
        solved: bool | None,
    ) -> Parts:
        """Those of a bid: `prices` are USD per million tokens by agent, `plan_tokens` is the pool's L."""
        return cls(
            agent=bid.agent,
            price=prices[bid.agent],
            cost=plain_cost(bid, prices, plan_tokens),
            entropy=plain_entropy(bid),
            marks=marks,
            solved=solved,
            refined=bid.refined,
        )


@dataclass(frozen=True, slots=True)
class Case:
    """One past auction, as far as weights are concerned."""

    task: str
    """The task's text: cases of one text are never apart in learning and judging."""
    title: str
    bids: tuple[Parts, ...]
    """In pool order."""
    number: int = 0
    """The auction's id in memory; 0 where it comes from elsewhere."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Weights that a program chose."""

    objective: Objective
    weights: Weights
    value: float
    """What was minimised."""
    gap: float
    """How much lower it could be at most; 0 where these are proved to be the best."""


def total(bid: Parts, weights: Weights) -> float:
    """The bid's score under `weights`: cost minus value."""
    return weights.cost * bid.cost - weights.entropy * bid.entropy - weighed(bid.marks, weights.judges)


def winner(case: Case, weights: Weights) -> Parts:
    """The bid that wins under `weights`: ties to the cheaper agent, then to pool order."""
    return case.bids[leading(case, weights)]


def leading(case: Case, weights: Weights) -> int:
    """The place of the bid that wins."""
    return min(range(len(case.bids)), key=lambda at: (total(case.bids[at], weights), case.bids[at].price))


def solver(case: Case) -> Parts | None:
    """The cheapest bid that is known to have solved the task."""
    return min((bid for bid in case.bids if bid.solved), key=lambda bid: (bid.price, bid.cost), default=None)


def orders(cases: Sequence[Case]) -> Iterator[tuple[Case, Parts, Parts]]:
    """(case, ahead, behind) of all bids that the tests put into an order."""
    for case in cases:
        ahead = solver(case)
        if ahead is not None:
            yield from ((case, ahead, bid) for bid in case.bids if bid.solved is False)


def fit(
    objective: Objective,
    cases: Sequence[Case],
    thrift: float,
    judges: Sequence[str],
    solve: Solve,
    seconds: float,
) -> Fit:
    """The weights that `objective` chooses on `cases` within about `seconds`.

    Raises:
        SaleError: there are none; it says which constraint is in the way, or that the time was too short.
    """
    chosen = minimax if objective == "minimax" else labelled
    return chosen(cases, thrift, judges, solve, seconds)


def minimax(cases: Sequence[Case], thrift: float, judges: Sequence[str], solve: Solve, seconds: float) -> Fit:
    """The paper's big-M program. Tasks join it one after another, the worst first, until none is worse.

    Few tasks are ever the worst, so that it stays small; with the last one it is solved for all of them.
    """
    ends = time.monotonic() + seconds
    contests = [_contest(case, thrift, judges) for case in cases]
    keys = (_UP, *judges)
    values = dict.fromkeys(keys, 1 / len(keys))
    best, best_value, bound = values, math.inf, -math.inf
    chosen: dict[int, None] = {}
    while True:
        scores = [min(_dot(bid, values) for bid in bids) for bids in contests]
        worst = max(range(len(scores)), key=scores.__getitem__)
        if scores[worst] < best_value:
            best, best_value = values, scores[worst]
        left = ends - time.monotonic()
        if best_value - bound <= _CLOSE or worst in chosen or left <= 0:
            break
        chosen[worst] = None
        try:
            found = solve(_worst_score({at: contests[at] for at in chosen}, cases, keys), left)
        except UsageError:  # out of time
            if len(chosen) == 1:
                raise
            break
        bound = max(bound, found.bound)
        values = {key: found.values[key] for key in keys}
    return Fit("minimax", _weights(thrift, best, judges), best_value, max(best_value - bound, 0.0))


_Bid = Mapping[str, float]
"""A bid's score as a linear function of weights that sum to 1: by weight, its coefficient."""


def _contest(case: Case, thrift: float, judges: Sequence[str]) -> list[_Bid]:
    """The bids that can win for some weights: what is beaten in each part by one other bid cannot."""
    bids = [_linear(bid, thrift, judges) for bid in case.bids]
    kept: list[_Bid] = []
    for at, bid in enumerate(bids):
        others = kept + bids[at + 1 :]
        if not any(all(other[key] <= bid[key] for key in bid) for other in others):
            kept.append(bid)
    return kept


def _linear(bid: Parts, thrift: float, judges: Sequence[str]) -> _Bid:
    # The weights sum to 1, so that the weighted cost, which they do not turn, can stand in each coefficient.
    cost = thrift * bid.cost
    marks = full_marks(bid, judges)
    return {_UP: cost - bid.entropy, **{judge: cost - marks[judge] for judge in judges}}


def full_marks(bid: Parts, judges: Sequence[str]) -> dict[str, float]:
    """g by judge: for the judges who were not on this bid's jury, the mean of those who were."""
    mean = sum(bid.marks.values()) / len(bid.marks) if bid.marks else 0.0
    return {judge: bid.marks.get(judge, mean) / TOP_MARK for judge in judges}


def _dot(bid: _Bid, values: Mapping[str, float]) -> float:
    return sum(bid[key] * values[key] for key in bid)


def _worst_score(contests: Mapping[int, list[_Bid]], cases: Sequence[Case], keys: Sequence[str]) -> Program:
    program = Program({key: Variable(0, 1) for key in keys}, {"the worst": 1.0})
    program.rows.append(Row("the weights add up to 1", dict.fromkeys(keys, 1.0), 1, 1))
    # Scores move between a bid's lowest and highest coefficient; none of its tasks is worse than this.
    lowest = max(min(min(bid.values()) for bid in bids) for bids in contests.values())
    program.variables["the worst"] = Variable(
        lowest, max(max(b.values()) for bids in contests.values() for b in bids)
    )
    for at, bids in contests.items():
        name = f"the score of task {cases[at].title!r}"
        wins = {f"{at} {place}": 1.0 for place in range(len(bids))}
        program.variables |= {win: Variable(0, 1, whole=True) for win in wins}
        program.rows.append(Row(f"one winner of task {cases[at].title!r}", wins, 1, 1))
        for win, bid in zip(wins, bids, strict=True):
            big = max(max(bid.values()) - lowest, 0.0)
            program.rows.append(Row(name, {**bid, win: big, "the worst": -1.0}, high=big))
    return program


def labelled(
    cases: Sequence[Case], thrift: float, judges: Sequence[str], solve: Solve, seconds: float
) -> Fit:
    """Keep the cheapest bid that solved each task ahead: see the head of this file.

    Raises:
        UsageError: no task tells anything, or what it tells does not depend on weights.
    """
    rows = []
    for case, ahead, behind in orders(cases):
        front, back = _linear(ahead, thrift, judges), _linear(behind, thrift, judges)
        cost = thrift * (ahead.cost - behind.cost)
        row = {key: front[key] - back[key] for key in front}
        row[_DOWN] = 2 * cost - row[_UP]
        rows.append((case, row, cost))
    spread = _spread(rows)
    if not spread:
        raise UsageError(
            "the bids of these auctions do not differ where the tests tell them apart",
            "more tasks, on which some agents fail, would help: sale batch TASKS",
        )
    solution = solve(_violations(rows, spread), seconds)
    sums = {key: solution.values.get(key, 0.0) for key in (_UP, _DOWN, *judges)}
    whole = sum(sums.values())
    values = {judge: sums[judge] / whole for judge in judges} | {_UP: (sums[_UP] - sums[_DOWN]) / whole}
    return Fit("labelled", _weights(thrift, values, judges), solution.objective, solution.gap)


_Ordered = tuple[Case, dict[str, float], float]
"""A case, by weight the difference of two bids' scores, and what of it is weighted cost alone."""


def _spread(rows: Sequence[_Ordered]) -> dict[str, float]:
    """By weight, how far bids differ in what it weighs, on average; without those where they do not."""
    spread = {
        key: sum(abs(row[key] - cost) for _, row, cost in rows) / len(rows)
        for key in (rows[0][1] if rows else ())
    }
    return {key: value for key, value in spread.items() if value > _CLOSE}


def _violations(rows: Sequence[_Ordered], spread: Mapping[str, float]) -> Program:
    program = Program({key: Variable() for key in spread}, {"the level": 1.0})
    # Not the weights add up to 1 here, but the spread that they leave; they are scaled afterwards.
    program.rows.append(Row("the weighted spreads add up to 1", dict(spread), 1, 1))
    if _UP in spread:
        program.variables["the sign"] = Variable(0, 1, whole=True)
        most = 1 / spread[_UP]
        program.rows += [
            Row("entropy has one sign", {_UP: 1.0, "the sign": -most}, high=0),
            Row("entropy has one sign", {_DOWN: 1.0, "the sign": most}, high=most),
        ]
    far = max(abs(row[key]) / spread[key] for _, row, _ in rows for key in spread)
    # The mean of the worst tenth is level + sum of what exceeds it / (a tenth of the tasks), at its lowest
    # (Rockafellar and Uryasev, Optimization of conditional value-at-risk, 2000).
    program.variables["the level"] = Variable(-far, far)
    over = {id(case): f"excess {id(case)}" for case, _, _ in rows}
    program.variables |= {name: Variable(0, 2 * far) for name in over.values()}
    program.cost |= dict.fromkeys(over.values(), 1 / (WORST * len(over)))
    for case, row, _ in rows:
        weighted = {key: row[key] for key in spread}
        excess = {over[id(case)]: -1.0, "the level": -1.0}
        program.rows.append(Row(f"the order of task {case.title!r}", weighted | excess, high=0))
    return program


def _weights(thrift: float, values: Mapping[str, float], judges: Sequence[str]) -> Weights:
    """Weights without the last digits, which mean nothing, and with their sum 1 as ever."""
    parts = {key: round(values.get(key, 0.0), 6) + 0.0 for key in (_UP, *judges)}
    whole = sum(map(abs, parts.values()))
    return Weights(thrift, parts[_UP] / whole, {judge: max(parts[judge], 0.0) / whole for judge in judges})
