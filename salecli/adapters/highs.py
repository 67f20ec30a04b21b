"""Solves linear programs with whole numbers in them by HiGHS, through scipy."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from salecli.core.program import Program, Row, Solution, Variable
from salecli.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult

_BEST, _TIME, _OTHER = 0, 1, 4
"""Statuses of scipy.optimize.milp; 2 and 3 are infeasible and unbounded."""
_FAR = 1e6
"""What has no bound is stopped here, to find out which variable it is."""
_NAMED = 3
"""Constraints that one message names."""


def solve(program: Program, seconds: float) -> Solution:
    """The best solution that HiGHS finds within `seconds`.

    Raises:
        ConfigError: no solution exists, or none is the lowest; it names the constraints at fault.
        UsageError: the time was too short to find any.
    """
    began = time.monotonic()
    done = _milp(program, seconds)
    if done.status == _OTHER:
        # "Solve error", or "infeasible or unbounded": without simplifying it first, HiGHS knows.
        done = _milp(program, max(seconds - (time.monotonic() - began), 1.0), presolve=False)
    if done.x is not None and done.status in (_BEST, _TIME):
        values = dict(zip(program.variables, map(float, done.x), strict=True))
        bound = done.mip_dual_bound if done.mip_dual_bound is not None else done.fun
        return Solution(values, float(done.fun), min(float(bound), float(done.fun)))
    if done.status == _TIME:
        raise UsageError(f"no weights were found within {seconds:.3g} s", "give it more: --seconds 120")
    unbounded = _without_bound(program, seconds)
    if unbounded:
        raise ConfigError(f"the program has no lowest value: nothing bounds {', '.join(unbounded)}")
    missed = _in_the_way(program, seconds)
    if missed:
        raise ConfigError(f"no weights satisfy all constraints; in the way: {', '.join(missed)}")
    raise ConfigError(f"HiGHS gave up: {done.message}")


def _milp(program: Program, seconds: float, presolve: bool = True) -> OptimizeResult:
    import numpy as np
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    place = {name: at for at, name in enumerate(program.variables)}
    cost = np.zeros(len(place))
    for name, value in program.cost.items():
        cost[place[name]] = value
    entries = [
        (number, place[name], value)
        for number, row in enumerate(program.rows)
        for name, value in row.coefficients.items()
    ]
    rows, columns, values = zip(*entries, strict=True)
    matrix = csr_array((values, (rows, columns)), shape=(len(program.rows), len(place)))
    variables = program.variables.values()
    with _silent():
        return milp(
            cost,
            integrality=np.array([one.whole for one in variables]),
            bounds=Bounds([one.low for one in variables], [one.high for one in variables]),
            constraints=LinearConstraint(
                matrix, [row.low for row in program.rows], [row.high for row in program.rows]
            ),
            options={"time_limit": seconds, "presolve": presolve},
        )


@contextmanager
def _silent() -> Iterator[None]:
    """Nothing reaches stdout: HiGHS prints a line of its own there now and then, whatever its options say."""
    kept = None
    with suppress(OSError):  # it may be closed
        kept = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    if nowhere != 1:
        os.dup2(nowhere, 1)
        os.close(nowhere)
    try:
        yield
    finally:
        ctypes.CDLL(None).fflush(None)  # what C still holds back
        if kept is None:
            os.close(1)
        else:
            os.dup2(kept, 1)
            os.close(kept)


def _without_bound(program: Program, seconds: float) -> list[str]:
    """The variables that run away where all are stopped far off; none where that has no solution either."""
    variables = {
        name: Variable(max(one.low, -_FAR), min(one.high, _FAR), one.whole)
        for name, one in program.variables.items()
    }
    done = _milp(Program(variables, program.cost, program.rows), seconds)
    if done.x is None:
        return []
    ends = zip(program.variables.items(), done.x, strict=True)
    return [name for (name, one), x in ends if abs(x) >= _FAR and not one.low <= -x <= one.high][:_NAMED]


def _in_the_way(program: Program, seconds: float) -> list[str]:
    """The constraints that must give way, as few as possible, for the others to be satisfied."""
    variables, cost, rows = dict(program.variables), dict[str, float](), []
    for number, row in enumerate(program.rows):
        up, down = f"{number} up", f"{number} down"
        variables |= {up: Variable(), down: Variable()}
        cost |= {up: 1.0, down: 1.0}
        rows.append(Row(row.name, {**row.coefficients, up: 1.0, down: -1.0}, row.low, row.high))
    done = _milp(Program(variables, cost, rows), seconds)
    if done.x is None:
        return []
    slack = done.x[len(program.variables) :]
    given = [row.name for at, row in enumerate(rows) if slack[2 * at] + slack[2 * at + 1] > 1e-7]
    return list(dict.fromkeys(given))[:_NAMED]
