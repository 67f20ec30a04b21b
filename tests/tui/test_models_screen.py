"""The models screen with the real practice models: looked at, loaded, tried, left."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Static

from salecli import resources
from salecli.adapters.llama import LlamaModel
from salecli.adapters.tryout import Tried, try_out
from salecli.config import ModelSettings, Settings
from salecli.errors import ModelError
from salecli.tui.screens.dialogs import Ask
from salecli.tui.screens.models import ModelsScreen, ModelTable, Seen, bar
from tests.models import chain, chain_model
from tests.tui.scene import run_async

Script = Callable[["Rooms", Pilot[None]], Awaitable[None]]


class Rooms(App[None]):
    """An app with nothing but the models screen."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.models = ModelsScreen(settings)

    def on_mount(self) -> None:
        self.push_screen(self.models)

    def said(self, name: str) -> str:
        return str(self.models.query_one(f"#{name}", Static).visual)

    def states(self) -> dict[str, str]:
        return {seen.name: seen.state for seen in self.models._seen}

    @property
    def first(self) -> Seen:
        return self.models._seen[0]


def drive(settings: Settings, script: Script, size: tuple[int, int] = (100, 30)) -> None:
    async def go() -> None:
        app = Rooms(settings)
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda: "looking" not in app.said("pool"))
            await pilot.pause()
            await script(app, pilot)

    run_async(go())


async def until(pilot: Pilot[None], true: Callable[[], bool]) -> None:
    """Wait for something that a model or a thread brings about."""
    for _ in range(1500):
        if true():
            return
        await pilot.pause(0.02)
    raise AssertionError("it never came true")


@pytest.fixture
def broken(tmp_path: Path) -> Settings:
    """A pool of the practice models of which one is missing and one is no model."""
    for name in ("practice.toml", "practice-xs.gguf", "practice-m.gguf"):
        shutil.copy(resources.pools() / name, tmp_path / name)
    (tmp_path / "practice-s.gguf").write_text("no model")
    pool = tmp_path / "mine.toml"
    (tmp_path / "practice.toml").rename(pool)
    return Settings(pool=str(pool))


def test_the_pool_and_the_budget_stand_there() -> None:
    async def script(app: Rooms, pilot: Pilot[None]) -> None:
        assert app.said("pool") == "pool practice: 4 models"
        assert "0 B of 1.1 GB" in app.said("memory")
        assert "all fit at once" in app.said("memory")
        assert list(app.states().values()) == ["found"] * 4
        assert "practice-xs.gguf" in app.said("file")
        await pilot.press("down")
        await pilot.pause()
        assert app.said("name") == "s: found"

    drive(Settings(models=ModelSettings(budget="1g")), script)


def test_a_small_budget_is_said() -> None:
    async def script(app: Rooms, pilot: Pilot[None]) -> None:
        assert "they take turns" in app.said("memory")
        await pilot.press("c")
        await until(pilot, lambda: not app.models._job)
        assert "needs about" in app.said("said")

    drive(Settings(models=ModelSettings(budget="1m")), script)


def test_what_is_missing_says_what_to_type(broken: Settings) -> None:
    async def script(app: Rooms, pilot: Pilot[None]) -> None:
        assert list(app.states().values()) == ["found", "unusable", "found", "missing"]
        await pilot.press("down")
        await pilot.pause()
        assert "practice-s.gguf" in app.said("said")
        await pilot.press("c", "l", "u", "down", "down")
        await pilot.pause()
        assert "type: cp MODEL.gguf" in app.said("said")
        shutil.copy(resources.pools() / "practice-l.gguf", app.models._seen[3].spec.path)
        await pilot.press("r")
        await until(pilot, lambda: app.states()["l"] == "found")

    drive(broken, script)


def test_models_on_servers_and_missing_ones_take_nothing_here(broken: Settings) -> None:
    pool = Path(broken.pool)
    server = 'backend = "openai"\nendpoint = "gpu"\nmodel = "practice-xs'
    pool.write_text(pool.read_text().replace('model = "practice-xs', server))

    async def script(app: Rooms, pilot: Pilot[None]) -> None:
        assert app.said("memory").endswith("1 of 3 models can be loaded")
        assert app.said("said") == f"its server is asked by: sale models list --pool {pool}"
        table = app.models.query_one(ModelTable)
        (state,) = (column for column in table.ordered_columns if str(column.label) == "state")
        assert state.width >= len("on a server")

    drive(broken, script, (80, 24))


def test_a_pool_that_cannot_be_read(tmp_path: Path) -> None:
    async def script(app: Rooms, pilot: Pilot[None]) -> None:
        assert app.said("pool") == "the pool cannot be read"
        assert "known pools" in app.said("said")
        await pilot.press("c", "l", "u", "escape")

    drive(Settings(pool=str(tmp_path / "none.toml")), script)


