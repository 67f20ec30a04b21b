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
        SaleError: the configuration, which says where the models are, is broken.
    """
    if where == "start":
        from salecli.tui.screens.start import StartScreen

        return StartScreen(folder, issue, wiring.overrides)
    if where == "memory":
        from salecli.tui.screens.memory import MemoryScreen

        return MemoryScreen(lambda: wiring.settings().memory.path)
    from salecli.tui.screens.models import ModelsScreen

    return ModelsScreen(wiring.settings())


def opening() -> Screen[None]:
    """What is seen until a run can be shown."""
    from salecli.tui.screens.opening import OpeningScreen

    return OpeningScreen()


def of_a_run(where: Where, control: Control, wiring: Wiring) -> Screen[None]:
    """AuctionScreen, WorkScreen or ReviewScreen."""
    if where == "review":
        from salecli.tui.screens.review import ReviewScreen

        return ReviewScreen(control, lambda: wiring.settings().apply)
    return cast(Callable[["Control"], Screen[None]], kind(where))(control)


def kind(where: Where) -> type[Screen[None]]:
    """The class of a run's screen."""
    module = importlib.import_module(f"salecli.tui.screens.{where}")
    return cast(type[Screen[None]], getattr(module, f"{where.capitalize()}Screen"))
