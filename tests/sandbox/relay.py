"""A socket between `sale` and the real engine, to be cut or stopped by a test: the engine is left alone."""

from __future__ import annotations

import os
import re
import selectors
import socket
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Literal

Mode = Literal["pass", "cut", "hang", "lose"]


class Relay:
    """Forwards connections to the engine until it is told, or until a request that matches, to do otherwise.

    `cut` closes every connection and takes no new one, as an engine that was stopped; `hang` takes all in
    and answers nothing more. `lose` hands the request on, and is cut before the answer.
    """

    def __init__(self, strike: str = "", then: Mode = "cut") -> None:
        # Not below pytest's folder: a socket's path has 107 characters at most.
        self._folder = Path(tempfile.mkdtemp(prefix="relay-"))
        self.path = self._folder / "engine.sock"
        self.alter: tuple[bytes, bytes] | None = None
        """What to put in the place of what in each request; both of one length."""
        self._engine = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
        self.mode: Mode = "pass"
        self.struck = threading.Event()
        self._strike: re.Pattern[bytes] | None = None
        self._then: Mode = then
        if strike:
            self.strike(strike, then)
        self._links: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._open = True
        self._listen()

    @property
    def host(self) -> str:
        """What DOCKER_HOST has to be."""
        return f"unix://{self.path}"

    def _listen(self) -> None:
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(self.path))
        self._server.listen(64)
        self._server.settimeout(0.1)
        self._start(self._accept, self._server)

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def strike(self, request: str, then: Mode) -> None:
        """Be something else from the next request on that matches."""
        self._then = then
        self._strike = re.compile(request.encode())

    def cut(self) -> None:
        """Be an engine that was stopped."""
        self.mode = "cut"
        self._server.close()
        self.path.unlink(missing_ok=True)
        for link in list(self._links):
            with suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)

    def hang(self) -> None:
        """Be an engine that does not answer."""
        self.mode = "hang"

    def pass_on(self) -> None:
        """Be an engine that came back."""
        stopped = self.mode == "cut"
        self.mode = "pass"
        if stopped:
            self._listen()

    def _accept(self, server: socket.socket) -> None:
        while self._open:
            try:
                link, _ = server.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            engine = _engine(self._engine)
            self._links |= {link, engine}
            self._start(self._forward, link, engine)

    def _forward(self, link: socket.socket, engine: socket.socket) -> None:
        other = {link: engine, engine: link}
        try:
            with selectors.DefaultSelector() as ready:
                for one in other:
                    ready.register(one, selectors.EVENT_READ)
                while ready.get_map() and self._passes():
                    for key, _ in ready.select(0.05):
                        source = key.fileobj
                        assert isinstance(source, socket.socket)
                        data = source.recv(1 << 16)
                        if source is link:
                            data = self._looked_at(data, engine)
                        if not self._passes():
                            return
                        if data:
                            other[source].sendall(data)
                            continue
                        ready.unregister(source)
                        with suppress(OSError):
                            other[source].shutdown(socket.SHUT_WR)
        except OSError:
            return
        finally:
            for one in other:
                self._links.discard(one)
                one.close()

    def _looked_at(self, request: bytes, engine: socket.socket) -> bytes:
        """The request as it is passed on; strikes where it is the one."""
        if self._strike is not None and self._strike.search(request):
            self._strike = None
            if self._then == "lose":
                engine.sendall(request)
                engine.recv(1)  # it has done what it was asked for
            self.hang() if self._then == "hang" else self.cut()
            self.struck.set()
        return request.replace(*self.alter) if self.alter else request

    def _passes(self) -> bool:
        """Wait while it hangs; whether it passes things on then."""
        while self._open and self.mode == "hang":
            time.sleep(0.02)
        return self._open and self.mode == "pass"

    def __enter__(self) -> Relay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open = False
        self.cut()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()
        self._folder.rmdir()


def _engine(host: str) -> socket.socket:
    """A connection to the real engine."""
    kind, _, address = host.partition("://")
    if kind == "unix":
        link = socket.socket(socket.AF_UNIX)
        link.connect(address)
        return link
    name, _, port = address.rpartition(":")
    return socket.create_connection((name, int(port)))
