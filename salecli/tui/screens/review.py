"""The review: the verdict first, then the patch to read, to take in whole or in part, or to send back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from textual import events as textual_events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.widgets import OptionList, Static

from salecli.core.decisions import Accept, Target
from salecli.core.diff import parse, select
from salecli.core.text import clean
from salecli.core.values import Patch
from salecli.core.words import plural
from salecli.errors import SaleError
from salecli.tui.clip import copy_aloud
from salecli.tui.control import Control, Fed
from salecli.tui.screens.accepting import Accepting
from salecli.tui.screens.dialogs import Ask, AskText
from salecli.tui.screens.editing import edit, write
from salecli.tui.screens.reading import READS, Reading, quiet
from salecli.tui.widgets.diff import DiffView
from salecli.tui.widgets.diffchoice import Choice, Key
from salecli.tui.widgets.difflines import Lines
from salecli.tui.widgets.files import Files
from salecli.tui.widgets.headline import Headline
from salecli.tui.widgets.keyline import KeyLine
from salecli.tui.widgets.reviewed import Reviewed, flagged, headed

_FOR_AGENTS = ("comment", "reject")
"""Actions that need agents which are still there."""
_ON_A_PATCH = ("accept", "turn", "turn_file", "write", "edit", *READS)


class ReviewScreen(Reading):
    """What came of the work, and what becomes of it."""

    HELP: ClassVar = """\
# Review

The first line is the **verdict**: what the unit tests say of the patch in a fresh sandbox, before and after.
Below it stands the patch, flagged files first: they edit tests, or run on your machine later.

Everything is taken at first. **space** takes or leaves a hunk, **f** a file; what is left is tested anew
before it goes anywhere. **a** applies it to your files, **b** to a new branch; both ask first, and say how to
undo it. **c** sends it back to its agent with a comment, **r** applies nothing.

