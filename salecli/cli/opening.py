"""The screens, from the terminal they need to the code they end with."""

from __future__ import annotations

import gc
import os
import shlex
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from salecli.cli.exits import Exit
from salecli.cli.where import recovered, repository_root
from salecli.errors import RepositoryError, UsageError

if TYPE_CHECKING:
    from salecli.tui.app import SaleApp
    from salecli.tui.bridge import Played


@dataclass(frozen=True, slots=True)
class Options:
    """What `sale` takes without a command, before or after the issue."""

    repo: Path | None = None
    pool: str | None = None
    plain: bool = False
    no_refine: bool = False


def begin(options: Options, issue: Path | None = None) -> int:
    """The screens, or the same flow in plain lines; returns the exit code.

    Raises:
        SaleError: no terminal, no repository, or a broken configuration.
    """
    overrides = {"pool": options.pool, "refine": False if options.no_refine else None}
    folder = options.repo or Path()
    if options.plain:
        from salecli.cli.plain import run_plain

        return run_plain(folder, issue, overrides)
    check_terminal("sale --plain" + (f" {shlex.quote(str(issue))}" if issue else ""))
    if repository_root(folder) is None:
        raise RepositoryError.none(folder.resolve())
    return show(folder, issue, overrides)


def check_terminal(instead: str) -> None:
    """Refuse what is no terminal: Textual would write its codes into a pipe and wait for keys.

    Raises:
        UsageError: with what to type instead.
    """
    missing = [name for name, stream in (("input", sys.stdin), ("output", sys.stdout)) if not stream.isatty()]
    if not missing and os.environ.get("TERM", "") not in ("", "dumb"):
        return
    why = f"standard {missing[0]} is no terminal" if missing else "this terminal cannot move the cursor"
    raise UsageError(f"the screens need a terminal, and {why}", f"type: {instead}, or in scripts: sale solve")


def show(
    folder: Path,
    issue: Path | None = None,
    overrides: Mapping[str, object] | None = None,
    first: Callable[[], Played] | None = None,
) -> int:
    """Open the screens, close what they started, and say on stderr what can be typed next.

    Raises:
        SaleError: a broken configuration, or no repository.
    """
    told = recovered(folder)
    # Until the first frame nothing becomes garbage: looking for it costs a tenth of the start.
    gc.disable()
    from salecli.tui.app import SaleApp
    from salecli.tui.look import load_look
    from salecli.tui.wiring import wiring

    look = load_look()
    wired = wiring(folder, overrides or {}, look.auto)
    app = SaleApp(folder, wired, look=look, issue=issue, first=first, told=told)
    app.show_until_closed()
    return _ended(app)


def _ended(app: SaleApp) -> int:
    """Say what can be typed next; returns the exit code."""
    from salecli.cli.output import Output, discard
    from salecli.tui.live import LiveRun

    if app.signals.number == signal.SIGHUP:
        # The terminal is gone: what is still to be written must not become Python's own exit code.
        discard(sys.stdout)
        discard(sys.stderr)

    run = app.control if isinstance(app.control, LiveRun) else None
    if run is not None and run.run.begun:
        ways = ["show", "replay", *(["apply"] if run.solved else [])]
        Output().story(f"run {run.id}: " + ", ".join(f"sale {way} {run.id}" for way in ways))
        if run.undo:
            Output().story(f"its patch is applied; undo: {run.undo}")
    if app.signals.number:
        return 128 + app.signals.number
    if app.return_code or (run is not None and run.bug):
        return Exit.BUG
    if run is None:
        return Exit.SOLVED
    if run.stopped:
        return Exit.INTERRUPTED
    if run.failed:
        return Exit.ENVIRONMENT
    return Exit.SOLVED if run.solved else Exit.NOT_SOLVED
