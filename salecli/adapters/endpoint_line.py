"""The line to one server: requests with retries, deadlines, cancelling; a breaker after failures in a row.

The `openai` client keeps keys, retries, back-off and timeouts; it runs in one thread of its own per line,
where a request that nobody waits for any more is cancelled and its connection closed. Threads may share it.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Coroutine, Generator, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from salecli.adapters.endpoint_faults import Unusable, explained
from salecli.adapters.llama_call import Call
from salecli.core.text import clean
from salecli.errors import ModelError, ModelTimeout

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_AHEAD = 1_000
"""Pieces of an answer that may wait for a slow reader before the server is held back."""


@dataclass(frozen=True)
class Address:
    """Where a server is, and how patiently it is asked. The key is in no repr."""

    name: str
    """Of its table in the user's configuration."""
    url: str
    """Up to and with the API's version: http://gpu:8080/v1."""
    key: str = field(default="", repr=False)
    connect: float = 10.0
    """Seconds to connect."""
    seconds: float = 120.0
    """Most seconds without a byte of the answer."""
    retries: int = 2
    failures: int = 3
    """In a row, after which the server is left alone ..."""
    pause: float = 30.0
    """... for so many seconds."""

    @property
    def root(self) -> str:
        """The server's own address, where what is not OpenAI's API lies."""
        return self.url.rstrip("/").removesuffix("/v1")

    @property
    def here(self) -> bool:
        """Whether the server is on this machine."""
        host = urlsplit(self.url).hostname or ""
        try:
            return host == "localhost" or ip_address(host).is_loopback
        except ValueError:
            return False

    @property
    def exposed(self) -> bool:
        """Whether prompts and key travel readable by others: plain http beyond this machine."""
        return urlsplit(self.url).scheme == "http" and not self.here


