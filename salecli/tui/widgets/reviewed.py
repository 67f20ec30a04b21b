"""What there is to review, as the events so far tell it: whose patch, what the tests say, what it took."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from textual.content import Content

from salecli.core import events
from salecli.core.text import clean
from salecli.core.values import Change, Patch, Tests, Verdict
from salecli.core.words import counted, money, plural, shortened
from salecli.tui.control import Fed

_GAP = "   "


@dataclass(slots=True)
class Reviewed:
    """Feed it every event in order; a revision's patch takes the place of the old one."""

    patch: Patch | None = None
    agent: str = ""
    """Whose patch it is."""
    ended: events.RunEnded | None = None
    """None while somebody works."""
    failed: events.RunFailed | None = None
    working: str = ""
    """Who works now, and on what; empty where nobody does."""
    dearest: str = ""
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    """By the patch's tree."""
    _agents: dict[str, str] = field(default_factory=dict)
    _last: Verdict | None = None
    _tree: str = ""

    def apply(self, fed: Fed) -> bool:
        """Take one event in; whether there is another patch to show."""
        before = self.patch
        match fed:
            case events.RunStarted(prices=prices):
                self.dearest = max(prices, key=lambda agent: prices[agent], default="")
            case events.WorkStarted(agent=agent, attempt=attempt):
                self.ended, self.failed = None, None
                self.working = f"{agent} works on it, attempt {attempt}"
            case events.PatchMade(agent=agent, patch=patch):
                self._tree = patch.tree
                if not patch.empty:
                    self.patch, self.agent = patch, agent
                    self._agents[patch.tree] = agent
                    self.working = "the tests run on it in a fresh sandbox"
            case events.VerdictReached(verdict=verdict):
                self.verdicts[self._tree] = self._last = verdict
                self.working = "" if verdict.solved else "not solved yet: the run goes on"
            case events.RunEnded():
                self._end(fed)
            case events.RunFailed():
                self.failed, self.working = fed, ""
            case _:
                return False
        return self.patch is not before

    def _end(self, event: events.RunEnded) -> None:
        self.ended, self.working = event, ""
        self.patch = None if event.patch is None or event.patch.empty else event.patch
        if self.patch is not None:
            self.agent = self._agents.get(self.patch.tree, event.agent)

    @property
    def verdict(self) -> Verdict | None:
        """Of the patch that is shown."""
        return self.verdicts.get(self.patch.tree) if self.patch else None

    @property
    def solved(self) -> bool:
        return self.verdict is not None and self.verdict.solved

    @property
    def over(self) -> bool:
        """Whether the run has ended, one way or another."""
        return not self.working and (self.ended is not None or self.failed is not None)

    def waiting(self) -> str:
        """Why there is nothing to review."""
        if self.failed is not None:
            hint = f"\n{self.failed.hint}" if self.failed.hint else ""
            return f"No patch: {self.failed.reason}{hint}"
        if self.ended is not None:
            reason = f" ({self._last.reason})" if self._last is not None else ""
            return f"No patch: the run ended, and nothing was changed{reason}."
        if self.working:
            return f"No patch yet: {self.working} (F4 shows the work)."
        return "No patch yet: the auction comes first (F3 shows it)."

    def parts(self, seconds: float) -> list[str]:
        """The verdict and the figures, the most important first."""
        assert self.patch is not None
        added = sum(change.added for change in self.patch.changes)
        removed = sum(change.removed for change in self.patch.changes)
        said = [self._said(), *self._tests()]
        said.append(f"{plural(len(self.patch.changes), 'file')} +{added:,} -{removed:,}")
        said.append(f"patch {short(self.patch)}")
        if self.ended is not None:
            largest = money(self.ended.usd_largest)
            alone = f" ({self.dearest} alone: about {largest})" if self.dearest else ""
            said += [f"{money(self.ended.usd)}{alone}", f"{self.ended.tokens:,} tokens", f"{seconds:.1f} s"]
        return [clean(part, newlines=False) for part in said]

    def _said(self) -> str:
        if self.verdict is None:
            return f"not verified yet: patch of {self.agent}"
        return (
            f"solved by {self.agent}" if self.solved else f"NOT solved by {self.agent}: {self.verdict.reason}"
        )

    def _tests(self) -> list[str]:
        given = self.verdict
        return [f"tests {share(given.before)} > {share(given.after)} in a fresh sandbox"] if given else []


def share(tests: Tests) -> str:
    """Tests passed of all, "12/12"."""
    total = tests.passed + tests.failed
    return f"{tests.passed}/{total}" if tests.ran and not tests.timed_out else counted(tests)


def short(patch: Patch) -> str:
    """Four digits that tell one patch from another."""
    return hashlib.sha256(patch.diff.encode("utf-8", "surrogateescape")).hexdigest()[:4]


def packed(parts: Sequence[str], width: int) -> str:
    """Parts in lines of at most `width`, none of them torn apart where it fits."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + len(_GAP) + len(part) <= width:
            lines[-1] += _GAP + part
        else:
            lines.append(part)
    return "\n".join(lines)


def flagged(changes: Iterable[Change], paths: Iterable[str]) -> list[str]:
    """A line for each of these files that a person should look at twice."""
    wanted = set(paths)
    return [
        f"{clean(change.path, newlines=False)}: {', '.join(change.flags)}"
        for change in changes
        if change.flags and change.path in wanted
    ]


def headed(reviewed: Reviewed, at: float, width: int) -> Content:
    """The verdict in one line, and what it took in lines of at most `width` cells; the verdict stands out."""
    style = "$text-success" if reviewed.solved else "$text-error" if reviewed.verdict else "$text-warning"
    said, *took = reviewed.parts(at)
    said = shortened(said, width)
    return Content.assemble((said, f"bold {style}"), packed([said, *took], width)[len(said) :])
