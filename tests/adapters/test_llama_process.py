"""The model's process: it may die or be stopped at any moment; the tool never hangs, nothing stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from salecli.adapters.llama import LlamaModel
from salecli.core.agent import Agent, Profile
from salecli.core.calls import Limits, Turn
from salecli.core.events import AgentOut
from salecli.errors import ModelError, ModelTimeout
from tests.adapters.llama_fixtures import OPEN, drain
from tests.core.world import TASK, TEMPLATES, play

Make = Callable[..., LlamaModel]
ASK = [Turn("user", "sort the list of 12 steps"), OPEN]
LONG_ASK = [Turn("user", "filter the list " * 1900), OPEN]
ROOT = Path(__file__).parents[2]


def pid_of(model: LlamaModel) -> int:
    assert model.pid is not None
    return model.pid


def ended(pid: int, within: float = 20.0) -> bool:
    """Whether a process ends in time; one that nobody has reaped yet has ended."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def works(model: LlamaModel) -> bool:
    return drain(model, ASK, Limits(max_tokens=4, temperature=0.0))[1].generated == 4


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV, signal.SIGTERM])
def test_a_killed_process_is_named_with_its_signal_and_replaced(
    llama: Make, llama_random: Path, number: signal.Signals
) -> None:
    model = llama(llama_random, name="small")
    stream = model.stream(ASK, Limits(max_tokens=1900))
    next(stream)
    os.kill(pid_of(model), number)
    with pytest.raises(ModelError, match=rf"small \(random\.gguf\).*{number.name}") as caught:
        list(stream)
    assert caught.value.hint
    assert not model.loaded
    assert works(model)


def test_a_process_that_is_killed_while_idle_is_replaced(llama: Make, llama_random: Path) -> None:
    model = llama(llama_random)
    model.load()
    pid = pid_of(model)
    os.kill(pid, signal.SIGKILL)
    assert ended(pid)
    # A process whose first thread has ended can be waited for only once its other threads have, too.
    until = time.monotonic() + 20
    while model.loaded and time.monotonic() < until:
        time.sleep(0.01)
    assert not model.loaded
    assert works(model)
    assert model.load() is None


def test_a_process_that_is_killed_while_choosing_or_loading(llama: Make, llama_slow: Path) -> None:
    model = llama(llama_slow, context=8192)

    def kill_when_started() -> None:
        until = time.monotonic() + 20
        while model.pid is None and time.monotonic() < until:
            time.sleep(0.001)
        os.kill(pid_of(model), signal.SIGKILL)

    killer = threading.Thread(target=kill_when_started)
    killer.start()
    with pytest.raises(ModelError, match="SIGKILL"):
        model.load()
    killer.join()
    model.load()
    killer = threading.Timer(0.2, kill_when_started)
    killer.start()
    with pytest.raises(ModelError, match="SIGKILL"):
        model.choose(LONG_ASK[:1], [[OPEN]], ["0"])
    killer.join()
    assert works(model)


