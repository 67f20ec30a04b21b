"""What `sale` needs: one quiet line when all of it is there, else a line for each thing with what to type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.content import Content
from textual.widgets import Static

from salecli.core.text import clean

if TYPE_CHECKING:
    from salecli.checks import Finding


class StatusLine(Static):
    """Shows findings; takes the focus only where something has to be read."""

    HELP: ClassVar = """\
# What sale needs

A repository with a commit and tests, the models of the pool, a Docker engine with the sandbox image, and a
memory file. When all of it is there this is one line. A line that begins with **!** names what is missing,
and after **type:** what to type in a shell. **F9** looks again. `sale doctor` says all of it at length.
"""
    DEFAULT_CSS: ClassVar = """
    StatusLine {
        height: auto;
        padding: 0 1;
        color: $text-muted;
        &.-missing { color: $foreground; }
        &:focus { background: $boost; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  Textual's own name
        super().__init__(Content("checking models, Docker and memory"), markup=False, id=id)

    def show(self, findings: Sequence[Finding]) -> None:
        """Show what the checks found."""
        missing = [finding for finding in findings if not finding.fine]
        self.can_focus = bool(missing)
        self.set_class(bool(missing), "-missing")
        if missing:
            self.update(Content("\n").join(_line(finding) for finding in missing))
        else:
            self.update(
                Content("ready: " + ", ".join(clean(one.short, False) for one in findings if one.short))
            )


def _line(finding: Finding) -> Content:
    """One fault, and what to type."""
    found = Content.assemble(
        ("! ", "bold $text-warning"), f"{finding.name}: {clean(finding.found, newlines=False)}"
    )
    if not finding.fix:
        return found
    return Content.assemble(
        found, ("   type: ", "$foreground-muted"), (clean(finding.fix, newlines=False), "bold")
    )
