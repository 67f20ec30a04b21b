"""What `sale --plain` asks once a run has a patch: read it, take all or a part, comment, apply, reject."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from salecli.adapters.accept import on_host
from salecli.cli.questions import Questions
from salecli.core import diff, events
from salecli.core.values import Change, Patch, Verdict
from salecli.core.words import counted, plural
from salecli.errors import AppliedAlready, SaleError
from salecli.tui.control import Control

if TYPE_CHECKING:
    from salecli.adapters.apply import Applied

Hunks = list[tuple[str, int, str]]
"""(path, number in its file from 0, what it is) of every hunk."""


class Review:
    """The questions about one patch."""

    def __init__(self, ask: Questions, control: Control, patch: Patch, verdict: Verdict | None) -> None:
        self._ask = ask
        self._control = control
        self._whole = self.patch = patch
        self._own = self._verdict = verdict
        """Of the whole patch, and of what is chosen of it."""
        self._files = diff.parse(patch.diff)
        self._out: set[int] = set()
        """Places of the hunks that are left out."""

    def talk(self) -> str:
        """Ask until the user is done with it: "" then, or a comment for a new attempt."""
        self._list(self._whole.changes)
        while True:
            left = f", {plural(len(self._out), 'hunk')} left out" if self._out else ""
            options = [
                "read the diff",
                f"accept it{left or ' all'}",
                "leave out hunks by number",
                "send it back with a comment",
                "write it to a file",
                "reject it",
            ]
            match self._ask.choice("What about the patch?", options):
                case 0:
                    self._ask.say(self.patch.diff.rstrip("\n"))
                case 1:
                    if self._apply():
                        return ""
                case 2:
                    self._choose()
                case 3:
                    comment = self._ask.text("What shall be different?")
                    if not self._control.live:
                        self._ask.say("This is a recording: no agent is there to go on.")
                    elif comment:
                        return comment
                case 4:
                    self._write()
                case _:
                    self._reject()
                    return ""

    def _list(self, changes: Sequence[Change]) -> None:
        # Those that need a second look come first.
        for number, change in enumerate(sorted(changes, key=lambda one: not one.flags), 1):
            flags = f"; look twice: {', '.join(change.flags)}" if change.flags else ""
            self._ask.say(
                f"  file {number}: {change.path} {change.status}, +{change.added} -{change.removed}{flags}"
            )

    def _hunks(self) -> Hunks:
        found: Hunks = []
        for file in self._files:
            for number in file.choices:
                said = "the whole file"
                if file.hunks:
                    hunk = file.hunks[number]
                    last = hunk.new_start + max(hunk.new_count - 1, 0)
                    said = f"lines {hunk.new_start} to {last}, +{hunk.added} -{hunk.removed} {hunk.section}"
                found.append((file.path, number, said.rstrip()))
        return found

    def _choose(self) -> None:
        """Leave hunks out; what is left is verified before anything else."""
        hunks = self._hunks()
        for place, (path, _, said) in enumerate(hunks, 1):
            self._ask.say(f"  hunk {place}: {path} {said}{' (left out)' if place in self._out else ''}")
        out = self._ask.numbers("Numbers of the hunks to leave out, Enter for none:", len(hunks))
        if len(out) == len(hunks):
            self._ask.say("That leaves nothing: reject the patch instead.")
            return
        chosen: dict[str, set[int]] = {}
        for place, (path, number, _) in enumerate(hunks, 1):
            if place not in out:
                chosen.setdefault(path, set()).add(number)
        if not out:
            self.patch, self._verdict, self._out = self._whole, self._own, out
            return
        try:
            part = self._control.part(self._whole, chosen)
            self._ask.say("verifying what is left ...")
            verdict = self._control.verify(part)
        except SaleError as error:
            self._fault(error)
            return
        self.patch, self._verdict, self._out = part, verdict, out
        said = "solved" if verdict.solved else "not solved"
        self._ask.say(f"what is left: {said}: {verdict.reason} ({counted(verdict.after)})")

    def _apply(self) -> bool:
        """Apply what is chosen; False where the user went back, or it could not be applied."""
        ask, patch = self._ask, self.patch
        solved = self._verdict is not None and self._verdict.solved
        if not solved and not ask.yes("The tests do not pass with this patch. Go on all the same?"):
            return False
        hosted = on_host(patch)
        for path in hosted:
            ask.say(f"  runs on your machine later: {path}")
        if hosted and not ask.yes("It changes what runs on your machine, outside of the sandbox. Apply it?"):
            return False
        done = self._applied(patch, bool(hosted))
        if done is None:
            return False
        ask.say(f"applied to {f'branch {done.branch}' if done.branch else ', '.join(done.files)}")
        if done.note:
            ask.say(done.note)
        ask.say(f"undo: {done.undo}")
        return True

    def _applied(self, patch: Patch, hosted: bool) -> Applied | None:
        """What was applied to where the user says; None where nothing was."""
        branch = f"a new branch sale/{self._control.id}"
        while True:
            where = self._ask.choice("Where to?", ["your working tree", branch, "back"], default=-1)
            if where == 2:
                return None
            try:
                return self._control.apply(patch, "branch" if where else "worktree", hosted)
            except AppliedAlready as error:
                self._ask.say(f"Nothing to do: {error.message}. 2 makes {branch} of it.")
            except SaleError as error:
                self._fault(error)
                return None

    def _reject(self) -> None:
        ask = self._ask
        reason = ""
        if self._control.live:
            reason = ask.line("Why? Memory keeps the reason; Enter gives none:")
        if reason:
            try:
                failed = self._control.reject(reason)
            except SaleError as error:
                self._fault(error)
            else:
                ask.say(f"not remembered: {failed}" if failed else f"remembered: {reason}")
        ask.say("Rejected: nothing was changed. The patch stays in the run's folder.")

    def _write(self) -> None:
        typed = self._ask.line("Name of the file, Enter for none:")
        if not typed:
            return
        path = Path(typed).expanduser()
        if path.exists() and not self._ask.yes(f"{path} is there already. Write over it?"):
            return
        try:
            path.write_bytes(self.patch.diff.encode("utf-8", "surrogateescape"))
        except (OSError, ValueError) as error:
            self._ask.say(f"{path} cannot be written: {getattr(error, 'strerror', None) or error}")
        else:
            self._ask.say(f"written to {path}")

    def _fault(self, error: SaleError) -> None:
        self._ask.say(f"sale: {error.message}")
        if error.hint:
            self._ask.say(f"      {error.hint}")


def reviewed(ended: events.RunEnded | None) -> Patch | None:
    """The patch that there is to review."""
    return ended.patch if ended is not None and ended.patch is not None and not ended.patch.empty else None
