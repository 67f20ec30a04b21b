"""How remembered auctions look on stdout: a line each, one in full, all in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from salecli.adapters.examine import Examined
from salecli.adapters.overview import Remembered, Sums
from salecli.adapters.restore import Copy, Restored
from salecli.adapters.sqlitefaults import restoring
from salecli.cli.output import Output
from salecli.core.text import clean, indented
from salecli.core.values import Auction, Bid, Work
from salecli.core.words import counted, decided, marked, money, plural, rate, shortened
from salecli.errors import MemoryFault


def tell_lines(output: Output, found: Sequence[Remembered]) -> None:
    """One auction a line: a table, or JSON lines."""
    if output.lines:
        for one in found:
            values = asdict(one)
            if one.likeness is None:
                del values["likeness"]
            output.record(values)
        return
    if not found:
        return
    headers = ["id", "when", "pool", "repository", "task", "winner", "solved", "cost", "run"]
    rows = []
    for one in found:
        by = "" if one.solved_by in (None, one.winner) else f" by {one.solved_by}"
        winner = one.winner + (" (refined)" if one.refined else "") + (" (chosen)" if one.overridden else "")
        rows.append(
            [one.id, _when(one.created_at), one.pool, one.repository, shortened(one.title, 48), winner,
             f"yes{by}" if one.solved else "no", money(one.usd), one.run]
        )  # fmt: skip
    if found[0].likeness is not None:
        headers.insert(1, "likeness")
        for row, one in zip(rows, found, strict=True):
            row.insert(1, f"{one.likeness:.2f}")
    output.table(headers, rows, right=("id", "likeness", "cost"))


def _when(stamp: str) -> str:
    """A time of the file in the user's own zone."""
    try:
        return datetime.fromisoformat(stamp).astimezone().strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError):
        return stamp


def tell_sums(output: Output, path: Path, sums: Sums) -> None:
    """The whole memory in numbers; the last line of the table is the sum of the others."""
    output.result(f"{path}, {path.stat().st_size / 1e6:.1f} MB")
    if not sums.auctions:
        output.result("no auctions yet")
        return
    output.result(
        f"{plural(sums.auctions, 'auction')} of {plural(sums.tasks, 'task')}, "
        f"{sums.solved} solved ({100 * sums.solved / sums.auctions:.0f} %)"
    )
    output.result(
        f"{plural(sums.refined, 'refined bid')}, of which {sums.refined_wins} won; "
        f"{plural(sums.overrides, 'override')}; {plural(sums.lessons, 'auction')} to learn from"
    )
    share = f" ({100 * sums.usd / sums.usd_largest:.0f} %)" if sums.usd_largest else ""
    output.result(
        f"{sums.tokens:,} tokens, {money(sums.usd)}; "
        f"the dearest agent alone: {money(sums.usd_largest)}{share}"
    )
    output.result("")
    headers = ["agent", "bids", "refined", "wins", "refined wins", "works", "solved"]
    rows: list[list[object]] = [
        [one.agent, one.bids, one.refined, one.wins, one.refined_wins, one.works, one.solved]
        for one in sums.agents
    ]
    columns = [[row[place] for row in rows] for place in range(1, len(headers))]
    rows.append(["all", *(sum(int(str(cell)) for cell in column) for column in columns)])
    output.table(headers, rows, right=headers[1:])


def tell_examined(output: Output, path: Path, found: Examined, copy: Copy | None) -> None:
    """What a full check found.

    Raises:
        MemoryFault: the file is not sound.
    """
    if output.lines:
        output.record(
            {"path": str(path), "sound": found.sound, **asdict(found), "copy": copy and asdict(copy)}
        )
    else:
        output.result(f"{path}: {plural(found.auctions, 'auction')}, {path.stat().st_size / 1e6:.1f} MB")
        for problem in found.pages:
            output.result(f"pages: {problem}")
        if found.changed:
            numbers = ", ".join(map(str, found.changed))
            output.result(f"not as they were written, and left out of learning: {numbers}")
        if found.vectors:
            output.result(f"{plural(found.vectors, 'vector')} to be made anew when needed")
        if copy is None:
            output.result("no copy yet: the next record makes one")
        else:
            output.result(
                f"copy of {_when(copy.made_at)} with {plural(copy.auctions, 'auction')}: {copy.path}"
            )
    if not found.sound:
        raise MemoryFault(f"the memory file {path} is damaged", restoring(path))
    if not output.lines:
        output.result("sound: pages, references and checksums")


