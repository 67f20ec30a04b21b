"""The diff's lines, rows and colours, and the widget that shows them."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

from textual.app import App, ComposeResult
from textual.geometry import Offset
from textual.pilot import Pilot
from textual.selection import Selection

from salecli.core.diff import parse
from salecli.tui.widgets.diff import DiffView
from salecli.tui.widgets.diffchoice import Choice
from salecli.tui.widgets.diffcolours import coloured
from salecli.tui.widgets.difflines import LONGEST, Kind, Lines, cuts, laid_out, shown
from tests.tui.scene import run_async

SMALL = """\
diff --git a/a.py b/a.py
--- a/a.py
+++ b/a.py
@@ -1,4 +1,5 @@ class A:
 def f(x):
-    return round(x, 2)
-gone = 1
+    return round(x, 3)
+\t# two words
+new = "\u6f22\u5b57"
 end
\\ No newline at end of file
@@ -50 +51 @@
-old
+new
diff --git a/b.sh b/b.sh
old mode 100644
new mode 100755
"""


def large(megabytes: float) -> str:
    """A diff of many files, hunks and lines."""
    chance, words = (
        random.Random(1),
        ["def", "return", "total", "self", "(", ")", "=", "0", "'text'", "# note"],
    )
    parts: list[str] = []
    size = file = 0
    while size < megabytes * 1e6:
        parts.append(f"diff --git a/m{file}.py b/m{file}.py\n--- a/m{file}.py\n+++ b/m{file}.py\n")
        for hunk in range(40):
            lines = [f"    {' '.join(chance.choices(words, k=8))}" for _ in range(20)]
            body = "".join(f" {line}\n-{line}\n+{line} more\n" for line in lines)
            parts.append(f"@@ -{hunk * 60 + 1},40 +{hunk * 60 + 1},40 @@ def f{hunk}():\n{body}")
            size += len(body)
        file += 1
    return "".join(parts)


class Alone(App[None]):
    """The widget by itself."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.lines = Lines(parse(text))

    def compose(self) -> ComposeResult:
        yield DiffView()

    def on_mount(self) -> None:
        self.query_one(DiffView).show(self.lines, Choice(self.lines.files), {"a.py": ("test",)})


def rows(view: DiffView) -> list[str]:
    return [view.render_line(y).text.rstrip() for y in range(view.size.height)]


def test_lines_have_their_numbers_notes_and_words() -> None:
    lines = Lines(parse(SMALL))
    assert lines.signs[:8] == [" ", "-", "-", "+", "+", "+", " ", "\\"]
    assert lines.old[:8] == [1, 2, 3, 0, 0, 0, 4, 0]
    assert lines.new[:8] == [1, 0, 0, 2, 3, 4, 5, 0]
    assert (lines.old[8], lines.new[9]) == (50, 51)
    assert lines.texts[4] == "    # two words"
    assert lines.notes[1] == ["made executable"]
    assert lines.counts == [(4, 3), (0, 0)]
    span = lines.hunks[0][0]
    old, new = (lines.words(span, line) for line in (1, 3))
    assert [lines.texts[1][a:b] for a, b in old] == ["2"]
    assert [lines.texts[3][a:b] for a, b in new] == ["3"]


def test_a_file_without_lines_shifts_no_other() -> None:
    mode_alone = SMALL[SMALL.index("diff --git a/b.sh") :]
    lines = Lines(parse(mode_alone + SMALL))
    assert len(lines.texts) == len(lines.signs) == len(lines.old) == len(lines.new)
    assert lines.texts[0] == "def f(x):"


def test_rows_stand_beside_each_other_where_they_fit() -> None:
    lines = Lines(parse(SMALL))
    wide = laid_out(lines, 100, split=True, wrap=False)
    pairs = [(left, right) for kind, _, _, left, right in wide.rows if kind is Kind.LINE]
    assert pairs == [(0, 0), (1, 3), (2, 4), (-1, 5), (6, 6), (7, 7), (8, 9)]
    assert wide.split == {0}
    assert laid_out(lines, 40, split=True, wrap=False).split == frozenset()
    for layout in (wide, laid_out(lines, 30, split=False, wrap=True), laid_out(lines, 30, False, False)):
        for line in range(len(lines.signs)):
            assert line in layout.rows[layout.row_of(line)][3:]
        assert layout.at(layout.height - 1)[0] == len(layout.rows) - 1


