"""`sale solve`: one task, one shot, for scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
    pool: Annotated[str | None, typer.Option(help="A pool's name, or a pool file.")] = None,
    agent: Annotated[str | None, typer.Option(help="Let this agent win, whatever the scores say.")] = None,
    reason: Annotated[str, typer.Option(help="Why --agent was chosen; memory keeps it.")] = "",
    no_refine: Annotated[bool, typer.Option("--no-refine", help="No refinement from memory.")] = False,
    attempts: Annotated[
        int | None, typer.Option(min=1, help="Bidders that may work, one after another.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="The same seed gives the same run.")] = None,
    thrift: Annotated[float | None, typer.Option(min=0, help="How much cost counts: the weight w_c.")] = None,
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
    memory: Annotated[Path | None, typer.Option(help="The memory file.", readable=False)] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Events as JSON lines on stdout, in place of the patch.")
    ] = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="Plain lines: no colour, no moving display.")
    ] = False,
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
        "refine": False if no_refine else None,
        "apply": apply,
        "test_command": test_cmd,
        "memory.path": str(memory) if memory is not None else None,
    }
    shot = OneShot(issue, repo, overrides, agent=agent, reason=reason, patch=patch, json=json, plain=plain)
    raise typer.Exit(carry_out(shot))
