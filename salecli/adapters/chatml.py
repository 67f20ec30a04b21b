"""ChatML as token ids, append-only: a turn is rendered the same whether it is the last one or long past.

Qwen's own chat template drops the think block from all assistant turns but the last, so a prompt that
grows by a turn changes in its middle and the model's prefix cache misses. Here every assistant turn
carries the empty block, and tokens that a model generated are taken as they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from salecli.core.calls import Turn

START, END, THINK, UNTHINK = "<|im_start|>", "<|im_end|>", "<think>", "</think>"
_WITHIN_MARK = re.compile(r"(?<=<\|)(?=im_start\|>|im_end\|>)")


class Tokenizer(Protocol):
    """Turns text into token ids."""

    def tokenize(self, text: str, special: bool = False) -> list[int]:
        """The text's ids, without any begin mark; `special` lets control tokens in it count as such."""


@dataclass(frozen=True)
class Chat:
    """A vocabulary's turn marks, and the rendering by them."""

    tokenizer: Tokenizer
    start: int
    end: int
    think: int | None
    unthink: int | None

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> Chat:
        """Looks the marks up; LookupError where the vocabulary has no ChatML turn marks."""

        def mark(text: str) -> int | None:
            ids = tokenizer.tokenize(text, special=True)
            return ids[0] if len(ids) == 1 else None

        start, end, think, unthink = mark(START), mark(END), mark(THINK), mark(UNTHINK)
        if start is None or end is None:
            raise LookupError(
                f"it has no chat template, and {START} and {END} are no tokens of its vocabulary"
            )
        if think is None or unthink is None:
            think = unthink = None
        return cls(tokenizer, start, end, think, unthink)

    @property
    def stops(self) -> frozenset[int]:
        """A new turn of the model's own making ends its answer; end marks do by themselves."""
        return frozenset([self.start])

    def after(self, prefix: Sequence[Turn], ending: Sequence[Turn]) -> list[int]:
        """The ids of `ending` where `prefix` stands before it."""
        return self.open(ending)

    def text(self, text: str) -> list[int]:
        """The ids of text in which no turn mark can hide.

        llama.cpp keeps control tokens out of text, but takes "user defined" ones in it at their word; a
        file that types its turn marks so would let a task's text open turns. Such a mark is cut in two.
        """
        ids = self.tokenizer.tokenize(text)
        if self.start not in ids and self.end not in ids:
            return ids
        return [one for part in _WITHIN_MARK.split(text) for one in self.tokenizer.tokenize(part)]

    def closed(self, turns: Sequence[Turn]) -> list[int]:
        """The ids of finished turns."""
        ids: list[int] = []
        for turn in turns:
            ids += [*self._opened(turn), self.end, *self.text("\n")]
        return ids

    def open(self, turns: Sequence[Turn], thinking: bool = False) -> list[int]:
        """The ids of a prompt: a last turn of the assistant is left open for the model.

        `thinking` leaves the think block of an open turn without text to the model.
        """
        if not turns or turns[-1].role != "assistant":
            return self.closed(turns)
        last = turns[-1]
        if thinking and not last.text and not last.ids:
            return [*self.closed(turns[:-1]), self.start, *self.text("assistant\n")]
        return [*self.closed(turns[:-1]), *self._opened(last)]

    def _opened(self, turn: Turn) -> list[int]:
        head = f"{turn.role}\n"
        if turn.role != "assistant":
            return [self.start, *self.text(head + turn.text)]
        block = self.no_thought()
        if turn.ids:
            return [self.start, *self.text(head), *block, *turn.ids]
        if block:
            return [self.start, *self.text(head), *block, *self.text(turn.text)]
        return [self.start, *self.text(head + turn.text)]

    def no_thought(self) -> list[int]:
        """Qwen3's empty think block, empty where the vocabulary knows no thinking."""
        if self.think is None or self.unthink is None:
            return []
        return [self.think, *self.text("\n\n"), self.unthink, *self.text("\n\n")]

    def end_of_thought(self, cut: bool) -> list[int]:
        """What ends a think block: its mark and an empty line; `cut` where the model was still thinking."""
        if self.unthink is None:
            return []
        return [*(self.text("\n") if cut else []), self.unthink, *self.text("\n\n")]
