"""All parts wired together: one run from the task to the remembered auction, as a generator of events."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field, replace

from salecli.core import events
from salecli.core.agent import Pool, seed_for
from salecli.core.auction import hold
from salecli.core.before import check_before
from salecli.core.decisions import Decisions
from salecli.core.finished import finished, spent, usd
from salecli.core.limits import WorkLimits
from salecli.core.observe import hinted
from salecli.core.ports import Memory, Workspace
from salecli.core.requests import refuse
from salecli.core.round import Round
from salecli.core.values import Auction, Bid, Step, Task, Tests, Work
from salecli.core.verdict import judged
from salecli.core.work import work
from salecli.errors import ModelError, SaleError, SandboxError, UsageError


@dataclass(slots=True)
class _Sale:
    """One run: what it has come to so far, kept so that its work can be revised."""

    task: Task
    run: str
    before: Tests
    record: Round = field(default_factory=Round)
    works: list[Work] = field(default_factory=list)
    transcript: list[Step] = field(default_factory=list)
    """Every step that the agent which worked last has in its transcript, those before a revision too."""
    number: int | None = None
    """The auction's id in memory."""


@dataclass(slots=True)
class House:
    """One pool, one workspace, one memory: sells tasks and has them done.

    `memory` records and teaches; in this run `refines` False keeps it from teaching, `records` False from
    recording.
    """

    pool: Pool
    workspace: Workspace
    memory: Memory | None = None
    decisions: Decisions = field(default_factory=Decisions)
    limits: WorkLimits = field(default_factory=WorkLimits)
    attempts: int = 2
    seed: int = 0
    refines: bool = True
    records: bool = True
    dirty: int = 0
    """Files the user had changed when the snapshot was made, for the record."""
    _sale: _Sale | None = field(default=None, init=False, repr=False)

    def run(self, task: Task, run: str) -> Generator[events.Event, None, Auction]:
        """Sell `task` and have it done; closing the generator cancels and cleans up.

        Raises:
            SaleError: a broken setup, before the first event.
        """
        before = self._before()
        check_before(task, before)
        remembered = self.memory.size() if self.memory is not None else 0
        yield events.RunStarted(
            task.id,
            run=run,
            details=task,
            pool=self.pool.name,
            prices=self.pool.prices,
            weights=self.pool.weights,
            plan_tokens=self.pool.plan_tokens,
            seed=self.seed,
            remembered=remembered,
            dirty=self.dirty,
            jury=self.pool.jury,
            seconds={one.name: one.seconds for one in self.pool.agents if one.seconds},
        )
        yield from self._warned(task)
        yield events.TestsBefore(task.id, before)
        sale = self._sale = _Sale(task, run, before)
        memory = self.memory if self.refines else None
        try:
            held = hold(self.pool, task, memory, self.decisions, self.seed, sale.record)
            yield from _counting(held, sale.record)
            yield from self._works(sale)
        except SaleError as error:
            yield events.RunFailed(task.id, error.message, error.hint)
        return (yield from self._end(sale))

    def revise(self, task: Task, run: str, comment: str) -> Generator[events.Event, None, Auction]:
        """Let the agent that worked last in this run go on, with a comment on what it has done.

        It gets a fresh sandbox in which its earlier steps are carried out again, without the model, and the
        limits count anew. The remembered auction is amended.

        Raises:
            UsageError: before the first event, where nobody has worked in this run.
        """
        sale = self._worked(run, "revise")
        if sale.task.id != task.id:
            raise UsageError(f"run {run} has another task", "start a new run")
        last = sale.works[-1]
        key = (last.agent, last.refined)
        bid = next(bid for bid in sale.record.bids if (bid.agent, bid.refined) == key)
        try:
            yield from self._attempt(sale, bid, comment=comment)
        except SaleError as error:
            yield events.RunFailed(task.id, error.message, error.hint)
        return (yield from self._end(sale))

    def reject(self, run: str, reason: str) -> events.Stream:
        """Note why the user does not want the patch that this run ended with.

        The verdict stays what the tests said: what is remembered is amended, and taught, with the note beside
        the plan.

        Raises:
            UsageError: before the first event, where nobody has worked in this run.
        """
        sale = self._worked(run, "reject")
        place = sale.works.index(_best(sale.works))
        done = sale.works[place]
        said = f"rejected by the user: {' '.join(reason.split())}"
        sale.works[place] = replace(done, note=f"{done.note}; {said}" if done.note else said)
        yield events.Rejected(sale.task.id, done.agent, reason)
        yield from self._end(sale)

    def _worked(self, run: str, what: str) -> _Sale:
        """The run that was played last, if it is this one and somebody worked in it."""
        if self._sale is None or self._sale.run != run or not self._sale.works:
            raise UsageError(f"nobody has worked in run {run}: there is nothing to {what}", "start a new run")
        return self._sale

    def _end(self, sale: _Sale) -> Generator[events.Event, None, Auction]:
        """Remember what came of it, and say it."""
        task, works = sale.task, sale.works
        for request in self.decisions.requests():
            yield from refuse(task, request)
        for hint in self.decisions.hints():
            yield events.Refused(task.id, f"hint {hint}", "no step follows")
        auction = finished(sale.run, task, self.pool, self.seed, sale.record, works)
        if sale.record.winner:
            yield from self._remember(auction, sale)
        best = _best(works) if works else None
        yield events.RunEnded(
            task.id,
            solved=auction.solved,
            agent=best.agent if best else "",
            patch=best.patch if best else None,
            tokens=auction.tokens,
            usd=auction.usd,
            usd_work=sum(usd(one.agent, one.usage, auction.prices) for one in works),
            usd_largest=auction.usd_largest,
            seconds=sum(usage.seconds for _, usage in spent(sale.record, works)),
        )
        return auction

    def _before(self) -> Tests:
        """The tests as they are before any patch."""
        sandbox = self.workspace.open()
        try:
            return sandbox.test()
        finally:
            sandbox.close()

    def _works(self, sale: _Sale) -> Generator[events.Event, None, None]:
        """The winner works; while the task is not solved and attempts are left, the next best bidder does."""
        record, works = sale.record, sale.works
        chosen = record.queue(self.pool)[: self.attempts]
        for bid in chosen:
            yield from self._attempt(sale, bid, len(chosen))
            if works[-1].solved:
                return
        if works and all(_never_worked(one) for one in works):
            raise ModelError(
                f"nobody could work: {works[-1].agent} ended with {works[-1].end} ({works[-1].note})",
                "`sale models list` checks the pool; a task that is too long for it needs a larger context",
            )

    def _attempt(
        self, sale: _Sale, bid: Bid, attempts: int = 0, comment: str | None = None
    ) -> Generator[events.Event, None, None]:
        """One more work of at most `attempts`, with its verdict; with a comment, the last one goes on."""
        attempt = len(sale.works) + 1
        earlier = sale.transcript if comment is not None else []
        if comment is not None and earlier:
            earlier = [*earlier[:-1], hinted(earlier[-1], comment)]
        self.decisions.handed_over()  # what was asked of the work before does not concern this one
        yield events.WorkStarted(sale.task.id, bid.agent, bid.refined, attempt, attempts, self.limits)
        agent = self.pool.agent(bid.agent)
        agent.model.preload()  # while the sandbox opens
        sandbox = self.workspace.open()
        try:
            done = yield from work(
                agent,
                sale.task,
                bid,
                sandbox,
                sale.before,
                self.limits,
                self.decisions,
                seed_for(self.seed, "attempt", attempt),
                earlier=earlier,
                comment=comment or "",
            )
        finally:
            sandbox.close()
        sale.transcript = [*earlier, *done.steps]
        done = yield from judged(sale.task, sale.before, self.workspace, done)
        sale.works.append(done)
        if done.end == "sandbox died":
            raise SandboxError(
                f"the sandbox went away while {bid.agent} worked: {done.note}",
                "`sale sandbox check` looks at the engine; then run the task again",
            )

    def _remember(self, auction: Auction, sale: _Sale) -> Generator[events.Event, None, None]:
        if self.memory is None or not self.records:
            return
        try:
            if sale.number is None:
                sale.number = self.memory.record(auction)
            else:
                self.memory.amend(sale.number, auction)
        except SaleError as error:
            # The patch exists and was verified: a memory that cannot be written must not take it away.
            yield events.NotRemembered(auction.task.id, error.message)
        else:
            yield events.Remembered(auction.task.id, sale.number)
        yield from self._warned(sale.task)

    def _warned(self, task: Task) -> events.Stream:
        for reason in self.memory.told() if self.memory is not None else ():
            yield events.MemoryWarned(task.id, reason)


def _best(works: list[Work]) -> Work:
    """The latest solution, else the last work: a revision that went wrong takes nothing away."""
    return next((one for one in reversed(works) if one.solved), works[-1])


def _never_worked(done: Work) -> bool:
    """Whether the model failed, and not the plan: it died, or had no room for a single step."""
    return done.end == "model died" or (done.end == "context full" and not done.steps)


def _counting(stream: events.Stream, record: Round) -> events.Stream:
    """The same events; what failed calls took is added to `record.lost`."""
    with closing(stream):
        for event in stream:
            if isinstance(event, events.AgentOut):
                record.lost.append((event.agent, event.usage))
            yield event
