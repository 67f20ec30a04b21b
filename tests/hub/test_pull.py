"""`sale models pull`: whole files only, resumed wherever they were cut, by one process at a time."""

from __future__ import annotations

import hashlib
import json
import random
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable

import pytest

from tests.hub.conftest import REPOSITORY, Place
from tests.hub.loopback import Fault


def until(seen: Callable[[], bool]) -> None:
    """Wait for something that another process does."""
    ends = time.monotonic() + 30
    while not seen():
        assert time.monotonic() < ends
        time.sleep(0.02)


def arrived(place: Place) -> int:
    """Bytes of the large file's part."""
    return sum(path.stat().st_size for path in place.models.glob("large.gguf.*.part"))


def test_files_arrive_whole_verified_and_locked(place: Place) -> None:
    done = place.pull(HF_TOKEN=place.hub.token)
    assert done.returncode == 0, done.stderr
    assert place.found() == place.files
    lock = json.loads((place.models / "sale.lock.json").read_text())
    sha256 = hashlib.sha256(place.files["small.gguf"]).hexdigest()
    entry = lock["files"]["small.gguf"]
    assert (entry["sha256"], entry["bytes"]) == (sha256, 300_001)
    assert (entry["repository"], entry["revision"]) == (REPOSITORY, place.hub.heads[REPOSITORY])
    assert f"small.gguf  300.0 kB  sha256 {sha256[:12]}  verified" in done.stdout
    assert "3.3 MB to pull from 127.0.0.1" in done.stderr
    assert len(place.hub.asked("hub", "/api/")) == 1, "one listing for the repository"
    assert {one.headers["authorization"] for one in place.hub.asked("hub")} == {f"Bearer {place.hub.token}"}
    assert [one for one in place.hub.asked("cdn") if "authorization" in map(str.lower, one.headers)] == []
    assert place.hub.token not in done.stdout + done.stderr + json.dumps(lock)
    place.hub.requests.clear()
    again = place.pull("--json")
    assert again.returncode == 0
    assert json.loads(again.stdout.splitlines()[0])["sha256"] == sha256
    assert place.hub.requests == [], "what is verified is not asked for again"


