"""The start screen: say what is to be done, or pick a file or an earlier run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Button, OptionList, Static
from textual.widgets.option_list import Option

from salecli.adapters.issues import MOST_FILES, Listed, decoded, issues_in, read_issue
from salecli.core.text import clean
from salecli.errors import SaleError, UsageError
from salecli.tui.messages import OpenRun, StartRun
from salecli.tui.widgets.headline import Headline
from salecli.tui.widgets.issue import IssueText
from salecli.tui.widgets.keyline import KeyLine
from salecli.tui.widgets.statusline import StatusLine

if TYPE_CHECKING:
    from salecli.adapters.past import PastRun
    from salecli.checks import Finding

_SOON = 0.03
"""Seconds after the first frame until what is not in it is looked up and shown."""
_INTRO = "Models bid for your task; the winner works until your tests pass."


class FileList(OptionList):
    """Files that may hold an issue."""

    HELP: ClassVar = """\
# Files

Markdown files of this repository; ignored ones are left out. Files called `issue.md` come first; where one
lies in a folder of its own, the folder is listed. **Enter** loads a file as the task; what stood there comes
back with **Ctrl+Z**.
"""


class RunList(OptionList):
    """Earlier runs of this repository."""

    HELP: ClassVar = """\
# Earlier runs

The last 50 runs in this repository, the newest first: whether the task was solved by its tests, how long ago,
its title. **Enter** opens a run as it was recorded: its auction, its work, its patch.
"""


class StartScreen(Screen[None]):
    """Task entry, files, earlier runs, and whether everything is there."""

    HELP: ClassVar = """\
# sale

Write what is to be done, then press **F10**. The pool's agents, each a model, bid for the task
with a short plan and mark each other's plans; the lowest *cost minus value* wins. You may override the winner
before it works. It works in a Docker sandbox; your files stay as they are until you accept its patch.

