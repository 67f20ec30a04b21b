"""The review: the verdict first, then the patch to read, to take in whole or in part, or to send back."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual import events as textual_events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer, OptionList, Static

from salecli.core.decisions import Target
from salecli.core.diff import parse, select
from salecli.core.text import clean
from salecli.core.values import Patch
from salecli.core.words import plural
from salecli.errors import SaleError
from salecli.tui.clip import copy_aloud
from salecli.tui.control import Control, Fed
from salecli.tui.screens.accepting import Accepting
from salecli.tui.screens.dialogs import Ask, AskText, Confirm
from salecli.tui.screens.editing import edit
from salecli.tui.widgets.diff import DiffView
from salecli.tui.widgets.diffchoice import Choice, Key
from salecli.tui.widgets.difflines import Lines
from salecli.tui.widgets.files import Files
from salecli.tui.widgets.headline import Headline
from salecli.tui.widgets.reviewed import Reviewed, flagged, packed

_quiet = partial(Binding, show=False)
"""A key that has no room in the footer."""


class ReviewScreen(Screen[None]):
    """What came of the work, and what becomes of it."""

    CSS_PATH = "review.tcss"
    AUTO_FOCUS: ClassVar[str | None] = "DiffView"
    HORIZONTAL_BREAKPOINTS = [(0, "-stacked"), (96, "-beside")]  # noqa: RUF012 - Textual does not say ClassVar
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (12, "-low"), (24, "-high")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space,x", "turn", "Take", id="review.turn", tooltip="Take or leave this hunk"),
        Binding("right_square_bracket", "hunk(1)", "Hunk", id="review.hunk", tooltip="Next hunk"),
        Binding("a", "accept('worktree')", "Apply", id="review.apply", tooltip="Into your files; asks first"),
        Binding("b", "accept('branch')", "Branch", id="review.branch", tooltip="Onto a branch; asks first"),
        Binding("c", "comment", "Comment", id="review.comment", tooltip="Send it back with a comment"),
        Binding("r", "reject", "Reject", id="review.reject", tooltip="Apply nothing, and say why"),
        Binding("v", "split", "Split", id="review.split", tooltip="Old and new side by side, or not"),
        _quiet("f", "turn_file", "File", id="review.file", tooltip="Take or leave this whole file"),
        _quiet("slash", "search", "Search", id="review.search", tooltip="Find a text in the patch"),
        _quiet("left_square_bracket", "hunk(-1)", "Back", id="review.back", tooltip="Hunk before"),
        _quiet("n", "file(1)", "Next file", id="review.next", tooltip="Next file"),
        _quiet("p", "file(-1)", "File before", id="review.previous", tooltip="File before"),
        _quiet("w", "wrap", "Wrap", id="review.wrap", tooltip="Wrap long lines, or not"),
        _quiet("greater_than_sign", "hit(1)", "Next hit", id="review.hit", tooltip="Next place found"),
        _quiet("less_than_sign", "hit(-1)", "Hit before", id="review.unhit", tooltip="Place found before"),
        _quiet("y", "copy", "Copy", id="review.copy", tooltip="Copy the hunk, without line numbers"),
        _quiet("W", "write", "Write", id="review.write", tooltip="Write what is selected to a file"),
        _quiet("e", "edit", "Editor", id="review.edit", tooltip="Open your file in $EDITOR"),
        _quiet("u", "undo", "Undo", id="review.undo", tooltip="Copy the command that takes it back"),
    ]

    def __init__(self, control: Control) -> None:
        super().__init__()
        self.control = control
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
        yield Static("", id="waiting", markup=False)
        with Container(id="panes"):
            yield Files(id="files")
            yield DiffView(id="diff")
        yield Static("", id="said", markup=False)
        yield Footer(show_command_palette=False)

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
            self._shown = patch
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
        self._where()

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
            style = (
                "$text-success" if reviewed.solved else "$text-error" if reviewed.verdict else "$text-warning"
            )
            first, _, rest = packed(reviewed.parts(self.control.at), width).partition("   ")
            gap = "   " if rest else ""
            first, broken, more = first.partition("\n")
            self.query_one("#verdict", Static).update(
                Content.assemble((first, f"bold {style}"), broken + more + gap + rest)
            )
            flags = flagged(reviewed.patch.changes, (one.path for one in reviewed.patch.changes))
        note = self.query_one("#flagged", Static)
        note.update(Content("flagged: " + "; ".join(flags)))
        note.set_class(bool(flags), "-there")
        self._status()

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

    def _where(self) -> None:
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
        title = [
            clean(one.path, newlines=False),
            f"hunk {hunk + 1} of {len(one.choices)}",
            ("split" if file in view.page.split else "unified") + (", wrapped" if view.wrap else ""),
            f"hit {view.hit + 1} of {len(view.hits):,}" if view.hits else "",
        ]
        view.border_title = Content("  ".join(part for part in title if part))
        if files.highlighted != file:
            with self.prevent(OptionList.OptionHighlighted):
                files.highlighted = file

    def on_resize(self, event: textual_events.Resize) -> None:
        self._tell()

    def on_diff_view_moved(self) -> None:
        self._where()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        view = self.query_one(DiffView)
        if event.option_index != view.file:
            view.go(event.option_index, 0)

    def on_option_list_option_selected(self) -> None:
        self.query_one(DiffView).focus()

    def on_diff_view_turned(self, event: DiffView.Turned) -> None:
        self._turn(event.file, event.hunk)

    # Reading

    def action_hunk(self, step: int) -> None:
        self.query_one(DiffView).step_hunk(step)

    def action_file(self, step: int) -> None:
        self.query_one(DiffView).step_file(step)

    def action_split(self) -> None:
        view = self.query_one(DiffView)
        view.rearrange(not view.split, view.wrap)
        if view.split and view.unsplit:
            files = plural(view.unsplit, "file")
            self.notify(f"{files} unified: the longest line has no room beside itself.", markup=False)
        self._where()

    def action_wrap(self) -> None:
        view = self.query_one(DiffView)
        view.rearrange(view.split, not view.wrap)
        self._where()

    def action_search(self) -> None:
        def given(wanted: str | None) -> None:
            if wanted:
                found = self.query_one(DiffView).search(wanted)
                self.say(
                    f"{plural(found, 'place')}: > and < go through them." if found else f"not found: {wanted}"
                )
                self._where()

        self.app.push_screen(Ask("Search", "Text in the patch; capitals count where you type some."), given)

    def action_hit(self, step: int) -> None:
        self.query_one(DiffView).step_hit(step)
        self._where()

    def action_copy(self) -> None:
        text = self.query_one(DiffView).hunk_text()
        if text:
            copy_aloud(self, text)
        else:
            self.notify("There are no lines to copy.", severity="warning")

    def action_undo(self) -> None:
        if self._accepting.applied is None:
            self.notify("Nothing has been applied from here.", severity="warning")
        else:
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
        self._where()

    def _present(self) -> tuple[str, Key]:
        """What a decision is bound to: the patch, and what of it is selected."""
        return (self._shown.tree if self._shown else "", self.choice.key)

    # Deciding

    def _deciding(self, recorded: bool = False) -> bool:
        """Whether something can be decided now; says so where not. `recorded`: of a recording, too."""
        if not self.control.live and not recorded:
            said = "This is a recording: no agent is there any more. Its patch can be applied all the same."
        elif self._accepting.busy:
            said = f"Still {self._accepting.busy}"
        elif not self.reviewed.over or self._asked:
            said = "The run goes on: there is nothing to decide yet."
        elif self.reviewed.patch is None or not self.lines.files:
            said = "There is no patch."
        else:
            return True
        self.notify(said, severity="warning", markup=False)
        return False

    def action_accept(self, to: Target) -> None:
        if not self._deciding(recorded=True):
            return
        if not self.choice.paths:
            self.notify("Nothing is selected: space takes a hunk, f a file.", severity="warning")
        else:
            self.run_worker(self._accept(to), group="accept")

    async def _accept(self, to: Target) -> None:
        patch = self.reviewed.patch
        if patch is None or not self._deciding(recorded=True):
            return
        await self._accepting.accept(to, patch, self.reviewed.verdict, self.choice, self._present)

    def action_reject(self) -> None:
        def given(reason: str | None) -> None:
            if reason is not None and self._deciding():
                self.rejected = reason or "no reason given"
                self.say(f"Rejected: {self.rejected}\nNothing was applied.")

        if self._deciding():
            self.app.push_screen(Ask("Reject the patch", "Why? Nothing is applied."), given)

    def action_comment(self) -> None:
        def given(comment: str | None) -> None:
            if not comment or not self._deciding():
                return
            try:
                self.control.revise(comment)
            except SaleError as error:
                self.say(f"Not sent: {error.message} ({error.hint})", "bad")
            else:
                self._asked = f"Sent back to {self.reviewed.agent}: a new attempt begins."
                self.say("")

        if self._deciding():
            label = f"{self.reviewed.agent} goes on with it in a new attempt; the tests run again."
            self.app.push_screen(AskText("Comment", label), given)

    # Files outside

    def action_write(self) -> None:
        if self.reviewed.patch is None or not self.choice.paths:
            self.notify("Nothing is selected.", severity="warning")
            return
        default = str(Path.cwd() / f"sale-{self.control.id}.diff")
        label = "The diff of what is selected goes into this file."
        self.run_worker(self._write(label, default), group="write")

    async def _write(self, label: str, default: str) -> None:
        named = await self.app.push_screen_wait(Ask("Write the patch", label, default))
        patch = self.reviewed.patch
        if not named or patch is None:
            return
        path = Path(named).expanduser()
        if path.exists():
            sure = Confirm("Replace the file?", f"{path} is there already.", yes="Replace", danger=True)
            if not await self.app.push_screen_wait(sure):
                return
        text = patch.diff if self.choice.whole else select(parse(patch.diff), self.choice.selection())
        try:
            await asyncio.to_thread(path.write_bytes, text.encode("utf-8", "surrogateescape"))
        except OSError as error:
            self.say(f"Not written: {path}: {error.strerror}", "bad")
        else:
            self.say(f"Written to {path}", "good")

    def action_edit(self) -> None:
        if self.lines.files:
            file, hunk = self.query_one(DiffView).current
            one = self.lines.files[file]
            refused = edit(self.app, one.path, one.hunks[hunk].old_start if one.hunks else 1)
            if refused:
                self.notify(clean(refused), severity="warning", markup=False)
