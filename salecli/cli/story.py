"""The story of a run on stderr: bids, refinements, steps, verdict, money. Fed by events alone."""

from __future__ import annotations

from functools import singledispatchmethod
from typing import TYPE_CHECKING

from salecli.cli.output import Output
from salecli.core import events
from salecli.core.board import Board, Key
from salecli.core.text import clean
from salecli.core.values import Bid
from salecli.core.words import amount, bounded, counted, milliseconds, money, plural, rate, shortened

if TYPE_CHECKING:
    from rich.status import Status

_NARROW = 80
"""Columns below which agents become rows."""
_LABEL, _MARK = 14, 12
"""Columns of a row's name, and of a mark that was put right beside what was given."""
_BORDERS = {
    "bids": "all bids are made",
    "marks": "all bids are marked",
    "winner": "the winner can be chosen",
    "work": "the next step of the work can be taken",
}
_LARGE = 1_000_000_000
"""Bytes of a model file whose loading takes long enough to be told."""
_SHORT = {
    "price/Mt": "USD/Mt",
    "tokens": "tok",
    "entropy": "nats",
    "ms/token": "ms/t",
    "thoughts": "thou",
    "their entropy": "nats",
}


class Story:
    """Tells each event as it comes: plain lines, and on a terminal a moving line of what goes on now."""

    def __init__(self, output: Output, moving: bool = True, spoken: bool = False) -> None:
        """`moving` False tells a finished run, where nothing goes on now; `spoken` says that in lines."""
        self._moving = moving and output.live
        self._spoken = spoken
        self._doing = ""
        self.board = Board()
        self._output = output
        self._status: Status | None = None
        self._tokens = 0
        self._shown: set[Key] = set()
        self._patched = False
        """Whether this attempt has a patch that the tests can say something of."""
        self._ended: events.RunEnded | None = None
        self._warned: set[tuple[str, str]] = set()
        """(agent, what was said of its model): nothing is said twice."""
        self._excuse = ("", "")
        """The judge that failed last, and why: for its other bids it is not said again."""

    def __enter__(self) -> Story:
        return self

    def __exit__(self, *_: object) -> None:
        self._now("")

    def tell(self, event: events.Event) -> None:
        """One more event."""
        self.board.apply(event)
        self._tell(event)

    @singledispatchmethod
    def _tell(self, event: events.Event) -> None:
        """Kinds without a line of their own are silent."""

    @_tell.register
    def _(self, event: events.RunStarted) -> None:
        details = event.details
        dirty = f" ({event.dirty} files changed by you, included)" if event.dirty else ""
        self._say(f"sale  run {event.run}  {details.title} in {details.repository}{dirty}", "bold")
        jury = f", juries of {event.jury} of {len(event.prices)}" if event.jury else ""
        self._say(
            f"pool {event.pool}{jury}, memory {plural(event.remembered, 'auction')}, "
            f"thrift {event.weights.cost:g}, seed {event.seed}"
        )

    @_tell.register
    def _(self, event: events.TestsBefore) -> None:
        self._say(f"tests before: {counted(event.tests)}")

    @_tell.register
    def _(self, event: events.ModelLoading) -> None:
        large = event.bytes >= _LARGE
        if large and not self._moving:
            self._say(f"{event.agent} loads {amount(event.bytes)}")
        elif not self._spoken:
            self._now(f"{event.agent} loads{f' {amount(event.bytes)}' if large else ''}")

    @_tell.register
    def _(self, event: events.ModelWarned) -> None:
        self._warn(event.agent, event.reason)

    def _warn(self, agent: str, reason: str) -> None:
        if (agent, reason) not in self._warned:
            self._warned.add((agent, reason))
            self._say(f"  {agent}: {reason}", "yellow")

    @_tell.register
    def _(self, event: events.BidStarted) -> None:
        self._tokens = 0
        self._now(f"{event.agent} {'rewrites its bid' if event.refined else 'bids'}")

    @_tell.register
    def _(self, event: events.PlanToken) -> None:
        self._count(f"{event.agent} bids")

    @_tell.register
    def _(self, event: events.WorkToken) -> None:
        self._count(f"{event.agent} works")

    @_tell.register
    def _(self, event: events.Marked) -> None:
        self._now(f"{event.mark.judge} marks")

    @_tell.register
    def _(self, event: events.AgentOut) -> None:
        why = f"{event.reason} ({event.hint})" if event.hint else event.reason
        match event.phase:
            case "excluded":
                said = f"{event.agent} is out: {why}"
            case "again":
                said = f"{event.agent} could not bid again, what it bid before stands: {why}"
            case phase:
                said = f"{event.agent} is out ({phase}): {why}"
        self._say(f"  {said}", "yellow")

    @_tell.register
    def _(self, event: events.MarkReplaced) -> None:
        mark, known = event.mark, (event.mark.judge, event.reason)
        why = f", the mean of the other marks counts: {event.reason}" if known != self._excuse else " either"
        self._excuse = known
        self._say(f"  {mark.judge} could not mark {mark.agent}{why}", "yellow")

    @_tell.register
    def _(self, event: events.Led) -> None:
        board = self.board
        refined = [key for key in board.scores if key[1]]
        new = [key for key in refined if key not in self._shown]
        if not new:
            self._now("")
            self._output.show(bid_table(self._output, board))
            if board.calibrated:
                self._say("  marks count as past verdicts put them right: given->counted")
        for key in new or refined:
            self._refined(key)
        if not new:
            self._say(f"{event.agent} leads: {board.reason((event.agent, event.refined))}")
        self._shown.update(board.scores)

    @_tell.register
    def _(self, event: events.BidMade) -> None:
        bid = event.bid
        if not bid.refined:
            self._shown.discard((bid.agent, True))
        if bid.entropy_kind == "interval" and ("interval", bid.agent) not in self._warned:
            self._warned.add(("interval", bid.agent))
            width = 2 * bid.spread
            self._say(
                f"  {bid.agent}'s entropies are intervals, this one {width:.2g} nats wide: its middle counts"
            )

    def _refined(self, key: Key) -> None:
        board, agent = self.board, key[0]
        marks = " ".join(filter(None, (board.mark(judge, key) for judge in board.agents)))
        before = board.scores.get((agent, False))
        was = f"   (was {before.total:+.3f})" if before is not None else ""
        star = "*" if key == board.leader else " "
        self._say(f"  {agent} refined {board.scores[key].total:+.3f}{star} marks {marks}{was}")

    @_tell.register
    def _(self, event: events.PairsRead) -> None:
        near = max(pair.similarity for pair in event.pairs)
        pairs, tasks = len(event.pairs), len({pair.auction for pair in event.pairs})
        self._say(
            f"  {event.agent} refines: {plural(pairs, 'pair')} from {plural(tasks, 'past auction')}, "
            f"likeness up to {near:.2f}"
        )

    @_tell.register
    def _(self, event: events.SatOut) -> None:
        self._say(f"  {event.agent} sits out: {event.reason}")

    @_tell.register
    def _(self, event: events.Paused) -> None:
        self._now("")
        self._say(f"paused: {_BORDERS[event.at]}" if event.at else "paused")

    @_tell.register
    def _(self, event: events.Resumed) -> None:
        self._say("going on")

    @_tell.register
    def _(self, event: events.Reweighed) -> None:
        weights = event.weights
        judges = ", ".join(f"{judge} {weight:.2f}" for judge, weight in weights.judges.items())
        self._say(f"weights turned: thrift {weights.cost:g}, entropy {weights.entropy:g}, judges {judges}")

    @_tell.register
    def _(self, event: events.Refused) -> None:
        self._say(f"refused: {event.what}: {event.reason}", "yellow")

    @_tell.register
    def _(self, event: events.WinnerChosen) -> None:
        refined = " (refined)" if event.refined else ""
        if event.override is not None:
            reason = f": {event.override.reason}" if event.override.reason else ""
            self._say(f"Winner {event.agent}{refined}, chosen by the user{reason}", "bold")
        else:
            self._say(
                f"Winner {event.agent}{refined}: {self.board.reason((event.agent, event.refined))}", "bold"
            )

    @_tell.register
    def _(self, event: events.WorkStarted) -> None:
        self._tokens = 0
        most = f"at most {bounded(event.limits)}" if event.limits is not None else ""
        if event.attempt > 1:
            of = f" of {event.attempts}" if event.attempts else ""
            said = f"attempt {event.attempt}{of}: {event.agent} works in a fresh sandbox"
            self._say(f"{said}, {most}" if most else said)
        elif most:
            self._say(f"{event.agent} works: {most}")
        self._doing, self._patched = f"{event.agent} works", False
        self._now(f"{event.agent} works")

    @_tell.register
    def _(self, event: events.Hinted) -> None:
        self._say(f"hint to {event.agent}: {event.text}")

    @_tell.register
    def _(self, event: events.StepTaken) -> None:
        step = event.step
        did = f"{step.action} {step.target}".strip() if step.action != "none" else "no valid action"
        seen = f"tests {counted(step.tests)}" if step.tests else shortened(step.observation, 80)
        self._say(f"work {step.number:<2} {shortened(did, 28):<28}  {seen}")

    @_tell.register
    def _(self, event: events.WorkEnded) -> None:
        if event.end not in ("tests pass", "done"):
            self._say(
                f"{event.agent} ended: {event.end}{': ' + event.reason if event.reason else ''}", "yellow"
            )
        self._now("verdict: the tests run in a fresh sandbox" if self._patched else "")

    @_tell.register
    def _(self, event: events.PatchMade) -> None:
        self._patched = not event.patch.empty
        for change in event.patch.changes:
            if change.flags:
                self._say(f"look twice: {change.path} ({', '.join(change.flags)})", "yellow")

    @_tell.register
    def _(self, event: events.VerdictReached) -> None:
        verdict = event.verdict
        said, style = ("solved", "bold green") if verdict.solved else ("not solved", "bold red")
        self._say(f"verdict {said}: {verdict.reason} (before: {counted(verdict.before)})", style)

    @_tell.register
    def _(self, event: events.Rejected) -> None:
        self._say(f"rejected by the user: {event.reason}", "yellow")

    @_tell.register
    def _(self, event: events.NotRemembered) -> None:
        self._say(f"not remembered: {event.reason}", "yellow")

    @_tell.register
    def _(self, event: events.MemoryWarned) -> None:
        self._say(f"memory: {event.reason}", "yellow")

    @_tell.register
    def _(self, event: events.RunFailed) -> None:
        self._now("")
        self._output.failure(event.reason, event.hint)

    @_tell.register
    def _(self, event: events.RunEnded) -> None:
        self._now("")
        if event == self._ended:
            return  # what came after the end changed nothing of it
        self._ended = event
        if event.patch is not None and not event.patch.empty:
            changes = event.patch.changes
            added, removed = sum(one.added for one in changes), sum(one.removed for one in changes)
            self._say(f"patch {plural(len(changes), 'file')}, +{added} -{removed}")
        dearest = self.board.dearest
        spent = (
            f"{money(event.usd)} (auction {money(event.usd - event.usd_work)}, work {money(event.usd_work)})"
        )
        alone = f"; {dearest} alone: about {money(event.usd_largest)}" if event.usd_largest else ""
        timed = f", {event.seconds:.1f} s of the models' time" if self.board.seconds else ""
        self._say(f"{event.tokens:,} tokens{timed}, {spent}{alone}")

    def _say(self, text: str, style: str = "") -> None:
        # One line each: a test's name that holds a line end must not be able to write a line of its own.
        self._output.story(clean(text, newlines=False), style)

    def _count(self, what: str) -> None:
        self._tokens += 1
        if self._status is not None and self._tokens % 8 == 0:
            self._now(f"{what}: {self._tokens} tokens")

    def _now(self, what: str) -> None:
        """What goes on now, on a moving line; an empty text takes the line away."""
        if self._spoken and what != self._doing:
            self._doing = what
            if what:
                self._say(f"{what} ...")
        if not self._moving:
            return
        if not what:
            if self._status is not None:
                self._status.stop()
                self._status = None
        elif self._status is None:
            self._status = self._output.console().status(what)
            self._status.start()
        else:
            self._status.update(what)


