"""results.json as it is read: typed and versioned, for the report, the plots and the comparison of two runs.

Money is in USD, a share is between 0 and 1. What a run did not measure is absent or null. Unknown keys are
left alone, so that a writer may add; another schema is refused.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeGuard

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from salecli import resources
from salecli.bench.cells import RESULTS, RESULTS_SCHEMA
from salecli.bench.played import Kind
from salecli.core.text import clean
from salecli.errors import UsageError

MARKET, NO_MEMORY, ORACLE = "SALE", "SALE without memory", "oracle"
"""Names of rows that have a meaning of their own."""
WITH, WITHOUT = "with memory", "without memory"
_PROOFS = ("gold", "null")
_SIDE_BY_SIDE: tuple[Kind, ...] = ("agent", "market", "router", "bound")

Share = Annotated[float, Field(ge=0, le=1)]


class Estimate(NamedTuple):
    """A mean, and between which two numbers it lies with 95 % by the bootstrap over tasks."""

    value: float
    low: float
    high: float


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Level(_Part):
    """A row on the tasks of one level."""

    solved: Estimate = Field(alias="pass")
    usd: Estimate | None = Field(None, alias="usd_per_task")
    tasks: int


class Against(_Part):
    """A row against the largest agent alone, paired by task."""

    solved: Estimate = Field(alias="pass")
    """Difference of pass@1."""
    usd: Estimate | None
    """Ratio of what is spent, less 1."""


class Row(_Part):
    """One router over all orders of the tasks."""

    name: str
    kind: Kind
    solved: Estimate = Field(alias="pass")
    usd: Estimate = Field(alias="usd_per_task")
    usd_per_solved: Estimate | None = None
    usd_per_million: Estimate | None = None
    tokens: Mapping[str, float] = Field(default={}, alias="tokens_by_phase")
    """Per task."""
    auction_share: Estimate | None = None
    task_share: Mapping[str, float] = {}
    token_share: Mapping[str, float] = {}
    over: float | None = None
    under: float | None = None
    levels: Mapping[str, Level] = {}
    against: Against | None = Field(None, alias="against_largest")
    curve: Sequence[tuple[float, Share]] = ()
    """(USD per task, pass@1) of other settings of the same router."""


class Paired(_Part):
    """What a row came to task by task, for comparisons."""

    solved: Sequence[Annotated[str, Field(pattern="^[01]*$")]]
    """One text for each order: a 0 or 1 for each task, in the order of `Results.tasks`."""
    usd: Sequence[float] = Field(alias="usd_per_task_by_task")
    """Means over the orders."""


class Fifth(_Part):
    """Which agents won in one fifth of an order."""

    fifth: int
    shares: Mapping[str, float]


class Growth(_Part):
    """Share of wins in the last fifth less that in the first."""

    last_minus_first: Estimate | None


class WinShare(_Part):
    """Who wins as memory grows, and the same without memory."""

    remembering: Sequence[Fifth] = Field(default=(), alias=WITH)
    forgetful: Sequence[Fifth] = Field(default=(), alias=WITHOUT)
    smallest: Mapping[str, Growth] = Field(default={}, alias="smallest_two")


class Calibration(_Part):
    """How opinions agree with what the tests said later."""

    brier: float | None = None
    ece: float | None = None
    spearman: float | None = None
    curve: Sequence[tuple[float, float, int]] = ()
    """(mean opinion, share solved, how many)."""


class RealLength(_Part):
    """The market where the work is as long as that of real agents."""

    work_tokens: float
    source: str
    share: float = Field(alias="auction_share")
    usd: Estimate | None = Field(None, alias="usd_against_largest")
    """As `Against.usd`."""


class Price(_Part):
    """What an agent costs."""

    usd_per_million: float


class Task(_Part):
    """A task of the suite."""

    name: str
    level: str
    hash: str


class Results(_Part):
    """Everything of results.json that is reported."""

    suite: str
    pool: str
    pool_hash: str
    prompts_hash: str
    seed: int
    sale: str
    content: str = ""
    """Hash of the tasks."""
    agents: Mapping[str, Price]
    weights: Mapping[str, Any] = {}
    tasks: Sequence[Task]
    rows: Sequence[Row]
    left_out: Mapping[str, str] = {}
    """Why a row is missing, by its name."""
    paired: Mapping[str, Paired] = {}
    win_share: WinShare | None = None
    shapley: Mapping[str, Mapping[str, Estimate]] = {}
    calibration: Mapping[str, Mapping[str, Calibration]] = {}
    plan_and_work: Sequence[tuple[float, float, str]] = ()
    plan_work_spearman: Mapping[str, float | None] = {}
    real_lengths: Sequence[RealLength] = Field(default=(), alias="auction_at_real_lengths")

    @model_validator(mode="after")
    def _whole(self) -> Results:
        names = [row.name for row in self.rows]
        if len(set(names)) != len(names):
            raise ValueError("two rows of one name")
        for name, one in self.paired.items():
            lengths = {len(one.usd), *map(len, one.solved)}
            if lengths != {len(self.tasks)} or not one.solved:
                raise ValueError(f"paired results of {name!r} do not fit {len(self.tasks)} tasks")
        return self

    @property
    def by_name(self) -> dict[str, Row]:
        return {row.name: row for row in self.rows}

    @property
    def compared(self) -> list[Row]:
        """The rows that stand beside one another: agents, SALE, routers, the bound. Ablations stand alone."""
        return [row for kind in _SIDE_BY_SIDE for row in self.rows if row.kind == kind]

    @property
    def largest(self) -> str:
        """The dearest agent: the one that routers are measured against."""
        return max(self.agents, key=lambda name: self.agents[name].usd_per_million)

    @property
    def orders(self) -> int:
        """In how many orders the tasks were played; 0 where nothing says it."""
        return max((len(one.solved) for one in self.paired.values()), default=0)

    @property
    def levels(self) -> dict[str, int]:
        """How many tasks there are of each level."""
        found: dict[str, int] = {}
        for task in self.tasks:
            found[task.level] = found.get(task.level, 0) + 1
        return dict(sorted(found.items()))


def known(value: float | None) -> TypeGuard[float]:
    """Whether there is a number: nothing solved has no price, and a constant no correlation."""
    return value is not None and math.isfinite(value)


def locate(named: Path) -> Path:
    """The results.json that a user means by a folder, a file, or a folder's name in sale's data.

    Raises:
        UsageError: there is none.
    """
    home = resources.data_folder() / "bench"
    for found in (named, named / RESULTS, home / named / RESULTS):
        if found.is_file():
            return found
    there = sorted(path.parent.name for path in home.glob(f"*/{RESULTS}")) if home.is_dir() else []
    hint = f"there are {', '.join(there)}" if there else "measure first: sale bench run SUITE --out DIR"
    raise UsageError(f"there is no {RESULTS} in {named}", hint)


def load(named: Path) -> Results:
    """What a run of `sale bench run` came to.

    Raises:
        UsageError: there is no such file, it is of another schema, damaged, or holds no routers.
    """
    file = locate(named)
    try:
        values = json.loads(file.read_bytes())
        if not isinstance(values, dict):
            raise ValueError("no JSON object")
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{file} cannot be read: {_said(error)}", "measure anew: sale bench run") from error
    return parse(values, file)


def parse(values: Mapping[str, Any], file: Path) -> Results:
    """`values` of `file`, checked.

    Raises:
        UsageError: as `load`.
    """
    schema = values.get("schema")
    if schema != RESULTS_SCHEMA:
        raise UsageError(
            f"{file} is of schema {_said(schema)}, and this version of sale reads schema {RESULTS_SCHEMA}",
            "measure anew: sale bench run SUITE --out NEW",
        )
    if values.get("pool") in _PROOFS and not values.get("rows"):
        raise UsageError(
            f"{file} holds the proof by {values['pool']}, in which no agent works",
            "run it without --gold and --null",
        )
    if not values.get("rows"):
        raise UsageError(
            f"{file} holds no routers", "the run was not ended: the same `sale bench run` goes on"
        )
    try:
        return Results.model_validate(values)
    except ValidationError as invalid:
        error = invalid.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, error["loc"]))
        raise UsageError(
            f"{file} is damaged: {_said(where)}{': ' if where else ''}{_said(error['msg'])}",
            "measure anew: sale bench run SUITE --out NEW",
        ) from None


def _said(what: object) -> str:
    """Something of a file, or wrong with it, on one line."""
    text = str(what).splitlines()
    return clean(text[0] if text else repr(what), newlines=False)[:200]