def test_load_and_unload() -> None:
    async def script(app: Rooms, pilot: Pilot[None]) -> None:
        await pilot.press("l")
        await until(pilot, lambda: app.states()["xs"] == "resident")
        await pilot.pause()
        assert app.said("said").startswith("loaded in")
        assert app.models._residency is not None
        assert app.models._residency.resident == ("xs",)
        await pilot.press("u")
        await until(pilot, lambda: app.states()["xs"] == "found")
        assert app.models._residency.used == 0

    drive(Settings(), script)


def test_a_check_measures() -> None:
    async def script(app: Rooms, pilot: Pilot[None]) -> None:
        await pilot.press("c")
        await until(pilot, lambda: app.first.tried is not None and not app.models._job)
        await pilot.pause()
        tried = app.first.tried
        assert tried is not None
        assert tried.tokens > 1
        assert f"{tried.speed:,.0f}" in str(app.models.query_one(ModelTable).get_row_at(0)[-1])
        assert "tokens/s" in app.said("said")
        assert "entropy works" in app.said("said")
        assert app.states()["xs"] == "resident"

    drive(Settings(), script)


def test_leaving_unloads_but_a_dialog_does_not() -> None:
    async def script(app: Rooms, pilot: Pilot[None]) -> None:
        await pilot.press("l")
        await until(pilot, lambda: app.states()["xs"] == "resident")
        app.push_screen(Ask("Title", "label"))
        await pilot.pause()
        await pilot.press("escape")
        await pilot.pause()
        assert app.states()["xs"] == "resident"
        app.push_screen(Screen())
        await until(pilot, lambda: app.states()["xs"] == "found")
        await until(pilot, lambda: any("xs" in note.message for note in app._notifications))

    drive(Settings(), script)


def test_quitting_ends_every_process() -> None:
    models: list[LlamaModel] = []

    async def script(app: Rooms, pilot: Pilot[None]) -> None:
        await pilot.press("l")
        await until(pilot, lambda: app.states()["xs"] == "resident")
        assert app.first.model is not None
        models.append(app.first.model)

    drive(Settings(), script)
    assert not models[0].loaded


@pytest.fixture
def endless(tmp_path: Path) -> Settings:
    """A pool of one model that never ends its reply, and that takes its time."""
    table = chain("\n", " a") | chain(" a", " a")
    chain_model(tmp_path / "slow.gguf", table, context=2048)
    pool = tmp_path / "slow.toml"
    pool.write_text(
        'name = "slow"\n[[agents]]\nname = "slow"\nmodel = "slow.gguf"\nprice = 1.0\ncontext = 2048\n'
    )
    return Settings(pool=str(pool))


def test_escape_cancels_what_goes_on(endless: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("salecli.adapters.tryout.TOKENS", 100_000)

    async def script(app: Rooms, pilot: Pilot[None]) -> None:
        await pilot.press("c")
        assert app.first.state == "checking"
        await pilot.press("l")  # one thing at a time
        assert app.first.state == "checking"
        assert app.models.check_action("cancel", ())
        await until(pilot, lambda: app.first.model is not None and app.first.model.loaded)
        await pilot.press("escape")
        await until(pilot, lambda: not app.models._job)
        await pilot.pause()
        assert app.said("said") == "cancelled"
        assert not app.models.check_action("cancel", ())

    drive(endless, script)


def test_a_model_that_says_nothing_is_refused(tmp_path: Path) -> None:
    file = chain_model(tmp_path / "mute.gguf", chain("\n", "<|im_end|>"))
    with LlamaModel(file) as model, pytest.raises(ModelError, match="ended its reply at once"):
        try_out(model)


def test_speed_needs_two_tokens() -> None:
    assert Tried(1, 0.0, 0.5, None).speed is None
    assert Tried(11, 2.0, 0.5, None).speed == 5.0


def test_a_bar_shows_the_least_share() -> None:
    assert bar(0, 100, 4) == "▁▁▁▁"
    assert bar(1, 100, 4) == "█▁▁▁"
    assert bar(100, 100, 4) == bar(500, 100, 4) == "████"
    assert bar(5, 0, 4) == "▁▁▁▁"


@pytest.mark.parametrize("size", [(160, 45), (100, 30), (80, 24), (60, 20), (20, 5)])
def test_every_size_shows_the_first_model(size: tuple[int, int]) -> None:
    async def script(app: Rooms, pilot: Pilot[None]) -> None:
        for width, height in (size, (37, 11), size):
            await pilot.resize_terminal(width, height)
            await pilot.pause()
        table = app.models.query_one(ModelTable)
        assert table.size.height > 1
        assert table.virtual_size.width <= table.size.width
        assert str(table.get_row_at(0)[0]) == "xs"

    drive(Settings(), script, size)
