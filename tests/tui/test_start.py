"""The start screen: a task typed, pasted or picked; earlier runs; what is missing."""

from __future__ import annotations

import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import ClassVar

import pytest
from textual import events
from textual.app import App
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.pilot import Pilot
from textual.widgets import Footer, Static

from salecli.adapters.issues import MOST_BYTES
from salecli.checks import Finding
from salecli.tui.messages import OpenRun, StartRun
from salecli.tui.screens.start import StartScreen
from salecli.tui.widgets.issue import IssueText
from salecli.tui.widgets.statusline import StatusLine
from tests.adapters.runs import past
from tests.tui.scene import drawn, run_async

HOSTILE = "[@click=app.quit]x[/] \x1b[31mred"
SHOWN = "[@click=app.quit]x[/] \\x1b[31mred"
SIZES = [(160, 45), (80, 24), (60, 20), (20, 5)]


class Started(App[None]):
    """The start screen alone, with what it posts."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("q", "quit", "Quit", id="app.leave")]

    def __init__(self, folder: Path, issue: Path | None = None) -> None:
        super().__init__()
        self.start = StartScreen(folder, issue)
        self.posted: list[Message] = []

    def on_mount(self) -> None:
        self.push_screen(self.start)

    def on_start_run(self, message: StartRun) -> None:
        self.posted.append(message)

    def on_open_run(self, message: OpenRun) -> None:
        self.posted.append(message)

    @property
    def area(self) -> IssueText:
        return self.start.query_one(IssueText)

    @property
    def status(self) -> str:
        return str(self.start.query_one(StatusLine).content)

    @property
    def said(self) -> list[str]:
        """Every notification."""
        return [one.message for one in self._notifications]

    @property
    def text(self) -> str:
        """The whole screen as it is painted."""
        return drawn(self)


Play = Callable[[Started, Pilot[None]], Awaitable[None]]


def play(app: Started, steps: Play, size: tuple[int, int] = (120, 40)) -> None:
    """Run `steps` once everything is looked up."""

    async def go() -> None:
        async with app.run_test(size=size) as pilot:
            await settled(app, pilot)
            await steps(app, pilot)

    run_async(go())


async def settled(app: Started, pilot: Pilot[None]) -> None:
    await pilot.pause()
    while not app.screen.query(StatusLine):  # it comes after the first frame
        await pilot.pause(0.01)
    await app.workers.wait_for_complete()
    await pilot.pause()


@pytest.fixture
def shop(open_shop: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same without a Docker engine."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{open_shop.parent}/nobody.sock")
    return open_shop


@pytest.fixture
def open_shop(tmp_path: Path) -> Path:
    """A repository with a commit, tests and some issues."""
    folder = tmp_path / "shop"
    for name, text in {
        "cart.py": "total = 0\n",
        "test_cart.py": "def test_cart():\n    pass\n",
        "issue.md": "# Round half up\n\nThe total of cart.py is 10.09.\n",
        "tasks/tax/issue.md": "Tax is missing.\n",
        "README.md": "# Shop\n",
        "build/notes.md": "ignored\n",
        ".gitignore": "build/\n",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    subprocess.run(
        "git init -q && git add -A && git commit -qm start", shell=True, cwd=folder, check=True, timeout=60
    )
    return folder


@pytest.mark.docker
def test_a_pasted_task_is_sold_as_it_is(open_shop: Path) -> None:
    text = "# Round half up\n\n  [bold]10.095[/] becomes 10.10, not 10.09\n"

    async def steps(app: Started, pilot: Pilot[None]) -> None:
        app.post_message(events.Paste(text.replace("\n", "\r")))
        await pilot.pause()
        await pilot.press("f10")
        await pilot.pause()
        (sold,) = app.posted
        assert isinstance(sold, StartRun)
        assert (sold.text, sold.name) == (text, "typed")

    play(Started(open_shop), steps)


@pytest.mark.docker
@pytest.mark.parametrize("way", ["f10", "ctrl+enter", "click"])
def test_every_way_to_sell(open_shop: Path, way: str) -> None:
    async def steps(app: Started, pilot: Pilot[None]) -> None:
        await pilot.press(*"do")
        await (pilot.click("#sell") if way == "click" else pilot.press(way))
        await pilot.pause()
        assert [one.text for one in app.posted if isinstance(one, StartRun)] == ["do"]

    play(Started(open_shop), steps)


def test_nothing_is_not_sold(shop: Path) -> None:
    async def steps(app: Started, pilot: Pilot[None]) -> None:
        await pilot.press("space", "f10")
        await pilot.pause()
        assert app.posted == []
        assert app.said == ["the task is empty\nsay in a sentence what is to be done"]

    play(Started(shop), steps)


def test_a_log_pasted_by_mistake_is_not_sold(shop: Path) -> None:
    async def steps(app: Started, pilot: Pilot[None]) -> None:
        app.post_message(events.Paste("error\n" * MOST_BYTES))
        await pilot.pause()
        await pilot.press("f10")
        await pilot.pause()
        assert app.posted == []
        assert "larger than 200,000 bytes" in app.said[0]

    play(Started(shop), steps)


def test_a_file_is_picked_and_what_stood_there_comes_back(shop: Path) -> None:
    async def steps(app: Started, pilot: Pilot[None]) -> None:
        await pilot.press(*"mine", "tab", "down", "enter")
        await settled(app, pilot)
        assert (app.area.text, app.area.source) == ("Tax is missing.\n", "issue.md")
        assert app.focused is app.area
        assert "Ctrl+Z" in app.said[0]
        await pilot.press("ctrl+z")
        assert app.area.text == "mine"

    play(Started(shop), steps)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "big.md is empty"),
        (b"\x89PNG\xff", "big.md is not a UTF-8 text (byte 0)"),
        (b"a\0b", "big.md is a binary file"),
        (b"x" * 10_000_000, "big.md is larger than 200,000 bytes"),
    ],
)
def test_files_that_are_no_issues(shop: Path, content: bytes, says: str) -> None:
    (shop / "big.md").write_bytes(content)

    async def steps(app: Started, pilot: Pilot[None]) -> None:
        assert app.area.text == ""
        assert says in app.said[0]
        await pilot.press("tab", "end", "up", "enter")
        await settled(app, pilot)
        assert says in app.said[-1]
        assert app.area.text == ""

    play(Started(shop, shop / "big.md"), steps)


@pytest.mark.docker
def test_the_issue_of_the_command_line_is_one_key_from_sold(open_shop: Path) -> None:
    async def steps(app: Started, pilot: Pilot[None]) -> None:
        assert "The task: issue.md" in app.text
        await pilot.press("f10")
        await pilot.pause()
        (sold,) = app.posted
        assert isinstance(sold, StartRun)
        assert (sold.text, sold.name) == ((open_shop / "issue.md").read_text(), "issue.md")

    play(Started(open_shop, open_shop / "issue.md"), steps)


def test_a_file_that_is_not_there(shop: Path) -> None:
    async def steps(app: Started, pilot: Pilot[None]) -> None:
        assert "no issue file" in app.said[0]

    play(Started(shop, shop / "none.md"), steps)


def test_earlier_runs(shop: Path) -> None:
    ended = {"event": "RunEnded", "task": '"solved":true', "solved": False}
    past(shop, "Tax", ended, at=2_000_000)
    solved = past(shop, HOSTILE, {"event": "RunStarted"}, {**ended, "solved": True}, at=3_000_000)
    past(shop.parent, "Elsewhere", ended)

    async def steps(app: Started, pilot: Pilot[None]) -> None:
        assert "not solved" in app.text
        assert "Elsewhere" not in app.text
        await pilot.press("tab", "tab", "enter")
        await pilot.pause()
        assert [one.run_id for one in app.posted if isinstance(one, OpenRun)] == [solved.id]

    play(Started(shop), steps)


def test_hostile_names_and_texts_are_shown_as_text(shop: Path) -> None:
    (shop / "[@click=app.quit]\x1b[31m.md").write_text(f"# {HOSTILE}\r\n")
    past(shop, HOSTILE, {"event": "RunFailed"})

    async def steps(app: Started, pilot: Pilot[None]) -> None:
        assert "[@click=app.quit]\\x1b[31m.md" in app.text
        assert SHOWN in app.text
        assert "\x1b" not in app.text
        await pilot.press("tab", "home", "down", "down", "down", "up")
        await pilot.press("enter")
        await settled(app, pilot)
        assert app.area.text == f"# {SHOWN}\n"
        assert "The task: [@click=app.quit]\\x1b[31m.md" in app.text

    play(Started(shop), steps, size=(160, 45))


def test_pasted_escape_codes_are_shown(shop: Path) -> None:
    async def steps(app: Started, pilot: Pilot[None]) -> None:
        app.post_message(events.Paste(HOSTILE))
        await pilot.pause()
        assert app.area.text == SHOWN

    play(Started(shop), steps)


def test_a_missing_engine_says_what_to_type(shop: Path) -> None:
    async def steps(app: Started, pilot: Pilot[None]) -> None:
        assert "! docker: no Docker engine answers" in app.text
        assert "sudo systemctl start docker" in app.text
        line = app.start.query_one(StatusLine)
        assert line.can_focus
        assert "tests" not in app.status

    play(Started(shop), steps)


def test_what_is_missing_in_a_folder_that_is_no_repository(tmp_path: Path) -> None:
    async def steps(app: Started, pilot: Pilot[None]) -> None:
        assert app.status.startswith(f"! repository: {tmp_path} is not in a git repository   type: git init")
        assert "! repository" in app.text

    play(Started(tmp_path), steps)


def test_a_repository_without_tests(shop: Path) -> None:
    (shop / "test_cart.py").unlink()

    async def steps(app: Started, pilot: Pilot[None]) -> None:
        assert "! tests: shop has no tests that sale can find" in app.status
        (shop / "test_cart.py").write_text("def test(): pass\n")
        (shop / "new.md").write_text("new")
        await pilot.press("f9")
        await settled(app, pilot)
        assert "! tests" not in app.status
        assert "new.md" in app.text

    play(Started(shop), steps)


def test_when_all_is_there_one_quiet_line_says_so() -> None:
    class Line(App[None]):
        def compose(self) -> list[Static]:
            return [StatusLine()]

    async def go() -> None:
        app = Line()
        async with app.run_test(size=(80, 5)) as pilot:
            line = app.query_one(StatusLine)
            line.show(
                [
                    Finding("pool", "p", short="4 models"),
                    Finding("docker", "d"),
                    Finding("memory", "m", short=HOSTILE),
                ]
            )
            await pilot.pause()
            assert str(line.content) == f"ready: 4 models, {SHOWN}"
            assert line.size.height == 1
            assert not line.can_focus

    run_async(go())


def test_every_key_of_the_footer_does_something(shop: Path) -> None:
    """The others are tested by name above."""

    async def steps(app: Started, pilot: Pilot[None]) -> None:
        # TextArea's own f6 and f7 would be in the way of the app's.
        assert not {"f6", "f7"} & set(app.start.active_bindings)
        await pilot.press("tab")
        shown = {key for key, one in app.start.active_bindings.items() if one.binding.show}
        assert app.start.query(Footer)
        assert shown - {"q", "ctrl+p"} == {"f10", "ctrl+enter", "f9"}

    play(Started(shop), steps)


def test_data_and_folders_that_may_not_be_read(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file where a folder should be fails for root too."""
    data = shop.parent / "data"
    data.write_text("a file")
    monkeypatch.setenv("XDG_DATA_HOME", str(data))

    async def steps(app: Started, pilot: Pilot[None]) -> None:
        assert "! memory" in app.status
        assert "no run in this repository yet" in app.text
        assert "issue.md" in app.text

    play(Started(shop), steps)


@pytest.mark.parametrize("size", SIZES)
def test_sizes(shop: Path, size: tuple[int, int]) -> None:
    async def steps(app: Started, pilot: Pilot[None]) -> None:
        await pilot.press(*"hello")
        assert "hello" in app.text
        screen = app.start.region
        if size[0] >= 60:
            for name in ("#issue", "#files", "#runs", "#sell", "#status"):
                region = app.start.query_one(name).region
                assert region.height, name
                assert screen.contains_region(region), name
            assert "issue.md" in app.text
            assert "Sell the task" in app.text

    play(Started(shop), steps, size)


def test_resizing_live(shop: Path) -> None:
    async def steps(app: Started, pilot: Pilot[None]) -> None:
        await pilot.press(*"hi", "tab")
        for size in (*SIZES, (1, 1), (120, 40)):
            app.post_message(events.Resize(Size(*size), Size(*size)))
            await pilot.resize_terminal(*size)
            await pilot.pause()
        assert "issue.md" in app.text
        assert app.area.text == "hi"

    play(Started(shop), steps)
