"""A judge's reading: the distribution over some options after a prefix and each of several endings."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from salecli.adapters.chat import AnyChat, option
from salecli.adapters.llama_faults import Cancelled, NativeError, Refused
from salecli.adapters.wire import Message
from salecli.core.calls import Turn

if TYPE_CHECKING:
    from salecli.adapters.llama_native import Sequence0


def choose(sequence: Sequence0, chat: AnyChat, request: Message) -> Message:
    """The end of a `choose` job."""
    options = []
    for text in request["options"]:
        ids = option(chat, text)
        if len(ids) != 1:
            raise Refused("option", option=text, tokens=len(ids))
        options.append(ids[0])
    shared = turns_of(request["prefix"])
    prefix = chat.closed(shared)
    endings = [chat.after(shared, turns_of(ending)) for ending in request["endings"]]
    fits(len(prefix) + max(map(len, endings)), sequence.context)
    choices: list[Message] = []
    before, end = sequence.evaluated, "stop"
    try:
        for ending in endings:
            choices.append(_ask(sequence, prefix, ending, options))
    except Cancelled:
        end = "cancelled"
    except NativeError as error:
        raise Refused("native", reason=str(error)) from error
    begun = endings[: len(choices) + 1]
    return {
        "choices": choices,
        "prompt": sum(len(prefix) + len(ending) for ending in begun),
        "evaluated": sequence.evaluated - before,
        "end": end,
    }


def _ask(sequence: Sequence0, prefix: list[int], ending: list[int], options: list[int]) -> Message:
    """The distribution over `options` after prefix + ending.

    Always evaluated from the end of the prefix, also where the last ending began alike: so an
    ending's distribution does not depend on what was asked before it.
    """
    began = time.monotonic()
    left = sequence.keep(min(sequence.common(prefix), len(prefix)))
    sequence.extend(prefix[left:])
    sequence.extend(ending)
    shares = sequence.measures.probabilities(sequence.logits(), options)
    return {
        "shares": shares,
        "prompt": len(prefix) + len(ending),
        "evaluated": len(prefix) + len(ending) - left,
        "seconds": time.monotonic() - began,
    }


def turns_of(turns: list[list[Any]]) -> list[Turn]:
    """A request's turns."""
    return [Turn(role, text, tuple(ids)) for role, text, ids in turns]


def fits(tokens: int, context: int) -> None:
    """Refuse what is longer than the context."""
    if tokens > context:
        raise Refused("context", tokens=tokens, context=context, thinking=False)