**Tab** goes from the task to the files, the earlier runs, and back. **F1** explains what has the focus,
**Ctrl+P** lists everything that can be done, **Ctrl+Q** quits.
"""
    CSS_PATH: ClassVar = "start.tcss"
    AUTO_FOCUS: ClassVar[str | None] = "#issue"
    # Textual's own annotation of these is no ClassVar.
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (76, "-medium"), (100, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (8, "-low"), (14, "-high")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "f10,ctrl+enter",
            "sell",
            "Sell the task",
            id="start.sell",
            tooltip="Let the agents bid for the task",
        ),
        Binding(
            "f9", "check", "Check again", id="start.check", tooltip="Look again for files, models and Docker"
        ),
    ]

    def __init__(
        self, folder: Path, issue: Path | None = None, overrides: Mapping[str, object] | None = None
    ) -> None:
        """`overrides` are settings of the command line, by dotted name, for the checks."""
        super().__init__()
        self._folder = folder
        self._issue = issue
        self._overrides = overrides
        self._files: Sequence[Listed] = ()
        self._runs: Sequence[PastRun] = ()
        self._findings: Sequence[Finding] = ()

    def compose(self) -> ComposeResult:
        yield Headline()
        with VerticalScroll(id="body", can_focus=False):
            yield Static(_INTRO, markup=False, id="intro")
            with Container(id="desk"):
                yield IssueText(id="issue")
                yield Container(id="side")
        yield KeyLine()

    def on_mount(self) -> None:
        if self._issue is not None:
            self._load(self._issue)

    def on_screen_resume(self) -> None:
        # The first frame comes first, and the keys, which are drawn in one of their own.
        self.call_after_refresh(self.set_timer, _SOON, self._complete)

    async def _complete(self) -> None:
        """Show what can be picked and pressed, and look for it."""
        if not self.query(FileList):
            files, runs = FileList(id="files", markup=False), RunList(id="runs", markup=False)
            files.border_title, runs.border_title = "Files", "Earlier runs"
            sell = Button("Sell the task", id="sell", compact=True, variant="primary")
            for place, made in (("#side", (files, runs)), ("#body", (sell, StatusLine(id="status")))):
                for there in self.query(place):
                    if there.is_attached:  # else the app is on its way out
                        await there.mount(*made)
        key = self.app.get_key_display(
            next(
                (one.binding for one in self.active_bindings.values() if one.binding.id == "start.sell"),
                Binding("f10", "sell"),
            )
        )
        for button in self.query("#sell").results(Button):  # none where the app was left meanwhile
            button.label = Content(f"Sell the task ({key})")
        self._look()
        self._check()

    @work(exclusive=True, group="look")
    async def _look(self) -> None:
        """List the files and the earlier runs."""
        files, runs = await asyncio.to_thread(_listed, self._folder)
        if not self.children:  # the app is on its way out, and took them along
            return
        if files != self._files or not files:
            self._files = files
            _fill(self.query_one(FileList), [_plain(one.shown) for one in files], "no Markdown file here yet")
            more = " (the first of many)" if len(files) == MOST_FILES else ""
            self.query_one("#files").border_title = f"Files{more}"
        if runs != self._runs or not runs:
            self._runs = runs
            _fill(self.query_one(RunList), [_run_line(one) for one in runs], "no run in this repository yet")

    @work(exclusive=True, group="check")
    async def _check(self) -> None:
        """See whether everything is there."""
        await self._find()

    async def _find(self) -> None:
        self._findings = await asyncio.to_thread(_found, self._folder, self._overrides)
        for status in self.query(StatusLine):  # none where the app is on its way out
            status.show(self._findings)

    @work(exclusive=True, group="check")
    async def _sell_if_mended(self, start: StartRun) -> None:
        """Look again for what stops every run, and sell the task where nothing does any more."""
        await self._find()
        stops = next((one for one in self._findings if one.stops), None)
        if stops is None:
            self.post_message(start)
        else:
            self._refuse(UsageError(f"not sold: {stops.found}", stops.fix))

    @work(exclusive=True, group="load")
    async def _load(self, path: Path) -> None:
        """Read a file into the text area, or say why not."""
        try:
            text, name = await asyncio.to_thread(read_issue, path)
        except SaleError as error:
            self._refuse(error)
            return
        area = self.query_one(IssueText)
        replaced = bool(area.text.strip())
        area.fill(text, name)
        area.focus()
        if replaced:
            self.notify("Ctrl+Z brings back the text that stood here", markup=False)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if event.option_list.id == "files":
            self._load(self._files[event.option_index].path)
        else:
            self.post_message(OpenRun(self._runs[event.option_index].id))

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.action_sell()

    def action_sell(self) -> None:
        """Ask the app to sell the task as it stands."""
        area = self.query_one(IssueText)
        name = "the task" if area.source == "typed" else area.source
        try:
            decoded(area.text.encode("utf-8", "replace"), name)
        except SaleError as error:
            self._refuse(error)
            area.focus()
            return
        start = StartRun(area.text, area.source)
        if any(one.stops for one in self._findings):
            self._sell_if_mended(start)
        else:
            self.post_message(start)

    def action_check(self) -> None:
        """Look for everything again."""
        self._look()
        self._check()
        self.notify("looking again for files, models, Docker and memory", markup=False)

    def commands(self) -> Iterable[tuple[str, str, Callable[[], object]]]:
        """What the palette offers on this screen beside its keys."""
        for file in self._files:
            yield (
                f"Load {clean(file.shown, False)}",
                "Use this file as the task",
                partial(self._load, file.path),
            )
        for run in self._runs:
            title = f"Open run {run.id}: {clean(run.title, False)}"
            yield title, f"{run.outcome}, {_ago(run.at)}", partial(self.post_message, OpenRun(run.id))

    def _refuse(self, error: SaleError) -> None:
        said = clean(f"{error.message}\n{error.hint}" if error.hint else error.message)
        self.notify(said, severity="error", markup=False)


def _listed(folder: Path) -> tuple[list[Listed], list[PastRun]]:
    """The files and earlier runs of the repository that `folder` lies in."""
    from salecli.adapters.git import Repository
    from salecli.adapters.past import past_runs

    try:
        top = Repository(folder).top
    except SaleError:
        top = folder.absolute()
    return issues_in(top), past_runs(top)


def _found(folder: Path, overrides: Mapping[str, object] | None) -> list[Finding]:
    from salecli.checks import readiness

    return list(readiness(folder, overrides))


def _fill(options: OptionList, lines: Sequence[Content], otherwise: str) -> None:
    """Show `lines`, or a word on why there are none; the highlight stays where it was."""
    at = options.highlighted
    options.clear_options()
    options.add_options([Option(line) for line in lines] or [Option(Content(otherwise), disabled=True)])
    if lines:
        options.highlighted = min(at or 0, len(lines) - 1)


def _plain(text: str) -> Content:
    return Content(clean(text, newlines=False))


def _run_line(run: PastRun) -> Content:
    # No colours: they would be unreadable on the highlight of one theme or another.
    style = "bold" if run.outcome == "solved" else ""
    return Content.assemble(
        (f"{run.outcome:<12}", style), f"{_ago(run.at):<11}", clean(run.title, newlines=False)
    )


def _ago(at: float) -> str:
    """How long ago in the largest unit that fits."""
    seconds = max(0, time.time() - at)
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit} ago"
    return "just now"
