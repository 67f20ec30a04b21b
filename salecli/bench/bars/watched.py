"""`python -m salecli.bench.bars.watched OUT RUN SPEED`: a replay that writes down how late its loop was.

Every line of OUT is a look from within: how late it came in seconds, and how many widgets there were.
"""

from __future__ import annotations

import asyncio
import sys
import time
from functools import partial
from pathlib import Path

from salecli.tui import app
from salecli.tui.wiring import recorded, wiring

EVERY = 0.02
"""Seconds between two looks: rare enough to cost nothing that counts."""


class Watched(app.SaleApp):
    """The app of `sale`, with a task beside everything else that only sleeps and looks at the clock."""

    out = Path("looks.txt")

    def on_mount(self) -> None:
        self.run_worker(self._watch(), group="watch")

    async def _watch(self) -> None:
        with self.out.open("w", encoding="utf-8", buffering=1) as file:
            while True:
                before = time.perf_counter()
                await asyncio.sleep(EVERY)
                late = time.perf_counter() - before - EVERY
                file.write(f"{late:.4f} {sum(1 for _ in self.screen.walk_children())}\n")


if __name__ == "__main__":
    Watched.out = Path(sys.argv[1])
    first = partial(recorded, sys.argv[2], float(sys.argv[3]) or None)
    Watched(Path(), wiring(Path(), {}), first=first).show_until_closed()
