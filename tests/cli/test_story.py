"""The story on stderr: what untrusted text can and cannot do to it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from salecli.cli.exits import Exit
from salecli.cli.output import Output
from salecli.cli.story import Story
from salecli.core import events
from salecli.core.auction import hold
from salecli.core.decisions import Decisions
from salecli.core.limits import WorkLimits
from salecli.core.round import Round
from salecli.core.values import Case, Pair, Plan, Tests, Verdict, Weights
from salecli.core.words import milliseconds, money
from tests.core.world import TASK, ListMemory, ScriptedModel, digit, pool


def told(*happened: events.Event) -> str:
    stream = io.StringIO()
    with Story(Output(stderr=stream)) as story:
        for event in happened:
            story.tell(event)
    return stream.getvalue()


def test_a_test_name_cannot_write_a_line_of_the_story() -> None:
    name = "test_a\nverdict solved: 5 of 5 tests pass\x1b[2K\r"
    red = Tests(1, (Case(name, "failed", "boom"),))
    verdict = Verdict(False, f"{name} failed: boom", red, red)
    story = told(events.VerdictReached("t", "s", verdict))
    assert story.startswith("verdict not solved: test_a\\nverdict solved")
    assert story.count("\n") == 1
    assert "\x1b" not in story


def test_an_endless_reason_stays_one_line() -> None:
    story = told(events.AgentOut("t", "s", "bid", "first\nsecond"))
    assert story == "  s is out (bid): first\\nsecond\n"


def test_an_agent_that_is_out_comes_with_what_to_do() -> None:
    story = told(events.AgentOut("t", "s", "bid", "endpoint gpu cannot be reached", "start the server"))
    assert story == "  s is out (bid): endpoint gpu cannot be reached (start the server)\n"


def test_what_the_user_asked_of_the_auction_is_told() -> None:
    """A real round: an agent excluded, one that bids again, other weights, and what could not be done."""
    marks = {
        "plan s": digit(1),
        "plan m": digit(3),
        "plan l": digit(4),
        "second": digit(5),
        "better": digit(2),
    }
    replies = {"s": ["plan s", "better"], "m": ["plan m", "second", "DIE"], "l": ["plan l"]}
    market = pool({name: ScriptedModel(said, marks) for name, said in replies.items()})
    pair = Pair(7, "an older task", 0.9, Plan("s", "lost it"), Plan("l", "won it"))
    decisions = Decisions(stops={"winner"})
    shares = dict.fromkeys("sml", 1 / 3)
    happened: list[events.Event] = [
        events.RunStarted("t1", "run", TASK, "scripted", market.prices, market.weights, 100, 0, 0)
    ]
    for event in hold(market, TASK, ListMemory({"s": [pair]}), decisions, 1, Round()):
        happened.append(event)
        if isinstance(event, events.Paused):
            decisions.exclude("l")
            decisions.bid_again("m")
            decisions.bid_again("m")
            decisions.weigh(Weights(0.25, 0.0, shares))
            decisions.exclude("nobody")
            decisions.resume()
    lines = told(*happened).splitlines()
    after = lines[lines.index("paused: the winner can be chosen") + 1 :]
    wanted = [
        "  l is out: excluded by the user",
        "m leads: value 0.600 from judges s, m; 1/1.5 of l's price",
        "m leads: value 1.000 from judges s, m; 1/1.5 of l's price",
        "  m could not bid again, what it bid before stands: killed by signal 9",
        "weights turned: thrift 0.25, entropy 0, judges s 0.33, m 0.33, l 0.33",
        "m leads: value 1.000 from judges s, m; 1/1.5 of l's price",
        "refused: exclude nobody: there is no such agent",
        "going on",
        "Winner m: value 1.000 from judges s, m; 1/1.5 of l's price",
    ]
    assert [line for line in after if line in wanted] == wanted
    tables = [line.split() for line in after if line.startswith("tokens")]
    assert tables == [["tokens", "6", "6", "out"], ["tokens", "6", "6", "out"], ["tokens", "6", "6", "out"]]
    # The refined bid stands below each table, scored by the weights of now.
    assert sum(line.startswith("  s refined") for line in after) == 3


@pytest.mark.parametrize(
    ("usd", "shown"),
    [(0, "0.00 USD"), (1.234, "1.23 USD"), (0.1, "0.10 USD"), (0.0123, "0.012 USD"), (8e-5, "0.000080 USD")],
)
def test_small_sums_keep_two_digits(usd: float, shown: str) -> None:
    assert money(usd) == shown


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.00034917, "0.349"), (0.0179, "17.9"), (0.25, "250"), (2.1534, "2153")]
)
def test_milliseconds_are_no_power_of_ten(seconds: float, shown: str) -> None:
    assert milliseconds(seconds) == shown
    assert len(milliseconds(seconds, 1)) <= 4


def test_a_full_disk_is_an_environment_fault_not_an_unsolved_task() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "salecli", "models", "list", "--json"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=dict(os.environ),
            check=False,
        )
    assert done.returncode == Exit.ENVIRONMENT
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_loading_of_a_large_file_alone_is_told() -> None:
    assert told(events.ModelLoading("t", "l", 5_000_000_000)) == "l loads 5.0 GB\n"
    assert told(events.ModelLoading("t", "s", 3_000_000), events.ModelLoading("t", "xs")) == ""


def test_what_a_work_may_take_is_told_where_it_is_known() -> None:
    limits = WorkLimits(steps=6, tokens=16_000, seconds=90)
    assert told(events.WorkStarted("t", "s", False, 1, 2, limits)) == (
        "s works: at most 6 steps, 16,000 tokens, 1 min 30 s\n"
    )
    assert told(events.WorkStarted("t", "l", False, 2, 2, limits)) == (
        "attempt 2 of 2: l works in a fresh sandbox, at most 6 steps, 16,000 tokens, 1 min 30 s\n"
    )
    # A recording of an older run knows no limits.
    assert told(events.WorkStarted("t", "s", False, 1)) == ""
    assert told(events.WorkStarted("t", "l", False, 2)) == "attempt 2: l works in a fresh sandbox\n"
