"""The practice pool on real llama-servers: the same auction as in process; servers that are killed midway."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from salecli.resources import pools, user_file
from tests.e2e.world import practice, records, sale
from tests.endpoints.servers import Relay, Served, free_port, served
from tests.solved import ANY

pytestmark = [pytest.mark.slow, pytest.mark.docker]
AGENTS = ("xs", "s", "m", "l")


@pytest.fixture
def servers() -> Iterator[dict[str, Served]]:
    with served(*AGENTS) as started:
        yield started


@pytest.fixture
def relays(servers: dict[str, Served]) -> Iterator[Callable[[str, Callable[[bytes], None]], str]]:
    """Puts a relay before a server; returns where it listens."""
    with ExitStack() as stack:

        def put(name: str, seen: Callable[[bytes], None]) -> str:
            relay = Relay(servers[name].port, seen)
            stack.callback(relay.close)
            return relay.url

        yield put


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return practice(tmp_path / "shop", *ANY)


def configured(folder: Path, urls: Mapping[str, str]) -> Path:
    """The practice pool with its agents on servers at `urls`; those without one stay in process."""
    user_file().parent.mkdir(parents=True, exist_ok=True)
    tables = [f'[endpoints.far-{name}]\nbase_url = "{url}"\nretries = 0\n' for name, url in urls.items()]
    user_file().write_text("\n".join(tables))
    text = (pools() / "practice.toml").read_text()
    for name in AGENTS:
        old = f'model = "practice-{name}.gguf"'
        assert old in text
        new = f'model = "{pools() / f"practice-{name}.gguf"}"'
        if name in urls:
            new = f'{old}\nbackend = "openai"\nendpoint = "far-{name}"'
        text = text.replace(old, new)
    pool = folder / "served.toml"
    pool.write_text(text)
    return pool


def run(repository: Path, pool: str | Path) -> tuple[int, list[dict[str, Any]], str]:
    done = sale("solve", "issue.md", "--json", "--no-refine", "--pool", pool, cwd=repository)
    return done.returncode, records(done.stdout), done.stderr


def of(kind: str, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] == kind]


def marks(events: list[dict[str, Any]]) -> dict[tuple[str, str], float]:
    return {
        (one["mark"]["judge"], one["mark"]["agent"]): one["mark"]["value"] for one in of("Marked", events)
    }


def test_the_same_auction_as_in_process(
    repository: Path, tmp_path: Path, relays: Callable[[str, Callable[[bytes], None]], str]
) -> None:
    """And the four bids overlap: no server is asked for a plan before all four are."""
    together = threading.Barrier(len(AGENTS), timeout=60)
    met = {name: threading.Event() for name in AGENTS}

    def holding(name: str) -> Callable[[bytes], None]:
        def seen(piece: bytes) -> None:
            if b'"stream":true' in piece.replace(b" ", b"") and not met[name].is_set():
                together.wait()
                met[name].set()

        return seen

    pool = configured(tmp_path, {name: relays(name, holding(name)) for name in AGENTS})
    code, far, said = run(repository, pool)
    assert code in (0, 1), said
    assert all(one.is_set() for one in met.values())
    assert [out["reason"] for out in of("AgentOut", far)] == []
    near_code, near, _ = run(repository, "practice")
    assert near_code == code
    plans = [
        {one["bid"]["agent"]: one["bid"]["plan"] for one in of("BidMade", events)} for events in (far, near)
    ]
    assert plans[0] == plans[1]
    assert {one["bid"]["entropy_kind"] for one in of("BidMade", far)} == {"exact"}
    entropies = [
        {one["bid"]["agent"]: one["bid"]["entropy"] for one in of("BidMade", it)} for it in (far, near)
    ]
    assert entropies[0] == pytest.approx(entropies[1], abs=1e-3)
    assert len(marks(far)) == 16
    assert marks(far) == pytest.approx(marks(near), abs=1e-3)
    assert of("WinnerChosen", far)[0]["agent"] == of("WinnerChosen", near)[0]["agent"]


def test_servers_killed_midway(
    repository: Path,
    tmp_path: Path,
    servers: dict[str, Served],
    relays: Callable[[str, Callable[[bytes], None]], str],
) -> None:
    """One while its agent bids, one before its agent marks: they are out, and the rest sells the task.

    The third is asked for the top 20 alone: its entropies are intervals, and its marks exact all the same.
    """

    def bidding(piece: bytes) -> None:
        if b'"stream":true' in piece.replace(b" ", b""):
            servers["xs"].kill()

    def marking(piece: bytes) -> None:
        if b'"n_predict":0' in piece.replace(b" ", b""):
            servers["l"].kill()

    urls = {"xs": relays("xs", bidding), "s": servers["s"].url, "l": relays("l", marking)}
    pool = configured(tmp_path, urls)
    user_file().write_text(
        user_file().read_text().replace("[endpoints.far-s]", "[endpoints.far-s]\nlogprobs = 20")
    )
    code, events, said = run(repository, pool)
    assert code in (0, 1), said
    kinds = {one["bid"]["agent"]: one["bid"]["entropy_kind"] for one in of("BidMade", events)}
    assert kinds == {"s": "interval", "m": "exact", "l": "exact"}
    assert said.count("s's entropies are intervals, this one ") == 1
    assert "~0.0" in said
    assert not of("ModelWarned", events)  # nothing was uncertain about the marks of s
    (out,) = of("AgentOut", events)
    assert out["agent"] == "xs"
    assert "cannot be reached, or broke off" in out["reason"]
    replaced = of("MarkReplaced", events)
    assert {one["mark"]["judge"] for one in replaced} == {"xs", "l"}
    assert len(of("Marked", events)) == 6
    assert of("RunEnded", events)


def test_all_servers_down_is_the_environments_fault(repository: Path, tmp_path: Path) -> None:
    urls = {name: f"http://127.0.0.1:{free_port()}/v1" for name in AGENTS}
    began = time.monotonic()
    code, _, said = run(repository, configured(tmp_path, urls))
    assert code == 3
    assert "nobody bid" in said
    assert "start the server, or mend [endpoints.far-" in said
    assert "Traceback" not in said
    assert time.monotonic() - began < 60


def test_models_and_doctor_say_what_servers_can(
    repository: Path, tmp_path: Path, servers: dict[str, Served]
) -> None:
    down = f"http://127.0.0.1:{free_port()}/v1"
    pool = configured(tmp_path, {"s": servers["s"].url, "l": down})
    listed = sale("models", "list", "--pool", pool, "--json", cwd=repository)
    assert listed.returncode == 0, listed.stderr
    states = {row["agent"]: row["state"] for row in records(listed.stdout)}
    assert states["s"] == "llama-server: entropy and marks exact; own prompts as token ids"
    assert "cannot be reached" in states["l"]
    assert states["m"] == "found"
    checked = sale("doctor", "--pool", pool, cwd=repository)
    assert checked.returncode == 3
    assert "entropy and marks exact" in checked.stdout + checked.stderr
    assert "start the server" in checked.stdout + checked.stderr