**]** and **[** go through the hunks, **n** and **p** through the files, **v** shows old and new side by side,
**/** searches, **W** writes a diff to a file, **e** opens your file in your editor.
"""
    CSS_PATH = "review.tcss"
    AUTO_FOCUS: ClassVar[str | None] = "DiffView"
    HORIZONTAL_BREAKPOINTS = [(0, "-stacked"), (96, "-beside")]  # noqa: RUF012 - Textual does not say ClassVar
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (12, "-low"), (24, "-high")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space,x", "turn", "Take", id="review.turn", tooltip="Take or leave this hunk"),
        Binding("a", "accept('worktree')", "Apply", id="review.apply", tooltip="Into your files; asks first"),
        Binding("b", "accept('branch')", "Branch", id="review.branch", tooltip="Onto a branch; asks first"),
        Binding("right_square_bracket", "hunk(1)", "Hunk", id="review.hunk", tooltip="Next hunk"),
        Binding("c", "comment", "Comment", id="review.comment", tooltip="Send it back with a comment"),
        Binding("r", "reject", "Reject", id="review.reject", tooltip="Apply nothing, and say why"),
        Binding("v", "split", "Split", id="review.split", tooltip="Old and new side by side, or not"),
        quiet("f", "turn_file", "File", id="review.file", tooltip="Take or leave this whole file"),
        quiet("W", "write", "Write", id="review.write", tooltip="Write what is selected to a file"),
        quiet("e", "edit", "Editor", id="review.edit", tooltip="Open your file in $EDITOR"),
        quiet("u", "undo", "Undo", id="review.undo", tooltip="Copy the command that takes it back"),
    ]

    def __init__(self, control: Control, configured: Callable[[], Accept] = lambda: "none") -> None:
        """`configured` says where a solved patch goes by the user's configuration; SaleError. Blocks."""
        super().__init__()
        self.control, self._configured = control, configured
        self._offered: Patch | None = None
        """The patch that was asked about as it is configured, whatever the answer was."""
        self.reviewed = Reviewed()
        self.choice = Choice(())
        self.lines = Lines(())
        self.rejected = ""
        """Why the user does not want it."""
        self._shown: Patch | None = None
        self._said = ("", "")
        self._asked = ""
        """What was sent back and has not begun yet."""
        self._accepting = Accepting(self, control, self.say)

    def compose(self) -> ComposeResult:
        yield Headline()
        yield Static("", id="verdict", markup=False)
        yield Static("", id="flagged", markup=False)
        yield Static("", id="said", markup=False)
        yield Static("", id="waiting", markup=False)
        with Container(id="panes"):
            yield Files(id="files")
            yield DiffView(id="diff")
        yield KeyLine()

    def on_mount(self) -> None:
        for fed in self.control.history:
            self.reviewed.apply(fed)
        self._redraw()

    def apply(self, fed: Fed) -> None:
        """Take one event in."""
        before = (self.reviewed.working, self.reviewed.over, self.reviewed.verdict)
        changed = self.reviewed.apply(fed)
        if changed or before != (self.reviewed.working, self.reviewed.over, self.reviewed.verdict):
            self._asked = ""
            self._redraw()

    # What is shown

    def _redraw(self) -> None:
        """Everything; another patch is read in a thread."""
        if not self.children:  # the app is on its way out, and took them along
            return
        patch = self.reviewed.patch
        if patch is not None and patch != self._shown:
            self._shown, self.lines = patch, Lines(())
            self._say_nothing()
            self.run_worker(self._read(patch), group="read", exclusive=True)
        self._tell()

    async def _read(self, patch: Patch) -> None:
        """Parse a patch and show it, flagged files first."""

        def work() -> Lines:
            twice = {change.path for change in patch.changes if change.flags}
            return Lines(sorted(parse(patch.diff), key=lambda file: file.path not in twice))

        lines = await asyncio.to_thread(work)
        self.lines, self.choice = lines, Choice(lines.files)
        flags = {change.path: change.flags for change in patch.changes}
        rows = [
            (file.path, count, flags.get(file.path, ()))
            for file, count in zip(lines.files, lines.counts, strict=True)
        ]
        self.query_one(Files).show(rows, self.choice)
        self.query_one(DiffView).show(lines, self.choice, flags)
        self._tell()
        self.tell_where()

    def _tell(self) -> None:
        """The verdict, what is flagged, what was said."""
        reviewed = self.reviewed
        there = reviewed.patch is not None
        self.query_one("#panes").display = there
        self.query_one("#waiting").display = not there
        self.query_one("#verdict").display = there
        width = max(20, self.size.width - 2)
        if reviewed.patch is None:
            self.query_one("#waiting", Static).update(Content(clean(reviewed.waiting())))
            flags: list[str] = []
        else:
            self.query_one("#verdict", Static).update(headed(reviewed, self.control.at, width))
            flags = flagged(reviewed.patch.changes, (one.path for one in reviewed.patch.changes))
        note = self.query_one("#flagged", Static)
        note.update(Content("flagged: " + "; ".join(flags)))
        note.set_class(bool(flags), "-there")
        self._status()
        self.refresh_bindings()
        self._offer()

    def _status(self) -> None:
        text, meant = self._said
        if not text and self.reviewed.patch is not None and self.reviewed.working:
            text = self.reviewed.working
        if not text and self._asked:
            text = self._asked
        said = self.query_one("#said", Static)
        styles = {"good": "bold $text-success", "bad": "bold $text-error"}
        said.update(Content.assemble((clean(text), styles.get(meant, ""))))
        said.set_class(bool(text), "-there")

    def say(self, text: str, meant: str = "") -> None:
        """Show a sentence until something else happens; meant is "", "good" or "bad"."""
        self._said = (text, meant)
        if self.is_mounted:
            self._status()

    def _say_nothing(self) -> None:
        self._said, self.rejected = ("", ""), ""
        self._accepting.checked = self._accepting.applied = None

    def tell_where(self) -> None:
        """The titles of both panes, and the file list's highlight."""
        view, files = self.query_one(DiffView), self.query_one(Files)
        if not self.lines.files:
            return
        file, hunk = view.current
        taken, there = self.choice.count
        files.border_title = Content(
            f"{plural(len(self.lines.files), 'file')}, {taken:,}/{plural(there, 'hunk')}"
        )
        one = self.lines.files[file]
        title = [clean(one.path, newlines=False), f"hunk {hunk + 1} of {len(one.choices)}"]
        title += [("split" if file in view.page.split else "unified") + (", wrapped" if view.wrap else "")]
        title += [f"hit {view.hit + 1} of {len(view.hits):,}"] if view.hits else []
        view.border_title = Content("  ".join(title))
        if files.highlighted != file:
            with self.prevent(OptionList.OptionHighlighted):
                files.highlighted = file

    def on_resize(self, event: textual_events.Resize) -> None:
        self._tell()

    def on_diff_view_moved(self) -> None:
        self.tell_where()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        view = self.query_one(DiffView)
        if event.option_index != view.file:
            view.go(event.option_index, 0)

    def on_option_list_option_selected(self) -> None:
        self.query_one(DiffView).focus()

    def on_diff_view_turned(self, event: DiffView.Turned) -> None:
        self._turn(event.file, event.hunk)

    def action_undo(self) -> None:
        if self._accepting.applied is not None:
            copy_aloud(self, self._accepting.applied.undo)

    # Taking and leaving

    def action_turn(self) -> None:
        self._turn(*self.query_one(DiffView).current)

    def action_turn_file(self) -> None:
        self._turn(self.query_one(DiffView).file, -1)

    def _turn(self, file: int, hunk: int) -> None:
        if not self.lines.files:
            return
        path = self.lines.files[file].path
        if hunk < 0:
            self.choice.turn_file(path)
        else:
            self.choice.turn(path, hunk)
        if not self._accepting.busy and self._accepting.applied is None:
            self.say("")
        self.query_one(Files).tell(path)
        self.query_one(DiffView).refresh()
        self.tell_where()

    def _present(self) -> tuple[str, Key]:
        """What a decision is bound to: the patch, and what of it is selected."""
        return (self._shown.tree if self._shown else "", self.choice.key)

    # Deciding

    def why_not(self, action: str) -> str:
        """Why an action can do nothing now; empty where it can."""
        if action in _FOR_AGENTS and not self.control.live:
            return "This is a recording: no agent is there any more. Its patch can be applied all the same."
        if action in (*_FOR_AGENTS, "accept"):
            if self._accepting.busy:
                return f"Still {self._accepting.busy}"
            if not self.reviewed.over or self._asked:
                return "The run goes on: there is nothing to decide yet."
        if action in (*_FOR_AGENTS, *_ON_A_PATCH) and not self.lines.files:
            return "There is no patch."
        if action == "hit" and not self.query_one(DiffView).hits:
            return "Nothing is searched for: / does."
        if action == "undo" and self._accepting.applied is None:
            return "Nothing has been applied from here."
        return ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What waits for the run's end is dimmed; what this run will never have is not offered."""
        if self._accepting.busy or not self.why_not(action):
            return True  # what goes on here is over soon, and the key says what it is
        waits = action == "accept" or (action in _FOR_AGENTS and self.control.live)
        return None if waits and not self.reviewed.over else False

    def _deciding(self, action: str) -> bool:
        """Whether a decision can be taken now, after a question as well as before it; says so where not."""
        if said := self.why_not(action):
            self.notify(said, severity="warning", markup=False)
        return not said

    def action_accept(self, to: Target) -> None:
        if not self._deciding("accept"):
            return
        if not self.choice.paths:
            self.notify("Nothing is selected: space takes a hunk, f a file.", severity="warning")
        else:
            self.run_worker(self._accept(to), group="accept")

    async def _accept(self, to: Target, because: str = "") -> None:
        patch, verdict = self.reviewed.patch, self.reviewed.verdict
        if patch is None or not self._deciding("accept"):
            return
        await self._accepting.accept(to, patch, verdict, self.choice, self._present, because)
        self.refresh_bindings()

    def on_screen_resume(self) -> None:
        self._offer()

    def _offer(self) -> None:
        """Where the configuration says `apply`, ask without a key: once a solved patch, and who sees it."""
        may = self.control.live and self.reviewed.solved and self.is_current and not self.why_not("accept")
        if may and self._offered != self._shown:
            self._offered = self._shown
            self.run_worker(self._as_configured(), group="accept")

    async def _as_configured(self) -> None:
        try:
            to = await asyncio.to_thread(self._configured)
        except SaleError as error:
            self.say(f"{error.message} ({error.hint})", "bad")
            return
        if to != "none":
            await self._accept(to, f'Your configuration asks for it: apply = "{to}".')

    def action_reject(self) -> None:
        def given(reason: str | None) -> None:
            if reason is not None and self._deciding("reject"):
                self.run_worker(self._reject(reason), group="reject")

        if self._deciding("reject"):
            stays = "what was applied stays" if self._accepting.applied else "nothing is applied"
            label = f"Why? Memory keeps the reason; {stays}."
            self.app.push_screen(Ask("Reject the patch", label), given)

    async def _reject(self, reason: str) -> None:
        failed = ""
        if reason:
            try:
                failed = await asyncio.to_thread(self.control.reject, reason)
            except SaleError as error:
                failed = f"{error.message} ({error.hint})"
        self.rejected = reason or "no reason given"
        lost = f"\nMemory does not keep the reason: {failed}" if failed else ""
        stands = self._accepting.stands or "Nothing was applied."
        self.say(f"Rejected: {self.rejected}\n{stands}{lost}", "bad" if failed else "")

    def action_comment(self) -> None:
        def given(comment: str | None) -> None:
            if not comment or not self._deciding("comment"):
                return
            try:
                self.control.revise(comment)
            except SaleError as error:
                self.say(f"Not sent: {error.message} ({error.hint})", "bad")
            else:
                self._asked = f"Sent back to {self.reviewed.agent}: a new attempt begins."
                self.say("")
                self.refresh_bindings()

        if self._deciding("comment"):
            label = f"{self.reviewed.agent} goes on with it in a new attempt; the tests run again."
            self.app.push_screen(AskText("Comment", label), given)

    # Files outside

    def action_write(self) -> None:
        if self.reviewed.patch is None or not self.choice.paths:
            self.notify("Nothing is selected.", severity="warning")
            return
        diff = self.reviewed.patch.diff
        text = diff if self.choice.whole else select(parse(diff), self.choice.selection())
        default = Path.cwd() / f"sale-{self.control.id}.diff"
        self.run_worker(write(self.app, text, default, self.say), group="write")

    def action_edit(self) -> None:
        if self.lines.files:
            file, hunk = self.query_one(DiffView).current
            one = self.lines.files[file]
            refused = edit(self.app, one.path, one.hunks[hunk].old_start if one.hunks else 1)
            if refused:
                self.notify(clean(refused), severity="warning", markup=False)
