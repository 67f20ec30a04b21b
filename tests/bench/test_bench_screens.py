"""The screens' rows, measured for a moment: that each one comes out, not how large it is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from salecli.adapters.journal import find_run
from salecli.bench.bars import recordings, screens
from salecli.bench.bars.pictures import small
from salecli.bench.bars.screens import Place
from salecli.bench.bars.terminal import Terminal
from salecli.core import events
from salecli.core.diff import parse
from tests.tui.scene import repository

FIELDS = {"name", "value", "unit", "bar", "ok"}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(repository(tmp_path / "shop").top, tmp_path / "home")


def names(rows: Iterator[dict[str, Any]]) -> list[str]:
    found = list(rows)
    assert all(row.keys() == FIELDS for row in found)
    assert all(row["value"] >= 0 for row in found)
    return [row["name"].removeprefix("screens: ") for row in found]


def test_the_first_frame_is_found(place: Place) -> None:
    assert names(screens.first_frame(place, starts=1)) == [
        "CPU to the first frame",
        "CPU to the first frame over a bare Textual app's",
    ]


@pytest.mark.slow
def test_every_screen_has_its_rows_of_rest(place: Place) -> None:
    found = names(screens.at_rest(place, seconds=0.2))
    assert found[::2] == [f"{name} at rest" for name in screens._SCREENS]
    assert found[1::2] == [f"{name} at rest writes" for name in screens._SCREENS]


@pytest.mark.slow
def test_bids_are_watched_and_keys_answered(place: Place) -> None:
    found = names(screens.streaming(place, seconds=7))
    assert [name.partition(": ")[2] for name in found[1:]] == [
        "lag of the loop, p95",
        "widgets more at the end than at first",
        "a key is answered, p95",
    ]


@pytest.mark.slow
def test_an_hour_and_a_large_patch_are_opened(place: Place) -> None:
    assert names(screens.after_an_hour(place, hours=0.1)) == ["memory after an hour"]
    found = names(screens.large(place, lines=4000, pages=3))
    assert [name.partition("MB ")[2] or name for name in found] == [
        "opens",
        "opens, by the clock",
        "a patch scrolls",
    ]


def test_the_command_line_loads_no_textual() -> None:
    row = screens.imported()
    assert row["value"] == 0
    assert row["ok"]


@pytest.mark.parametrize(
    "told",
    [lambda: recordings.bids(1), lambda: recordings.hour(0.02), lambda: recordings.patched(400)],
    ids=["bids", "hour", "patched"],
)
def test_recordings_read_back_as_they_were_told(
    told: Callable[[], recordings.Stamped], tmp_path: Path
) -> None:
    run = find_run(recordings.record(told(), tmp_path, tmp_path), tmp_path)
    assert [(round(at - 1e9, 3), event) for at, event in run.stamped()] == [
        (round(at, 3), event) for at, event in told()
    ]


def test_a_patch_has_the_lines_it_says() -> None:
    made = recordings.patch(800, files=2)
    files = parse(made.diff)
    assert [file.path for file in files] == [change.path for change in made.changes]
    for file, change in zip(files, made.changes, strict=True):
        assert (sum(hunk.added for hunk in file.hunks), sum(hunk.removed for hunk in file.hunks)) == (
            change.added,
            change.removed,
        )
        assert all(
            (hunk.old_count, hunk.new_count) == (len(hunk.lines) - hunk.added, len(hunk.lines) - hunk.removed)
            for hunk in file.hunks
        )
    assert sum(change.added + change.removed for change in made.changes) == 800


def test_an_hour_is_one() -> None:
    told = list(recordings.hour())
    assert 3600 <= told[-1][0] < 3900
    assert isinstance(told[-1][1], events.RunEnded)
    assert sum(isinstance(event, events.PlanToken | events.WorkToken) for _, event in told) > 100_000


def test_a_terminal_counts_bytes_frames_and_cpu(tmp_path: Path) -> None:
    program = (
        "import sys; sys.stdout.write('\\x1b[?2026$p'); sys.stdout.flush(); sys.stdin.readline();"
        "sum(range(2_000_000)); print('\\x1b[?2026hone\\x1b[?2026l'); sys.stdin.readline()"
    )
    with Terminal([sys.executable, "-c", program], tmp_path, {}) as terminal:
        terminal.until(lambda seen: b"?2026;2" in seen)  # our own answer, which the terminal echoes
        before = terminal.cpu
        terminal.press(b"\n")
        terminal.until(lambda seen: b"one" in seen)
        terminal.settle(0.2)
        assert terminal.frames == 1
        assert terminal.cpu > before
        assert terminal.resident() > 1
        terminal.press(b"\n")
        with pytest.raises(RuntimeError, match="has ended"):
            terminal.rest(20)


def test_pictures_hold_nothing_from_elsewhere() -> None:
    svg = (
        "<style>@font-face { src: url('https://x'); }\n.terminal-12-r1 { font-family: Fira Code, monospace }"
        '</style><text class="terminal-12-r1">a</text><text class="terminal-12-r1">\n</text>'
    )
    expected = '<style>.t-r1 { font-family: monospace }</style><text class="t-r1">a</text>'
    assert small(svg) == expected


def test_pictures_are_there_and_small() -> None:
    folder = Path(__file__).parents[1] / "tui" / "pictures"
    found = sorted(path.stem for path in folder.glob("*.svg"))
    assert found == sorted(
        f"{where}-{size}-{theme}"
        for where in ("auction", "work", "review", "memory")
        for size in ("wide", "narrow")
        for theme in ("dark", "light")
    )
    texts = [path.read_text("utf-8") for path in folder.glob("*.svg")]
    assert max(map(len, texts)) < 100_000
    assert not any("font-face" in text or "Traceback" in text for text in texts)
