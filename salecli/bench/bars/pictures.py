"""`python -m salecli.bench.bars.pictures DIR`: the pictures of the screens that the README shows, as SVG.

A few practice tasks are sold with the practice pool on a memory of their own; then the last run is played
again, and each screen is taken in dark and light, wide and narrow.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from salecli.cli.output import Output
from salecli.tui import app
from salecli.tui.bridge import Played
from salecli.tui.look import Look
from salecli.tui.messages import Where
from salecli.tui.wiring import recorded, wiring

LEVEL, SEEDS = 3, (0, 27, 81)
"""The tasks that are sold; the last one is shown."""
SIZES = {"wide": (120, 34), "narrow": (80, 24)}
THEMES = {"dark": "sale-dark", "light": "sale-light"}
SCREENS: tuple[Where, ...] = ("auction", "work", "review", "memory")
_LESS = (
    (re.compile(r"@font-face \{.*?\}\s*", re.DOTALL), ""),
    (re.compile("Fira Code, monospace"), "monospace"),
    (re.compile(r"<text [^>]*>\n</text>"), ""),
    (re.compile(r"terminal-\d+-"), "t-"),
)
_CALM = 0.5
"""Seconds in which nothing is read or coloured any more."""


class Shown(app.SaleApp):
    """The app, where its pictures can be taken."""

    async def pictures(self, size: tuple[int, int]) -> dict[Where, str]:
        """Every screen as SVG, by name."""
        taken: dict[Where, str] = {}
        async with self.run_test(size=size) as pilot:
            while self.control is None or not self.control.ended:
                await pilot.pause(0.05)
            for where in SCREENS:
                self.action_go(where)
                await pilot.pause(_CALM)
                await self.workers.wait_for_complete()
                await pilot.pause(_CALM)
                taken[where] = small(self.export_screenshot(title=f"sale: {where}"))
        return taken


def small(svg: str) -> str:
    """The same picture without fonts from another place, line ends that nobody sees, and long names."""
    for found, instead in _LESS:
        svg = found.sub(instead, svg)
    return svg


def sold(folder: Path) -> tuple[Path, str]:
    """Sell the tasks, each in a repository of its own; returns the last one's repository and run."""
    shop = folder
    for seed in SEEDS:
        shop = folder / f"task-{seed}"
        _sale(folder, "practice", "new", str(shop), "--level", str(LEVEL), "--seed", str(seed))
        said = _sale(shop, "solve", "issue.md", "--pool", "practice")
    found = re.search(r"^sale +run (\w+)", said, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"there is no run in:\n{said}")
    return shop, found[1]


def _sale(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "salecli", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(f"sale {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}")
    return done.stderr


def pictures(shop: Path, run: str) -> Iterator[tuple[str, str]]:
    """(name, SVG) of every screen in every theme and size."""
    os.chdir(shop)
    first: Callable[[], Played] = partial(recorded, run)
    for size_name, size in SIZES.items():
        for theme_name, theme in THEMES.items():
            shown = Shown(shop, wiring(shop, {}), look=Look(theme=theme), first=first)
            try:
                for where, svg in asyncio.run(shown.pictures(size)).items():
                    yield f"{where}-{size_name}-{theme_name}", svg
            finally:
                shown.close()


def main(out: Path) -> None:
    """Sell, play again, write."""
    out.mkdir(parents=True, exist_ok=True)
    out = out.resolve()
    with tempfile.TemporaryDirectory(prefix="sale-pictures-") as folder:
        os.environ["XDG_DATA_HOME"] = str(Path(folder) / "data")
        os.environ["XDG_CONFIG_HOME"] = str(Path(folder) / "config")
        os.environ.pop("NO_COLOR", None)
        shop, run = sold(Path(folder))
        for name, svg in pictures(shop, run):
            (out / f"{name}.svg").write_text(svg, encoding="utf-8")
            Output().story(f"{out / name}.svg: {len(svg) / 1e3:.0f} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
