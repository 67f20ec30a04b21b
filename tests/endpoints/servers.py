"""Servers for tests: a real llama-server, a relay in front of one, and one that says what a test wants."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from salecli.resources import pools

HERE = Path(__file__).parent / "server"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sale"
"""Looked up before a test has a home of its own."""


def binary() -> Path:
    """The llama-server that `make llama-server` built for the installed llama-cpp-python."""
    recipe = subprocess.run(["cksum", HERE / "CMakeLists.txt"], capture_output=True, text=True, check=True)
    path = CACHE / f"llama-server-{version('llama-cpp-python')}-{recipe.stdout.split()[0]}"
    assert path.exists(), "type: make llama-server"
    return path


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Served:
    """A llama-server that holds one practice model."""

    def __init__(self, model: Path) -> None:
        self.port = free_port()
        package = find_spec("llama_cpp")
        assert package is not None
        assert package.origin is not None
        libraries = Path(package.origin).parent / "lib"
        # The sizes that the model has in process: in batches of other sizes numbers are rounded otherwise.
        sizes = ["--parallel", "1", "--ctx-size", "2048", "--threads", "1", "--batch-size", "512"]
        self.process = subprocess.Popen(
            [binary(), "--model", model, "--alias", model.name, "--port", str(self.port), *sizes],
            env={**os.environ, "LD_LIBRARY_PATH": str(libraries)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def ready(self) -> None:
        """Wait until it answers."""
        until = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5):
                    return
            except OSError:
                assert self.process.poll() is None, "llama-server has ended"
                assert time.monotonic() < until, "llama-server does not answer"
                time.sleep(0.05)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def served(*names: str) -> Iterator[dict[str, Served]]:
    """A llama-server for each of these practice agents."""
    servers = {name: Served(pools() / f"practice-{name}.gguf") for name in names}
    try:
        for server in servers.values():
            server.ready()
        yield servers
    finally:
        for server in servers.values():
            server.kill()


class Relay:
    """Passes connections on to a port; `seen` is shown every piece of a request before it goes on."""

    def __init__(self, port: int, seen: Callable[[bytes], None]) -> None:
        self._port = port
        self._seen = seen
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _listen(self) -> None:
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._pass, args=(client,), daemon=True).start()

    def _pass(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(("127.0.0.1", self._port)) as server:
            back = threading.Thread(target=_copy, args=(server, client, lambda piece: None), daemon=True)
            back.start()
            _copy(client, server, self._seen)
            back.join()


def _copy(source: socket.socket, target: socket.socket, seen: Callable[[bytes], None]) -> None:
    with suppress(OSError):
        while piece := source.recv(1 << 16):
            seen(piece)
            target.sendall(piece)
    for one in (source, target):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


Body = Mapping[str, Any]


class Answer:
    """What a scripted server answers: a status, headers, and pieces that are sent one by one."""

    def __init__(
        self, pieces: Iterable[bytes], kind: str = "application/json", status: int = 200, **headers: str
    ) -> None:
        self.pieces, self.kind, self.status = pieces, kind, status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def as_json(value: object, status: int = 200, **headers: str) -> Answer:
    return Answer([json.dumps(value).encode()], status=status, **headers)


def as_events(parts: Iterable[object], done: bool = True) -> Answer:
    """Server-sent events, the last one "[DONE]"."""

    def pieces() -> Iterator[bytes]:
        for part in parts:
            yield f"data: {json.dumps(part)}\n\n".encode()
        if done:
            yield b"data: [DONE]\n\n"

    return Answer(pieces(), "text/event-stream")


class Scripted:
    """A server on loopback that answers each path by a function of the request's body."""

    def __init__(self, script: Mapping[str, Callable[[Body], Answer]]) -> None:
        self.script = dict(script)
        self.asked: list[tuple[str, Body, Mapping[str, str]]] = []
        """(path, body, headers) of every request so far."""
        self.broken = threading.Event()
        """Set when a client has gone before its answer was complete."""
        here = self

        class Door(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                here._answer(self, {})

            def do_POST(self) -> None:
                length = int(self.headers.get("content-length", 0))
                here._answer(self, json.loads(self.rfile.read(length)))

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def _answer(self, door: BaseHTTPRequestHandler, body: Body) -> None:
        path = door.path.partition("?")[0]
        self.asked.append((path, body, dict(door.headers)))
        found = self.script.get(path)
        answer = found(body) if found is not None else as_json({"error": {"message": "not found"}}, 404)
        try:
            door.send_response(answer.status)
            for name, value in {"content-type": answer.kind, "connection": "close", **answer.headers}.items():
                door.send_header(name, value)
            door.end_headers()
            for piece in answer.pieces:
                door.wfile.write(piece)
                door.wfile.flush()
        except OSError:
            self.broken.set()
        door.close_connection = True

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
