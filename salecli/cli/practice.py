"""`sale practice`: make practice repositories, measure the pool on held-out tasks, train it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from salecli.cli.output import Output
from salecli.errors import UsageError

if TYPE_CHECKING:
    from salecli.practice.evaluate import Contestant, Refined, Row

app = typer.Typer(
    help="Practice tasks: make repositories, measure the pool, train it.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExample:\n  sale practice new shop --level 2 --seed 7\n",
)
_EPILOG_NEW = "\b\nExamples:\n  sale practice new shop --level 2 --seed 7\n  cd shop && sale solve issue.md"
_EPILOG_EVAL = (
    "\b\nExamples:\n  sale practice eval --tasks 10\n  sale practice eval --json > practice.jsonl\n"
    "  sale practice eval --pool trained/pool.toml"
)
_EPILOG_TRAIN = (
    "\b\nExamples:\n  sale practice train --out trained --minutes 60\n"
    "  sale practice train --out trained --minutes 2 --agents xs\n"
    "  sale practice train --out better --minutes 30 --from trained\n"
    "  sale practice train --out longer --minutes 60 --from trained --passed 0.3"
)


@app.command(epilog=_EPILOG_NEW)
def new(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    level: Annotated[
        int, typer.Option(min=1, max=5, help="1: two common steps; 5: six or seven, rare ones.")
    ] = 1,
    seed: Annotated[int, typer.Option(min=0, help="The same level and seed make the same task.")] = 0,
) -> None:
    """Write a held-out practice task as a git repository with code, tests and issue.md.

    The seed chooses the family, too: nine of them take turns.
    """
    from salecli.practice import repository
    from salecli.practice.tasks.curriculum import practice

    made = practice(level, seed)
    commit = repository.write(made, folder)
    output = Output()
    output.story(f"{made.title}: level {level}, seed {seed}, commit {commit[:10]}")
    output.story(f"next: cd {folder} && sale solve issue.md")


@app.command("eval", epilog=_EPILOG_EVAL)
def evaluate(
    pool: Annotated[str, typer.Option(help="A pool's name or file.")] = "practice",
    tasks: Annotated[int, typer.Option(min=1, help="Held-out tasks per level.")] = 40,
    refinements: Annotated[
        int, typer.Option(min=0, help="Tasks on which refinement is measured, of each kind; 0 leaves it out.")
    ] = 40,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines on stdout.")] = False,
) -> None:
    """Measure every agent of a pool on held-out tasks: plans, marks, work, refinement."""
    output = Output(lines=as_json)
    rows: list[Row] = []
    refined: list[Refined] = []
    for contestant in _contestants(pool):
        _measure(contestant, tasks, refinements, output, as_json, rows, refined)
    if as_json:
        return
    headers = ("agent", "level", "exact plans", "plan tokens", "mark error", "solved at once", "solved")
    output.table(headers, [_cells(row) for row in rows], headers[1:])
    if refined:
        output.result("")
        about = ("agent", "steps", "exact before", "exact after")
        output.table(
            about,
            [(one.agent, one.about, _share(one.before), _share(one.after)) for one in refined],
            about[2:],
            title="Refinement after reading two similar past tasks:",
        )


def _measure(
    contestant: Contestant,
    tasks: int,
    refinements: int,
    output: Output,
    as_json: bool,
    rows: list[Row],
    refined: list[Refined],
) -> None:
    from dataclasses import asdict

    from salecli.practice import evaluate as practice

    def record(kind: str, one: Any) -> None:
        if as_json:
            output.record({"kind": kind, **asdict(one)})

    results = []
    for result in practice.measure(contestant, tasks):
        results.append(result)
        record("task", result)
    for row in practice.rows(results):
        rows.append(row)
        output.story(f"{row.agent} level {row.level}: {_share(row.solved)} solved")
    for family in sorted({one.family for one in results}):
        solved = [one.reply > 0 for one in results if one.family == family]
        output.story(f"{contestant.name} {family}: {_share(sum(solved) / len(solved))} solved")
    if refinements:
        for one in practice.measure_refinement(contestant, refinements):
            refined.append(one)
            record("refinement", one)


def _contestants(name: str) -> Iterator[Contestant]:
    """The pool's agents, each loaded while it is measured."""
    from salecli.adapters.llama import LlamaModel
    from salecli.pool import load_pool
    from salecli.practice.evaluate import Contestant

    spec = load_pool(name)
    for agent in spec.agents:
        with closing(LlamaModel(agent.path, name=agent.name, context=agent.context)) as model:
            yield Contestant(agent.name, model, spec.limits_of(agent))


def _cells(row: Row) -> tuple[object, ...]:
    return (
        row.agent,
        row.level,
        _share(row.exact),
        f"{row.tokens:.0f}",
        f"{row.mark_error:.2f}",
        _share(row.first),
        _share(row.solved),
    )


def _share(value: float) -> str:
    return f"{100 * value:.0f} %"


@app.command(epilog=_EPILOG_TRAIN)
def train(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the GGUF files go.")],
    minutes: Annotated[float, typer.Option(min=0.05, help="Wall-clock minutes of the whole training.")],
    agents: Annotated[str, typer.Option(help="Which agents, separated by commas.")] = "xs,s,m,l",
    seed: Annotated[int, typer.Option(help="Of the weights and the tasks.")] = 1,
    begin: Annotated[
        Path | None, typer.Option("--from", metavar="DIR", help="Go on from the GGUF files in this folder.")
    ] = None,
    passed: Annotated[
        float,
        typer.Option(min=0, max=0.95, help="With --from: how much of a whole training those files have had."),
    ] = 0.75,
) -> None:
    """Train the practice pool, from nothing or --from a pool (needs the extra: pip install 'sale[train]')."""
    from salecli.practice.train import AGENTS, name_of, train_pool

    chosen = [name.strip() for name in agents.split(",") if name.strip()]
    strange = [name for name in chosen if name not in AGENTS]
    if strange or not chosen or len(set(chosen)) < len(chosen):
        raise UsageError(
            f"--agents {agents!r} is no list of agents", f"choose from {','.join(AGENTS)}, each once"
        )
    train_pool(chosen, out, minutes, seed, begin, passed)
    output = Output()
    for name in chosen:
        output.result(str(out / name_of(name)))
