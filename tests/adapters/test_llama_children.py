"""A model's process that runs away: it floods, answers nonsense, takes too much memory, or hangs.

Its program is exchanged for another one where a sound one cannot be brought to it; the tool's side is real.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from salecli.adapters.llama import LlamaModel
from salecli.core.calls import Limits, Turn
from salecli.errors import ModelError, ModelTimeout
from tests.adapters.llama_fixtures import OPEN, drain
from tests.adapters.test_llama_process import ASK, ended, pid_of, works

Make = Callable[..., LlamaModel]
KINDS = {
    "garbage without end": "while True: os.write(1, b'y\\n' * 4096)",
    "zeros without end": "while True: os.write(1, bytes(65536))",
    "a frame that is said to be huge": "os.write(1, b'\\xff\\xff\\xff\\x0f' + b'x' * 9999); time.sleep(60)",
    "a frame nested without end": "send(b'[' * 1_000_000)",
    "a frame that is no object": "send(b'[1, 2]')",
    "a frame that is no JSON": "send(b'job')",
    "answers to another job": 'while True: send(b\'{"job": 77, "kind": "end"}\')',
    "answers to no job": "while True: send(b'{}')",
    "half a frame, then nothing": "os.write(1, b'\\x10\\0\\0\\0{'); time.sleep(600)",
    "nothing at all": "time.sleep(600)",
    "an end at once": "sys.exit(3)",
    "a closed pipe": "os.close(1); time.sleep(600)",
}


@pytest.fixture
def exchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts another program into the place of the model's process."""

    def put(body: str) -> None:
        program = tmp_path / "python"
        text = """\
            #!{python} -S
            import os, struct, sys, time
            def send(body): os.write(1, struct.pack("<I", len(body)) + body)
            {body}
            """
        program.write_text(textwrap.dedent(text).format(python=sys.executable, body=body))
        program.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(program))

    return put


@pytest.mark.parametrize("kind", KINDS)
def test_a_process_that_answers_nonsense_is_ended(
    llama: Make, llama_random: Path, exchanged: Callable[[str], None], kind: str
) -> None:
    exchanged(KINDS[kind])
    model = llama(llama_random)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    with pytest.raises(ModelError, match=r"random\.gguf") as error:
        list(model.stream(ASK, Limits(deadline=1.5)))
    assert time.monotonic() - began < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10  # KiB
    assert error.value.hint
    assert not model.loaded


def test_a_process_may_take_its_memory_and_no_more(llama: Make, llama_random: Path) -> None:
    model = llama(llama_random, gpu_layers=0)
    model.load()
    pid = pid_of(model)
    soft, _ = resource.prlimit(pid, resource.RLIMIT_DATA)
    assert model.bytes < soft < model.bytes * 2 + (3 << 30)
    assert resource.prlimit(pid, resource.RLIMIT_FSIZE)[0] == 256 << 20
    assert works(model)


def test_a_process_that_runs_out_of_memory_is_out_and_comes_back(llama: Make, llama_random: Path) -> None:
    model = llama(llama_random, gpu_layers=0)
    model.load()
    pid = pid_of(model)
    # What it has now is all that it gets: the long prompt's tokens find no room.
    resource.prlimit(pid, resource.RLIMIT_DATA, (1 << 20, 1 << 20))
    with pytest.raises(ModelError, match=r"random\.gguf.*process") as caught:
        drain(model, [Turn("user", "x" * 8_000_000), OPEN], Limits(deadline=20))
    assert caught.value.hint
    model.unload()
    assert works(model)


def test_a_process_that_hangs_in_the_middle_is_ended_at_the_deadline(llama: Make, llama_random: Path) -> None:
    model = llama(llama_random)
    stream = model.stream(ASK, Limits(max_tokens=1900, deadline=2))
    next(stream)
    pid = pid_of(model)
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(ModelTimeout):
        list(stream)
    assert ended(pid)
    assert works(model)
