"""Prompts as training sees them: the project's own templates in ChatML, token for token.

For each turn: `<|im_start|>`, then role, newline and text tokenised as one string, then `<|im_end|>`
and a newline as a piece of its own. A last assistant turn stays open. Control tokens never come from text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from salecli import resources
from salecli.core.calls import Turn
from salecli.core.prompts import Templates, listing
from salecli.core.values import Pair, Plan, Task

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
ENDOFTEXT, IM_START, IM_END = range(3)
LIMIT = 192
"""The plan's token limit that prompts name."""
LISTING = 400
"""Characters of file listing that a prompt may hold."""

Encode = Callable[[str], Sequence[int]]


def templates() -> Templates:
    """The compact prompts."""
    return Templates(resources.templates(resources.prompts() / "compact"))


class Prompts:
    """The turns of each prompt for practice tasks."""

    def __init__(self) -> None:
        self._templates = templates()

    def _common(self, task: Task) -> dict[str, object]:
        return {"task": task, "files": listing(task.files, LISTING), "limit": LIMIT}

    def bid(self, task: Task) -> tuple[Turn, ...]:
        return self._templates.render("bid", **self._common(task))

    def refine(self, task: Task, plan: str, pairs: Sequence[Pair]) -> tuple[Turn, ...]:
        return self._templates.render("refine", plan=plan, pairs=tuple(pairs), **self._common(task))

    def judge(self, task: Task, plan: str) -> tuple[Turn, ...]:
        return self._templates.render("judge", plan=plan, **self._common(task))

    def work(self, task: Task, plan: str) -> tuple[Turn, ...]:
        return self._templates.render("work", plan=plan, **self._common(task))

    def observe(self, observation: str) -> tuple[Turn, ...]:
        return self._templates.render("observe", observation=observation)


def pair(task: str, lost: str, won: str) -> Pair:
    """A (lost, won) pair as memory would return it."""
    return Pair(0, task, 1.0, Plan("", lost), Plan("", won))


def opened(turn: Turn, encode: Encode) -> list[int]:
    """A turn's tokens without its end."""
    if turn.ids:
        return [IM_START, *encode(f"{turn.role}\n"), *turn.ids]
    return [IM_START, *encode(f"{turn.role}\n{turn.text}")]


def closed(turn: Turn, encode: Encode) -> list[int]:
    """A turn's tokens with `<|im_end|>` and the newline after it."""
    return [*opened(turn, encode), IM_END, *encode("\n")]


def chat(turns: Sequence[Turn], encode: Encode) -> list[int]:
    """All turns' tokens, the last one left open."""
    ids = [token for turn in turns[:-1] for token in closed(turn, encode)]
    return ids + opened(turns[-1], encode)
