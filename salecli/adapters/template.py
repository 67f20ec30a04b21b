"""The chat of a model that is not ChatML, by the chat template in its file's metadata.

The template is asked once, with words of our own in place of what is said, for what stands between the turns.
Prompts are put together from that: so they only grow, token by token, whatever the template does with turns
that are long past; and no text that is said goes through the template, or is read for its control tokens.

Limits: every later turn is rendered as the second one of its role; the template sees no text, so it cannot
trim it; a text and the marks beside it become tokens each on its own. Where the template knows no system
role, or moves it behind what was said, its text opens the first user turn; where it refuses two user turns in
a row, an empty line stands between them. Thinking is switched on for ChatML models alone.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from salecli.core.calls import Turn

LONGEST, SECONDS = 64 << 10, 2.0
"""Characters of a template, and of what it renders; seconds of computing that one rendering may take."""
_WORDS = tuple(f"sale{number}xq{number}wz" for number in range(5))
"""What is said when a template is asked."""
_GENERATION = re.compile(r"\{%-?\s*(?:end)?generation\s*-?%\}")
"""A tag for training, which only the transformers package knows."""


class Refused(LookupError):
    """A template that cannot be used, and why."""


class Vocabulary(Protocol):
    """The tokens of a model with a template of its own."""

    begin: int | None
    """The id of the begin mark that a prompt needs, None where it needs none."""

    def tokenize(self, text: str, special: bool = False) -> list[int]: ...

    def piece(self, token: int) -> bytes: ...

    def named(self, name: str) -> str:
        """The text of the "bos" or "eos" token, empty where there is none."""

    def is_mark(self, token: int) -> bool:
        """Whether a token is no piece of text: a control token, or a word defined as a whole."""


@dataclass(frozen=True)
class Marks:
    """What a template writes before and between the turns."""

    user: str
    """Before the first text, where it is the user's."""
    answer: str
    """Between the user's text and the assistant's, as it stands where the model is to go on."""
    ask: str
    """Between the assistant's text and the user's."""
    again: str = "\n\n"
    """Between two texts of the user."""
    system: str | None = None
    """Before the first text, where it is the system's; None where there is no such role."""
    task: str = ""
    """Between the system's text and the user's."""


class TemplateChat:
    """Prompts as token ids, by the marks of a template; fits where `chatml.Chat` does."""

    think = unthink = None

    def __init__(self, vocabulary: Vocabulary, marks: Marks) -> None:
        self._vocabulary = vocabulary
        self._marks = marks
        between = {*vocabulary.tokenize(marks.ask, special=True)}
        self.stops = frozenset(filter(vocabulary.is_mark, between))
        """Marks between an answer and the next turn: each of them ends an answer."""
        between |= {*vocabulary.tokenize(marks.user + marks.answer, special=True)}
        # Control tokens have no piece; other marks have one, and a text could write them.
        pieces = [
            vocabulary.piece(one).decode("utf-8", "replace") for one in filter(vocabulary.is_mark, between)
        ]
        pieces.sort()
        within = [f"(?<={re.escape(one[0])})(?={re.escape(one[1:])})" for one in pieces if len(one) > 1]
        self._within = re.compile("|".join(within)) if within else None

    @classmethod
    def of(cls, vocabulary: Vocabulary, template: str) -> TemplateChat:
        """The chat of a model with this template; Refused where it cannot be used."""
        return cls(vocabulary, read(template, vocabulary.named("bos"), vocabulary.named("eos")))

    def text(self, text: str) -> list[int]:
        """The ids of text in which no mark can hide."""
        parts = [text] if self._within is None else self._within.split(text)
        return [one for part in parts for one in self._vocabulary.tokenize(part)]

    def closed(self, turns: Sequence[Turn]) -> list[int]:
        """The ids of turns up to the end of the last one's text."""
        marks, before, ids = self._marks, "", list[int]()
        for turn in turns:
            role = "user" if turn.role == "system" and (before or marks.system is None) else turn.role
            between = {
                ("", "system"): marks.system or "",
                ("", "user"): marks.user,
                ("system", "user"): marks.task,
                ("user", "user"): marks.again,
                ("assistant", "user"): marks.ask,
            }.get((before, role), marks.answer)
            ids += self._vocabulary.tokenize(between, special=True)
            begin = self._vocabulary.begin
            if not before and begin is not None and ids[:1] != [begin]:
                ids.insert(0, begin)
            ids += turn.ids or self.text(turn.text)
            before = role
        return ids

    def open(self, turns: Sequence[Turn], thinking: bool = False) -> list[int]:
        """The ids of a prompt: a last turn of the assistant is left open for the model."""
        return self.closed(turns)

    def after(self, prefix: Sequence[Turn], ending: Sequence[Turn]) -> list[int]:
        """The ids of `ending` where `prefix` stands before it."""
        return self.closed([*prefix, *ending])[len(self.closed(prefix)) :]

    def end_of_thought(self, cut: bool) -> list[int]:
        """Nothing: no thinking is known."""
        return []


