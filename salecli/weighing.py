"""Which weights the market of a pool goes by, whether marks are put right, and where both come from.

The user's learned weights go before those that a pool brings along, and these before the pool file's own.
Learned ones count only while the weights in the pool file are what they were: whoever changes them means it.
No repository has a say: one file lies in the user's folder, the other beside the pool file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from salecli.adapters import learned
from salecli.adapters.learned import Saved
from salecli.core.calibration import Correction
from salecli.core.text import clean
from salecli.core.values import Weights
from salecli.pool import PoolSpec

Kind = Literal["file", "learned", "shipped"]
"""The pool file's own, the user's, those that a pool brings along."""


@dataclass(frozen=True, slots=True)
class InUse:
    """The weights of a market, and what puts its marks right."""

    weights: Weights
    kind: Kind
    source: str
    """Where they come from, in a few words."""
    saved: Saved | None = None
    """What was learned, where they were."""
    corrections: Mapping[str, Correction] = field(default_factory=dict)
    """By judge; empty where marks count as they are given."""
    unused: tuple[str, ...] = ()
    """A line for each file of learned weights that is there and does not count."""


def in_use(
    spec: PoolSpec, prompts_hash: str, thrift: float | None = None, calibration: bool | None = None
) -> InUse:
    """What a pool's market goes by, with the user's dial `thrift` on top.

    `calibration` is the user's switch: marks are put right, or are not; None leaves it to the pool, then to
    what held-out tasks said. Where nothing puts them right they stay as they are.

    Raises:
        ConfigError: a file of weights cannot be read, or holds none.
    """
    unused: list[str] = []
    switch = spec.calibration if calibration is None else calibration
    for kind, named, found in _files(spec, prompts_hash):
        why = "" if found is None else _against(found, spec, prompts_hash, kind)
        if why:
            unused.append(f"{named} are not used: {why}")
        elif found is not None:
            right = found.calibrated
            if right is not None and not (right.helps if switch is None else switch):
                right = None
            weights = _dialled(found.weights if right is None else right.weights, thrift)
            source = f"{named}, learned from {found.origin}{', for corrected marks' if right else ''}"
            return InUse(weights, kind, source, found, right.corrections if right else {}, tuple(unused))
    return replace(of_file(spec, prompts_hash, thrift), unused=tuple(unused))


def of_file(
    spec: PoolSpec, prompts_hash: str, thrift: float | None = None, calibration: bool | None = None
) -> InUse:
    """What the market would go by if nothing had been learned: the weights of the pool file."""
    return InUse(_dialled(spec.market_weights(), thrift), "file", f"those of {spec.file.name}")


def _files(spec: PoolSpec, prompts_hash: str) -> Iterator[tuple[Kind, str, Saved | None]]:
    """(kind, what it is called, what it holds) of each file that there may be."""
    yield "learned", "your own", learned.read(learned.store(spec.hash(), prompts_hash))
    brought = learned.beside(spec.file)
    yield "shipped", f"those of {brought.name}", learned.read(brought, f"remove {brought}")


def _against(found: Saved, spec: PoolSpec, prompts_hash: str, kind: Kind) -> str:
    """Why learned weights do not count, empty where they do."""
    if kind == "shipped":  # of the user's own, the file's name says of which pool and prompts they are
        if found.pool_hash != spec.hash():
            known = clean(found.pool_hash, newlines=False)
            return f"they are of other agents or models (pool hash {known!r}, not {spec.hash()!r})"
        if found.prompts_hash != prompts_hash:
            known = clean(found.prompts_hash, newlines=False)
            return f"they are of other prompts (prompts hash {known[:16]!r}, not {prompts_hash[:16]!r})"
    right = found.calibrated.weights if found.calibrated is not None else found.weights
    if not found.weights.judges.keys() == right.judges.keys() == set(spec.names):
        return "they are for other judges"
    if found.instead_of != spec.market_weights():
        return f"the weights in {spec.file.name} were changed since"
    return ""


def _dialled(weights: Weights, thrift: float | None) -> Weights:
    return weights if thrift is None else replace(weights, cost=thrift)
