"""`sale` on the command line: the names of the commands, and how every run of them ends.

A command is a module of this package with a Typer `app`; it is imported when it is called, never before, so
that `sale --help` costs no more than Typer itself. Its first help line stands in COMMANDS; a test keeps the
two equal.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from salecli.cli.exits import Exit, code_of
from salecli.errors import SaleError

COMMANDS = {
    "solve": "Sell a task to the agents of a pool and print the patch that passes the tests.",
    "batch": "Sell a folder of tasks, one after another, on one memory: a line for each.",
    "replay": "Play a recorded run in the screens: auction, work and patch, without models.",
    "show": "Show a finished run: bids, marks, steps, verdict and patch.",
    "apply": "Apply the patch of a finished run to your repository, and say how to take it back.",
    "memory": "Look into the memory of past auctions.",
    "learn": "Learn a pool's weights from past auctions, and try them on tasks that they have not seen.",
    "models": "The models of a pool: list, pull from a model hub, verify, remove; fit into memory, measure.",
    "sandbox": "Build, check and clean up the sandbox.",
    "bench": "Run task suites: every agent of a pool on every task, or the proof that the verdicts hold.",
    "practice": "Practice tasks: make repositories, measure the pool, train it.",
    "doctor": "Check that everything sale needs is there, and say what to type where it is not.",
    "init": "Write a sale.toml with every setting and its default.",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `sale` with `arguments` (those of the process where None) and return the exit code.

    An expected failure is one message and a hint on stderr; a bug is a traceback.
    """
    from salecli.adapters import points
    from salecli.cli.interrupts import Terminated, interrupts

    words = sys.argv[1:] if arguments is None else list(arguments)
    _opened()
    try:
        points.check()
        with interrupts():
            ended = _run(words)
            sys.stdout.flush()
        return _fail("interrupted", "", Exit.INTERRUPTED) if ended == Exit.INTERRUPTED else ended
    except SaleError as error:
        return _fail(error.message, error.hint, code_of(error))
    except KeyboardInterrupt:  # before a command began, or at a question
        return _fail("interrupted", "", Exit.INTERRUPTED)
    except Terminated:
        return _fail("terminated", "", Exit.TERMINATED)
    except BrokenPipeError:
        return _gone()
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            _gone()
            what = error.filename or "the output"
            return _fail(f"{what} cannot be written: {error.strerror}", "", Exit.ENVIRONMENT)
        # Python would end with 1, which scripts read as "not solved".
        import traceback

        traceback.print_exc()
        return Exit.BUG


def _opened() -> None:
    """Put the null device in the place of standard streams that we were started without (`>&-`).

    Or else the next file that is opened would get their number, and what is printed.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - for good


def _run(words: Sequence[str]) -> int:
    if not words or (len(words) == 1 and words[0] not in COMMANDS and Path(words[0]).is_file()):
        # The screens, and nothing to parse: Typer would take a quarter of the time to the first frame.
        from salecli.cli.opening import Options, begin

        return begin(Options(), *map(Path, words))
    from salecli.cli.table import run

    return run(words)


def _fail(message: str, hint: str, code: Exit) -> Exit:
    from salecli.cli.output import Output

    Output().failure(message, hint)
    return code


def _gone() -> Exit:
    """Whoever read stdout has stopped, which is no error of ours; or Python would fail on it once more."""
    from salecli.cli.output import discard

    discard(sys.stdout)
    return Exit.SOLVED
