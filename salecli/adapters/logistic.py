"""Logistic regression: how likely something is, from examples of when it was so."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Row = Sequence[float]
_RIDGE = 1.0
"""How strongly coefficients of standardised features are held to 0: few examples make nobody sure."""


def regress(rows: Sequence[Row], outcomes: Sequence[bool]) -> Callable[[Row], float]:
    """The chance of an outcome by its row of features, learned from rows whose outcome is known."""
    import numpy as np
    from scipy.optimize import minimize
    from scipy.special import expit

    features = np.array(rows, dtype=float)
    signs = np.where(np.array(outcomes), 1.0, -1.0)
    middle, spread = features.mean(axis=0), features.std(axis=0)
    spread[spread < 1e-9] = 1.0
    standard = (features - middle) / spread

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        margins = signs * (standard @ values[1:] + values[0])
        # The intercept is held too, hardly: where all examples agree it would run away.
        held = np.concatenate([[1e-3 * values[0]], _RIDGE * values[1:]])
        slopes = -signs * expit(-margins)
        gradient = np.concatenate([[slopes.sum()], standard.T @ slopes]) + held
        return float(np.logaddexp(0, -margins).sum() + held @ values / 2), gradient

    found = minimize(loss, np.zeros(features.shape[1] + 1), jac=True, method="L-BFGS-B").x
    return lambda row: float(expit((np.array(row) - middle) / spread @ found[1:] + found[0]))
