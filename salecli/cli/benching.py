"""What `sale bench run` does once its options are read."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from salecli import build, resources
from salecli.adapters.engine import connect, settle
from salecli.adapters.image import pinned
from salecli.bench.cells import Cell, Header, Ledger, hashed
from salecli.bench.contestants import Bidder, Proof, Reference, gated
from salecli.bench.matrix import Matrix
from salecli.bench.outcomes import by_level, check_earlier, outcomes, write
from salecli.bench.suites import SuiteTask, open_suite
from salecli.cli.bench_rows import routed
from salecli.cli.bench_show import report_beside
from salecli.cli.exits import Exit
from salecli.cli.interrupts import Terminated
from salecli.cli.output import Output
from salecli.cli.progress import progress
from salecli.config import Settings, load_settings
from salecli.core.agent import Agent, Pool
from salecli.core.limits import WorkLimits
from salecli.core.prompts import Templates
from salecli.core.words import plural
from salecli.errors import SaleError, UsageError
from salecli.fitted import placed, room
from salecli.pool import AgentSpec, PoolSpec, load_pool, model_identity


@dataclass(frozen=True, slots=True)
class Wishes:
    """The options of one `sale bench run`."""

    suite: str
    data: Path | None = None
    proof: Proof | None = None
    overrides: Mapping[str, object] = field(default_factory=dict)
    tasks: int | None = None
    jobs: int | None = None
    orders: int = 5
    out: Path | None = None
    resume: bool = True
    plain: bool = False


def carry_out(wishes: Wishes) -> Exit:
    """Fill the matrix of a suite and a pool, or prove the harness, and sum it up.

    Raises:
        SaleError: bad input, a broken setup, or what every task needs has gone; it can be resumed then.
    """
    output = Output(plain=wishes.plain)
    # A suite is nobody's repository: the user's own settings, and no repository's.
    # Marks are measured as they are given: weights for corrected ones would not fit them.
    settings = load_settings(None, {**wishes.overrides, "calibration": False})
    tasks = open_suite(wishes.suite, wishes.data).tasks(wishes.tasks)
    if not tasks:
        raise UsageError(f"the suite {wishes.suite} has no tasks", "look at what --data names")
    spec = None if wishes.proof else load_pool(settings.pool, settings.models.folder)
    header = _header(wishes, settings, spec)
    out = wishes.out or resources.data_folder() / "bench" / f"{wishes.suite}-{header.pool}"
    jobs = wishes.jobs or (os.cpu_count() or 1) + 1
    with ExitStack() as stack:
        if wishes.resume:
            check_earlier(out, header)
        ledger = stack.enter_context(Ledger(out, header, wishes.resume))
        client = stack.enter_context(closing(connect()))
        stack.callback(settle, client)
        matrix = Matrix(tasks, [], ledger, settings, client, jobs)
        pool = _line_up(matrix, wishes.proof, spec, stack)
        if pool is not None:
            output.story(f"weights: {pool.source}")
        with _kept(matrix, output):
            _fill(matrix, output)
        found = outcomes(matrix, pool)
        file = write(out, found)
        ended = _sum_up(matrix, wishes.proof, output)
        if pool is not None and not matrix.missing:
            with _kept(matrix, output):
                told = routed(matrix, pool, wishes.orders, output)
            told["weights"]["pool"] = found["weights"]
            file = write(out, found | told)
            report_beside(file, output)
        output.story(f"results: {file}")
        return ended


@contextmanager
def _kept(matrix: Matrix, output: Output) -> Iterator[None]:
    """Say, where it is cut short, what is not lost."""
    try:
        yield
    except (KeyboardInterrupt, Terminated, SaleError):
        known = len(matrix.tasks) * len(matrix.contestants) - matrix.missing
        output.story(f"{plural(known, 'result')} kept in {matrix.ledger.file}: the same command goes on")
        raise


def _header(wishes: Wishes, settings: Settings, spec: PoolSpec | None) -> Header:
    if spec is None:
        assert wishes.proof is not None
        return Header(wishes.suite, wishes.proof, "", "", settings.seed)
    prompts = Templates(resources.templates(spec.prompt_folder())).hash
    return Header(wishes.suite, spec.name, spec.hash(), prompts, settings.seed)


def _line_up(matrix: Matrix, proof: Proof | None, spec: PoolSpec | None, stack: ExitStack) -> Pool | None:
    """Give the matrix its contestants: the agents of the pool that is returned, or the proof's."""
    settings = matrix.settings
    image = pinned(matrix.client, settings.sandbox.image)
    if spec is None:
        assert proof is not None
        matrix.contestants = [Reference(proof, image)]
        return None
    pool = stack.enter_context(build.market(settings, spec))
    have = room(settings)
    places = [placed(settings, agent, have) for agent in spec.local]
    memory, vram = (sum(getattr(one.footprint, kind) for one in places) for kind in ("memory", "vram"))
    matrix.grouped = memory > have.memory or vram > have.vram
    gate = threading.BoundedSemaphore(pool.at_once)
    matrix.contestants = [
        _bidder(spec, spec.agent(agent.name), gated(agent, gate), pool, settings) for agent in pool.agents
    ]

    def cancel() -> None:
        for agent in pool.agents:
            agent.model.cancel()

    matrix.cancel_models = cancel
    return pool


