"""Frames on a pipe between `sale` and a model's process: four bytes of length, then JSON.

JSON and not pickle: a frame can only ever become plain values, whichever side wrote it.
"""

from __future__ import annotations

import json
import os
import select
import struct
import time
from typing import Any

Message = dict[str, Any]

_LENGTH = struct.Struct("<I")
LARGEST = 256 << 20
"""Bytes of the largest frame; more means that the stream is out of step."""


class Broken(Exception):
    """The other side is gone, or what it wrote is no frame."""


class Stuck(Exception):
    """The other side took nothing in for too long."""


def encode(message: Message) -> bytes:
    """A message as one frame."""
    body = json.dumps(message, separators=(",", ":")).encode()
    return _LENGTH.pack(len(body)) + body


class Reader:
    """The reading end of a pipe. Half a frame stays in the buffer, so an interrupted call loses nothing."""

    def __init__(self, fd: int, largest: int = LARGEST) -> None:
        """`largest`: bytes of a frame beyond which the other side talks nonsense."""
        os.set_blocking(fd, False)
        self._fd = fd
        self._largest = largest
        self._buffer = bytearray()

    def receive(self, timeout: float | None = None) -> Message | None:
        """The next message, or None when `timeout` seconds passed without one; 0 takes only what is there.

        Raises:
            Broken: the pipe was closed, or holds something that is no frame.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while (message := self._cut()) is None:
            left = None if until is None else max(0.0, until - time.monotonic())
            if not _ready(self._fd, select.POLLIN, left):
                return None
            try:
                part = os.read(self._fd, 1 << 16)
            except BlockingIOError:
                continue
            except OSError as error:
                raise Broken(str(error)) from error
            if not part:
                raise Broken("closed")
            self._buffer += part
        return message

    def _cut(self) -> Message | None:
        """Takes the first whole frame out of the buffer."""
        if len(self._buffer) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer)
        if length > self._largest:
            raise Broken(f"a frame of {length} bytes")
        end = _LENGTH.size + length
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[_LENGTH.size : end])
        del self._buffer[:end]
        try:
            message = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise Broken(f"not JSON: {error}") from error
        if not isinstance(message, dict):
            raise Broken("not a JSON object")
        return message


class Writer:
    """The writing end of a pipe."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd

    def send(self, message: Message, timeout: float | None = None) -> None:
        """Write a whole frame.

        Raises:
            Broken: nobody reads any more.
            Stuck: the reader took nothing for `timeout` seconds; the stream is out of step from here on.
        """
        frame = memoryview(encode(message))
        while frame:
            try:
                frame = frame[os.write(self._fd, frame) :]
            except BlockingIOError:
                if not _ready(self._fd, select.POLLOUT, timeout):
                    raise Stuck(f"{timeout:g} s without a reader") from None
            except OSError as error:
                raise Broken(str(error)) from error


def _ready(fd: int, event: int, timeout: float | None) -> bool:
    """Whether the pipe can be read or written (or was closed) within `timeout` seconds."""
    poll = select.poll()  # not select(): it refuses descriptors above 1,023
    poll.register(fd, event)
    return bool(poll.poll(None if timeout is None else max(0, int(timeout * 1000 + 0.999))))
