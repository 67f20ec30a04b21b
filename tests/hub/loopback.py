"""A model hub on this machine's loopback: the API as huggingface_hub calls it, a second host for the bytes,
and faults by order."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TREE = re.compile(r"/api/models/([^/]+/[^/]+)(?:/revision/([^/]+))?")
RESOLVE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


@dataclass
class Fault:
    """Something that goes wrong with the next `times` requests to one place."""

    place: str
    """"list", "resolve" or "bytes"."""
    times: int = 1
    file: str = ""
    """Only for this file."""
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: int | None = None
    """Close the connection after so many bytes."""
    rate: int = 0
    """Bytes a second."""
    change: Callable[[bytes], bytes] | None = None
    """What is sent in place of the file."""
    ranges: bool = True
    """Whether Range is honoured."""
    at: Callable[[], object] | None = None
    """Called before the bytes."""


@dataclass
class Request:
    """One request, as it arrived."""

    host: str
    method: str
    path: str
    headers: dict[str, str]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news here."""


class Loopback:
    """Repositories with their history, faults, and everything that was asked."""

    def __init__(self) -> None:
        self.heads: dict[str, str] = {}
        self.commits: dict[tuple[str, str], dict[str, bytes]] = {}
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.private: set[str] = set()
        self.token = "hf_loopbackSecret"
        self.redirects = True
        self.mutable = False
        """Whether an address of a commit gives the newest bytes, as a careless mirror does."""
        self.listed: dict[str, int] = {}
        """Sizes that are listed in place of the true ones."""
        self._turn = threading.Lock()
        self._servers = [_Server(("127.0.0.1", 0), self._answering(name)) for name in ("hub", "cdn")]
        self.url, self.cdn = (f"http://127.0.0.1:{server.server_port}" for server in self._servers)

    def commit(self, repository: str, files: dict[str, bytes]) -> str:
        """A new commit with these files in place of all others."""
        seed = repository.encode() + b"".join(name.encode() + files[name] for name in sorted(files))
        sha = hashlib.sha1(seed, usedforsecurity=False).hexdigest()
        self.heads[repository] = sha
        self.commits[repository, sha] = dict(files)
        return sha

    @contextmanager
    def serving(self) -> Iterator[Loopback]:
        threads = [threading.Thread(target=one.serve_forever, args=(0.05,)) for one in self._servers]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            for server in self._servers:
                server.shutdown()
                server.server_close()
            for thread in threads:
                thread.join()

    def asked(self, host: str, text: str = "") -> list[Request]:
        """The requests to "hub" or "cdn" whose path holds `text`."""
        return [one for one in self.requests if one.host == host and text in one.path]

    def fault(self, place: str, file: str) -> Fault | None:
        with self._turn:
            for fault in self.faults:
                if fault.place == place and fault.file in ("", file) and fault.times > 0:
                    fault.times -= 1
                    return fault
        return None

    def files(self, repository: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        if repository not in self.heads:
            return None
        sha = self.heads[repository] if revision == "main" or self.mutable else revision
        found = self.commits.get((repository, sha))
        return None if found is None else (sha, found)

    def _answering(self, host: str) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Answer(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                self.connection.settimeout(20)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

            def do_GET(self) -> None:
                self._answer()

            def do_HEAD(self) -> None:
                self._answer()

            def _answer(self) -> None:
                parts = urlsplit(self.path)  # a proxy is sent whole addresses
                path = unquote(parts.path)
                hub.requests.append(Request(host, self.command, path, dict(self.headers)))
                with suppress(ConnectionError, TimeoutError):
                    _respond(hub, self, host, path)

        return Answer


def _respond(hub: Loopback, to: BaseHTTPRequestHandler, host: str, path: str) -> None:
    if host == "hub" and (match := TREE.fullmatch(path)):
        fault = hub.fault("list", "")
        return _refuse(to, fault) if fault else _list(hub, to, match[1], match[2] or "main")
    match = RESOLVE.fullmatch(path)
    if match is None:
        return _send(to, 404, b"{}")
    repository, revision, file = match.groups()
    if host == "hub":
        fault = hub.fault("resolve", file)
        if fault and fault.status:
            return _refuse(to, fault)
        found = _allowed(hub, to, repository, revision)
        if found is None:
            return None
        sha, files = found
        if file not in files:
            return _send(to, 404, b"{}", {"X-Error-Code": "EntryNotFound"})
        linked = {
            "X-Repo-Commit": sha,
            "X-Linked-Size": str(len(files[file])),
            "X-Linked-ETag": f'"{hashlib.sha256(files[file]).hexdigest()}"',
        }
        if hub.redirects:
            return _send(to, 302, b"", {**linked, "Location": f"{hub.cdn}{path}?Signature=s3cret"})
        return _bytes(hub, to, files[file], file, linked)
    found = hub.files(repository, revision)
    assert found is not None
    return _bytes(hub, to, found[1][file], file, {"ETag": f'"{"0123" * 16}"'})


def _allowed(
    hub: Loopback, to: BaseHTTPRequestHandler, repository: str, revision: str
) -> tuple[str, dict[str, bytes]] | None:
    """The files of a revision; None where the answer was a refusal."""
    given = to.headers.get("Authorization")
    if given is not None and given != f"Bearer {hub.token}":
        _send(to, 401, b"{}", {"X-Error-Message": "Invalid credentials in Authorization header"})
    elif repository in hub.private and given is None:
        _send(to, 401, b"{}", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Invalid username"})
    elif repository not in hub.heads:
        _send(to, 404, b"{}", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
    elif (found := hub.files(repository, revision)) is None:
        _send(to, 404, b"{}", {"X-Error-Code": "RevisionNotFound"})
    else:
        return found
    return None


def _list(hub: Loopback, to: BaseHTTPRequestHandler, repository: str, revision: str) -> None:
    found = _allowed(hub, to, repository, revision)
    if found is None:
        return
    sha, files = found
    siblings = [
        {
            "rfilename": name,
            "size": hub.listed.get(name, len(content)),
            "blobId": hashlib.sha1(content, usedforsecurity=False).hexdigest(),
            "lfs": {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 135},
        }
        for name, content in files.items()
    ]
    answer = {"id": repository, "modelId": repository, "sha": sha, "private": False, "tags": []}
    _send(to, 200, json.dumps(answer | {"siblings": siblings}).encode())


def _bytes(
    hub: Loopback, to: BaseHTTPRequestHandler, content: bytes, file: str, headers: dict[str, str]
) -> None:
    """The file, or the range of it that was asked for, with what a fault does to it."""
    fault = hub.fault("bytes", file) or Fault("bytes")
    if fault.status or fault.body:
        return _refuse(to, fault)
    content = fault.change(content) if fault.change else content
    start, status = 0, 200
    wanted = re.fullmatch(r"bytes=(\d+)-", to.headers.get("Range", ""))
    if wanted and fault.ranges:
        start, status = int(wanted[1]), 206
        if start >= len(content):
            return _send(to, 416, b"", {"Content-Range": f"bytes */{len(content)}"})
        headers = {**headers, "Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
    body = content[start:]
    to.send_response(status)
    for name, value in {**headers, **fault.headers, "Content-Length": str(len(body))}.items():
        to.send_header(name, value)
    to.end_headers()
    if fault.at:
        fault.at()
    end = len(body) if fault.cut is None else min(len(body), fault.cut)
    if to.command == "GET":
        _write(to, body[:end], fault.rate)
    if fault.cut is not None:
        to.close_connection = True
    return None


def _write(to: BaseHTTPRequestHandler, body: bytes, rate: int) -> None:
    step = max(1, rate // 20) if rate else max(1, len(body))
    for at in range(0, len(body), step):
        to.wfile.write(body[at : at + step])
        if rate:
            to.wfile.flush()
            time.sleep(0.05)


def _refuse(to: BaseHTTPRequestHandler, fault: Fault) -> None:
    _send(to, fault.status or 200, fault.body or b"{}", fault.headers)


def _send(
    to: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str] | None = None
) -> None:
    to.send_response(status)
    for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
        to.send_header(name, value)
    to.send_header("Content-Length", str(len(body)))
    to.end_headers()
    if to.command == "GET":
        to.wfile.write(body)
