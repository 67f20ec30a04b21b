"""From a selection to an applied patch: exactly what goes in is verified, asked about and then applied."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.events import Mount
from textual.screen import Screen

from salecli.core.decisions import Target
from salecli.core.text import clean
from salecli.core.values import Patch, Verdict
from salecli.core.words import plural
from salecli.errors import AppliedAlready, SaleError
from salecli.tui.control import Control
from salecli.tui.screens.dialogs import Confirm
from salecli.tui.widgets.diffchoice import Choice, Key
from salecli.tui.widgets.reviewed import flagged, share, short

if TYPE_CHECKING:
    from salecli.adapters.apply import Applied

HOST = "runs on the host"
_MANY = 12
"""Files that a question names."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A patch of what is selected, and what the tests say of it; it counts for this selection alone."""

    whole: str
    """Tree of the patch that it is a part of."""
    key: Key
    patch: Patch
    verdict: Verdict | None
    """None where it could not be verified."""
    trouble: str = ""


class Sure(Confirm):
    """Enter never accepts: "no" has the focus, dangerous or not."""

    KEYS = "y says yes   Enter, n or Esc says no"

    def on_mount(self, event: Mount) -> None:  # type: ignore[override]
        event.prevent_default()  # the question's own choice of focus
        self.query_one("#no").focus()