def bid_table(output: Output, board: Board) -> object:
    """The table of the first bids: agents as columns, or as rows where the terminal is narrow."""
    width = output.console().width
    brief = width < max(_NARROW, _LABEL + _MARK * len(board.agents))
    columns = [[name, *cells] for name, cells in _columns(board, brief)]
    if width < _NARROW:
        # Short heads, so that a row stays a line: below a judge's name stand the marks it gave.
        names = [_SHORT.get(name, name.removeprefix("mark ")) for name, *_ in columns[1:]]
        table = output.grid(["", *names], names)
        table.padding = (0, 1, 0, 0)
        for place, agent in enumerate(board.agents, 1):
            table.add_row(agent, *(column[place] for column in columns[1:]))
        return table
    table = output.grid(["", *board.agents], board.agents)
    for column in columns[1:]:
        table.add_row(*column)
    return table


def _entropy(bid: Bid | None) -> str:
    """Its mean in nats, with a mark where only an interval around it is known."""
    if bid is None:
        return ""
    return f"{'~' if bid.entropy_kind == 'interval' else ''}{bid.entropy:.3f}"


def _columns(board: Board, brief: bool) -> list[tuple[str, list[str]]]:
    """(name, one cell an agent) for each property of the bids; `brief` has but the marks that count."""
    agents = board.agents
    bids = [board.bids.get((agent, False)) for agent in agents]
    scores = [board.scores.get((agent, False)) for agent in agents]
    rows = [
        ("", agents),
        ("price/Mt", [rate(board.prices[agent]) for agent in agents]),
        ("tokens", [str(bid.tokens) if bid else "out" for bid in bids]),
        ("entropy", [_entropy(bid) for bid in bids]),
    ]
    if board.seconds:
        speeds = [milliseconds(board.seconds[agent]) if agent in board.seconds else "-" for agent in agents]
        rows.insert(2, ("ms/token", speeds))
    if any(bid.usage.thoughts for bid in bids if bid):
        # Of the plan are tokens and entropy; what was thought before it stands on its own.
        rows += [
            ("thoughts", [str(bid.usage.thoughts) if bid else "" for bid in bids]),
            (
                "their entropy",
                [
                    f"{bid.usage.thought_entropy:.3f}" if bid and bid.usage.thought_nats else "-"
                    for bid in bids
                ],
            ),
        ]
    for judge in agents:
        cells = []
        for agent in agents:
            shown = board.mark(judge, (agent, False), brief)
            cells.append(f"({shown})" if shown and judge == agent else shown)
        rows.append((f"mark {judge}", cells))
    leads = ["*" if board.leader is not None and board.leader == (agent, False) else " " for agent in agents]
    rows += [
        ("cost", [f"{score.cost:.3f}" if score else "" for score in scores]),
        ("value", [f"{score.value:.3f}" if score else "" for score in scores]),
        (
            "score",
            [f"{score.total:+.3f}{star}" if score else "" for score, star in zip(scores, leads, strict=True)],
        ),
    ]
    return rows