def read(template: str, bos: str = "", eos: str = "") -> Marks:
    """What `template` writes before and between the turns.

    Raises:
        Refused: it is too long, takes too long, is no template, or leaves out or repeats what is said.
    """
    if len(template) > LONGEST:
        raise Refused(f"its chat template has {len(template):,} characters, {LONGEST:,} are the most")
    first, said, second, told, third = _WORDS
    with _bounded():
        ask = _asking(template, bos, eos)
        user, _, ask_on, _, _, answer = ask(
            [("user", first), ("assistant", said), ("user", second), ("assistant", told), ("user", third)]
        )
        twice = _tried(ask, [("user", first), ("user", second)])
        # With a second question, for some templates put the system's text before the last one.
        system = _tried(ask, [("system", first), ("user", said), ("assistant", second), ("user", told)])
    return Marks(
        user=user,
        answer=answer,
        ask=ask_on,
        again=twice[1] if twice else "\n\n",
        system=system[0] if system else None,
        task=system[1] if system else "",
    )


def _tried(ask: Any, turns: list[tuple[str, str]]) -> list[str] | None:
    try:
        found: list[str] = ask(turns)
    except Refused:
        return None
    return found


def _asking(template: str, bos: str, eos: str) -> Any:
    """A function that renders turns, and gives what stands before, between and after their texts."""
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Sandboxed(ImmutableSandboxedEnvironment):
        """No attribute of Python's own, and no arithmetic that grows without end."""

        intercepted_binops = frozenset(("*", "**"))

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            if operator == "**" or not all(
                isinstance(one, int) and abs(one) < 1 << 32 for one in (left, right)
            ):
                raise jinja2.TemplateRuntimeError(f"{operator} of anything but small numbers")
            return super().call_binop(context, operator, left, right)

    def complain(message: object) -> None:
        raise jinja2.TemplateRuntimeError(str(message)[:200])

    environment = Sandboxed(
        trim_blocks=True, lstrip_blocks=True, optimized=False, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.globals["raise_exception"] = complain
    try:
        compiled = environment.from_string(_GENERATION.sub("", template))
    except Exception as error:  # whatever a hostile template makes of the compiler
        raise Refused(f"its chat template is none: {_said(error)}") from error

    def ask(turns: list[tuple[str, str]]) -> list[str]:
        try:
            text = compiled.render(
                messages=[{"role": role, "content": content} for role, content in turns],
                add_generation_prompt=True,
                bos_token=bos,
                eos_token=eos,
                tools=None,
            )
        except Exception as error:  # whatever a hostile template runs into
            raise Refused(f"its chat template fails: {_said(error)}") from error
        parts = re.split("|".join(content for _, content in turns), text) if len(text) <= LONGEST else []
        if [one for one in _WORDS if one in text] != [content for _, content in turns] or not parts:
            raise Refused("its chat template leaves out what is said, or is too long")
        places = [text.index(content) for _, content in turns]
        if places != sorted(places) or len(parts) != len(turns) + 1:
            raise Refused("its chat template moves or repeats what is said")
        return parts

    return ask


@contextmanager
def _bounded() -> Iterator[None]:
    """Ends what computes for more than SECONDS; for the main thread alone, as signals are."""

    def end(*_: object) -> None:
        raise TimeoutError(f"it computes for more than {SECONDS:g} s")

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS, SECONDS)  # again for each rendering that goes on
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _said(error: Exception) -> str:
    lines = str(error).splitlines() or [""]
    return f"{lines[0][:200] or type(error).__name__}"
