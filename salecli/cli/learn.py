"""`sale learn`: a pool's weights from past auctions, saved where they do better than those in use."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from salecli.cli.options import Calibration, MemoryFile, Pool, Thrift

if TYPE_CHECKING:
    from salecli.cli.output import Output
    from salecli.config import Settings
    from salecli.core.heldout import Learned, Result
    from salecli.core.learning import Case
    from salecli.pool import PoolSpec
    from salecli.weighing import InUse

EPILOG = """\b
Examples:
  sale learn
  sale learn --objective labelled --thrift 0.05
  sale learn --from ~/bench/practice-mine --pool ./mine.toml --ship mine.weights.json
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
    settings: Settings
    brought: bool
    """Whether they shall come along with the pool: what its users have learned does not count then."""

    @property
    def switch(self) -> bool | None:
        """Whether marks are put right; None where held-out tasks decide."""
        own = self.settings.calibration
        return self.spec.calibration if own is None else own

    def now(self, calibration: bool | None = None) -> InUse:
        """What the market goes by; `calibration` in place of the user's switch."""
        from salecli import weighing

        find = weighing.of_file if self.brought else weighing.in_use
        switch = self.switch if calibration is None else calibration
        return find(self.spec, self.prompts_hash, self.settings.thrift, switch)


@dataclass(frozen=True, slots=True)
class Past:
    """What is learned from."""

    cases: list[Case]
    suite: str = ""
    """Of a bench."""


@app.command(epilog=EPILOG)
def learn(
    pool: Pool = None,
    objective: Annotated[
        Literal["minimax", "labelled"] | None,
        typer.Option("--objective", help="The program whose weights are saved; else the better one's."),
    ] = None,
    thrift: Thrift = None,
    calibration: Calibration = None,
    bench: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="DIR",
            readable=False,
            help="Learn from the results of a `sale bench run` in place of the memory.",
        ),
    ] = None,
    ship: Annotated[
        Path | None,
        typer.Option(
            "--ship",
            metavar="FILE",
            readable=False,
            help="Save into NAME.weights.json, which comes along with NAME.toml beside it; needs --from.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Save what is not better, too.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Show the weights in use, and learn nothing.")] = False,
    forget: Annotated[
        bool, typer.Option("--forget", help="Back to the weights that came with the pool.")
    ] = False,
    seconds: Annotated[
        float, typer.Option("--seconds", min=1, max=86_400, help="Most time for solving the programs.")
    ] = 40.0,
    json: Annotated[bool, typer.Option("--json", help="One JSON line on stdout.")] = False,
    memory: MemoryFile = None,
) -> None:
    """Learn a pool's weights from past auctions, and try them on tasks that they have not seen.

    Two programs choose weights: minimax (the paper's: no task's winning score shall be bad) and labelled (the
    cheapest agent that solved a task shall be ahead), on marks as they were given and as past verdicts put
    them right. All are tried on auctions that they were not learned from. What does better there than the
    weights in use is saved, and counts from the next start on; marks are put right where that does better.
    """
    from salecli.cli.exits import Exit
    from salecli.cli.learning import tell_saved, tell_trials
    from salecli.cli.output import Output
    from salecli.errors import UsageError

    if sum((force, show, forget)) > 1 or ((show or forget) and (bench or ship)):
        raise UsageError("--force, --show and --forget exclude each other", "sale learn --help")
    if bench is not None and memory is not None:
        raise UsageError("--from and --memory exclude each other", "leave one of them out")
    if ship is not None and (bench is None or not ship.name.endswith(".weights.json")):
        raise UsageError(
            "--ship writes NAME.weights.json, from a bench",
            "sale learn --from DIR --ship NAME.weights.json",
        )
    output = Output(lines=json)
    overrides = {"pool": pool, "thrift": thrift, "calibration": calibration, "memory.path": memory}
    subject = _subject(overrides, ship is not None)
    if forget:
        _forget(output, subject)
    elif show:
        tell_saved(output, subject.spec, subject.now())
    else:
        past = _usable(output, subject, bench)
        found = _learned(output, subject, past.cases, objective, seconds)
        switch = subject.switch
        chosen = found.best(found.helps if switch is None else switch)
        saving = force or chosen.better
        tell_trials(output, subject.now(), found, chosen, saving)
        if not saving:
            output.story(
                f"nothing was saved: on held-out tasks {chosen.fit.objective} does no better than the weights"
                " in use; --force saves it all the same"
            )
            raise typer.Exit(Exit.NOT_SOLVED)
        _save(output, subject, found, chosen, past, ship)


