"""One exec's stream: fed, listened to, bounded in time and in bytes, and closed for good."""

from __future__ import annotations

import selectors
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Literal

BEGUN = b"\6"
"""What a command's shell puts on the error stream before anything else: the command has begun."""

TO_BEGIN = 30.0
"""Seconds that the engine has for starting a command."""

Sink = Callable[[bytes], None]
How = Literal["end", "deadline", "flood"]


def plain(stream: Any) -> socket.socket:
    """The socket below what docker-py returns."""
    return getattr(stream, "_sock", stream)  # type: ignore[no-any-return]


def shut(link: socket.socket) -> None:
    """Shut a connection both ways; whoever reads from it is woken up."""
    with suppress(OSError):
        link.shutdown(socket.SHUT_RDWR)


def close(stream: Any) -> None:
    """End a stream for good: docker-py's own `close` leaves the socket open until it is collected."""
    link = plain(stream)
    shut(link)
    response = getattr(stream, "_response", None)
    for part in (link, response, stream):
        # The response and the stream share a file, so the second of them finds it closed.
        with suppress(OSError, ValueError):
            if part is not None:
                part.close()


def exchange(
    link: socket.socket, feed: Iterable[bytes], out: Sink, err: Sink, seconds: float, flood: int
) -> tuple[How, bytes | None]:
    """Feed an exec's input and pass on its output until it ends, or for so many seconds after it began.

    Returns how it ended, and None where the command had begun; else what was said in its stead, by the
    engine and not by the command.
    """
    frames = _Frames(out, err, seconds)
    how = _exchanged(link, feed, frames, flood)
    return how, None if frames.begun else b"".join(piece for _, piece in frames.held)


def _exchanged(link: socket.socket, feed: Iterable[bytes], frames: _Frames, flood: int) -> How:
    link.setblocking(False)
    pieces = iter(feed)
    pending = memoryview(b"\n")  # the line that the command waits for
    with selectors.DefaultSelector() as ready:
        ready.register(link, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while True:
            left = frames.until - time.monotonic()
            if left <= 0:
                return "deadline"
            happened = ready.select(left)
            if not happened:
                continue
            events = happened[0][1]
            with suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                if events & selectors.EVENT_READ:
                    while True:
                        data = link.recv(1 << 18)
                        if not data:
                            return "end"
                        frames.take(data)
                        if frames.passed > flood:
                            return "flood"
                        # What TLS has decrypted already, no selector sees.
                        if not isinstance(link, ssl.SSLSocket) or not link.pending():
                            break
                    continue
            with suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                if events & selectors.EVENT_WRITE:
                    try:
                        if not pending:
                            pending = memoryview(next(pieces))
                        pending = pending[link.send(pending) :]
                    except (StopIteration, BrokenPipeError, ConnectionResetError):
                        # All fed, or the command does not want more: only listen from here on.
                        ready.modify(link, selectors.EVENT_READ)


class _Frames:
    """Takes Docker's stream apart: 8 bytes of head (1 out, 2 err; length), then the payload."""

    def __init__(self, out: Sink, err: Sink, seconds: float) -> None:
        self.passed = 0
        self.begun = False
        self.until = time.monotonic() + TO_BEGIN
        self._seconds = seconds
        self.held: list[tuple[Sink, bytes]] = []
        """What came before the command had begun: the two streams may overtake one another."""
        self._sinks = {1: out, 2: err}
        self._head = b""
        self._left = 0
        self._stream = 1

    def take(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            if not self._left:
                need = 8 - len(self._head)
                self._head += data[at : at + need]
                at += need
                if len(self._head) < 8:
                    return
                stream, self._left = struct.unpack(">BxxxL", self._head)
                self._stream = stream if stream in self._sinks else 1
                self._head = b""
                continue
            piece = data[at : at + self._left]
            at += len(piece)
            self._left -= len(piece)
            self.passed += len(piece)
            self._pass(self._sinks[self._stream], piece)

    def _pass(self, sink: Sink, piece: bytes) -> None:
        if self.begun:
            sink(piece)
        elif self._stream == 2 and piece.startswith(BEGUN):
            self.begun = True
            # From here on it is the command's own time: an engine that is slow takes nothing of it.
            self.until = time.monotonic() + self._seconds
            for earlier, held in [*self.held, (sink, piece[len(BEGUN) :])]:
                earlier(held)
        else:
            self.held.append((sink, piece))