def test_long_lines_are_cut_by_cells() -> None:
    assert cuts("abcdef", 4) == [(0, 4), (4, 6)]
    assert cuts("", 4) == ((0, 0),)
    assert cuts("\u6f22\u5b57\u6f22", 4) == [(0, 2), (2, 3)]
    assert cuts("\u6f22\u5b57", 1) == [(0, 1), (1, 2)]
    (cut,) = shown(["x" * (LONGEST + 1234)])
    assert cut.endswith("x [1,234 more characters]")
    assert shown([]) == []
    assert shown(["a\x1b[31m\u202e", "\u200b\u2028"]) == ["a\\x1b[31m\\u202e", "\\u200b\\u2028"]


def test_colours_of_code_by_the_files_name() -> None:
    lines = ["def f():", '    return "a', "b", "# note"]
    first, *_, last = coloured("x/a.py", lines)
    assert (0, 3, "keyword") in first
    assert last[0][2] in ("comment", "string")
    assert coloured("unknown.what", lines) == [(), (), (), ()]
    assert coloured("a.py", ["x" * 10_000]) == [()]


def test_the_widget_shows_files_hunks_and_lines() -> None:
    async def go() -> None:
        app = Alone(SMALL)
        async with app.run_test(size=(70, 24)) as pilot:
            await app.workers.wait_for_complete()
            view = app.query_one(DiffView)
            text = rows(view)
            assert text[0] == " [x] a.py   +4 -3   test"
            assert text[1] == "▌[x] 1/2  @@ -1,4 +1,5 @@  class A:"
            assert text[2] == "▌ 1  1  def f(x):"
            assert text[3] == "▌ 2    -    return round(x, 2)"
            assert text[5] == "▌    2 +    return round(x, 3)"
            assert text[9].endswith("\\ No newline at end of file")
            await pilot.resize_terminal(50, 24)
            await pilot.pause()
            assert rows(view)[3] == "▌ 2 -    return round(x, 2)"
            assert view.hunk_text().startswith(" def f(x):\n-    return round(x, 2)\n")

    run_async(go())


def test_a_marked_text_holds_no_gutter() -> None:
    async def go() -> None:
        app = Alone(SMALL)
        async with app.run_test(size=(70, 24)):
            view = app.query_one(DiffView)
            found = view.get_selection(Selection(Offset(4, 3), Offset(6, 5)))
            assert found is not None
            assert found[0] == " return round(x, 2)\n-gone = 1\n+    r"

    run_async(go())


def test_the_current_hunk_follows_where_one_scrolls() -> None:
    async def go() -> None:
        app = Alone(large(0.1))
        async with app.run_test(size=(80, 20)) as pilot:
            view = app.query_one(DiffView)
            view.scroll_to(0, 1000, animate=False)
            await pilot.pause()
            file, hunk = view.current
            there = view.page.rows_of(file, hunk)
            assert there.start <= 1020
            assert there.stop >= 1000
            view.step_hunk(1)
            await pilot.pause()
            assert view.current == view.page.next_hunk(file, hunk, 1)

    run_async(go())


def test_five_megabytes_open_and_scroll_with_one_widget_and_few_strips() -> None:
    async def go() -> None:
        app = Alone(large(5))
        async with app.run_test(size=(120, 40)) as pilot:
            view = app.query_one(DiffView)
            count = len(list(app.query("*")))
            assert view.page.height > 100_000
            for _ in range(3):
                await pilot.press("pagedown")
            for y in range(0, view.page.height, 5000):
                view.scroll_to(0, y, animate=False)
                await pilot.pause()
                assert any(rows(view))
            view.rearrange(True, False)
            view.rearrange(True, True)
            assert view.search("total") > 1000
            assert len(list(app.query("*"))) == count
            assert len(view._strips) <= 1000
            assert len(view._colours) <= 200
            await app.workers.wait_for_complete()

    run_async(go())


def test_colours_come_after_the_text(tmp_path: Path) -> None:
    async def go() -> None:
        app = Alone(SMALL)
        async with app.run_test(size=(70, 24)) as pilot:
            await settle(pilot)
            view = app.query_one(DiffView)
            colours = {segment.style.color for segment in view.render_line(2) if segment.style}
            assert len(colours) > 2

    run_async(go())


async def settle(pilot: Pilot[Any]) -> None:
    """Until the colours are there."""
    for _ in range(100):
        await pilot.pause(0.02)
        if pilot.app.query_one(DiffView)._colours:
            break
    await asyncio.sleep(0)