def _bidder(spec: PoolSpec, one: AgentSpec, agent: Agent, pool: Pool, settings: Settings) -> Bidder:
    limits = WorkLimits(
        steps=min(settings.work.steps, spec.limits.steps or settings.work.steps),
        tokens=settings.work.tokens,
        seconds=settings.work.seconds,
    )
    model = f"{one.endpoint}:{one.model}" if one.remote else model_identity(one.path)
    identity = hashed(
        "agent",
        model,
        one.name,  # the seeds of its calls are drawn by it
        one.context,
        one.kv,
        (one.sampling or spec.sampling).identity(),
        spec.plan_tokens,
        spec.prompts.model_dump(mode="json"),
        spec.limits.model_dump(mode="json"),
        pool.prompts_hash,
        [limits.steps, limits.tokens, limits.seconds],
    )
    return Bidder(agent, identity, limits, settings.seed)


def _fill(matrix: Matrix, output: Output) -> None:
    total = len(matrix.tasks) * len(matrix.contestants)
    known = total - matrix.missing
    if known:
        output.story(f"{known} of {plural(total, 'result')} known already; --no-resume begins anew")
    with closing(matrix.run()) as items, progress(output, total, known) as told:
        for item in items:
            if isinstance(item, Cell):
                if item.outcome == "error":
                    output.story(f"{item.task}, {item.agent}: error: {item.reason}")
                told.add(item.outcome == "passed")


def _sum_up(matrix: Matrix, proof: Proof | None, output: Output) -> Exit:
    """The table, what failed that should not, and the exit code."""
    names = [one.name for one in matrix.contestants]
    output.table(
        ["level", "tasks", *names],
        [
            [level, count, *(f"{solved} ({100 * solved / count:.1f} %)" for solved in solves)]
            for level, count, solves in by_level(matrix)
        ],
        right={"tasks", *names},
    )
    errors = matrix.missing
    if errors:
        output.failure(
            f"{plural(errors, 'result')} could not be had",
            "the same command tries those again, and only those",
        )
        return Exit.ENVIRONMENT
    return _proved(matrix, proof, output) if proof else Exit.SOLVED


def _proved(matrix: Matrix, proof: Proof, output: Output) -> Exit:
    passed, failed = _parted(matrix)
    if proof == "null":
        if passed:
            output.failure(
                f"the proof fails: {plural(len(passed), 'empty patch')} passed: {_some(passed)}",
                "tests that pass before anything is done say nothing: take these tasks out",
            )
            return Exit.NOT_SOLVED
        output.result(f"null: 0 of {plural(len(failed), 'task')} passed, as it must be")
        return Exit.SOLVED
    output.result(f"gold: {len(passed)} of {plural(len(matrix.tasks), 'task')} passed")
    for task in failed:
        if task.known:
            output.result(f"  {task.name} is known to fail: {task.known}")
    strange = [task for task in failed if not task.known]
    for task in strange[:20]:
        cell = matrix.cell(task, matrix.contestants[0])
        output.story(f"  {task.name}: {cell.reason if cell is not None else 'unknown'}")
    if strange:
        output.failure(
            f"the proof fails: the reference solution of {plural(len(strange), 'task')} did not pass: "
            f"{_some(strange)}",
            "either the suite's data or the sandbox is at fault: sale sandbox check",
        )
        return Exit.NOT_SOLVED
    return Exit.SOLVED


def _parted(matrix: Matrix) -> tuple[list[SuiteTask], list[SuiteTask]]:
    """The tasks that passed, and those that did not, of the only contestant."""
    passed: list[SuiteTask] = []
    failed: list[SuiteTask] = []
    for task in matrix.tasks:
        cell = matrix.cell(task, matrix.contestants[0])
        (passed if cell is not None and cell.outcome == "passed" else failed).append(task)
    return passed, failed


def _some(tasks: Sequence[SuiteTask]) -> str:
    names = ", ".join(task.name for task in tasks[:8])
    return names + (", ..." if len(tasks) > 8 else "")
