"""`sale learn`: a pool's weights from past auctions, saved where they do better than those in use."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from salecli.cli.options import MemoryFile, Pool, Thrift

if TYPE_CHECKING:
    from salecli.adapters.learned import Saved
    from salecli.cli.output import Output
    from salecli.core.heldout import Learned, Result
    from salecli.core.learning import Case
    from salecli.core.values import Weights
    from salecli.pool import PoolSpec

EPILOG = """\b
Examples:
  sale learn
  sale learn --objective labelled --thrift 0.05
  sale learn --show
  sale learn --forget

Exit codes: 0 saved (or shown, forgotten), 1 nothing was better than the weights in use.
"""

app = typer.Typer()


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose weights it is about."""

    spec: PoolSpec
    prompts_hash: str
    memory: Path
    thrift: float | None

    @property
    def saved(self) -> Saved | None:
        """What was learned before."""
        from salecli.adapters import learned

        return learned.read(self.spec.hash(), self.prompts_hash)

    @property
    def now(self) -> Weights:
        """The weights in use, by the dial that they are used with."""
        from salecli.adapters import learned

        return learned.in_use(self.spec.market_weights(), self.spec.hash(), self.prompts_hash, self.thrift)


@app.command(epilog=EPILOG)
def learn(
    pool: Pool = None,
    objective: Annotated[
        Literal["minimax", "labelled"] | None,
        typer.Option("--objective", help="The program whose weights are saved; else the better one's."),
    ] = None,
    thrift: Thrift = None,
    force: Annotated[bool, typer.Option("--force", help="Save what is not better, too.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Show the weights in use, and learn nothing.")] = False,
    forget: Annotated[bool, typer.Option("--forget", help="Back to the weights of the pool's file.")] = False,
    seconds: Annotated[
        float, typer.Option("--seconds", min=1, max=86_400, help="Most time for solving the programs.")
    ] = 40.0,
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate", help="Also try marks put right by past verdicts; nothing of it is saved."
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON line on stdout.")] = False,
    memory: MemoryFile = None,
) -> None:
    """Learn a pool's weights from past auctions, and try them on tasks that they have not seen.

    Two programs choose weights: minimax (the paper's: no task's winning score shall be bad) and labelled (the
    cheapest agent that solved a task shall be ahead). Both are tried on auctions that they were not learned
    from. What does better there than the weights in use is saved, and counts from the next start on.
    """
    from salecli.cli.exits import Exit
    from salecli.cli.learning import tell_saved, tell_trials
    from salecli.cli.output import Output
    from salecli.errors import UsageError

    if sum((force, show, forget)) > 1:
        raise UsageError("--force, --show and --forget exclude each other", "sale learn --help")
    output = Output(lines=json)
    subject = _subject(pool, memory, thrift)
    if forget:
        _forget(output, subject)
    elif show:
        tell_saved(output, subject.spec, subject.now, subject.saved)
    else:
        cases = _usable(output, subject)
        found = _learned(output, subject, cases, objective, seconds)
        corrected = _learned(output, subject, cases, objective, seconds, calibrate) if calibrate else None
        chosen = found.best
        saving = force or chosen.better
        tell_trials(output, subject.now, found, chosen, saving, corrected)
        if not saving:
            output.story(
                f"nothing was saved: on held-out tasks {chosen.fit.objective} does no better than the weights"
                " in use; --force saves it all the same"
            )
            raise typer.Exit(Exit.NOT_SOLVED)
        _save(output, subject, found, chosen, cases)


def _subject(pool: str | None, memory: Path | None, thrift: float | None) -> Subject:
    from salecli import resources
    from salecli.cli.where import repository_root
    from salecli.config import load_settings
    from salecli.core.prompts import Templates
    from salecli.fitted import check_pulled
    from salecli.pool import load_pool

    settings = load_settings(repository_root(Path()), {"pool": pool, "thrift": thrift, "memory.path": memory})
    spec = load_pool(settings.pool, settings.models.folder)
    check_pulled(spec)  # the pool's hash counts its model files
    templates = Templates(resources.templates(spec.prompt_folder()))
    return Subject(spec, templates.hash, settings.memory.path, settings.thrift)


