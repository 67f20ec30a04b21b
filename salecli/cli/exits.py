"""The exit codes of `sale`: scripts rely on them."""

from __future__ import annotations

from enum import IntEnum

from salecli.errors import EnvironmentFault, SaleError


class Exit(IntEnum):
    """What a run of `sale` says to the shell."""

    SOLVED = 0
    """Solved; for commands that solve nothing: done."""
    NOT_SOLVED = 1
    """The run went well, and the tests say no."""
    USAGE = 2
    """The command line, the configuration or the repository is wrong."""
    ENVIRONMENT = 3
    """No model, no Docker, or something else outside is missing."""
    BUG = 70
    """An error that nobody foresaw, with a traceback: sysexits.h calls it EX_SOFTWARE."""
    INTERRUPTED = 130
    """Ctrl-C, as shells report it."""
    TERMINATED = 143
    """SIGTERM or a closed terminal, as shells report it."""


def code_of(error: SaleError) -> Exit:
    """The exit code for an expected failure."""
    return Exit.ENVIRONMENT if isinstance(error, EnvironmentFault) else Exit.USAGE
