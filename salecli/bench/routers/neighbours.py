"""WTP, CARROT and TO-Router: what an agent will do with a task, by what it did with the most similar ones."""

from __future__ import annotations

import numpy as np

from salecli.bench.routers import Floats, Ints, Known, Places, held_out

COUNTS = (5, 10, 20, 40, 80)
"""Neighbours that are tried."""
_WTP = (5, 10, 40)
"""Those of RouterBench."""
_LAMBDAS = np.logspace(-10, 9, 191)
_SHARES = np.linspace(0, 1, 201)


def means(known: Known, values: Floats, counts: Places, learned: Places, asked: Places) -> Floats:
    """[counts, asked, agents]: the mean of `values` over the most similar tasks of `learned`."""
    near = np.argsort(-known.similarity[np.ix_(asked, learned)], axis=1, kind="stable")[:, : max(counts)]
    sums = values[np.array(learned)[near]].cumsum(axis=1)
    kept = [min(count, near.shape[1]) for count in counts]
    return np.array([sums[:, count - 1] / count for count in kept])


def _both(known: Known, values: Floats, counts: Places, rest: Places, fold: Places) -> tuple[Floats, Floats]:
    """Means for `rest`, each task held out in turn, and for `fold`, by as many neighbours as err least."""
    inner = held_out(known, rest, lambda learned, asked: means(known, values, counts, learned, asked))
    best = int(((inner - values[rest]) ** 2).mean(axis=(1, 2)).argmin())
    return inner[best], means(known, values, counts, rest, fold)[best]


def wtp(known: Known, rest: Places, fold: Places) -> tuple[Ints, Ints]:
    """Willingness to pay (RouterBench): the highest lambda * chance of solving it - price."""

    def routes(chances: Floats) -> Ints:
        worth = _LAMBDAS[:, None, None] * chances - known.prices
        return _singles(known, worth)

    inner, outer = _both(known, known.own_solved, _WTP, rest, fold)
    return routes(inner), routes(outer)


def carrot(known: Known, rest: Places, fold: Places) -> tuple[Ints, Ints]:
    """CARROT: the highest (1 - lambda) * quality - lambda * cost, both predicted.

    Cost is price * predicted tokens, as a share of the mean of the agent that takes most.
    """
    quality = _both(known, known.own_solved, COUNTS, rest, fold)
    tokens = _both(known, known.own_tokens, COUNTS, rest, fold)
    most = float((known.own_tokens[rest].mean(axis=0) * known.prices).max()) or 1.0

    def routes(solved: Floats, taken: Floats) -> Ints:
        share = _SHARES[:, None, None]
        return _singles(known, (1 - share) * solved - share * taken * known.prices / most)

    return routes(quality[0], tokens[0]), routes(quality[1], tokens[1])


def to_router(known: Known, rest: Places, fold: Places) -> tuple[Ints, Ints]:
    """TO-Router: the likeliest agent of a distribution learned from the softmax over agents' qualities."""
    raised = np.exp(known.own_solved)
    labels = raised / raised.sum(axis=1, keepdims=True)

    def predicted(learned: Places, asked: Places) -> Floats:
        return means(known, labels, COUNTS, learned, asked)

    inner, outer = held_out(known, rest, predicted), predicted(rest, fold)
    return _singles(known, inner), _singles(known, outer)


def _singles(known: Known, worth: Floats) -> Ints:
    """The routes of the agents with the highest worth, [..., agents]; ties go to the cheaper one."""
    # Rounded, so that sums of the same numbers in another order still tie.
    routes: Ints = known.singles[worth.round(12).argmax(axis=-1)]
    return routes
