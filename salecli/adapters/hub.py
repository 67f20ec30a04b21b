"""The model hub: what it lists, what the local hub cache holds, and what its failures mean.

huggingface_hub speaks to it: endpoint, token, proxies, offline mode and the cache are what its variables say
(HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE, HF_HOME, HTTPS_PROXY ...). No text of a server gets into a message.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from salecli import __version__
from salecli.core.words import lasting
from salecli.errors import ConfigError, EnvironmentFault, SaleError

_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_PASSING = frozenset((408, 425, 429, 500, 502, 503, 504))
"""Statuses after which the same request may go well."""
LONGEST = 300.0
"""Seconds that a hub may ask to wait; beyond that the user decides."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file of a repository, and where it belongs."""

    repository: str
    file: str
    revision: str
    """A branch, a tag or a commit."""
    path: Path


@dataclass(frozen=True, slots=True)
class Remote:
    """A file as the hub lists it."""

    revision: str
    """A commit."""
    bytes: int
    sha256: str
    cached: Path | None = None
    """The same file in the local hub cache; its bytes are yet to be hashed."""


class Stopped(Exception):
    """The user has ended the pull."""


class Cut(Exception):
    """A transfer ended before its last byte."""


class WrongAnswer(Exception):
    """What arrived is not what was listed; the text says what it is."""


def library() -> Any:
    """huggingface_hub, quiet and without telemetry.

    Raises:
        ConfigError: a variable that it reads holds what it cannot use.
    """
    address = os.environ.get("HF_ENDPOINT", "https://host")
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(
            f"HF_ENDPOINT is no web address: {address!r}", "export HF_ENDPOINT=https://HOST, or unset it"
        )
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        import huggingface_hub
        import huggingface_hub.utils
    except ValueError as error:
        raise ConfigError(
            f"a variable of huggingface_hub cannot be used: {error}", "look at HF_... in `env`"
        ) from error
    except ImportError as error:
        raise EnvironmentFault("huggingface_hub is not installed", "pip install huggingface_hub") from error
    huggingface_hub.utils.logging.set_verbosity(logging.CRITICAL)  # it would print what servers wrote
    return huggingface_hub


def host() -> str:
    """The hub that is spoken to, for messages."""
    return str(urlsplit(library().constants.ENDPOINT).netloc).rpartition("@")[2]


def offline() -> bool:
    """Whether the user forbids the network: HF_HUB_OFFLINE."""
    return bool(library().constants.HF_HUB_OFFLINE)


class Patience:
    """How often a request is made again, and how long before; one for each transfer."""

    def __init__(self, tries: int, stop: threading.Event, say: Callable[[str], None]) -> None:
        """`tries` in a row that bring no byte are allowed; `stop` ends every wait."""
        self._tries = tries
        self._stop = stop
        self._say = say
        self._failed = 0

    def progressed(self) -> None:
        """Bytes arrived: failures are counted from here."""
        self._failed = 0

    def after(self, error: Exception, wanted: Wanted) -> None:
        """Wait before the next try.

        Raises:
            SaleError: there is none: what is wrong.
            Stopped: meanwhile.
        """
        self._failed += 1
        wait = _asked(error) if _status(error) in (429, 503) else None
        if not _passing(error) or self._failed > self._tries or (wait or 0) > LONGEST:
            raise fault(error, wanted) from error
        if wait is not None:
            self._say(f"{wanted.file}: {host()} asks to wait {lasting(wait)}")
        elif self._failed > 1:
            self._say(f"{wanted.file}: {_brief(error)}; trying again ({self._failed} of {self._tries})")
        if self._stop.wait(min(30.0, 0.1 * 4 ** (self._failed - 1)) if wait is None else wait):
            raise Stopped


