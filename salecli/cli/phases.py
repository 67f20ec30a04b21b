"""What goes on now, in one sentence, as the events so far tell it."""

from __future__ import annotations

from salecli.core import events
from salecli.core.limits import WorkLimits


class Phase:
    """Feed it every event in order."""

    def __init__(self) -> None:
        self.said = "The run is being prepared: the tests run once before the auction."
        self.agent = ""
        """Who works and may be given a hint; empty while nobody does."""
        self.follows = False
        """Whether another bidder follows where this one does not solve it."""
        self._limits: WorkLimits | None = None
        self._steps = self._tokens = 0
        self._patched = False

    def apply(self, event: events.Event) -> None:
        """Take one event in; kinds that begin nothing change nothing."""
        match event:
            case events.TestsBefore():
                self.said = "The agents bid."
            case events.BidStarted(agent=agent, refined=refined):
                self.said = f"{agent} {'rewrites its bid' if refined else 'bids'}."
            case events.BidMade():
                self.said = "Further bids or the jury's marks follow."
            case events.Marked() | events.MarkReplaced():
                self.said = "The jury marks the bids."
            case events.WinnerChosen(agent=agent):
                self.said = f"{agent} has won and goes to work."
            case events.WorkStarted() | events.StepTaken() | events.PatchMade() | events.WorkEnded():
                self._work(event)
            case events.VerdictReached():
                self.said = "The attempt has its verdict."
            case _:
                pass

    def _work(self, event: events.Event) -> None:
        match event:
            case events.WorkStarted(agent=agent, limits=limits):
                self.agent, self._limits, self._patched = agent, limits, False
                self.follows = event.attempt < event.attempts
                self._steps = self._tokens = 0
                self._works()
            case events.StepTaken(step=step):
                self._steps += 1
                self._tokens += step.usage.generated
                self._works()
            case events.PatchMade(patch=patch):
                self._patched = not patch.empty
            case events.WorkEnded(agent=agent):
                self.agent = ""
                tested = "The tests run on the patch in a fresh sandbox."
                self.said = tested if self._patched else f"{agent} has ended, without a patch."
            case _:
                pass

    def _works(self) -> None:
        self.said = f"{self.agent} works, {self._step()}."

    def _step(self) -> str:
        most, step = self._limits, f"step {self._steps + 1}"
        if most is None:
            return step
        return f"{step} of at most {most.steps}, {self._tokens:,} of {most.tokens:,} tokens taken"

    @property
    def stands(self) -> str:
        """What is said of a run that stands still at a border, whose name was told."""
        return f"{self.agent} stands still before {self._step()}." if self.agent else "The run stands still."