class Accepting:
    """One patch on its way to the user's repository."""

    def __init__(self, screen: Screen[None], control: Control, say: Callable[[str, str], None]) -> None:
        """`say` shows a sentence, and how it is meant: "", "good", "bad"."""
        self.screen, self.control, self._say = screen, control, say
        self.busy = ""
        """What goes on, in words."""
        self.checked: Checked | None = None
        """The last verification of a part."""
        self.applied: Applied | None = None
        """What was done last to the user's repository; it stands until they take it back."""

    async def accept(
        self,
        to: Target,
        patch: Patch,
        verdict: Verdict | None,
        choice: Choice,
        present: Callable[[], tuple[str, Key]],
        because: str = "",
    ) -> bool:
        """Apply what is chosen of a patch; `present` says what is chosen when it is asked again.

        `because` says why it is asked where no key was pressed. False where it was not applied; why was said.
        """
        bound = present()
        given = Checked(*bound, patch, verdict)
        if not choice.whole:
            part = await self._part(patch, choice, bound)
            if part is None:
                return False
            given = part
        if self._changed(bound, present) or not await self._asked(to, given, choice, because):
            return False
        if self._changed(bound, present):
            return False
        return await self._apply(to, given)

    def _changed(self, bound: tuple[str, Key], present: Callable[[], tuple[str, Key]]) -> bool:
        """Whether something else is selected by now; then nothing of what was asked or verified counts."""
        if present() == bound:
            return False
        self._say("The selection has changed meanwhile: nothing was applied.", "bad")
        return True

    async def _part(self, patch: Patch, choice: Choice, bound: tuple[str, Key]) -> Checked | None:
        """The selection as a patch of its own, verified; what is known of the same selection is kept."""
        known = self.checked
        if known is not None and (known.whole, known.key) == bound and known.verdict is not None:
            return known
        taken, there = choice.count
        self.busy = f"verifying what is left: {taken} of {plural(there, 'hunk')} ..."
        self._say(self.busy, "")
        try:
            part = await asyncio.to_thread(self.control.part, patch, choice.selection())
        except SaleError as error:
            self._say(f"These hunks cannot stand alone: {_words(error)}", "bad")
            return None
        finally:
            self.busy = ""
        self.busy = "verifying"
        verdict, trouble = None, ""
        try:
            verdict = await asyncio.to_thread(self.control.verify, part)
        except SaleError as error:
            trouble = _words(error)
        finally:
            self.busy = ""
        self.checked = Checked(*bound, part, verdict, trouble)
        self._say(*self._result(self.checked))
        return self.checked

    def _result(self, given: Checked) -> tuple[str, str]:
        """What the tests say of a part."""
        if given.verdict is None:
            return f"What is selected could not be verified: {given.trouble}", "bad"
        if given.verdict.solved:
            return f"{share(given.verdict.after)} with what you selected (patch {short(given.patch)})", "good"
        return f"What is selected fails: {given.verdict.reason}", "bad"

    async def _asked(self, to: Target, given: Checked, choice: Choice, because: str) -> bool:
        """The exact words of what will happen; a separate yes for what a person should look at twice."""
        solved = given.verdict is not None and given.verdict.solved
        title = "Apply to your files?" if to == "worktree" else "Apply to a new branch?"
        if not solved:
            title = "Not solved. " + title.removesuffix("?") + " all the same?"
        yes = "Apply" if solved else "Apply all the same"
        words = "\n\n".join(filter(None, (self._what(to, given, choice), because)))
        sure = Sure(title, words, yes=yes, no="Do not apply", danger=not solved)
        if not await self.screen.app.push_screen_wait(sure):
            self._kept("Not applied.")
            return False
        twice = flagged(given.patch.changes, choice.paths)
        if not twice:
            return True
        words = "Look at these files before you say yes:\n\n" + "\n".join(_some(twice))
        if any(HOST in change.flags for change in given.patch.changes):
            words += "\n\nWhat runs on the host runs there with your rights, outside of any sandbox."
        sure = Sure("Flagged files", words, yes="Apply them too", no="Do not apply", danger=True)
        if await self.screen.app.push_screen_wait(sure):
            return True
        self._kept("Not applied: the flagged files were not agreed to. Leave them out with f.")
        return False

    def _kept(self, said: str) -> None:
        """Say that nothing was done just now, and what of before still stands."""
        self._say(f"{said}\n{self.stands}".strip(), "")

    @property
    def stands(self) -> str:
        """What was applied, and the command that takes it back; empty where nothing was."""
        done = self.applied
        if done is None:
            return ""
        where = f"onto branch {done.branch}" if done.branch else f"to your files: {', '.join(done.files[:3])}"
        more = f" and {len(done.files) - 3} more" if not done.branch and len(done.files) > 3 else ""
        return f"Applied {where}{more}.\nundo (u copies it): {done.undo}"

    def _what(self, to: Target, given: Checked, choice: Choice) -> str:
        patch = given.patch
        taken, there = choice.count
        whole = "The whole patch" if choice.whole else f"{taken} of {plural(there, 'hunk')}"
        goes = ("goes " if choice.whole else "go ") + (
            "into your working tree. Nothing is committed"
            if to == "worktree"
            else f"as one commit onto a new branch sale/{self.control.id}. "
            "Your files, your index and your branch stay as they are"
        )
        lines = [f"{whole} ({plural(len(patch.changes), 'file')}, patch {short(patch)}) {goes}.", ""]
        lines += _some(
            [f"  {clean(one.path, newlines=False)}  +{one.added:,} -{one.removed:,}" for one in patch.changes]
        )
        lines.append("")
        if given.verdict is None:
            lines.append(f"It was not verified{': ' + given.trouble if given.trouble else ''}.")
        elif given.verdict.solved:
            lines.append(f"The tests: {share(given.verdict.after)} with exactly this, in a fresh sandbox.")
        else:
            lines.append(f"The tests: {share(given.verdict.after)}. {given.verdict.reason}.")
        return "\n".join(lines)

    async def _apply(self, to: Target, given: Checked) -> bool:
        self.busy = "applying"
        host = any(HOST in change.flags for change in given.patch.changes)
        try:
            done = await asyncio.to_thread(self.control.apply, given.patch, to, host)
        except AppliedAlready as error:
            branch = " b makes a branch of it." if to == "worktree" else ""
            self._say(f"Nothing to do: {error.message}.{branch}", "bad")
            return False
        except SaleError as error:
            self._say(f"Not applied: {_words(error)}", "bad")
            return False
        except OSError as error:
            self._say(f"Not applied: {error.filename or 'a file'}: {error.strerror or error}", "bad")
            return False
        finally:
            self.busy = ""
        self.applied = done
        self._say("\n".join(filter(None, (self.stands, done.note))), "good")
        return True


def _words(error: SaleError) -> str:
    return f"{error.message} ({error.hint})" if error.hint else error.message


def _some(lines: list[str]) -> list[str]:
    """The first ones, and how many more there are."""
    more = len(lines) - _MANY
    return [*lines[:_MANY], f"  and {more} more"] if more > 0 else lines
