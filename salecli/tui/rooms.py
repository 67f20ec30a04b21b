"""Makes each screen; its module is imported when it is first seen, never before."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

from textual.screen import Screen

from salecli.tui.messages import Where

if TYPE_CHECKING:
    from salecli.tui.control import Control
    from salecli.tui.wiring import Wiring


def apart(where: Where, folder: Path, issue: Path | None, wiring: Wiring) -> Screen[None]:
    """A screen that belongs to no run.

    Raises:
        SaleError: the configuration, which says where memory and models are, is broken.
    """
    if where == "start":
        from salecli.tui.screens.start import StartScreen

        return StartScreen(folder, issue, wiring.overrides)
    settings = wiring.settings()
    if where == "memory":
        from salecli.tui.screens.memory import MemoryScreen

        return MemoryScreen(settings.memory.path)
    from salecli.tui.screens.models import ModelsScreen

    return ModelsScreen(settings)


def of_a_run(where: Where, control: Control) -> Screen[None]:
    """AuctionScreen, WorkScreen or ReviewScreen."""
    module = importlib.import_module(f"salecli.tui.screens.{where}")
    kind = cast(Callable[["Control"], Screen[None]], getattr(module, f"{where.capitalize()}Screen"))
    return kind(control)
