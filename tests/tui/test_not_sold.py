"""What makes every run impossible is said at F10, and nothing is sold; what is mended counts at once."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from salecli.resources import user_file
from salecli.tui.app import SaleApp
from salecli.tui.widgets.statusline import StatusLine
from tests.tui import scene
from tests.tui.test_app import shown, until


def words(app: SaleApp) -> list[str]:
    return [one.message for one in app._notifications]


async def told(app: SaleApp, pilot: Pilot[Any]) -> list[str]:
    """The first notices, kept: on a busy machine they are gone before one looks again."""
    heard: list[str] = []

    def hears() -> bool:
        heard.extend(words(app))
        return bool(heard)

    await until(pilot, hears)
    return heard


async def found(app: SaleApp, pilot: Pilot[Any], fault: str) -> None:
    """Until the start screen says what is missing."""

    def says() -> bool:  # a query keeps what it found first: nothing, before the screen stands
        return any(fault in str(line.content) for line in app.screen.query(StatusLine))

    await until(pilot, says)


def test_nothing_is_sold_without_an_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")

    async def go() -> None:
        async with shown(tmp_path / "shop") as (app, pilot):
            await found(app, pilot, "! docker")
            await pilot.press(*"do", "f10")
            (said,) = await told(app, pilot)
            assert said.startswith("not sold: no Docker engine answers")
            assert "sudo systemctl start docker" in said
            assert app.control is None

    scene.run_async(go())


@pytest.mark.docker
def test_a_repository_without_a_commit_sells_once_it_has_one(tmp_path: Path) -> None:
    shop = tmp_path / "shop"

    def typed(command: str) -> None:
        subprocess.run(command, shell=True, cwd=shop, check=True, timeout=60)

    async def go() -> None:
        app = SaleApp(shop, scene.wiring(shop))
        typed("rm -rf .git && git init -q")
        try:
            async with app.run_test(size=(120, 36)) as pilot:
                await found(app, pilot, "has no commit yet")
                await pilot.press(*"do", "f10")
                hint = "git add -A && git commit -m start"
                assert await told(app, pilot) == [f"not sold: {shop} has no commit yet\n{hint}"]
                assert app.control is None
                typed(hint)
                await pilot.press("f10")
                await until(pilot, lambda: app.control is not None)
        finally:
            await asyncio.to_thread(app.close)

    scene.run_async(go())


def test_nothing_is_sold_without_the_models(tmp_path: Path) -> None:
    async def go() -> None:
        shop = tmp_path / "shop"
        user_file().parent.mkdir(parents=True, exist_ok=True)
        user_file().write_text('pool = "laptop"\n')
        app = SaleApp(shop, scene.wiring(shop))
        try:
            async with app.run_test(size=(120, 36)) as pilot:
                await found(app, pilot, "Qwen3-8B-Q4_K_M.gguf is missing")
                await pilot.press(*"do", "f10")
                (said,) = await told(app, pilot)
                assert said.startswith("not sold: 0.6b: ")
                assert said.endswith("Qwen3-0.6B-Q8_0.gguf is missing\nsale models pull laptop")
                assert app.control is None
        finally:
            await asyncio.to_thread(app.close)

    scene.run_async(go())
