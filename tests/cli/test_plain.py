"""`sale --plain` over scripted agents: what is asked, what each answer does, and input that ends anywhere."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from salecli.adapters.git import Repository
from salecli.cli.exits import Exit
from salecli.cli.output import Output
from salecli.cli.plain import Conversation, run_plain
from salecli.cli.questions import Questions
from salecli.cli.reviewing import Review
from salecli.core import events
from salecli.errors import RepositoryError, UsageError
from salecli.tui.live import LiveRun
from tests.core.world import ListMemory
from tests.tui import review_scene, scene

NEW = "diff --git a/{0} b/{0}\nnew file mode 100644\n--- /dev/null\n+++ b/{0}\n@@ -0,0 +1 @@\n+{1}\n"
TWO = NEW.format("a", "good") + NEW.format("b", "ok")
"""A patch of two hunks, short enough for a scripted reply; with the first alone the scripted tests pass."""
SOLVING = (f"```write add.py\n{TWO}```",)
FAILING = ("```write add.py\nbad\n```", "```done\n```")


def questions(typed: str) -> tuple[Questions, io.StringIO]:
    said = io.StringIO()
    return Questions(Output(plain=True, stdout=said, stderr=said), io.StringIO(typed)), said


class Talk:
    """A whole conversation over a scripted run, from its first event to its end."""

    def __init__(self, folder: Path, answers: Sequence[str], **options: Any) -> None:
        ask, said = questions("".join(f"{answer}\n" for answer in answers))
        options.setdefault("replies", SOLVING)
        opened: list[scene.Opened] = []
        run = LiveRun("Write add", "issue.md", scene.opens(folder, opened, **options))
        self.folder = folder
        self.exit = Conversation(ask, run).hold()
        (self.opened,) = opened
        self.said = said.getvalue()
        self.run = run
        assert not any(one.name == f"run-{run.id}" for one in threading.enumerate())
        assert [one.open for one in opened] == [False]

    def git(self, *command: str) -> str:
        done = subprocess.run(["git", *command], cwd=self.folder, capture_output=True, text=True, check=True)
        return done.stdout


GO = ["1"]
REJECT = ["6", ""]
"""Without a reason."""


def test_go_work_and_reject(tmp_path: Path) -> None:
    talk = Talk(tmp_path / "shop", [*GO, *REJECT])
    assert talk.exit == Exit.SOLVED
    assert "  1  go: let s work\n" in talk.said
    assert "verdict solved" in talk.said
    assert "Rejected: nothing was changed." in talk.said
    assert "all past auctions: sale memory list" in talk.said
    assert "\x1b" not in talk.said
    assert talk.git("status", "--porcelain") == ""


def test_another_winner_with_a_reason_and_back(tmp_path: Path) -> None:
    talk = Talk(tmp_path / "shop", ["2", "4", "be sure", *GO, *REJECT])
    assert "  1  go: let l work (your choice)\n" in talk.said
    assert "Winner l, chosen by the user: be sure" in talk.said
    back = Talk(tmp_path / "again", ["2", "4", "be sure", "2", "2", *GO, *REJECT])
    assert "s leads by the scores: they decide.\n" in back.said
    assert "Winner s: " in back.said


def test_bid_again_exclude_and_what_is_refused(tmp_path: Path) -> None:
    # xs bids again with its scripted first reply; then all but l are excluded, and l cannot be.
    again = ["3", "1"]
    out = ["4", "1", "4", "1", "4", "1", "4", "1"]
    talk = Talk(tmp_path / "shop", [*again, *out, *GO, *REJECT], replies=("again", *SOLVING))
    assert talk.said.count("paused: the winner can be chosen") == 1
    assert talk.said.count("is out: excluded by the user") == 3
    assert "refused: exclude l: no other agent has bid" in talk.said
    assert "Winner l" in talk.said


def test_weights_tried_kept_and_dropped(tmp_path: Path) -> None:
    turned = ["5", "2", "x", "-0.5", "nan", "1", "", "", ""]
    talk = Talk(tmp_path / "shop", [*turned, "2", *turned, "1", *GO, *REJECT])
    assert "Thrift, the weight of cost, 0 to 1000, Enter keeps 0.500:" in talk.said
    assert "'x' does not fit: -1 to 1." in talk.said
    assert "'nan' does not fit: 0 to 1000." in talk.said
    assert talk.said.count("would lead") == 2
    assert talk.said.count("weights turned: thrift 2, entropy -0.5, judges ") == 1
    weights = talk.run.board.weights
    assert abs(weights.entropy) + sum(weights.judges.values()) == pytest.approx(1)


def test_plans_and_pairs_are_read(tmp_path: Path) -> None:
    plans: Mapping[str, str] = {"m": "1. look\x1b[2J\n2. [red]write[/]"}
    talk = Talk(tmp_path / "shop", ["6", "7", *GO, *REJECT], plans=plans)
    assert "Plan of xs, 10 tokens:\n    plan of xs\n" in talk.said
    assert "    1. look\\x1b[2J\n    2. [red]write[/]\n" in talk.said
    assert "No agent read pairs from memory." in talk.said


def test_a_rejection_s_reason_is_remembered(tmp_path: Path) -> None:
    talk = Talk(tmp_path / "shop", [*GO, "6", "no docstring"])
    assert "remembered: no docstring\n" in talk.said
    memory = talk.opened.house.memory
    assert isinstance(memory, ListMemory)
    assert memory.auctions[0].works[-1].note == "rejected by the user: no docstring"
    assert talk.exit == Exit.SOLVED
    assert isinstance(talk.run.run.last(events.Rejected), events.Rejected)


def test_one_step_at_a_time_with_a_hint_and_a_hand_over(tmp_path: Path) -> None:
    ask, said = questions("\n".join(["1", "3", "use sum", "2", "4", "1", "1", "6", "", ""]))
    replies = (FAILING[0], *SOLVING)
    run = LiveRun("Write add", "issue.md", scene.opens(tmp_path / "shop", replies=replies))
    run.decisions.stops = frozenset({"winner", "work"})
    assert Conversation(ask, run).hold() == Exit.SOLVED
    told = said.getvalue()
    assert "s stands still before step 1 of at most 30, 0 of 16,000 tokens taken.\n" in told
    spent = len(FAILING[0])
    assert f"s stands still before step 2 of at most 30, {spent} of 16,000 tokens taken.\n" in told
    assert "  2  let s take one step\n  3  give s a hint\n  4  let s hand over to the next bidder\n" in told
    assert "s ended: handed over: the user asked for it" in told
    assert told.count(" stands still before ") == 5
    steps = [event.step for event in run.run.read() if isinstance(event, events.StepTaken)]
    assert len(steps) == 3
    assert "hint to s: use sum\n" in told
    heard = [type(event) for event in run.run.read() if isinstance(event, events.Hinted | events.StepTaken)]
    assert heard == [events.Hinted, *[events.StepTaken] * 3]
    assert "Enter is 1:" in told


def test_what_goes_on_is_said_in_lines(tmp_path: Path) -> None:
    talk = Talk(tmp_path / "shop", [*GO, *REJECT])
    order = ["is being prepared", "xs bids ...", "l bids ...", "marks ...", "the winner can be chosen"]
    order += ["s works: at most 30 steps, 16,000 tokens, 10 min", "verdict: the tests run", "verdict solved"]
    places = [talk.said.index(words) for words in order]
    assert places == sorted(places)


def test_stop_before_any_work(tmp_path: Path) -> None:
    talk = Talk(tmp_path / "shop", ["8"])
    assert talk.exit == Exit.INTERRUPTED
    assert "you stopped the run" in talk.said
    assert "Winner" not in talk.said


class Presses:
    """Sends Ctrl-C to this process each time that the next of some words has been said."""

    def __init__(self, said: io.StringIO, words: Sequence[str]) -> None:
        self._said = said
        self._words = words
        self._thread = threading.Thread(target=self._press, daemon=True)
        self._usual = signal.getsignal(signal.SIGINT)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._words = ()
        self._thread.join(timeout=10)

    def _press(self) -> None:
        for words in list(self._words):
            while words not in self._said.getvalue():
                if not self._words:
                    return
                time.sleep(0.02)
            time.sleep(0.1)
            if signal.getsignal(signal.SIGINT) is not self._usual:  # or it would end the tests
                os.kill(os.getpid(), signal.SIGINT)


def test_the_last_attempt_ends_without_a_next_bidder(tmp_path: Path) -> None:
    ask, said = questions("\n".join(["1", "4", "2", ""]))
    run = LiveRun("Write add", "issue.md", scene.opens(tmp_path / "shop", replies=SOLVING, attempts=1))
    run.decisions.stops = frozenset({"winner", "work"})
    Conversation(ask, run).hold()
    assert "  4  end s's work\n" in said.getvalue()
    assert "next bidder" not in said.getvalue()


def test_interrupting_the_work_to_hint_to_hand_over_and_to_stop(tmp_path: Path) -> None:
    ask, said = questions("1\n\n2\nuse sum\n3\n5\n")
    opened = scene.opens(tmp_path / "shop", replies=("HANG",))
    run = LiveRun("Write add", "issue.md", opened)
    going = ["Winner s", "It goes on meanwhile", "your hint goes", "s hands over"]
    with Presses(said, going):
        assert Conversation(ask, run).hold() == Exit.INTERRUPTED
    assert run.decisions.hints() == ["use sum"]
    assert run.decisions.handed_over()
    assert "stopping ...\n" in said.getvalue()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_part_is_verified_and_applied_to_a_branch(tmp_path: Path) -> None:
    leave = ["3", "x", "7", "1 2", "3", "1", "3", "2"]
    talk = Talk(tmp_path / "shop", [*GO, "1", *leave, "2", "2"])
    assert talk.exit == Exit.SOLVED
    assert "  hunk 1: a lines 1 to 1, +1 -0\n" in talk.said
    assert "'x' is none of the numbers 1 to 2." in talk.said
    assert "'7' is none of the numbers 1 to 2." in talk.said
    assert "That leaves nothing: reject the patch instead." in talk.said
    assert "what is left: not solved" in talk.said
    assert "what is left: solved" in talk.said
    assert "  2  accept it, 1 hunk left out\n" in talk.said
    branch = f"sale/{talk.run.id}"
    assert f"applied to branch {branch}\n" in talk.said
    assert f"undo: git -C {talk.folder} branch -D {branch}\n" in talk.said
    assert talk.git("ls-tree", "--name-only", branch).split() == ["a", "add.py"]
    assert talk.git("status", "--porcelain") == ""


def test_what_is_left_out_can_come_back(tmp_path: Path) -> None:
    talk = Talk(tmp_path / "shop", [*GO, "3", "2", "3", "", "2", "2"])
    branch = f"sale/{talk.run.id}"
    assert talk.git("ls-tree", "--name-only", branch).split() == ["a", "add.py", "b"]


def test_a_patch_that_fails_its_tests_needs_a_yes(tmp_path: Path) -> None:
    no = Talk(tmp_path / "no", [*GO, "2", "2", *REJECT], replies=FAILING, attempts=1)
    assert no.exit == Exit.NOT_SOLVED
    assert "The tests do not pass with this patch. Go on all the same?" in no.said
    assert "applied" not in no.said


def test_what_cannot_be_applied_is_said_and_asked_again(tmp_path: Path) -> None:
    taken = Talk(tmp_path / "shop", [*GO, "2", "3", "2", *REJECT], replies=FAILING, attempts=1)
    assert "Where to?" not in taken.said  # "3" is no answer to a question of two
    broken = Talk(tmp_path / "other", [*GO, "2", "1", "1", *REJECT], replies=FAILING, attempts=1)
    assert "sale: " in broken.said
    assert "Rejected" in broken.said


def test_a_comment_goes_back_to_the_agent(tmp_path: Path) -> None:
    answers = [*GO, "4", "do it", "otherwise", ".", *REJECT]
    talk = Talk(tmp_path / "shop", answers, replies=(*FAILING, *SOLVING), attempts=1)
    assert talk.exit == Exit.SOLVED
    assert "What shall be different? A line with a single dot ends it; a dot alone goes back." in talk.said
    assert talk.said.count("verdict ") == 2
    assert "attempt 2: s works in a fresh sandbox" in talk.said


def test_the_patch_is_written_to_a_file(tmp_path: Path) -> None:
    target, folder = tmp_path / "a.patch", tmp_path / "none"
    answers = ["5", "", "5", str(folder / "a.patch"), "5", str(target), "5", str(target), "2"]
    talk = Talk(tmp_path / "shop", [*GO, *answers, *REJECT])
    assert target.read_text() == TWO
    assert f"{folder / 'a.patch'} cannot be written: No such file or directory" in talk.said
    assert f"{target} is there already. Write over it?" in talk.said


EVERYTHING = [*GO, "3", "2", "4", "so", ".", "3", "2", "5", "", "2", "2"]


@pytest.mark.parametrize("answers", range(len(EVERYTHING)))
def test_input_that_ends_at_any_question(answers: int, tmp_path: Path) -> None:
    talk = Talk(tmp_path / "shop", EVERYTHING[:answers], replies=(*SOLVING, *SOLVING))
    assert "The input has ended." in talk.said
    assert "applied" not in talk.said
    assert talk.exit == (Exit.SOLVED if answers else Exit.INTERRUPTED)


def test_outside_of_a_repository(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="is not in a git repository") as caught:
        run_plain(tmp_path, None, {})
    with pytest.raises(RepositoryError) as other:
        Repository(tmp_path)
    assert (str(caught.value), caught.value.hint) == (str(other.value), other.value.hint)
    assert "--repo DIR" in caught.value.hint


def start(
    folder: Path, typed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[Exit, str]:
    """The questions before any run, answered."""
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    ended = run_plain(folder, None, {})
    return ended, capsys.readouterr().out


def test_naming_a_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = tmp_path / "shop"
    scene.repository(shop)
    (shop / "empty.md").write_text(" \n")
    for typed, says in [
        ("4\n", "  4  leave\n"),
        ("", "The input has ended: nothing was started."),
        ("1\n", "The input has ended: nothing was started."),
        ("1\n.\n4\n", "a dot alone goes back.\nWhat is to be done?"),
        ("2\n1\n4\n", "sale: empty.md is empty"),
        (
            "2\n2\n/nowhere/issue.md\n\n4\n",
            "There is no issue file /nowhere/issue.md, and no file whose name holds",
        ),
        (
            "2\n2\nADD\n3\n4\n",
            "1 file whose name holds 'ADD':\n  1  add.py  stub\n  2  another file\n  3  back\n",
        ),
        ("2\n2\n\n2\n3\n4\n", "Path of a file or a folder, or a part of a file's name; Enter goes back:"),
        ("3\n4\n", "There is no earlier run of this repository."),
    ]:
        ended, said = start(shop, typed, monkeypatch, capsys)
        assert ended == Exit.SOLVED
        assert says in said
    with pytest.raises(UsageError):
        run_plain(shop, shop / "empty.md", {})


def test_a_patch_that_is_applied_already_can_go_to_a_branch(tmp_path: Path) -> None:
    with review_scene.reviewed(tmp_path) as control:
        ended = control.run.last(events.RunEnded)
        given = control.run.last(events.VerdictReached)
        assert isinstance(ended, events.RunEnded)
        assert isinstance(given, events.VerdictReached)
        assert ended.patch is not None
        for typed, says in [
            ("2\n1\n", "applied to calc.py, notes.txt\n"),
            ("2\n1\n2\n", "applied to branch"),
        ]:
            ask, said = questions(typed)
            assert Review(ask, control, ended.patch, given.verdict).talk() == ""
            assert says in said.getvalue()
    assert (
        "Nothing to do: the patch is applied already: calc.py, notes.txt. 2 makes a new branch"
        in said.getvalue()
    )


def test_a_recording_is_told_with_its_revisions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = tmp_path / "shop"
    Talk(shop, [*GO, "4", "again", ".", "6", "too long"], replies=(*FAILING, *SOLVING), attempts=1)
    ended, said = start(shop, "3\n1\n6\n", monkeypatch, capsys)
    assert ended == Exit.SOLVED
    assert (
        said.index("verdict not solved") < said.index("verdict solved") < said.index("rejected by the user")
    )
    assert said.count("What about the patch?") == 1


def test_an_earlier_run_is_told_and_its_patch_can_be_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = tmp_path / "shop"
    talk = Talk(shop, [*GO, *REJECT])
    recorded = "3\n1\n"
    ended, said = start(shop, f"{recorded}4\nso\n.\n3\n2\n2\n2\n", monkeypatch, capsys)
    assert ended == Exit.SOLVED
    assert f"  1  {talk.run.id}  issue.md, solved\n" in said
    assert "verdict solved" in said
    assert "This is a recording: no agent is there to go on." in said
    assert "is a recording: a part of its patch cannot be verified" in said
    assert f"applied to branch sale/{talk.run.id}" in said
