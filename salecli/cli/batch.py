"""`sale batch`: a folder of tasks, one line for each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from salecli.cli.options import Attempts, Calibration, MemoryFile, NoRefine, Plain, Pool, Seed, Thrift

EPILOG = """\b
A task is an issue file NAME.md, or a folder NAME with an issue.md and, if needed, a task.toml:
  repository = "../shop"   # the default: the repository that the issue lies in
  base = "v1.2"            # a commit; the default: HEAD and uncommitted changes
  test_command = "python3 -m pytest -q"
  pool = "practice"        # also: seed, attempts, skip = "why not now"
  [limits]
  steps = 20               # also: tokens, seconds, command_seconds, memory = "2g"
`path = "code"` in place of repository takes a folder without git.

\b
Examples:
  sale batch tasks
  sale batch tasks --jobs 2 --junit results.xml --patches patches
  sale batch tasks --filter 'cart-*' --fail-fast
  sale batch tasks --budget-usd 0.5 --budget-minutes 60 --json > results.jsonl

A batch that was cut short goes on with the same command: finished tasks are not run again, those with an
error are. --no-resume begins anew.

Exit codes: 0 all passed (those with `skip` aside), 1 not all, 2 usage or configuration, 3 environment, 130
interrupted, 143 terminated.
"""

app = typer.Typer()


@app.command(epilog=EPILOG)
def batch(
    tasks: Annotated[Path, typer.Argument(metavar="TASKS", help="The folder of tasks.")],
    repo: Annotated[
        Path | None, typer.Option(help="The repository of tasks that name none.", show_default="the issue's")
    ] = None,
    pool: Pool = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Tasks that go on at the same time.")] = 1,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="Begin no task after one that did not pass.")
    ] = False,
    only: Annotated[
        str, typer.Option("--filter", metavar="TEXT", help="Only tasks with this in their name; * and ? fit.")
    ] = "",
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Go on with an unfinished batch over this folder.")
    ] = True,
    frozen_memory: Annotated[
        bool,
        typer.Option("--frozen-memory", help="Every task finds the memory as it was at the batch's begin."),
    ] = False,
    no_refine: NoRefine = False,
    attempts: Attempts = None,
    seed: Seed = None,
    thrift: Thrift = None,
    calibration: Calibration = None,
    memory: MemoryFile = None,
    budget_usd: Annotated[
        float | None,
        typer.Option(min=0, help="Begin no task once the batch has cost this, earlier sittings included."),
    ] = None,
    budget_minutes: Annotated[
        float | None, typer.Option(min=0, help="Begin no task after so many minutes of this sitting.")
    ] = None,
    patches: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write each passed task's patch to DIR/NAME.patch.")
    ] = None,
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write the results as JUnit XML.", readable=False)
    ] = None,
    json: Annotated[
        bool,
        typer.Option("--json", help="Results as JSON lines on stdout; the lines for people go to stderr."),
    ] = False,
    plain: Plain = False,
) -> None:
    """Sell a folder of tasks, one after another, on one memory: a line for each.

    Passed and Failed is what the tests say; Error means that they could not be asked. Nothing is applied.
    """
    from salecli.cli.batching import Wishes, carry_out

    overrides = {
        "pool": pool,
        "attempts": attempts,
        "seed": seed,
        "thrift": thrift,
        "calibration": calibration,
        "refine": False if no_refine else None,
        "memory.path": memory,
    }
    raise typer.Exit(
        carry_out(
            Wishes(
                folder=tasks,
                overrides={name: value for name, value in overrides.items() if value is not None},
                repository=repo,
                jobs=jobs,
                fail_fast=fail_fast,
                only=only,
                resume=resume,
                frozen=frozen_memory,
                usd=budget_usd,
                minutes=budget_minutes,
                patches=patches,
                junit=junit,
                json=json,
                plain=plain,
            )
        )
    )