def listed(wanted: Wanted, patience: Patience, known: dict[tuple[str, str], Any]) -> Remote:
    """What the hub lists for a file now; without network, what its cache holds.

    `known` keeps the listings of repositories: one request for each revision.

    Raises:
        SaleError: the hub does not answer, or has no such file.
    """
    hub = library()
    key = (wanted.repository, wanted.revision)
    if offline():
        found = _cached_alone(wanted)
        if found is None:
            raise EnvironmentFault(
                f"HF_HUB_OFFLINE is set, and the hub's cache holds no {wanted.file}", "unset HF_HUB_OFFLINE"
            )
        return found
    while True:
        try:
            if key not in known:
                known[key] = hub.HfApi(library_name="sale", library_version=__version__).model_info(
                    wanted.repository,
                    revision=wanted.revision,
                    files_metadata=True,
                    timeout=hub.constants.HF_HUB_DOWNLOAD_TIMEOUT,
                )
            return _remote(known[key], wanted)
        except failures() + _SHAPES as error:
            patience.after(error, wanted)


def _remote(info: Any, wanted: Wanted) -> Remote:
    """The wanted file in a repository's listing."""
    siblings = {one.rfilename: one for one in info.siblings or ()}
    one = siblings.get(wanted.file)
    if one is None:
        from salecli.toml import nearest

        near = nearest(wanted.file, [name for name in siblings if name.endswith(".gguf")])
        hint = f"did you mean {near!r}?" if near else "correct the pool file"
        raise EnvironmentFault(f"{wanted.repository} has no file {wanted.file} on {host()}", hint)
    commit, size, sha256 = info.sha, one.size, one.lfs.sha256 if one.lfs else None
    if not (isinstance(commit, str) and _COMMIT.fullmatch(commit) and isinstance(size, int) and size >= 0):
        raise WrongAnswer("an answer without commit and sizes")
    if not (isinstance(sha256, str) and _SHA256.fullmatch(sha256)):
        raise EnvironmentFault(
            f"{host()} lists no sha256 for {wanted.file} of {wanted.repository}", "it is no file of a model"
        )
    return Remote(commit, size, sha256, _cached(wanted, commit))


def _cached(wanted: Wanted, revision: str) -> Path | None:
    """The file in the local hub cache, at the revision, or at the one last used there."""
    hub = library()
    for at in (revision, wanted.revision):
        found = hub.try_to_load_from_cache(wanted.repository, wanted.file, revision=at)
        if isinstance(found, str) and Path(found).is_file():
            return Path(found)
    return None


def _cached_alone(wanted: Wanted) -> Remote | None:
    """What the cache alone says of a file: its commit is a folder's name, its sha256 that of the blob."""
    path = _cached(wanted, wanted.revision)
    if path is None or not path.is_symlink():
        return None
    commit, sha256 = path.parents[wanted.file.count("/")].name, path.readlink().name
    if not (_COMMIT.fullmatch(commit) and _SHA256.fullmatch(sha256)):
        return None
    return Remote(commit, path.stat().st_size, sha256, path)


def address(wanted: Wanted, revision: str) -> str:
    """Where the bytes of a file are."""
    return str(library().hf_hub_url(wanted.repository, wanted.file, revision=revision))


def failures() -> tuple[type[Exception], ...]:
    """What a request for bytes may raise where the network or the server is at fault."""
    httpx = library().utils.httpx
    return (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, Cut, WrongAnswer)


_SHAPES = (ValueError, TypeError, KeyError, AttributeError, ImportError, OSError)
"""What else a request for a listing may raise: odd JSON, an odd proxy or token, a token file."""


def _status(error: Exception) -> int | None:
    return getattr(getattr(error, "response", None), "status_code", None)


def _passing(error: Exception) -> bool:
    """Whether the same request may go well in a moment."""
    httpx = library().utils.httpx
    status = _status(error)
    if status is not None:
        return status in _PASSING
    return isinstance(error, Cut | httpx.TimeoutException | httpx.NetworkError | httpx.RemoteProtocolError)


def _asked(error: Exception) -> float | None:
    """Seconds that the server asks to wait, by Retry-After or the hub's own header."""
    headers = error.response.headers  # type: ignore[attr-defined]
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        pass
    limit = library().utils.parse_ratelimit_headers(headers)
    return float(limit.reset_in_seconds) if limit is not None and limit.remaining == 0 else None


def _brief(error: Exception) -> str:
    """A passing failure in a few words of our own."""
    httpx = library().utils.httpx
    status = _status(error)
    if status is not None:
        return f"{host()} answered {status}"
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return f"{host()} cannot be reached"
    return f"{host()} went silent" if isinstance(error, httpx.TimeoutException) else "the connection was cut"


