"""What was measured of a model file is kept by its identity."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from salecli.adapters import measured
from salecli.adapters.measured import Measured

ONE = Measured("a.gguf", 0.002, 0.05, 1.5, 900, 1000, 2048, 2, 2)


def test_what_is_written_is_read_by_its_identity() -> None:
    assert measured.read("10:a") is None
    measured.write("10:a", ONE)
    measured.write("10:b", replace(ONE, file="b.gguf"))
    measured.write("10:a", replace(ONE, decode=0.1))
    found = measured.read("10:a")
    assert found == replace(ONE, decode=0.1)
    assert found.seconds_per_token == (0.002, 0.1)
    assert round(found.prefill_rate) == 500
    assert measured.read("10:c") is None


@pytest.mark.parametrize("text", ["", "[", "[1]", '{"10:a": 7}', '{"10:a": {"file": "x", "decode": -1}}'])
def test_a_damaged_file_holds_nothing_and_is_written_anew(text: str) -> None:
    measured.store().parent.mkdir(parents=True)
    measured.store().write_text(text)
    assert measured.read("10:a") is None
    measured.write("10:b", ONE)
    assert measured.read("10:b") == ONE


def test_processes_that_write_at_once_lose_nothing() -> None:
    script = (
        "import sys; from salecli.adapters import measured as m\n"
        "for i in range(20): m.write(f'{sys.argv[1]}:{i}', m.Measured('f', 1, 1, 1, 1, 1, 1, 1, 1))"
    )
    running = [subprocess.Popen([sys.executable, "-c", script, str(number)]) for number in range(3)]
    assert [one.wait() for one in running] == [0, 0, 0]
    assert all(measured.read(f"{number}:{i}") for number in range(3) for i in range(20))