def _subject(overrides: Mapping[str, object], brought: bool) -> Subject:
    from salecli import resources
    from salecli.cli.where import repository_root
    from salecli.config import load_settings
    from salecli.core.prompts import Templates
    from salecli.fitted import check_pulled
    from salecli.pool import load_pool

    settings = load_settings(repository_root(Path()), overrides)
    spec = load_pool(settings.pool, settings.models.folder)
    check_pulled(spec)  # the pool's hash counts its model files
    templates = Templates(resources.templates(spec.prompt_folder()))
    return Subject(spec, templates.hash, settings, brought)


def _forget(output: Output, subject: Subject) -> None:
    from salecli.adapters import learned

    gone = learned.forget(learned.store(subject.spec.hash(), subject.prompts_hash))
    if output.lines:
        output.record({"pool": subject.spec.name, "forgotten": gone})
        return
    name = subject.spec.name
    output.result(
        f"forgotten: the weights of pool {name} are {subject.now().source} again"
        if gone
        else f"nothing was learned for pool {name}"
    )


def _remembered(output: Output, subject: Subject) -> list[Case]:
    """The remembered auctions of this pool and its prompts."""
    from salecli.adapters import cases
    from salecli.adapters.sqlitefile import copy_of, prepare, reading
    from salecli.core.words import plural
    from salecli.errors import UsageError

    path, spec = subject.settings.memory.path, subject.spec
    if not os.path.lexists(path) and not copy_of(path).exists():
        raise UsageError(
            f"nothing is remembered yet: there is no file {path}", "sell tasks: sale batch TASKS"
        )
    prepare(path)
    with reading(path) as db:
        found, damaged = cases.cases(db, spec.hash(), subject.prompts_hash, spec.plan_tokens)
        others = cases.elsewhere(db, spec.hash(), subject.prompts_hash)
    solved = sum(any(bid.solved for bid in case.bids) for case in found)
    output.story(
        f"pool {spec.name}: {plural(len(found), 'auction')} of"
        f" {plural(len({one.task for one in found}), 'task')}, {solved} solved"
        + (f"; {others} of other pools, models or prompts are left out" if others else "")
    )
    if damaged:
        some = ", ".join(map(str, damaged[:5])) + (", ..." if len(damaged) > 5 else "")
        output.story(f"damaged, and left out: {some}; see what can be done: sale memory check")
    return found


def _benched(output: Output, subject: Subject, folder: Path) -> Past:
    """The tasks of a bench of this pool and its prompts."""
    from salecli.bench import cases
    from salecli.bench.cells import Header
    from salecli.core.text import clean
    from salecli.core.words import plural
    from salecli.pricing import price_of, unmeasured

    settings, spec = subject.settings, subject.spec
    prices = {}
    for one in spec.agents:
        usd = price_of(one, settings.models.hour).usd
        if usd is None:
            raise unmeasured(one, settings.pool)
        prices[one.name] = usd
    wanted = Header("", spec.name, spec.hash(), subject.prompts_hash, 0)
    found = cases.read(folder, wanted, prices, spec.plan_tokens)
    suite = clean(found.suite, newlines=False)
    whole, solved = len(found.cases), sum(any(bid.solved for bid in case.bids) for case in found.cases)
    left = found.tasks - whole
    output.story(
        f"pool {spec.name}: {plural(whole, 'task')} of the suite {suite}, {solved} solved by some agent"
        + (f"; {left} without an outcome of every agent are left out" if left else "")
    )
    return Past(list(found.cases), suite)


