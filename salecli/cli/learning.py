"""How learned weights look on stdout: what they are, what they did when held out, what they would change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from salecli.cli.output import Output
from salecli.core.calibration import Correction
from salecli.core.heldout import Interval, Learned, Result, Trial
from salecli.core.learning import Case, Parts
from salecli.core.scoring import TOP_MARK
from salecli.core.text import clean
from salecli.core.values import Weights
from salecli.core.words import plural, shortened
from salecli.pool import PoolSpec
from salecli.weighing import InUse

_SHOWN = 5
"""Tasks of each list; --json has them all."""
_OUTCOMES = {True: "solved", False: "failed", None: "never tried"}
_WIDTH = 50
"""Of a title."""


def tell_saved(output: Output, spec: PoolSpec, used: InUse) -> None:
    """The weights in use, where they come from, and what puts marks right."""
    saved = used.saved
    if output.lines:
        output.record(
            {
                "pool": spec.name,
                "weights": asdict(used.weights),
                "source": used.source,
                "calibrated": bool(used.corrections),
                "learned": asdict(saved) if saved is not None else None,
                "unused": list(used.unused),
            }
        )
        return
    rows: dict[str, Weights] = {"the pool's file": spec.market_weights()}
    if saved is not None:
        rows["learned"] = saved.weights
        if saved.calibrated is not None:
            rows["learned for corrected marks"] = saved.calibrated.weights
    rows["in use"] = used.weights
    _weights(output, rows)
    if used.corrections:
        output.result("")
        _corrections(output, used.corrections)
    for line in used.unused:
        output.story(line)
    if saved is None:
        output.story(f"pool {spec.name}: nothing was learned; what would be: sale learn")
        return
    before, after = saved.solved
    came, objective = used.kind == "shipped", clean(saved.objective, newlines=False)
    output.story(
        f"{'they came with the pool: ' * came}learned by {objective}"
        f" from {saved.origin}; solved of held-out tasks {_percent(after)}, before {_percent(before)}"
    )
    right = saved.calibrated
    if right is None or bool(used.corrections) == right.helps:
        return
    said = "though that did better" if right.helps else "though that did no better for sure"
    output.story(
        f"marks are {'put right' if used.corrections else 'left as they are'}, as you want it, {said}"
    )


def _corrections(output: Output, corrections: Mapping[str, Correction]) -> None:
    marks = range(TOP_MARK + 1)
    output.table(
        ["marks count as", *map(str, marks), "plans"],
        [
            [judge, *(f"{one.of(mark):.1f}" for mark in marks), one.plans]
            for judge, one in corrections.items()
        ],
        right={*map(str, marks), "plans"},
    )


def tell_trials(output: Output, now: InUse, found: Learned, chosen: Result, saved: bool) -> None:
    """What each program came to; `chosen` is the one whose weights are saved, if `saved`."""
    if output.lines:
        output.record(_record(now, found, chosen, saved))
        return
    weights: dict[str, Weights] = {"in use": now.weights}
    weights |= {_called(one): one.fit.weights for one in found.results}
    _weights(output, weights)
    output.result("")
    trials: dict[str, Trial] = {"in use": found.now}
    trials |= {_called(one): one.trial for one in found.results}
    output.table(
        ["on held-out tasks", "solved", "", "price", "", "gain", "", "known", *found.now.wins],
        [[name, *_trial(trial)] for name, trial in trials.items()],
        right={"solved", "price", "gain", "known", *found.now.wins},
    )
    for one in found.results:
        _proof(output, one)
    if found.calibration is not None:
        gain = found.calibration
        unsure = "which may be chance" if gain.mean > 0 else "they do not help"
        output.result(
            f"corrected marks gain {100 * gain.mean:+.1f} {_between(gain, 100, 1, '+')} over the best without"
            f" them: {'they help' if found.helps else unsure}"
        )
    _tasks(output, chosen)
    output.result("")
    output.result(f"saved: {_called(chosen)}" if saved else "saved: nothing")
    if saved and chosen.trial.gain.low <= 0:
        name = chosen.fit.objective
        output.story(f"the gain of {name} may be chance: its interval holds 0; more auctions would tell")


def _called(one: Result) -> str:
    return f"{one.fit.objective}{', marks corrected' * one.corrected}"


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
    name = _called(one)
    if one.fit.gap > 1e-4:
        output.result(
            f"{name}: out of time, its best so far is {one.fit.value:.4f} and the best at least"
            f" {one.fit.value - one.fit.gap:.4f} (gap {one.fit.gap:.4f}); --seconds gives it more"
        )
    else:
        output.result(f"{name}: proved to be the best, {one.fit.value:.4f}")


def _tasks(output: Output, chosen: Result) -> None:
    name = _called(chosen)
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


def _record(now: InUse, found: Learned, chosen: Result, saved: bool) -> dict[str, Any]:
    return {
        "in_use": {
            "weights": asdict(now.weights),
            "source": now.source,
            "calibrated": bool(now.corrections),
            "held_out": asdict(found.now),
        },
        "results": list(map(_result, found.results)),
        "calibration": found.calibration
        and {"gain": asdict(found.calibration), "helps": found.helps, "saved": chosen.corrected and saved},
        "chosen": chosen.fit.objective,
        "saved": saved,
    }


def _result(one: Result) -> dict[str, Any]:
    return {
        "objective": one.fit.objective,
        "corrected": one.corrected,
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
