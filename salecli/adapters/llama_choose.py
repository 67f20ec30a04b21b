"""A judge's reading: the distribution over some options after a prefix and each of several endings."""

from __future__ import annotations

import time
from collections.abc import Iterator
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
    before, end, begun = sequence.evaluated, "stop", 0
    try:
        for group in _groups(endings, sequence.context - len(prefix), sequence.sequences):
            begun += len(group)
            choices += _ask(sequence, prefix, group, options)
    except Cancelled:
        end = "cancelled"
    except NativeError as error:
        raise Refused("native", reason=str(error)) from error
    return {
        "choices": choices,
        "prompt": sum(len(prefix) + len(ending) for ending in endings[:begun]),
        "evaluated": sequence.evaluated - before,
        "end": end,
    }


def _groups(endings: list[list[int]], room: int, most: int) -> Iterator[list[list[int]]]:
    """The endings in order, as many at once as a batch may hold: at most `most`, of at most `room` tokens."""
    group: list[list[int]] = []
    for ending in endings:
        if group and (len(group) == most or sum(map(len, group)) + len(ending) > room):
            yield group
            group = []
        group.append(ending)
    yield group


def _ask(
    sequence: Sequence0, prefix: list[int], endings: list[list[int]], options: list[int]
) -> list[Message]:
    """The distributions over `options` after prefix + each ending.

    Always evaluated from the end of the prefix, also where the last ending began alike: so an
    ending's distribution does not depend on what was asked before it.
    """

    def read(logits: Any) -> list[float]:
        return sequence.measures.probabilities(logits, options)

    began = time.monotonic()
    left = sequence.keep(min(sequence.common(prefix), len(prefix)))
    sequence.extend(prefix[left:])
    if len(endings) > 1:
        shares = sequence.branch(endings, read)
    else:
        sequence.extend(endings[0])
        shares = [read(sequence.logits())]
    evaluated = [len(prefix) - left + len(endings[0]), *map(len, endings[1:])]
    seconds = (time.monotonic() - began) / max(1, sum(evaluated))
    return [
        {
            "shares": share,
            "prompt": len(prefix) + len(ending),
            "evaluated": count,
            "seconds": seconds * count,
        }
        for share, ending, count in zip(shares, endings, evaluated, strict=True)
    ]


def turns_of(turns: list[list[Any]]) -> list[Turn]:
    """A request's turns."""
    return [Turn(role, text, tuple(ids)) for role, text, ids in turns]


def fits(tokens: int, context: int) -> None:
    """Refuse what is longer than the context."""
    if tokens > context:
        raise Refused("context", tokens=tokens, context=context, thinking=False)
