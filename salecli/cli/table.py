"""The commands of `sale` as Typer sees them; a command's module is imported when the command is called."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperGroup
from typer.main import get_command

from salecli import __version__
from salecli.cli import COMMANDS
from salecli.cli.exits import Exit
from salecli.cli.opening import Options, begin
from salecli.cli.options import NoRefine, PlainScreens, Pool, Repository
from salecli.errors import UsageError

if TYPE_CHECKING:  # Typer's own types have no public address.
    from typer._click import Command, Context, HelpFormatter

_SCREEN = "screen"

_EPILOG = """\b
Without a command, `sale` opens the screens in the repository that you are in; `sale ISSUE.md` opens them
with that issue. `sale --plain` is the same flow in plain lines with numbered choices.

\b
Examples:
  sale practice new shop --level 2 --seed 7
  cd shop && sale issue.md
  sale solve issue.md | git apply

Exit codes: 0 solved, 1 not solved, 2 usage or configuration, 3 environment, 130 interrupted, 143 terminated.
"""


class _Commands(TyperGroup):
    """The table of commands; a command's module is imported when the command is called."""

    def list_commands(self, ctx: Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"salecli.cli.{cmd_name}")
        part: typer.Typer = module.app
        # Plain help: it is fast, and it looks the same in a terminal, a pipe and a log.
        part._add_completion, part.rich_markup_mode = False, None
        command = get_command(part)
        command.name = cmd_name
        for inner in command.commands.values() if isinstance(command, TyperGroup) else ():
            # In a group's list each command is said in full, not cut to the width.
            inner.short_help = inner.short_help or (inner.help or "").strip().partition("\n")[0]
        return command

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        if args and args[0] not in COMMANDS and Path(args[0]).is_file():
            # Not a command of its own: a file's name stands in its place.
            from salecli.cli import screen

            screen.app._add_completion, screen.app.rich_markup_mode = False, None
            return _SCREEN, get_command(screen.app), args
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            if Path(args[0]).suffix or "/" in args[0]:
                raise UsageError(f"no issue file {args[0]}", "name a text file that says what is to be done")
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            known = f"the commands are {', '.join(COMMANDS)}"
            raise UsageError(
                f"there is no command {args[0]!r}", f"did you mean `sale {near[0]}`?" if near else known
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


app = typer.Typer(
    cls=_Commands,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_EPILOG,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"sale {__version__}")
        raise typer.Exit(Exit.SOLVED)


@app.callback(
    invoke_without_command=True, options_metavar="[OPTIONS]", subcommand_metavar="[ISSUE | COMMAND ...]"
)
def sale(
    ctx: typer.Context,
    repo: Repository = None,
    pool: Pool = None,
    plain: PlainScreens = False,
    no_refine: NoRefine = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Four local models bid for a coding task; the winner works in a sandbox until the tests pass."""
    options = Options(repo, pool, plain, no_refine)
    if ctx.invoked_subcommand is None:
        raise typer.Exit(begin(options))
    if ctx.invoked_subcommand == _SCREEN:
        ctx.obj = options
    elif options != Options():
        raise UsageError(
            "--repo, --pool, --plain and --no-refine before a command are for `sale` without one",
            f"write them after it: sale {ctx.invoked_subcommand} ...",
        )


def run(words: Sequence[str]) -> int:
    """Run a command line; returns the exit code.

    Raises:
        SaleError: an expected failure of the command.
        UsageError: one that Typer itself found.
    """
    try:
        ended = get_command(app).main(list(words), prog_name="sale", standalone_mode=False)
    except typer.Abort as error:  # Ctrl-C at a question
        raise KeyboardInterrupt from error
    except typer.TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # a group without a command: its message is its help
            typer.echo(error.format_message(), err=True)
            return Exit.USAGE
        raise UsageError(error.format_message(), _usage_hint(error)) from error
    return int(ended) if isinstance(ended, int) else Exit.SOLVED


def _usage_hint(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    return f"try `{context.command_path} --help`" if context is not None else ""