def _usable(output: Output, subject: Subject, bench: Path | None) -> Past:
    """What can be learned from."""
    from salecli.core.heldout import usable
    from salecli.errors import UsageError

    spec = subject.spec
    if len(spec.names) < 2:
        raise UsageError(
            f"pool {spec.name} has one agent: there is no winner to choose", "add agents to its file"
        )
    if bench is None:
        return Past(usable(_remembered(output, subject)))
    past = _benched(output, subject, bench)
    return Past(usable(past.cases), past.suite)


def _learned(
    output: Output,
    subject: Subject,
    cases: list[Case],
    objective: Literal["minimax", "labelled"] | None,
    seconds: float,
) -> Learned:
    """What each program comes to; on corrected marks too, unless the user does not want them."""
    from salecli.adapters.highs import solve
    from salecli.adapters.isotonic import isotonic
    from salecli.adapters.logistic import regress
    from salecli.core.calibration import corrected, correcting
    from salecli.core.heldout import lacking, learn
    from salecli.core.learning import OBJECTIVES
    from salecli.errors import UsageError

    names, now = subject.spec.names, subject.now()
    objectives = (objective,) if objective else OBJECTIVES
    few = {one: lacking(cases, one) for one in objectives}
    if all(few.values()):
        raise UsageError(
            f"too little to learn from: {few[objectives[0]]}",
            "sell more tasks with this pool: sale batch TASKS",
        )
    for one in objectives:
        if few[one]:
            output.story(f"{one} is left out: {few[one]}")
    progress = learn(
        cases,
        now.weights,
        now.weights.cost,
        names,
        solve,
        regress,
        seconds,
        tuple(one for one in objectives if not few[one]),
        None if subject.switch is False else correcting(isotonic),
        lambda case: corrected(case, now.corrections),
    )
    try:
        while True:
            name, right, part, parts = next(progress)
            if output.live:
                output.story(f"{part} of {parts}: {name}{' on corrected marks' * right}")
    except StopIteration as stop:
        found: Learned = stop.value
        return found


def _save(
    output: Output, subject: Subject, found: Learned, chosen: Result, past: Past, ship: Path | None
) -> None:
    from salecli import __version__
    from salecli.adapters import learned
    from salecli.adapters.isotonic import isotonic
    from salecli.adapters.records import now
    from salecli.core.calibration import corrections

    spec, plain = subject.spec, found.best(False)
    # Marks may be put right today, and be left alone tomorrow: the file holds weights for both.
    weights = plain.fit.weights if plain is chosen or plain.better else subject.now(calibration=False).weights
    calibrated = None
    if subject.switch is not False:
        right = corrections(past.cases, isotonic)
        calibrated = learned.Calibrated(found.best(True).fit.weights, right, found.helps)
    path = ship or learned.store(spec.hash(), subject.prompts_hash)
    learned.write(
        path,
        learned.Saved(
            pool=spec.name,
            objective=chosen.fit.objective,
            weights=weights,
            instead_of=spec.market_weights(),
            at=now(),
            auctions=len(past.cases),
            solved=(found.now.solved.mean, chosen.trial.solved.mean),
            pool_hash=spec.hash(),
            prompts_hash=subject.prompts_hash,
            suite=past.suite,
            tasks=len({case.task for case in past.cases}),
            sale=__version__,
            calibrated=calibrated,
        ),
    )
    if ship is None:
        output.story(f"saved in {path}: pool {spec.name} goes by it from the next start on")
    elif path.resolve() == learned.beside(spec.file).resolve():
        output.story(f"saved in {path}: it comes along with {spec.file}")
    else:
        output.story(
            f"saved in {path}; to come along with the pool it has to stand at {learned.beside(spec.file)}"
        )
