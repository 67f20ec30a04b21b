"""Isotonic regression, through scipy."""

from __future__ import annotations

from collections.abc import Sequence


def isotonic(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The values that never fall and are nearest to `values`, by weighted least squares."""
    from scipy.optimize import isotonic_regression

    return [float(value) for value in isotonic_regression(values, weights=weights).x]