@pytest.mark.slow
def test_thirty_cuts_at_random_places(place: Place) -> None:
    """Six in runs that give up at once, the others in one; every byte that arrived is kept."""
    chance = random.Random(5)
    total = len(place.files["large.gguf"])
    place.only_large()
    place.hub.faults = [Fault("bytes", cut=chance.randrange(total // 20)) for _ in range(30)]
    size = 0
    for _ in range(6):
        done = place.pull("--retries", "0")
        assert done.returncode == 3
        assert "the connection was cut" in done.stderr
        assert "goes on where it was" in done.stderr
        assert "large.gguf" not in place.found()
        assert arrived(place) >= size
        size = arrived(place)
    assert size > 0
    done = place.pull()
    assert done.returncode == 0, done.stderr
    assert [fault.times for fault in place.hub.faults] == [0] * 30
    assert place.found() == {"large.gguf": place.files["large.gguf"]}
    asked = place.hub.asked("cdn")
    ranges = [int(one.headers["Range"].strip("bytes=-")) for one in asked if "Range" in one.headers]
    assert len(asked) == 31
    assert ranges == sorted(ranges), "no byte twice"


def test_two_pulls_at_once(place: Place) -> None:
    place.only_large()
    go_on = threading.Event()
    place.hub.faults = [Fault("bytes", cut=1_000_000, at=lambda: go_on.wait(30))]
    first = place.start()
    until(lambda: len(place.hub.asked("cdn")) == 1)
    second = place.start()
    assert second.stderr is not None
    said = [second.stderr.readline(), second.stderr.readline()]
    go_on.set()
    told = [first.communicate(timeout=30), second.communicate(timeout=30)]
    assert (first.returncode, second.returncode) == (0, 0), told
    assert said[1] == f"large.gguf is being pulled by process {first.pid}: waiting for it\n"
    assert place.found() == {"large.gguf": place.files["large.gguf"]}
    assert len(place.hub.asked("cdn")) == 2, "cut once, and the rest by the first"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_what_has_arrived_stays_when_a_pull_is_ended(place: Place, number: signal.Signals) -> None:
    place.only_large()
    place.hub.faults = [Fault("bytes", rate=600_000)]
    process = place.start()
    until(lambda: arrived(place) > 100_000)
    process.send_signal(number)
    _, said = process.communicate(timeout=20)
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}[number]
    if number != signal.SIGKILL:
        assert "what has arrived stays; the same command goes on where it was" in said
        assert "Traceback" not in said
    kept = arrived(place)
    assert kept > 100_000
    assert place.pull().returncode == 0
    assert place.hub.asked("cdn")[-1].headers["Range"] == f"bytes={kept}-"
    assert place.found() == {"large.gguf": place.files["large.gguf"]}


def test_a_file_that_changed_between_two_pulls_starts_anew(place: Place) -> None:
    place.only_large()
    place.hub.faults = [Fault("bytes", cut=1_000_000)]
    assert place.pull("--retries", "0").returncode == 3
    changed = random.Random(9).randbytes(2_000_000)
    place.hub.commit(REPOSITORY, {"large.gguf": changed})
    done = place.pull()
    assert done.returncode == 0, done.stderr
    assert "large.gguf has changed on the hub since it was begun: starting anew" in done.stderr
    assert place.found() == {"large.gguf": changed}


def test_a_file_that_changes_under_its_commit_while_it_is_pulled(place: Place) -> None:
    place.only_large()
    place.hub.redirects, place.hub.mutable = False, True
    changed = random.Random(9).randbytes(2_000_000)
    place.hub.faults = [
        Fault("bytes", cut=500_000, at=lambda: place.hub.commit(REPOSITORY, {"large.gguf": changed}))
    ]
    done = place.pull()
    assert done.returncode == 0, done.stderr
    assert "large.gguf has changed on the hub: starting anew" in done.stderr
    assert place.found() == {"large.gguf": changed}


def test_what_was_pulled_stays_until_an_update_is_asked_for(place: Place) -> None:
    place.only_large()
    assert place.pull().returncode == 0
    place.hub.commit(REPOSITORY, {"large.gguf": b"newer"})
    assert place.pull().returncode == 0
    assert place.found() == {"large.gguf": place.files["large.gguf"]}
    (place.models / "large.gguf").unlink()
    assert place.pull().returncode == 0
    assert place.found() == {"large.gguf": place.files["large.gguf"]}, "the locked revision"
    assert place.pull("--update").returncode == 0
    assert place.found() == {"large.gguf": b"newer"}


def test_a_server_that_knows_no_ranges(place: Place) -> None:
    place.only_large()
    place.hub.faults = [Fault("bytes", cut=1_000_000), Fault("bytes", ranges=False)]
    assert place.pull().returncode == 0
    assert place.found() == {"large.gguf": place.files["large.gguf"]}


def test_a_part_whose_bytes_rotted_is_pulled_anew(place: Place) -> None:
    place.only_large()
    place.hub.faults = [Fault("bytes", cut=1_000_000)]
    assert place.pull("--retries", "0").returncode == 3
    (part,) = place.models.glob("*.part")
    part.write_bytes(bytes(part.stat().st_size))
    assert place.pull().returncode == 0
    assert place.found() == {"large.gguf": place.files["large.gguf"]}


def test_through_a_proxy(place: Place) -> None:
    """The proxy here answers for the hub itself, under a name that no resolver knows."""
    place.hub.redirects = False
    done = place.pull(
        HF_ENDPOINT="http://hub.invalid", HTTP_PROXY=place.hub.url, NO_PROXY="", HF_TOKEN=place.hub.token
    )
    assert done.returncode == 0, done.stderr
    assert "hub.invalid is asked over plain http: your token can be read on the way" in done.stderr
    assert place.found() == place.files


def test_bars_on_a_terminal(place: Place) -> None:
    place.only_large()
    place.hub.faults = [Fault("bytes", rate=3_000_000)]
    inner = " ".join(place.command("pull", str(place.pool)))
    done = subprocess.run(
        ["script", "-qec", inner, "/dev/null"],
        cwd=place.pool.parent,
        env=place.environment(TERM="xterm", COLUMNS="120"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"large\.gguf.*%.*/3\.0 MB.*MB/s", done.stdout), done.stdout
    assert place.found() == {"large.gguf": place.files["large.gguf"]}
