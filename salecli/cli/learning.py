"""How learned weights look on stdout: what they are, what they did when held out, what they would change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from salecli.adapters.learned import Saved
from salecli.cli.output import Output
from salecli.core.heldout import Interval, Learned, Result, Trial
from salecli.core.learning import Case, Parts
from salecli.core.text import clean
from salecli.core.values import Weights
from salecli.core.words import plural, shortened
from salecli.pool import PoolSpec

_SHOWN = 5
"""Tasks of each list; --json has them all."""
_OUTCOMES = {True: "solved", False: "failed", None: "never tried"}
_WIDTH = 50
"""Of a title."""


def tell_saved(output: Output, spec: PoolSpec, now: Weights, saved: Saved | None) -> None:
    """The weights in use, and where they come from."""
    own = spec.market_weights()
    used = saved is not None and saved.instead_of == own
    if output.lines:
        output.record(
            {
                "pool": spec.name,
                "weights": asdict(now),
                "learned": asdict(saved) if saved is not None else None,
                "used": used,
            }
        )
        return
    rows: dict[str, Weights] = {"the pool's file": own}
    if saved is not None:
        rows["learned" if used else "learned, not used"] = saved.weights
    rows["in use"] = now
    _weights(output, rows)
    if saved is None:
        output.story(f"pool {spec.name}: nothing was learned; what would be: sale learn")
        return
    before, after = saved.solved
    output.story(
        f"learned by {clean(saved.objective, newlines=False)} on {clean(saved.at, newlines=False)} from"
        f" {plural(saved.auctions, 'auction')}; solved of held-out tasks {_percent(after)}, before"
        f" {_percent(before)}"
    )
    if not used:
        output.story(
            f"they are not used: the weights in {spec.file} were changed since; learn anew: sale learn"
        )


def tell_trials(
    output: Output, now: Weights, found: Learned, chosen: Result, saved: bool, corrected: Learned | None
) -> None:
    """What each program came to; `chosen` is the one whose weights are saved, if `saved`.

    `corrected` is what they come to where marks are put right by past verdicts.
    """
    others = corrected.results if corrected is not None else ()
    if output.lines:
        record = _record(now, found, chosen, saved)
        output.record(record | ({"corrected": list(map(_result, others))} if others else {}))
        return
    weights: dict[str, Weights] = {"in use": now}
    weights |= {one.fit.objective: one.fit.weights for one in found.results}
    _weights(output, weights)
    output.result("")
    trials: dict[str, Trial] = {"in use": found.now}
    trials |= {one.fit.objective: one.trial for one in found.results}
    trials |= {f"{one.fit.objective}, marks corrected": one.trial for one in others}
    output.table(
        ["on held-out tasks", "solved", "", "price", "", "gain", "", "known", *found.now.wins],
        [[name, *_trial(trial)] for name, trial in trials.items()],
        right={"solved", "price", "gain", "known", *found.now.wins},
    )
    for one in found.results:
        _proof(output, one)
    _tasks(output, chosen)
    output.result("")
    name = chosen.fit.objective
    output.result(f"saved: {name}" if saved else "saved: nothing")
    if saved and chosen.trial.gain.low <= 0:
        output.story(f"the gain of {name} may be chance: its interval holds 0; more auctions would tell")


def _weights(output: Output, rows: Mapping[str, Weights]) -> None:
    judges = list(next(iter(rows.values())).judges)
    output.table(
        ["weights", "cost", "entropy", *judges],
        [
            [
                name,
                *(f"{value:.4f}" for value in (one.cost, one.entropy, *map(one.judges.__getitem__, judges))),
            ]
            for name, one in rows.items()
        ],
        right={"cost", "entropy", *judges},
    )


def _trial(trial: Trial) -> list[str]:
    return [
        _percent(trial.solved.mean),
        _between(trial.solved, 100, 1),
        f"{trial.price.mean:.2f}",
        _between(trial.price, 1, 2),
        f"{100 * trial.gain.mean:+.1f}",
        _between(trial.gain, 100, 1, "+"),
        "/".join(map(str, trial.outcomes)),
        *(f"{100 * share:.0f} %" for share in trial.wins.values()),
    ]


def _proof(output: Output, one: Result) -> None:
    name = one.fit.objective
    if one.fit.gap > 1e-4:
        output.result(
            f"{name}: out of time, its best so far is {one.fit.value:.4f} and the best at least"
            f" {one.fit.value - one.fit.gap:.4f} (gap {one.fit.gap:.4f}); --seconds gives it more"
        )
    else:
        output.result(f"{name}: proved to be the best, {one.fit.value:.4f}")


def _tasks(output: Output, chosen: Result) -> None:
    name = chosen.fit.objective
    output.result("")
    lost = plural(len(chosen.losses), "held-out task")
    output.result(
        f"with {name}, {lost} went to a plan that failed where another solved it; the worst of them:"
        if chosen.losses
        else f"with {name}, no held-out task went to a plan that failed where another solved it"
    )
    for loss in chosen.losses[:_SHOWN]:
        output.result(
            f"  {_title(loss.case)}: {_name(loss.chosen)} failed, {_name(loss.better)} solved it,"
            f" {loss.by:.4f} behind"
        )
    output.result("")
    if not chosen.changes:
        output.result(f"with {name}, no task would change hands")
        return
    output.result(f"with {name}, {plural(len(chosen.changes), 'task')} would change hands")
    output.result(f"  from plans: {_count(one.before for one in chosen.changes)}")
    output.result(f"  to plans:   {_count(one.after for one in chosen.changes)}")
    for change in chosen.changes[:_SHOWN]:
        output.result(f"  {_title(change.case)}: {_told(change.before)} -> {_told(change.after)}")
    if len(chosen.changes) > _SHOWN:
        output.result(f"  and {len(chosen.changes) - _SHOWN} more: --json")


def _title(case: Case) -> str:
    number = f"{case.number} " if case.number else ""
    return number + shortened(clean(case.title, newlines=False), _WIDTH)


def _name(bid: Parts) -> str:
    return f"{bid.agent}{' (refined)' if bid.refined else ''}"


def _told(bid: Parts) -> str:
    return f"{_name(bid)} ({_OUTCOMES[bid.solved]})"


def _count(bids: Iterable[Parts]) -> str:
    known = Counter(bid.solved for bid in bids)
    return ", ".join(f"{known[outcome]} {said}" for outcome, said in _OUTCOMES.items())


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _between(one: Interval, scale: float, digits: int, sign: str = "") -> str:
    low, high = (f"{scale * value:{sign}.{digits}f}" for value in (one.low, one.high))
    return f"({low} to {high})"


def _record(now: Weights, found: Learned, chosen: Result, saved: bool) -> dict[str, Any]:
    return {
        "in_use": {"weights": asdict(now), "held_out": asdict(found.now)},
        "results": list(map(_result, found.results)),
        "chosen": chosen.fit.objective,
        "saved": saved,
    }


def _result(one: Result) -> dict[str, Any]:
    return {
        "objective": one.fit.objective,
        "weights": asdict(one.fit.weights),
        "value": one.fit.value,
        "gap": one.fit.gap,
        "held_out": asdict(one.trial),
        "better": one.better,
        "losses": [
            {**_of(loss.case), "chosen": _bid(loss.chosen), "better": _bid(loss.better), "by": loss.by}
            for loss in one.losses
        ],
        "changes": [
            {**_of(change.case), "before": _bid(change.before), "after": _bid(change.after)}
            for change in one.changes
        ],
    }


def _of(case: Case) -> dict[str, Any]:
    return {"auction": case.number, "title": case.title}


def _bid(bid: Parts) -> dict[str, Any]:
    return {"agent": bid.agent, "refined": bid.refined, "solved": bid.solved}
