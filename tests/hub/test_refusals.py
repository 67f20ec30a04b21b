"""What a hub may answer instead of a file: each has its line and its hint; no broken file gets its name."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.hub.conftest import REPOSITORY, Place
from tests.hub.loopback import Fault

ALWAYS = 99
HTML = {"Content-Type": "text/html; charset=utf-8"}
PAGE = b"<html>\x1b[31mSign in</html>"


def flipped(content: bytes) -> bytes:
    return content[:1000] + bytes([content[1000] ^ 1]) + content[1001:]


@dataclass
class Refusal:
    """Faults, the message and the hint that they come to."""

    faults: list[Fault]
    message: str
    hint: str
    code: int = 3
    env: dict[str, str] = field(default_factory=dict)
    arrange: Callable[[Place], object] = lambda place: None
    retries: str = "1"


def private(place: Place) -> None:
    place.hub.private.add(REPOSITORY)


def pool_says(old: str, new: str) -> Callable[[Place], object]:
    return lambda place: place.pool.write_text(place.pool.read_text().replace(old, new))


def in_circles(place: Place) -> None:
    place.hub.cdn = place.hub.url
    place.hub.faults = [
        Fault(
            "resolve",
            ALWAYS,
            status=302,
            headers={"Location": f"{place.hub.url}/tiny/models/resolve/x/large.gguf"},
        )
    ]


REFUSALS = {
    "401": Refusal([], "tiny/models is private, or not there", "export HF_TOKEN=", arrange=private),
    "401 with a token": Refusal(
        [], "does not take your token for tiny/models (401)", "hf auth login", env={"HF_TOKEN": "hf_wrong"}
    ),
    "token of odd signs": Refusal(
        [], "HF_TOKEN holds signs that no token has", "copy it again", 2, {"HF_TOKEN": "hf_ü"}
    ),
    "token file": Refusal([], "/: Is a directory", "HF_TOKEN_PATH", env={"HF_TOKEN_PATH": "/"}),
    "403": Refusal(
        [Fault("list", ALWAYS, status=403)],
        "gives tiny/models only to those it has admitted (403)",
        "/tiny/models",
    ),
    "403 for the bytes": Refusal(
        [Fault("bytes", ALWAYS, status=403)], "only to those it has admitted (403)", "ask for access"
    ),
    "404 repository": Refusal(
        [],
        "there is no repository tiny/none on",
        "correct the pool",
        arrange=pool_says("tiny/models", "tiny/none"),
    ),
    "404 revision": Refusal(
        [],
        "has no revision v9 on",
        "correct revision in the pool file",
        arrange=pool_says("price", 'revision = "v9"\nprice'),
    ),
    "404 file": Refusal(
        [],
        "tiny/models has no file larger.gguf",
        "did you mean 'large.gguf'?",
        arrange=pool_says("large.gguf", "larger.gguf"),
    ),
    "404 for the bytes": Refusal(
        [Fault("resolve", ALWAYS, status=404, headers={"X-Error-Code": "EntryNotFound"})],
        "there is no file large.gguf in tiny/models on",
        "correct the pool",
    ),
    "416": Refusal(
        [Fault("bytes", cut=500_000), Fault("bytes", ALWAYS, status=416)],
        "refuses large.gguf of tiny/models (416)",
        "HF_ENDPOINT",
    ),
    "429 for long": Refusal(
        [Fault("list", status=429, headers={"Retry-After": "3600"})],
        "too many requests for 127.0.0.1",
        "wait 60 min, then type the same command again, or export HF_TOKEN",
    ),
    "429 without end": Refusal(
        [Fault("resolve", ALWAYS, status=429)], "too many requests for 127.0.0.1", "wait a while, then type"
    ),
    "500": Refusal(
        [Fault("list", ALWAYS, status=500)], "has a fault of its own (500)", "goes on where it was"
    ),
    "503 for the bytes": Refusal(
        [Fault("bytes", ALWAYS, status=503)], "has a fault of its own (503)", "goes on where it was"
    ),
    "HTML for the listing": Refusal(
        [Fault("list", ALWAYS, headers=HTML, body=PAGE)], "did not answer as a hub does", "HF_ENDPOINT"
    ),
    "JSON of another shape": Refusal(
        [Fault("list", ALWAYS, body=b'["\x1b[31m"]')], "did not answer as a hub does", "HF_ENDPOINT"
    ),
    "HTML for the bytes": Refusal(
        [Fault("bytes", ALWAYS, headers=HTML, body=PAGE)], "sent a web page for large.gguf", "login page"
    ),
    "too small": Refusal(
        [Fault("bytes", ALWAYS, change=lambda content: content[:-7])],
        "sent 2,999,996 bytes where it lists 3,000,003",
        "try again",
    ),
    "too large": Refusal(
        [Fault("bytes", ALWAYS, change=lambda content: content + b"more")],
        "sent 3,000,007 bytes where it lists 3,000,003",
        "try again",
    ),
    "wrong hash": Refusal(
        [Fault("bytes", ALWAYS, change=flipped)],
        "large.gguf came twice with another sha256 than the hub lists",
        "a proxy changes it",
    ),
    "redirects in circles": Refusal(
        [], "redirects tiny/models in circles", "HF_ENDPOINT", arrange=in_circles
    ),
    "nobody there": Refusal(
        [], "127.0.0.1:9 cannot be reached", "HF_ENDPOINT", env={"HF_ENDPOINT": "http://127.0.0.1:9"}
    ),
    "no address": Refusal(
        [], "HF_ENDPOINT is no web address: 'hub'", "export HF_ENDPOINT=https://", 2, {"HF_ENDPOINT": "hub"}
    ),
    "no proxy": Refusal(
        [],
        "the way to 127.0.0.1",
        "HTTPS_PROXY",
        env={"HTTP_PROXY": "http://[::1", "NO_PROXY": "", "no_proxy": ""},
    ),
    "offline": Refusal(
        [],
        "HF_HUB_OFFLINE is set, and the hub's cache holds no large.gguf",
        "unset",
        env={"HF_HUB_OFFLINE": "1"},
    ),
    "no place on the disk": Refusal(
        [],
        "1000000.0 GB are to be pulled, and",
        "[models] folder in config.toml",
        arrange=lambda place: place.hub.listed.update({"large.gguf": 10**15}),
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_has_its_line(place: Place, name: str) -> None:
    refusal = REFUSALS[name]
    place.only_large()
    place.hub.faults = [Fault(**vars(one)) for one in refusal.faults]
    refusal.arrange(place)
    done = place.pull("--retries", refusal.retries, **refusal.env)
    assert done.returncode == refusal.code, done.stderr
    said = next(line for line in done.stderr.splitlines() if line.startswith("sale: "))
    hint = done.stderr.splitlines()[-1]
    assert refusal.message in said
    assert refusal.hint in hint
    assert hint.startswith("      ")
    for secret in ("Traceback", "\x1b", "Signature", place.hub.token, "hf_wrong"):
        assert secret not in done.stderr + done.stdout
    assert "large.gguf" not in place.found()
    assert done.stdout == ""


@pytest.mark.parametrize(
    "faults",
    [
        [Fault("list", 2, status=500), Fault("bytes", 2, status=502)],
        [Fault("bytes", cut=700_000), Fault("bytes", status=416)],
        [Fault("bytes", change=flipped)],
        [Fault("bytes", cut=0), Fault("bytes", cut=10)],
    ],
    ids=["500 and 502", "416", "a wrong hash", "cut at once"],
)
def test_what_passes_is_waited_for(place: Place, faults: list[Fault]) -> None:
    place.only_large()
    place.hub.faults = [Fault(**vars(one)) for one in faults]
    done = place.pull()
    assert done.returncode == 0, done.stderr
    assert [one.times for one in place.hub.faults] == [0] * len(faults)
    assert place.found() == {"large.gguf": place.files["large.gguf"]}


def test_retry_after_is_kept_to(place: Place) -> None:
    place.only_large()
    place.hub.faults = [Fault("bytes", status=429, headers={"Retry-After": "2"})]
    began = time.monotonic()
    done = place.pull()
    assert done.returncode == 0, done.stderr
    assert "asks to wait 2 s" in done.stderr
    assert time.monotonic() - began >= 2


def test_a_silent_server_is_not_waited_for_without_end(place: Place) -> None:
    place.only_large()
    place.hub.faults = [Fault("bytes", ALWAYS, at=lambda: time.sleep(4))]
    done = place.pull("--retries", "0", HF_HUB_DOWNLOAD_TIMEOUT="1")
    assert done.returncode == 3
    assert "went silent" in done.stderr


def test_one_file_that_fails_does_not_stop_the_others(place: Place) -> None:
    place.hub.faults = [Fault("resolve", ALWAYS, "small.gguf", status=403)]
    done = place.pull("--retries", "0")
    assert done.returncode == 3
    assert "(403)" in done.stderr
    assert place.found() == {"large.gguf": place.files["large.gguf"]}


def test_a_file_of_ones_own_is_never_replaced(place: Place) -> None:
    place.models.mkdir(parents=True)
    own = random.Random(3).randbytes(len(place.files["small.gguf"]))
    for content in (own, b"mine"):
        (place.models / "small.gguf").write_bytes(content)
        done = place.pull()
        assert done.returncode == 2
        assert "small.gguf is there, and is not the file that tiny/models has" in done.stderr
        assert place.found()["small.gguf"] == content
    (place.models / "small.gguf").write_bytes(place.files["small.gguf"])
    place.hub.requests.clear()
    assert place.pull().returncode == 0
    assert place.hub.asked("cdn", "small") == [], "the very file needs no second pull"