def test_a_process_that_stands_still_while_loading_is_ended(
    llama: Make, llama_slow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("salecli.adapters.llama.LOADING", 0.5)
    model = llama(llama_slow, name="small")
    pids = []

    def stop_when_started() -> None:
        until = time.monotonic() + 20
        while model.pid is None and time.monotonic() < until:
            time.sleep(0.001)
        pids.append(pid_of(model))
        os.kill(pids[0], signal.SIGSTOP)

    agent = Agent("s", 0.1, model, Profile(TEMPLATES))
    stopper = threading.Thread(target=stop_when_started)
    stopper.start()
    seen, bid = play(agent.bid(TASK, 1))
    stopper.join()
    assert bid is None
    (out,) = [event for event in seen if isinstance(event, AgentOut)]
    assert "small (slow.gguf) did not load within" in out.reason
    assert out.hint
    assert ended(pids[0])
    assert not model.loaded
    # The call's own deadline counts where it is the shorter one, and under its own name.
    monkeypatch.setattr("salecli.adapters.llama.LOADING", 60.0)
    pids.clear()
    stopper = threading.Thread(target=stop_when_started)
    stopper.start()
    with pytest.raises(ModelTimeout, match="before the deadline"):
        drain(model, ASK, Limits(deadline=0.5))
    stopper.join()
    assert works(model)


def test_a_failed_assertion_is_quoted(
    llama: Make, llama_random: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GGML_ASSERT aborts the process: its line is in the message, its backtrace nowhere."""
    from salecli.adapters.llama_child import Child

    child = Child("asserting")
    child._errors.write(b"noise\nllama.cpp:12: GGML_ASSERT(n > 0) failed\nnoise after it\n")
    os.kill(child.pid, signal.SIGABRT)
    with pytest.raises(ModelError, match=r"asserting.*SIGABRT: llama\.cpp:12: GGML_ASSERT\(n > 0\) failed$"):
        child.receive(child.begin({"do": "load"}))


def test_closing_a_stream_cancels_and_the_model_stays_usable(llama: Make, llama_random: Path) -> None:
    model = llama(llama_random)
    for _ in range(3):
        stream = model.stream(ASK, Limits(max_tokens=1900))
        next(stream)
        stream.close()
    assert works(model)


def test_an_interrupt_in_the_consumer_cancels(llama: Make, llama_random: Path) -> None:
    model = llama(llama_random)
    stream = model.stream(ASK, Limits(max_tokens=1900))
    next(stream)
    with pytest.raises(KeyboardInterrupt):
        stream.throw(KeyboardInterrupt)
    assert works(model)


def test_a_deadline_ends_a_long_prefill(llama: Make, llama_slow: Path) -> None:
    """The prompt takes many times as long as the deadline and the margin together."""
    model = llama(llama_slow, context=8192)
    model.load()
    began = time.monotonic()
    with pytest.raises(ModelTimeout, match=r"slow\.gguf") as caught:
        drain(model, LONG_ASK, Limits(deadline=0.3))
    assert time.monotonic() - began < 3
    assert caught.value.hint
    assert works(model)


def test_a_stopped_process_is_ended_at_the_deadline(llama: Make, llama_random: Path) -> None:
    model = llama(llama_random)
    model.load()
    pid = pid_of(model)
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(ModelTimeout):
        drain(model, ASK, Limits(deadline=0.1))
    assert ended(pid)
    assert works(model)


def test_a_busy_model_does_not_outwait_the_deadline(llama: Make, llama_random: Path) -> None:
    model = llama(llama_random)
    stream = model.stream(ASK, Limits(max_tokens=1900))
    next(stream)
    caught: list[BaseException] = []

    def ask() -> None:
        try:
            drain(model, ASK, Limits(deadline=0.1))
        except ModelTimeout as error:
            caught.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert "busy" in str(caught[0])
    stream.close()


def test_close_from_another_thread_ends_a_stream(llama: Make, llama_slow: Path) -> None:
    model = llama(llama_slow, context=8192)
    model.load()
    threading.Timer(0.2, model.close).start()
    with pytest.raises(ModelError, match="closed"):
        drain(model, LONG_ASK, Limits())


def test_a_process_survives_the_thread_that_started_it_and_ctrl_c(llama: Make, llama_random: Path) -> None:
    """PR_SET_PDEATHSIG would end it with the thread; Ctrl-C is for the parent alone."""
    model = llama(llama_random)
    thread = threading.Thread(target=model.load)
    thread.start()
    thread.join()
    pid = pid_of(model)
    os.kill(pid, signal.SIGINT)
    assert works(model)
    assert pid_of(model) == pid
    assert os.getsid(pid) != os.getsid(0)


def script(tmp_path: Path, body: str, *arguments: object, cwd: Path | None = None) -> subprocess.Popen[str]:
    """A Python process that runs `body` as its main module, without a main guard."""
    file = tmp_path / "script.py"
    file.write_text(
        textwrap.dedent(
            """
            import sys
            from salecli.adapters.llama import LlamaModel
            from salecli.core.calls import Limits, Turn
            ASK = [Turn("user", "sort the list"), Turn("assistant", "")]
            model = LlamaModel(sys.argv[1])
            """
        )
        + textwrap.dedent(body)
    )
    return subprocess.Popen(
        [sys.executable, str(file), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.parametrize("moment", ["idle", "generating"])
def test_the_process_dies_with_its_parent(tmp_path: Path, llama_random: Path, moment: str) -> None:
    body = """
    import time
    stream = model.stream(ASK, Limits(max_tokens=1900))
    if sys.argv[2] == "idle":
        model.load()
    else:
        next(stream)
    print(model.pid, flush=True)
    time.sleep(600)
    """
    parent = script(tmp_path, body, llama_random, moment)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert not ended(pid, within=0.1)
    parent.kill()
    parent.communicate()
    assert ended(pid)


def test_the_process_dies_with_its_parent_during_a_prefill(tmp_path: Path, llama_slow: Path) -> None:
    body = """
    import threading
    model.load()
    print(model.pid, flush=True)
    list(model.stream([Turn("user", "filter the list " * 1900), ASK[1]], Limits()))
    """
    parent = script(tmp_path, body, llama_slow)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    time.sleep(0.3)
    parent.kill()
    parent.communicate()
    assert ended(pid, within=2)


def test_nothing_but_the_script_prints_and_an_unclosed_model_ends(tmp_path: Path, llama_random: Path) -> None:
    """llama.cpp's logs reach no terminal; a working folder full of traps is not imported from."""
    for name in ("numpy", "llama_cpp", "json", "salecli"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the working folder')")
    (tmp_path / "bad.gguf").write_bytes(llama_random.read_bytes().replace(b"qwen3", b"qwenX"))
    body = """
    from salecli.errors import ModelError
    print(len(list(model.stream(ASK, Limits(max_tokens=3)))))
    try:
        LlamaModel("bad.gguf").load()
    except ModelError:
        print("refused")
    print(model.pid)
    """
    (tmp_path / "elsewhere").mkdir()
    parent = script(tmp_path / "elsewhere", body, llama_random, cwd=tmp_path)
    said, _ = parent.communicate(timeout=60)
    lines = said.splitlines()
    assert lines[:2] == ["3", "refused"]
    assert len(lines) == 3
    assert parent.returncode == 0
    assert ended(int(lines[2]))


def test_a_bug_in_the_process_is_told_in_a_line(llama: Make, llama_random: Path) -> None:
    from salecli.adapters.llama_child import Child

    child = Child("buggy")
    with pytest.raises(ModelError, match=r"buggy.*exit code 70: KeyError: 'no such job'"):
        child.receive(child.begin({"do": "no such job"}))
