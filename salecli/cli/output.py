"""Owns stdout and stderr: stdout is the result and nothing else, stderr is the story.

Escape codes appear only on a terminal, and not under NO_COLOR, TERM=dumb or --plain. Text that a model, a
repository or a test wrote passes the cleaning gate on its way to a screen.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, Literal, TextIO

from salecli.core.text import clean, escaped
from salecli.errors import EnvironmentFault

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Place = Literal["result", "story"]
_NO_WRAP = 10_000
"""Columns of a console that is not a terminal: nothing is wrapped or cut there."""


class Output:
    """The two streams of one run of a command.

    `plain` switches colour and moving displays off on a terminal too; `lines` says that the result is JSON
    lines, so that everything meant for people goes to stderr.
    """

    def __init__(
        self,
        plain: bool = False,
        lines: bool = False,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
    ) -> None:
        self._stdout = stdout if stdout is not None else sys.stdout
        self._stderr = stderr if stderr is not None else sys.stderr
        self.plain = plain
        self.lines = lines
        self._consoles: dict[Place, Console] = {}

    @property
    def live(self) -> bool:
        """Whether stderr can carry a moving display."""
        return not self.plain and fancy(self._stderr)

    def console(self, place: Place = "story") -> Console:
        """The rich console of stderr ("story") or stdout ("result"): plain unless a terminal wants more."""
        if place not in self._consoles:
            # rich costs 40 ms: commands that print one line do without.
            from rich.console import Console

            stream = self._stderr if place == "story" else self._stdout
            colour = not self.plain and fancy(stream)
            self._consoles[place] = Console(
                file=stream,
                force_terminal=colour,
                no_color=not colour,
                color_system="auto" if colour else None,
                highlight=False,
                markup=False,
                emoji=False,
                soft_wrap=not terminal(stream),
                width=None if terminal(stream) else _NO_WRAP,
            )
        return self._consoles[place]

    def result(self, text: str) -> None:
        """One line or block of the result, cleaned, on stdout."""
        self._write(self._stdout, clean(text) + "\n")

    def exact(self, text: str) -> None:
        """A result that must arrive byte for byte (a patch); cleaned where stdout is a screen.

        `text` is UTF-8 decoded with surrogateescape, and goes out as the same bytes.
        """
        if not text:
            return
        buffer: IO[bytes] | None = getattr(self._stdout, "buffer", None)
        if terminal(self._stdout) or buffer is None:
            self._write(self._stdout, clean(text))
            return
        try:
            self._stdout.flush()
            buffer.write(text.encode("utf-8", "surrogateescape"))
            buffer.flush()
        except BrokenPipeError:
            discard(self._stdout)
        except OSError as error:
            discard(self._stdout)
            raise EnvironmentFault(f"the output cannot be written: {error.strerror}") from error

    def record(self, values: Mapping[str, Any]) -> None:
        """One JSON line of the result on stdout."""
        line = json.dumps(values, ensure_ascii=False, separators=(",", ":"), default=str)
        self._write(self._stdout, escaped(line) + "\n")

    def story(self, text: str = "", style: str = "") -> None:
        """A line of the story, cleaned, on stderr."""
        text = clean(text)
        if self.live:  # a moving display is drawn below what its console prints, and only that
            self.console().print(text, style=style or None)
        else:
            self._write(self._stderr, text + "\n")

    def line(self, parts: Sequence[tuple[str, str]], place: Place = "result") -> None:
        """One line of (text, style) parts, cleaned, as long as it is: a terminal breaks it where it must."""
        cleaned = [(clean(text, newlines=False), style) for text, style in parts]
        console = self.console(place)
        if console.is_terminal:
            from rich.text import Text

            console.print(Text.assemble(*cleaned), soft_wrap=True)
        else:
            stream = self._stderr if place == "story" else self._stdout
            self._write(stream, "".join(text for text, _ in cleaned) + "\n")

    def failure(self, message: str, hint: str = "") -> None:
        """What went wrong and what to type next, on stderr."""
        self.story(f"sale: {message}", "bold red")
        if hint:
            self.story(f"      {hint}")

    def table(
        self,
        headers: Sequence[str],
        rows: Sequence[Sequence[object]],
        right: Collection[str] = (),
        place: Place = "result",
        title: str = "",
    ) -> None:
        """A table of cleaned cells; the columns named in `right` stand at the right edge.

        On a terminal it fits the width; elsewhere no cell is cut.
        """
        table = self.grid(headers, right)
        for row in rows:
            table.add_row(*(clean(str(cell), newlines=False) for cell in row))
        if title:
            self._line(place, title)
        self.show(table, place)

    def grid(self, headers: Sequence[str], right: Collection[str] = ()) -> Table:
        """An empty table in the house style: no borders, two spaces between columns."""
        from rich.table import Table

        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for header in headers:
            table.add_column(header, justify="right" if header in right else "left", overflow="fold")
        return table

    def show(self, renderable: object, place: Place = "story") -> None:
        """Anything rich can draw. Its text must have passed the cleaning gate already."""
        console = self.console(place)
        if console.is_terminal:
            console.print(renderable)
            return
        drawn = io.StringIO()
        # Not by the console's own capture, which touches its stream: that may be full, or closed.
        stream, console.file = console.file, drawn
        try:
            console.print(renderable)
        finally:
            console.file = stream
        text = "\n".join(line.rstrip() for line in drawn.getvalue().splitlines())
        self._write(self._stderr if place == "story" else self._stdout, text + "\n")

    def _line(self, place: Place, text: str) -> None:
        if place == "story":
            self.story(text)
        else:
            self.result(text)

    def _write(self, stream: TextIO, text: str) -> None:
        try:
            stream.write(text)
            stream.flush()
        except BrokenPipeError:
            # The reader has gone (`| head`): what is left is still worked out, recorded and judged.
            discard(stream)
        except OSError as error:
            discard(stream)  # or Python would fail on it once more at exit
            raise EnvironmentFault(f"the output cannot be written: {error.strerror}") from error
        except UnicodeEncodeError:
            encoding = stream.encoding or "ascii"
            stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            stream.flush()


def terminal(stream: TextIO) -> bool:
    """Whether a person's screen is at the other end."""
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False


def fancy(stream: TextIO) -> bool:
    """Whether escape codes are welcome: a terminal, no NO_COLOR, no TERM=dumb."""
    return terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") not in ("dumb", "")


def discard(stream: TextIO) -> None:
    """Let everything further on `stream` vanish, also what Python flushes at exit."""
    with open(os.devnull, "wb") as nowhere:
        try:
            os.dup2(nowhere.fileno(), stream.fileno())
        except (OSError, ValueError):  # a stream without a descriptor, as in tests
            return
