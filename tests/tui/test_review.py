"""The review: every key, what it waits for, hostile patches, sizes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from salecli.core import events
from salecli.core.values import Patch
from salecli.tui.screens.review import ReviewScreen
from salecli.tui.widgets.files import Files
from tests.adapters.sandboxes import change
from tests.tui import scene
from tests.tui.review_scene import FILES, NEW, PATCHED, Deciding, drawn, review, said, settled, view

P = Pilot[Any]


def text_of(screen: ReviewScreen, name: str) -> str:
    return str(screen.query_one(name).render())


def test_the_verdict_stands_first_and_flagged_files_before_others(tmp_path: Path) -> None:
    async def script(pilot: P, control: Deciding, screen: ReviewScreen) -> None:
        verdict = text_of(screen, "#verdict")
        for words in ("solved by s", "tests 1/2 > 2/2", "3 files +4 -4", "USD", "l alone", "patch "):
            assert words in verdict
        assert "ci.yml: runs on the host, hidden" in text_of(screen, "#flagged")
        assert [file.path for file in screen.lines.files] == [
            ".github/workflows/ci.yml",
            "calc.py",
            "notes.txt",
        ]
        assert screen.query_one(Files).highlighted == 0
        assert "runs on the host, hidden" in drawn(screen)

    review(tmp_path, script, (120, 30), files={**PATCHED, ".github/workflows/ci.yml": b"on: pull_request\n"})


def test_hunks_and_files_are_walked_and_taken(tmp_path: Path) -> None:
    async def script(pilot: P, control: Deciding, screen: ReviewScreen) -> None:
        places = []
        for key in ("]", "]", "]", "[", "n", "p", "p"):
            await pilot.press(key)
            places.append(view(screen).current)
        assert places == [(0, 1), (1, 0), (1, 0), (0, 1), (1, 0), (0, 0), (0, 0)]
        await pilot.press("space")
        assert screen.choice.chosen == {"calc.py": {1}, "notes.txt": {0}}
        assert "[-] calc.py" in drawn(screen)
        assert "[ ] 1/2" in drawn(screen)
        assert "left out" in drawn(screen)
        await pilot.press("f")
        assert screen.choice.whole
        await pilot.press("f")
        assert screen.choice.chosen["calc.py"] == set()
        await pilot.press("x")
        assert screen.choice.chosen["calc.py"] == {0}
        await pilot.press("enter")
        assert not pilot.app.screen.is_modal
        assert control.snapshot.store is not None

    review(tmp_path, script)


def test_the_file_list_leads_and_a_click_on_a_box_takes_or_leaves(tmp_path: Path) -> None:
    async def script(pilot: P, control: Deciding, screen: ReviewScreen) -> None:
        screen.query_one(Files).focus()
        await pilot.press("down")
        assert view(screen).current == (1, 0)
        await pilot.press("enter")
        assert view(screen).has_focus
        await pilot.click(view(screen), offset=(2, 2))  # below the border: the first file, its first hunk
        assert screen.choice.chosen["calc.py"] == {1}
        await pilot.click(view(screen), offset=(2, 1))
        assert screen.choice.whole

    review(tmp_path, script)


def test_split_wrap_and_search(tmp_path: Path) -> None:
    async def script(pilot: P, control: Deciding, screen: ReviewScreen) -> None:
        await pilot.press("v")
        assert view(screen).page.split == {0, 1}
        assert any("a - b" in row and "a + b" in row for row in drawn(screen).split("\n"))
        await pilot.press("w", "v")
        assert view(screen).wrap
        await pilot.press("slash")
        assert isinstance(pilot.app.focused, Input)
        await pilot.press(*"RETURN", "backspace", "enter")
        await settled(pilot)
        assert "not found" in said(pilot.app)
        await pilot.press("slash", *"return", "enter")
        await settled(pilot)
        assert len(view(screen).hits) == 4
        hits = []
        for key in (">", ">", "<", "<", "<"):
            await pilot.press("greater_than_sign" if key == ">" else "less_than_sign")
            hits.append(view(screen).hit)
        assert hits == [1, 2, 1, 0, 3]
        assert view(screen).current == (0, 1)

    review(tmp_path, script)


def test_split_says_where_there_is_no_room(tmp_path: Path) -> None:
    async def script(pilot: P, control: Deciding, screen: ReviewScreen) -> None:
        await pilot.press("v")
        assert view(screen).page.split == {1}
        assert any("no room" in str(one.message) for one in pilot.app._notifications)

    review(
        tmp_path, script, files={**PATCHED, "calc.py": NEW.replace("a + b", "a + b  #" + "x" * 90).encode()}
    )


def test_the_hunk_is_copied_without_its_gutter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "TMUX", "WSL_DISTRO_NAME"):
        monkeypatch.delenv(name, raising=False)

    async def script(pilot: P, control: Deciding, screen: ReviewScreen) -> None:
        await pilot.press("n", "y")
        await settled(pilot)

    review(tmp_path, script)
    (copied,) = (tmp_path / "data").rglob("copied.txt")
    assert copied.read_text() == "-old\n+new\n"


def test_what_is_selected_is_written_and_nothing_overwritten_unasked(tmp_path: Path) -> None:
    target = tmp_path / "a b.diff"
    target.write_text("mine")

    async def write(pilot: P, answer: str) -> None:
        await pilot.press("W")
        await settled(pilot)
        pilot.app.screen.query_one(Input).value = str(target)
        await pilot.press("enter")
        await settled(pilot)
        if answer:
            await pilot.press(answer)
            await settled(pilot)

    async def script(pilot: P, control: Deciding, screen: ReviewScreen) -> None:
        await pilot.press("f")
        await write(pilot, "n")
        assert target.read_text() == "mine"
        await write(pilot, "y")
        assert str(target) in said(pilot.app).replace("\n", "")
        assert "notes.txt" in target.read_text()
        assert "calc.py" not in target.read_text()
        target.unlink()
        await pilot.press("f")
        await write(pilot, "")
        assert target.read_text() == screen._shown.diff  # type: ignore[union-attr]

    review(tmp_path, script, (160, 45))


def test_the_editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISUAL", raising=False)

    async def script(pilot: P, control: Deciding, screen: ReviewScreen) -> None:
        monkeypatch.delenv("EDITOR", raising=False)
        await pilot.press("e")
        monkeypatch.setenv("EDITOR", "nano")
        await pilot.press("e", "n", "e")
        words = " ".join(str(one.message) for one in pilot.app._notifications)
        assert "set $EDITOR" in words
        assert "cannot be left" in words
        assert "new.py is not in your files" in words

    review(tmp_path, script, files={**PATCHED, "new.py": b"1\n"})


def test_a_comment_goes_back_and_the_new_patch_replaces_the_old(tmp_path: Path) -> None:
    async def script(pilot: P, control: Deciding, screen: ReviewScreen) -> None:
        await pilot.press("space", "c")
        assert isinstance(pilot.app.focused, TextArea)
        await pilot.press(*"faster", "f10")
        await settled(pilot)
        assert control.comments == ["faster"]
        assert "Sent back to s" in said(pilot.app)
        await pilot.press("a")
        assert not pilot.app.screen.is_modal
        task = control.board.task
        assert task is not None
        scene.more(control, screen, [events.WorkStarted(task.id, "s", False, 2)])
        assert "s works on it, attempt 2" in said(pilot.app)
        patch = change(control.snapshot, {"notes.txt": b"newer\n"})
        verdict = control.verify(patch)
        ended = next(one for one in control.history if isinstance(one, events.RunEnded))
        scene.more(control, screen, [events.PatchMade(task.id, "s", patch)])
        await settled(pilot)
        assert "not verified yet" in text_of(screen, "#verdict")
        assert [file.path for file in screen.lines.files] == ["notes.txt"]
        assert screen.choice.whole
        scene.more(control, screen, [events.VerdictReached(task.id, "s", verdict), ended])
        await settled(pilot)
        # The revision failed: the solution from before is what can be applied.
        assert [file.path for file in screen.lines.files] == ["calc.py", "notes.txt"]
        assert "solved by s" in text_of(screen, "#verdict")

    review(tmp_path, script)


def test_reject_says_why_and_applies_nothing(tmp_path: Path) -> None:
    async def script(pilot: P, control: Deciding, screen: ReviewScreen) -> None:
        await pilot.press("r", *"too long", "enter")
        await settled(pilot)
        assert "Rejected: too long" in said(pilot.app)
        assert control.reasons == ["too long"]
        assert (tmp_path / "shop" / "notes.txt").read_text() == FILES["notes.txt"]

    review(tmp_path, script)


@pytest.mark.parametrize(
    ("until", "words"),
    [
        (events.RunStarted, "the auction comes first"),
        (events.WorkStarted, "s works on it, attempt 1"),
    ],
)
def test_before_there_is_a_patch_it_says_what_it_waits_for(
    tmp_path: Path, until: type[events.Event], words: str
) -> None:
    async def script(pilot: P, control: Deciding, screen: ReviewScreen) -> None:
        assert words in text_of(screen, "#waiting")
        await pilot.press(*"]npfvwyWaxcre", "space", "slash", "escape", "u")
        assert not pilot.app.screen.is_modal
        task = control.board.task
        assert task is not None
        scene.more(control, screen, [events.RunFailed(task.id, "Docker is gone", "start it")])
        assert "Docker is gone" in text_of(screen, "#waiting")

    review(tmp_path, script, until=until)


def test_an_empty_patch_is_said(tmp_path: Path) -> None:
    async def script(pilot: P, control: Deciding, screen: ReviewScreen) -> None:
        assert "nothing was changed" in text_of(screen, "#waiting")
        assert screen.reviewed.patch is None

    review(tmp_path, script, files={})


def test_a_long_reason_leaves_room_for_what_the_run_took(tmp_path: Path) -> None:
    async def script(pilot: P, control: Deciding, screen: ReviewScreen) -> None:
        told = next(one for one in control.history if isinstance(one, events.VerdictReached))
        lost = replace(told.verdict, solved=False, reason="a test that passed before is lost " * 9)
        scene.more(control, screen, [replace(told, verdict=lost)])
        await settled(pilot)
        shown = scene.drawn(pilot.app).splitlines()
        assert shown[1].strip().startswith("NOT solved by s: a test that")
        assert shown[1].strip().endswith("…")
        assert shown[2].strip().startswith("tests 1/2 > 2/2")
        assert "USD" in shown[3]

    review(tmp_path, script, (60, 20))


HOSTILE = (
    b"\x1b[31m\x1b]52;c;aGk=\x07 [@click=app.quit]x[/] [bold]"
    b"\xff\xe2\x80\xae \xe2\x80\x8b\xe2\x80\xa8 \r mid\n"
)


@pytest.mark.parametrize("size", [(160, 45), (80, 24), (60, 20), (20, 5)])
def test_hostile_texts_are_inert_at_every_size(tmp_path: Path, size: tuple[int, int]) -> None:
    async def script(pilot: P, control: Deciding, screen: ReviewScreen) -> None:
        shown = ""
        for key in ("v", "w", "v", "w"):
            await pilot.press(key)
            for row in range(view(screen).page.height):
                strip = view(screen)._strip(row)
                shown += strip[0].text + strip[1].text + "\n"
        assert "\\x1b[31m" in shown.replace("\n", "")
        assert "[@click=app.quit]" in shown
        assert not set("\x1b\x07\r\u202e\u200b\u2028") & set(shown)
        await pilot.press("n", "]", "space", "slash", "escape", "pagedown", "end", "home")
        await pilot.resize_terminal(100, 30)
        await pilot.resize_terminal(*size)
        assert pilot.app.is_running
        assert screen.query_one("Footer").region.bottom <= size[1]

    review(tmp_path, script, size, files={**PATCHED, "[@click=app.quit].py": HOSTILE * 3, "b": bytes(300)})


def test_lines_and_files_that_are_empty_or_not_text(tmp_path: Path) -> None:
    async def script(pilot: P, control: Deciding, screen: ReviewScreen) -> None:
        shown = drawn(screen)
        for words in (
            "binary: shown by its size alone, 0 bytes > 300 bytes",
            "deleted",
            "line ends are CR LF",
            "empty",
        ):
            assert words in shown
        assert isinstance(screen._shown, Patch)

    review(
        tmp_path,
        script,
        (160, 60),
        files={"b": bytes(300), "notes.txt": None, "crlf": b"a\r\nB\r\n", "new": b"", "e": b"\xe4\n"},
        before={**FILES, "b": "", "crlf": "a\r\nb\r\n", "e": ""},
    )