class Line:
    """Speaks to the server at one address; nothing is connected before the first request."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._client: AsyncOpenAI | None = None
        self._failed = 0
        self._last = ""
        self._open_until = 0.0
        self._told: list[str] = []
        if address.exposed:
            self.say(f"{address.url} is plain http: prompts and keys can be read on the way")

    def __repr__(self) -> str:
        return f"Line({self.address.name!r}, {self.address.url!r})"

    def say(self, note: str) -> None:
        """Keep a note for the user."""
        self._told.append(note)

    def told(self) -> list[str]:
        """The notes since the last call, for the user."""
        with self._lock:
            told, self._told = self._told, []
        return told

    def ask(self, path: str, body: Mapping[str, Any] | None, call: Call) -> Any:
        """One answer as JSON: POST where there is a body, GET otherwise.

        Raises:
            ContextFull, ModelTimeout, ModelError: with what to type next.
        """
        with _Guard(self, path):
            future = self._start(self._ask(path, body))
            try:
                while not wait([future], call.tick).done:
                    self._check(call)
                return future.result()
            finally:
                future.cancel()

    def stream(
        self, path: str, body: Mapping[str, Any], call: Call
    ) -> Generator[Mapping[str, Any], None, None]:
        """The answer piece by piece; closing the generator closes the connection. Raises what `ask` does."""
        pieces: SimpleQueue[Mapping[str, Any] | None] = SimpleQueue()
        with _Guard(self, path):
            future = self._start(self._stream(path, body, pieces))
            try:
                while True:
                    over = future.done()  # asked first: what it put before its end is still taken
                    try:
                        piece = pieces.get(timeout=call.tick)
                    except Empty:
                        self._check(call)
                        if not over:
                            continue
                        piece = None
                    if piece is None:
                        future.result()
                        return
                    call.check()
                    yield piece
            finally:
                future.cancel()

    def close(self) -> None:
        """Close the connections and end the thread; the line may be used again."""
        with self._lock:
            loop, thread, client = self._loop, self._thread, self._client
            self._loop = self._thread = self._client = None
        if loop is None or thread is None:
            return
        if client is not None:
            with suppress(Exception):  # a connection that is broken already
                asyncio.run_coroutine_threadsafe(client.close(), loop).result(2)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)

    def _check(self, call: Call) -> None:
        call.check()
        if call.left == 0:
            raise ModelTimeout(
                f"{call.label} did not finish before the deadline", "allow more time, or a faster server"
            )

    def blocked(self) -> ModelError | None:
        """Why the server is left alone now, where it is."""
        left = self._open_until - time.monotonic()
        if left <= 0:
            return None
        return ModelError(
            f"endpoint {self.address.name} failed {self._failed} times in a row and is left alone for "
            f"{left:.0f} s; the last time: {self._last}",
            "`sale doctor` asks it again",
        )

    def failed(self, why: str) -> None:
        """Count a failure of the server; enough of them in a row open the breaker."""
        with self._lock:
            self._failed += 1
            self._last = why
            if self._failed >= self.address.failures:
                self._open_until = time.monotonic() + self.address.pause

    def unusable(self, error: Unusable) -> ModelError:
        """An answer that turned out to be none: counted as a failure, and put into words."""
        said, _ = explained(error, self.address)
        self.failed(said.message)
        return said

    def worked(self) -> None:
        """Forget earlier failures."""
        with self._lock:
            self._failed = 0

    def _start(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_forever, args=(self._loop,), name=f"endpoint-{self.address.name}", daemon=True
                )
                self._thread.start()
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _openai(self) -> AsyncOpenAI:
        """The client, made in the line's own thread."""
        if self._client is None:
            from openai import AsyncOpenAI, DefaultAsyncHttpxClient, Timeout

            from salecli.adapters.endpoint_bytes import bound

            address = self.address
            timeout = Timeout(address.seconds, connect=address.connect)
            self._client = AsyncOpenAI(
                base_url=address.url,
                api_key=address.key or "none",
                timeout=timeout,
                max_retries=address.retries,
                default_headers={"Accept-Encoding": "identity"},
                # A redirect would carry prompts to a place that the user did not name, and so would a proxy
                # on the way to a server of this machine.
                http_client=DefaultAsyncHttpxClient(
                    timeout=timeout,
                    follow_redirects=False,
                    trust_env=not address.here,
                    event_hooks={"response": [bound]},
                ),
            )
            # What the environment says of OpenAI's own accounts is no business of this server.
            self._client.organization = self._client.project = None
        return self._client

    async def _ask(self, path: str, body: Mapping[str, Any] | None) -> Any:
        client = self._openai()
        if body is None:
            answer = await client.get(path, cast_to=object)
        else:
            answer = await client.post(path, cast_to=object, body=dict(body))
        if not isinstance(answer, dict | list):
            raise Unusable(f"answers something else than JSON: {_begin(answer)}")
        return answer

    async def _stream(
        self, path: str, body: Mapping[str, Any], pieces: SimpleQueue[Mapping[str, Any] | None]
    ) -> None:
        from openai import AsyncStream

        try:
            stream: AsyncStream[object] = await self._openai().post(
                path, cast_to=object, body=dict(body), stream=True, stream_cls=AsyncStream[object]
            )
            async with stream:
                kind = stream.response.headers.get("content-type", "nothing")
                if not kind.startswith("text/event-stream"):
                    raise Unusable(f"answers {kind.partition(';')[0]}, not a stream of events")
                await _pass_on(stream, pieces)
        finally:
            pieces.put(None)


async def _pass_on(stream: AsyncIterator[object], pieces: SimpleQueue[Mapping[str, Any] | None]) -> None:
    async for piece in stream:
        if isinstance(piece, dict):
            pieces.put(piece)
        while pieces.qsize() > _AHEAD:
            await asyncio.sleep(0.01)


class _Guard:
    """Around one request: refuses while the breaker is open, puts errors into words, counts failures.

    Only work that was done makes earlier failures forgotten: a broken server may well list its models.
    """

    def __init__(self, line: Line, path: str) -> None:
        self._line = line
        self._works = path.endswith("/completions")

    def __enter__(self) -> None:
        blocked = self._line.blocked()
        if blocked is not None:
            raise blocked

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if error is None and self._works:
            self._line.worked()
        elif isinstance(error, ModelTimeout):
            self._line.failed(error.message)
        elif isinstance(error, Exception) and not isinstance(error, ModelError):
            said, fault = explained(error, self._line.address)
            if fault:
                self._line.failed(said.message)
            raise said from None


def _forever(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def _begin(answer: object) -> str:
    text = clean(str(answer), newlines=False).strip()
    return repr(text[:60]) if text else "nothing"