def fault(error: Exception, wanted: Wanted) -> SaleError:
    """A failure in a line, with what to do next."""
    httpx = library().utils.httpx
    status, repository = _status(error), wanted.repository
    if status is not None:
        return EnvironmentFault(*_refusal(status, error, wanted))
    if isinstance(error, WrongAnswer):
        return EnvironmentFault(
            f"{host()} sent {error} for {wanted.file}",
            "try again; a proxy or a login page may stand in between; HF_ENDPOINT says which hub is asked",
        )
    if isinstance(error, OSError) and error.errno is not None and error.filename:
        return EnvironmentFault(
            f"{error.filename}: {error.strerror}", "make it readable, or look at HF_HOME and HF_TOKEN_PATH"
        )
    if isinstance(error, UnicodeError):
        return ConfigError("HF_TOKEN holds signs that no token has", "copy it again, or unset HF_TOKEN")
    if isinstance(error, httpx.ProxyError | httpx.UnsupportedProtocol | httpx.InvalidURL | ImportError):
        return EnvironmentFault(
            f"the way to {host()} cannot be used: {type(error).__name__}",
            "look at HTTPS_PROXY, ALL_PROXY and NO_PROXY",
        )
    if isinstance(error, httpx.TooManyRedirects):
        return EnvironmentFault(
            f"{host()} redirects {repository} in circles", "look at HF_ENDPOINT and your proxy"
        )
    if isinstance(error, httpx.ConnectError) and "certificate" in str(error).lower():
        return EnvironmentFault(
            f"the certificate of {host()} is not trusted here",
            "SSL_CERT_FILE names the certificates of your network",
        )
    if _passing(error):
        return EnvironmentFault(
            f"{wanted.file}: {_brief(error)}",
            "type the same command again: it goes on where it was; HF_ENDPOINT names another hub",
        )
    return EnvironmentFault(f"{host()} did not answer as a hub does", "HF_ENDPOINT says which hub is asked")


def _refusal(status: int, error: Exception, wanted: Wanted) -> tuple[str, str]:
    """What a status means for the user, and what to do."""
    hub = library()
    repository, file = wanted.repository, wanted.file
    has_token = bool(hub.get_token())
    if status == 401:
        if has_token:
            return (
                f"{host()} does not take your token for {repository} (401)",
                "hf auth login, or export HF_TOKEN=...",
            )
        return (
            f"{repository} is private, or not there: {host()} wants to know who asks (401)",
            "export HF_TOKEN=..., or hf auth login",
        )
    if status == 403:
        page = f"{hub.constants.ENDPOINT.rpartition('@')[2]}/{repository}"
        return f"{host()} gives {repository} only to those it has admitted (403)", f"ask for access: {page}"
    if status == 404:
        code = error.response.headers.get("X-Error-Code", "")  # type: ignore[attr-defined]
        if code == "RevisionNotFound":
            hint = "correct revision in the pool file, or: sale models pull --update"
            return f"{repository} has no revision {wanted.revision} on {host()} (404)", hint
        what = f"no file {file} in {repository}" if code == "EntryNotFound" else f"no repository {repository}"
        return (
            f"there is {what} on {host()} (404)",
            "correct the pool file; for a private one: export HF_TOKEN=...",
        )
    if status == 429:
        asked = _asked(error)
        wait = f"wait {lasting(asked)}" if asked else "wait a while"
        who = "" if has_token else ", or export HF_TOKEN=...: those who say who they are may ask more often"
        return f"too many requests for {host()} (429)", f"{wait}, then type the same command again{who}"
    if status >= 500:
        again = "type the same command later: it goes on where it was"
        return f"{host()} has a fault of its own ({status}) with {repository}", again
    return f"{host()} refuses {file} of {repository} ({status})", "HF_ENDPOINT says which hub is asked"


def insecure(wanted: Sequence[Wanted]) -> bool:
    """Whether a token would go over a plain connection to another machine."""
    parts = urlsplit(library().constants.ENDPOINT)
    near = parts.hostname in ("localhost", "::1") or str(parts.hostname).startswith("127.")
    return bool(wanted) and parts.scheme == "http" and not near and bool(library().get_token())
