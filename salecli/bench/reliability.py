"""How opinions agree with what the tests said later: marks, corrected marks, scores turned into chances."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from salecli.adapters.logistic import regress
from salecli.bench.fitting import fold_corrections, put_right
from salecli.bench.selling import scored
from salecli.bench.table import Table, folds
from salecli.core.scoring import TOP_MARK
from salecli.core.values import Mark, Weights

_BINS = 10

Opinions = list[tuple[float, bool]]
"""(how likely it was held to be, whether the plan solved its task)."""


def reliability(opinions: Sequence[tuple[float, bool]]) -> dict[str, Any]:
    """Brier score, expected calibration error over ten bins of equal width, rank correlation, the curve."""
    from scipy.stats import spearmanr

    said = np.array([chance for chance, _ in opinions])
    came = np.array([solved for _, solved in opinions], dtype=float)
    bins = np.minimum((said * _BINS).astype(int), _BINS - 1)
    curve = [
        (float(said[bins == one].mean()), float(came[bins == one].mean()), int((bins == one).sum()))
        for one in range(_BINS)
        if (bins == one).any()
    ]
    constant = np.ptp(said) == 0 or np.ptp(came) == 0
    return {
        "brier": round(float(((said - came) ** 2).mean()), 5),
        "ece": round(sum(count * abs(mean - share) for mean, share, count in curve) / len(said), 5),
        "spearman": None if constant else round(float(spearmanr(said, came).statistic), 5),
        "curve": [[round(mean, 5), round(share, 5), count] for mean, share, count in curve],
    }


def of_marks(table: Table) -> dict[str, dict[str, Any]]:
    """By judge, its marks as they are, a fifth of the highest mark as a chance."""
    return _by_judge(table, table.marks)


def of_corrected(table: Table) -> dict[str, dict[str, Any]]:
    """By judge, its marks as outcomes on the other folds put them right."""
    by_task = zip(table.tasks, fold_corrections(table), strict=True)
    return _by_judge(table, {task.name: put_right(table.marks[task.name], by) for task, by in by_task})


def _by_judge(table: Table, marks: Mapping[str, Sequence[Mark]]) -> dict[str, dict[str, Any]]:
    found: dict[str, Opinions] = {judge: [] for judge in table.agents}
    for task, given in marks.items():
        for one in given:
            if one.source != "mean":
                found[one.judge].append((one.value / TOP_MARK, table.solved(task, one.agent)))
    return {judge: reliability(opinions) for judge, opinions in found.items() if opinions}


def of_scores(table: Table, weights: Sequence[Weights]) -> dict[str, dict[str, Any]]:
    """Scores of all bids, turned into chances by what became of bids on the other folds; and by agent."""
    bids: dict[int, list[tuple[str, float, bool]]] = {}
    for at, (task, own) in enumerate(zip(table.tasks, weights, strict=True)):
        bids[at] = [
            (one.agent, -one.total, table.solved(task.name, one.agent))
            for one in scored(table, table.bids(task.name), table.marks[task.name], own)
        ]
    found: dict[str, Opinions] = defaultdict(list)
    for fold in folds(table.tasks):
        rest = [bid for at, some in bids.items() if at not in fold for bid in some]
        if not rest:
            continue
        chance = regress([[score] for _, score, _ in rest], [solved for _, _, solved in rest])
        for agent, score, solved in (bid for at in fold for bid in bids[at]):
            found["all"].append((chance([score]), solved))
            found[agent].append((chance([score]), solved))
    return {name: reliability(found[name]) for name in ("all", *table.agents) if found[name]}
