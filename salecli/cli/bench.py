"""`sale bench`: task suites, and how the agents of a pool do on them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from salecli.cli import bench_show
from salecli.cli.options import Plain, Pool, Seed
from salecli.errors import UsageError

app = typer.Typer(
    no_args_is_help=True,
    epilog="\b\nExamples:\n  sale bench run practice --tasks 50\n"
    "  sale bench run humaneval --data sets --gold\n  sale bench show practice-practice\n",
)

_EPILOG = """\b
Suites:
  practice    held-out practice tasks, as many of each level (500)
  humaneval   FOLDER/humaneval.jsonl: task_id, prompt, canonical_solution, test
  mbpp        FOLDER/mbpp.jsonl: task_id, text, code, test_list
  leetcode    FOLDER/leetcode.jsonl.gz: task_id, prompt, starter_code, completion, test, entry_point,
              difficulty; FOLDER/leetcode-elo.txt, if there, adds contest ratings, a proxy for human time

\b
Examples:
  sale bench run practice --tasks 50
  sale bench run humaneval --data sets --gold
  sale bench run humaneval --data sets --pool laptop

A run that was cut short goes on with the same command. With --gold every task must pass, but for those whose
reference solution is known to fail; with --null none may.

Exit codes: 0 done, or the proof holds; 1 it does not; 2 usage or configuration, 3 environment, 130
interrupted, 143 terminated.
"""


@app.callback()
def bench() -> None:
    """Run task suites: every agent of a pool on every task, or the proof that the verdicts hold."""


@app.command(epilog=_EPILOG)
def run(
    suite: Annotated[str, typer.Argument(metavar="SUITE", help="practice, humaneval, mbpp or leetcode.")],
    data: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where a public suite's files are; all but practice need it."),
    ] = None,
    gold: Annotated[
        bool, typer.Option("--gold", help="The reference solutions in place of the agents: all must pass.")
    ] = False,
    null: Annotated[
        bool, typer.Option("--null", help="Empty patches in place of the agents: none may pass.")
    ] = False,
    pool: Pool = None,
    tasks: Annotated[
        int | None, typer.Option(min=1, help="So many tasks, from all over the suite.", show_default="all")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Sandboxes at the same time.", show_default="one more than cores"),
    ] = None,
    orders: Annotated[
        int, typer.Option(min=1, max=100, help="Orders of the tasks that the market is played in.")
    ] = 5,
    seed: Seed = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Where the results go.", show_default="bench/SUITE-POOL in sale's data"
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Keep what is known already, or begin anew.")
    ] = True,
    plain: Plain = False,
) -> None:
    """Run every agent of a pool once on every task of a suite, and play routers over what came of it."""
    if gold and null:
        raise UsageError("--gold and --null are two proofs", "run one after the other")
    if (gold or null) and pool is not None:
        raise UsageError("with --gold or --null no agent works", "leave out --pool")
    # Models, docker and git stand behind this: help must not wait for them.
    from salecli.cli.benching import Wishes, carry_out

    raise typer.Exit(
        carry_out(
            Wishes(
                suite=suite,
                data=data,
                proof="gold" if gold else "null" if null else None,
                overrides={"pool": pool, "seed": seed},
                tasks=tasks,
                jobs=jobs,
                orders=orders,
                out=out,
                resume=resume,
                plain=plain,
            )
        )
    )


app.command(epilog=bench_show.SHOW)(bench_show.show)
app.command(epilog=bench_show.COMPARE)(bench_show.compare)