def _forget(output: Output, subject: Subject) -> None:
    from salecli.adapters import learned

    gone = learned.forget(subject.spec.hash(), subject.prompts_hash)
    if output.lines:
        output.record({"pool": subject.spec.name, "forgotten": gone})
        return
    name = subject.spec.name
    output.result(
        f"forgotten: pool {name} goes by the weights of its file again"
        if gone
        else f"nothing was learned for pool {name}"
    )


def _cases(output: Output, subject: Subject) -> list[Case]:
    """The remembered auctions of this pool and its prompts."""
    from salecli.adapters import cases
    from salecli.adapters.sqlitefile import copy_of, prepare, reading
    from salecli.core.words import plural
    from salecli.errors import UsageError

    path, name = subject.memory, subject.spec.name
    if not os.path.lexists(path) and not copy_of(path).exists():
        raise UsageError(
            f"nothing is remembered yet: there is no file {path}", "sell tasks: sale batch TASKS"
        )
    prepare(path)
    with reading(path) as db:
        found, damaged = cases.cases(db, subject.spec.hash(), subject.prompts_hash, subject.spec.plan_tokens)
        others = cases.elsewhere(db, subject.spec.hash(), subject.prompts_hash)
    solved = sum(any(bid.solved for bid in case.bids) for case in found)
    output.story(
        f"pool {name}: {plural(len(found), 'auction')} of {plural(len({one.task for one in found}), 'task')},"
        f" {solved} solved" + (f"; {others} of other pools, models or prompts are left out" if others else "")
    )
    if damaged:
        some = ", ".join(map(str, damaged[:5])) + (", ..." if len(damaged) > 5 else "")
        output.story(f"damaged, and left out: {some}; see what can be done: sale memory check")
    return found


def _usable(output: Output, subject: Subject) -> list[Case]:
    """The remembered auctions that can be learned from."""
    from salecli.core.heldout import usable
    from salecli.errors import UsageError

    spec = subject.spec
    if len(spec.names) < 2:
        raise UsageError(
            f"pool {spec.name} has one agent: there is no winner to choose", "add agents to its file"
        )
    return usable(_cases(output, subject))


def _learned(
    output: Output,
    subject: Subject,
    cases: list[Case],
    objective: Literal["minimax", "labelled"] | None,
    seconds: float,
    calibrated: bool = False,
) -> Learned:
    """What each program comes to; `calibrated` puts the marks right first."""
    from salecli.adapters.highs import solve
    from salecli.adapters.isotonic import isotonic
    from salecli.adapters.logistic import regress
    from salecli.core.calibration import correcting
    from salecli.core.heldout import lacking, learn
    from salecli.core.learning import OBJECTIVES
    from salecli.errors import UsageError

    names, now = subject.spec.names, subject.now
    objectives = (objective,) if objective else OBJECTIVES
    few = {one: lacking(cases, one) for one in objectives}
    if all(few.values()):
        raise UsageError(
            f"too little to learn from: {few[objectives[0]]}",
            "sell more tasks with this pool: sale batch TASKS",
        )
    for one in objectives:
        if few[one] and not calibrated:
            output.story(f"{one} is left out: {few[one]}")
    objectives = tuple(one for one in objectives if not few[one])
    more = {"correct": correcting(isotonic)} if calibrated else {}
    progress = learn(cases, now, now.cost, names, solve, regress, seconds, objectives, **more)
    try:
        while True:
            name, part, parts = next(progress)
            if output.live:
                output.story(f"{part} of {parts}: {name}{' on corrected marks' * calibrated}")
    except StopIteration as stop:
        found: Learned = stop.value
        return found


def _save(output: Output, subject: Subject, found: Learned, chosen: Result, cases: list[Case]) -> None:
    from salecli.adapters import learned
    from salecli.adapters.records import now

    path = learned.write(
        subject.spec.hash(),
        subject.prompts_hash,
        learned.Saved(
            pool=subject.spec.name,
            objective=chosen.fit.objective,
            weights=chosen.fit.weights,
            instead_of=subject.spec.market_weights(),
            at=now(),
            auctions=len(cases),
            solved=(found.now.solved.mean, chosen.trial.solved.mean),
        ),
    )
    output.story(f"saved in {path}: pool {subject.spec.name} goes by it from the next start on")
