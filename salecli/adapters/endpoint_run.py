"""One answer of a server on its way: what came so far, how it ended, and what the server counted."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from salecli.adapters.endpoint_answers import choice
from salecli.core.calls import StreamEnd, Usage


@dataclass
class Run:
    """One answer on its way."""

    prompt: int
    """Tokens of the prompt, 0 where only the server can count them."""
    seen: int = 0
    thoughts: int = 0
    end: StreamEnd | None = None
    told: bool = False
    """Whether the server has counted."""
    counts: Usage = field(default_factory=Usage)
    timed: int | None = None
    """Prompt tokens that llama-server says it evaluated, with every piece where it is asked to."""
    before: int = 0
    """Prompt tokens that were evaluated for the thought."""
    began: float = field(default_factory=time.monotonic)

    def take(self, part: Mapping[str, Any]) -> None:
        """Note how the answer ends, and what the server counted."""
        usage = part.get("usage")
        if isinstance(usage, dict):
            prompt, generated = _number(usage.get("prompt_tokens")), _number(usage.get("completion_tokens"))
            details = usage.get("prompt_tokens_details")
            cached = _number(details.get("cached_tokens", 0)) if isinstance(details, dict) else 0
            self.told = True
            self.counts = Usage(prompt, prompt - cached, generated)
        if isinstance(part.get("timings"), dict):
            self.timed = evaluated(part)
        chosen = choice(part) if part.get("choices") else {}
        reason = chosen.get("finish_reason")
        if reason is not None:
            self.end = "length" if reason == "length" else "stop"

    def usage(self, most: int, context: int) -> tuple[Usage, bool]:
        """The server's own counts where they can be true, else ours; and whether they can be.

        `most` tokens were asked for; `context` is the server's, 0 where that is not known.
        """
        counts = self.counts
        honest = (
            counts.prompt == (self.prompt or counts.prompt)
            and 0 <= counts.evaluated <= counts.prompt
            and self.seen <= counts.generated <= max(most, self.seen) + 1
            and counts.prompt <= (context or 1 << 31)
        )
        counted = counts if self.told and honest else Usage(self.prompt, self.prompt, self.seen)
        spent = replace(
            counted,
            evaluated=self.before + counted.evaluated,
            generated=counted.generated + self.thoughts,
            seconds=time.monotonic() - self.began,
            end=self.end or "stop",
            thoughts=self.thoughts,
        )
        return spent, honest or not self.told

    def so_far(self) -> dict[str, int]:
        """What it took by our own counts, in the words of a Usage."""
        return {
            "prompt": self.prompt,
            "evaluated": self.before + self.prompt,
            "generated": self.seen + self.thoughts,
            "thoughts": self.thoughts,
        }

    def begin_again(self, thoughts: int) -> None:
        """The thought is over, the answer begins; a thought that was cut is one that no usage came for."""
        told = self.counts.evaluated if self.told else self.timed
        self.before = told if told is not None and 0 <= told <= self.prompt else self.prompt
        self.thoughts, self.end, self.told, self.counts = thoughts, None, False, Usage()


def evaluated(answer: Mapping[str, Any]) -> int:
    """Prompt tokens that llama-server evaluated, 0 where it does not say."""
    timings = answer.get("timings")
    return max(_number(timings.get("prompt_n")), 0) if isinstance(timings, dict) else 0


def _number(value: object) -> int:
    """A count as a server wrote it; -1 where it is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else -1
