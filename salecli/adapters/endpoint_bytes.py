"""How much a server may send: its answers are held in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2 as httpx

from salecli.adapters.endpoint_faults import Unusable

MOST = 64 << 20
"""Bytes of one answer, or of one event of a stream; the log-probabilities of 150,000 tokens take 15 MB."""


async def bound(response: httpx.Response) -> None:
    """End an answer that grows beyond MOST; for httpx to call with each response before it is read.

    Raises:
        Unusable: the answer is compressed, though that was not asked for: a few bytes may become any number.
    """
    kind = response.headers.get("content-encoding", "identity")
    if kind != "identity":
        raise Unusable("compresses its answers, though it is asked not to")
    assert isinstance(response.stream, httpx.AsyncByteStream)
    events = response.headers.get("content-type", "").startswith("text/event-stream")
    response.stream = _Bounded(response.stream, events)


class _Bounded(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, events: bool) -> None:
        self._stream = stream
        self._events = events

    async def __aiter__(self) -> AsyncIterator[bytes]:
        held = 0
        async for block in self._stream:
            held += len(block)
            # An event ends with an empty line; an end that two blocks share is made up for by the next one.
            end = max(block.rfind(b"\n\n"), block.rfind(b"\r\n\r\n")) if self._events else -1
            if end >= 0:
                held = len(block) - end
            if held > MOST:
                raise Unusable(f"sends more than {MOST >> 20} MiB at once")
            yield block

    async def aclose(self) -> None:
        await self._stream.aclose()
