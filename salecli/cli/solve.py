"""`sale solve`: one task, one shot, for scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from salecli.cli.options import Attempts, Calibration, MemoryFile, NoRefine, Plain, Pool, Seed, Thrift
from salecli.core.decisions import Accept
from salecli.errors import UsageError

EPILOG = """\b
Examples:
  sale solve issue.md | git apply
  sale solve issue.md --apply branch --attempts 3
  echo "Make add() in cart.py return the sum" | sale solve - --json > run.jsonl

Exit codes: 0 solved, 1 not solved, 2 usage or configuration, 3 environment, 130 interrupted, 143 terminated.
"""

app = typer.Typer()


@app.command(epilog=EPILOG)
def solve(
    issue: Annotated[
        str, typer.Argument(help="A text file that says what is to be done, or - for standard input.")
    ],
    repo: Annotated[Path, typer.Option(help="The repository, or a folder inside it.")] = Path(),
    pool: Pool = None,
    agent: Annotated[str | None, typer.Option(help="Let this agent win, whatever the scores say.")] = None,
    reason: Annotated[str, typer.Option(help="Why --agent was chosen; memory keeps it.")] = "",
    no_refine: NoRefine = False,
    attempts: Attempts = None,
    seed: Seed = None,
    thrift: Thrift = None,
    calibration: Calibration = None,
    apply: Annotated[Accept | None, typer.Option(help="Apply a solved task's patch.")] = None,
    patch: Annotated[
        Path | None, typer.Option(help="Also write the patch to this file.", readable=False)
    ] = None,
    test_cmd: Annotated[
        str | None,
        typer.Option(
            help="The test command, run in the sandbox; changes to files that it names do not count."
        ),
    ] = None,
    memory: MemoryFile = None,
    json: Annotated[
        bool, typer.Option("--json", help="Events as JSON lines on stdout, in place of the patch.")
    ] = False,
    plain: Plain = False,
) -> None:
    """Sell a task to the agents of a pool and print the patch that passes the tests.

    The patch of a solved task goes to stdout, the story to stderr. Your checkout is not touched unless
    --apply says so.
    """
    if reason and agent is None:
        raise UsageError("--reason says why --agent was chosen, and no agent was", "add --agent NAME")
    # The whole of llama, docker and git stands behind this: help must not wait for it.
    from salecli.cli.oneshot import OneShot, carry_out

    overrides = {
        "pool": pool,
        "attempts": attempts,
        "seed": seed,
        "thrift": thrift,
        "calibration": calibration,
        "refine": False if no_refine else None,
        "apply": apply,
        "test_command": test_cmd,
        "memory.path": str(memory) if memory is not None else None,
    }
    shot = OneShot(issue, repo, overrides, agent=agent, reason=reason, patch=patch, json=json, plain=plain)
    raise typer.Exit(carry_out(shot))