def tell_restored(output: Output, path: Path, done: Restored | None) -> None:
    """What a restore brought back; None says that there was nothing to do."""
    if output.lines:
        output.record({"path": str(path), "restored": done and asdict(done)})
    elif done is None:
        output.result(f"{path} is sound: nothing to restore")
    else:
        output.result(done.message)


def tell_auction(output: Output, number: int, created: str, auction: Auction) -> None:
    """One auction from its task to its verdict."""
    task = auction.task
    output.result(f"auction {number}  run {auction.run}  {_when(created)}")
    output.result(f"{_flat(task.title or task.id)} in {_flat(task.repository) or 'an unnamed repository'}")
    output.result(indented(task.text))
    output.result(
        f"\npool {auction.pool} {auction.pool_hash}, prompts {auction.prompts_hash}, seed {auction.seed}"
    )
    _bids(output, auction)
    for bid in auction.bids:
        sources = f", after reading {', '.join(map(str, bid.pairs))}" if bid.pairs else ""
        output.result(f"\nplan of {_bidder(bid)}{sources}:")
        output.result(indented(bid.plan))
    output.result(f"\n{_flat(decided(auction))}")
    for work in auction.works:
        _work(output, work)
    output.result(
        f"\n{'solved' if auction.solved else 'not solved'}; {auction.tokens:,} tokens, {money(auction.usd)}; "
        f"the dearest agent alone: {money(auction.usd_largest)}"
    )


def _bidder(one: Bid | Work) -> str:
    return f"{one.agent}{' (refined)' if one.refined else ''}"


def _bids(output: Output, auction: Auction) -> None:
    judges = list(dict.fromkeys([*auction.prices, *(mark.judge for mark in auction.marks)]))
    judges = [judge for judge in judges if any(mark.judge == judge for mark in auction.marks)]
    marks = {(mark.judge, mark.agent, mark.refined): mark for mark in auction.marks}
    scores = {(score.agent, score.refined): score for score in auction.scores}
    rows = []
    for bid in auction.bids:
        key = (bid.agent, bid.refined)
        score = scores.get(key)
        sums = ("-", "-", "-")
        if score is not None:
            sums = (f"{score.cost:.3f}", f"{score.value:.3f}", f"{score.total:+.3f}")
        given = [marks.get((judge, *key)) for judge in judges]
        won = " *" if key == (auction.winner, auction.winner_refined) else ""
        rows.append([
            _bidder(bid) + won,
            rate(auction.prices[bid.agent]) if bid.agent in auction.prices else "",
            bid.tokens,
            f"{bid.entropy:.3f}",
            *("-" if mark is None else marked(mark) for mark in given),
            *sums,
        ])  # fmt: skip
    headers = [
        "bid",
        "USD/M",
        "tokens",
        "entropy",
        *(f"by {judge}" for judge in judges),
        "cost",
        "value",
        "score",
    ]
    output.table(headers, rows, right=headers[1:])


def _work(output: Output, work: Work) -> None:
    output.result(f"\n{_bidder(work)} worked: {plural(len(work.steps), 'step')}, {work.end}")
    for step in work.steps:
        tests = f": {counted(step.tests)}" if step.tests else ""
        output.result(f"  {step.number} {step.action} {_flat(step.target)}".rstrip() + tests)
    if work.note:
        output.result(f"  {_flat(work.note)}")
    if work.patch:
        for change in work.patch.changes:
            output.result(f"  {change.status} {_flat(change.path)} +{change.added} -{change.removed}")
    if work.verdict:
        verdict = work.verdict
        output.result(
            f"  verdict: {'solved' if verdict.solved else 'not solved'}, {_flat(verdict.reason)} "
            f"(before: {counted(verdict.before)}; after: {counted(verdict.after)})"
        )


def _flat(text: str) -> str:
    """What belongs on one line stays there, whatever it holds."""
    return clean(text, newlines=False)
