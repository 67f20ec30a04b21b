"""Calls that are ended from outside: by Ctrl-C, another thread or a deadline; and what they had consumed."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from salecli.adapters import llama_child
from salecli.adapters.llama import LlamaModel
from salecli.adapters.residency import Residency
from salecli.core.agent import Agent, Profile
from salecli.core.calls import Limits, Turn
from salecli.core.judge import mark
from salecli.core.merge import merge
from salecli.core.values import Bid
from salecli.errors import ContextFull, ModelError, ModelTimeout
from tests.adapters.llama_fixtures import OPEN, drain
from tests.core.world import TASK, TEMPLATES, play
from tests.models import chain, chain_model

Make = Callable[..., LlamaModel]
ASK = [Turn("user", "sort the list of 12 steps"), OPEN]
LONG_ASK = [Turn("user", "filter the list " * 1900), OPEN]
SOON = 5.0
"""Seconds: far less than a slow model takes for the long prompt, far more than a cancel takes anywhere."""


def long_stream(model: LlamaModel) -> None:
    drain(model, LONG_ASK, Limits())


def long_choose(model: LlamaModel) -> None:
    model.choose(LONG_ASK[:1], [[OPEN], [OPEN]], ["0"])


def works(model: LlamaModel) -> bool:
    return drain(model, ASK, Limits(max_tokens=4, temperature=0.0))[1].generated == 4


@pytest.fixture
def slow(llama: Make, llama_slow: Path, monkeypatch: pytest.MonkeyPatch) -> LlamaModel:
    """A loaded model with a long prefill before it; on a busy machine, too, it is given time to answer."""
    monkeypatch.setattr(llama_child, "GRACE", 60.0)
    model = llama(llama_slow, context=8192)
    model.load()
    return model


@pytest.mark.parametrize("call", [long_stream, long_choose])
def test_ctrl_c_ends_a_long_prefill(slow: LlamaModel, call: Callable[[LlamaModel], None]) -> None:
    """In the main thread, where it waits for the model's process; the process itself goes on to serve."""
    pid = slow.pid
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        call(slow)
    assert time.monotonic() - began < SOON
    timer.join()
    assert works(slow)
    assert slow.pid == pid


def test_closing_a_merge_ends_the_calls_of_its_threads(
    slow: LlamaModel, llama: Make, llama_slow: Path
) -> None:
    other = llama(llama_slow, context=8192)
    other.load()
    pids = slow.pid, other.pid

    calling = threading.Semaphore(0)

    def run(model: LlamaModel, call: Callable[[LlamaModel], None]) -> Generator[str, None, None]:
        yield "begun"
        calling.release()
        call(model)

    streams = {"a": run(slow, long_stream), "b": run(other, long_choose)}
    stream = merge(streams, 2, {"a": slow.cancel, "b": other.cancel})
    assert [next(stream), next(stream)] == ["begun", "begun"]
    assert all(calling.acquire(timeout=60) for _ in streams)
    time.sleep(0.3)
    began = time.monotonic()
    stream.close()
    assert time.monotonic() - began < SOON
    assert works(slow)
    assert works(other)
    assert (slow.pid, other.pid) == pids


def in_thread(call: Callable[[], object]) -> tuple[threading.Thread, list[ModelError]]:
    """Runs a call that is expected to fail."""
    caught: list[ModelError] = []

    def run() -> None:
        try:
            call()
        except ModelError as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, caught


def cancel_until_ended(model: LlamaModel, thread: threading.Thread) -> None:
    """As `merge` does it: the call may begin after the first cancel."""
    until = time.monotonic() + 60
    while thread.is_alive() and time.monotonic() < until:
        model.cancel()
        thread.join(0.05)


def test_a_call_that_waits_for_its_turn_is_cancelled(llama: Make, llama_random: Path) -> None:
    model = llama(llama_random)
    stream = model.stream(ASK, Limits(max_tokens=1900))
    next(stream)
    thread, caught = in_thread(lambda: drain(model, ASK, Limits()))
    cancel_until_ended(model, thread)
    assert "cancelled" in caught[0].message
    with pytest.raises(ModelError, match="cancelled"):
        list(stream)
    assert works(model)


def test_a_model_that_waits_for_room_is_cancelled(
    llama: Make, llama_random: Path, llama_thinking: Path
) -> None:
    with Residency(max(llama(file).bytes for file in (llama_random, llama_thinking)) + 1) as residency:
        first, second = (llama(file, residency=residency) for file in (llama_random, llama_thinking))
        stream = first.stream(ASK, Limits(max_tokens=1900))
        next(stream)
        thread, caught = in_thread(second.load)
        cancel_until_ended(second, thread)
        assert "cancelled" in caught[0].message
        assert second.pid is None
        stream.close()
        assert works(second)


def test_a_load_is_cancelled(llama: Make, llama_slow: Path) -> None:
    """A process that is still loading has nothing to keep: it is ended."""
    model = llama(llama_slow)
    thread, caught = in_thread(model.load)
    cancel_until_ended(model, thread)
    assert "cancelled" in caught[0].message
    assert not model.loaded
    assert works(model)


def test_a_cancel_does_not_touch_later_calls(llama: Make, llama_random: Path) -> None:
    model = llama(llama_random)
    model.cancel()
    assert works(model)


def test_a_deadline_ends_a_long_choose(slow: LlamaModel) -> None:
    began = time.monotonic()
    with pytest.raises(ModelTimeout, match=r"slow\.gguf") as caught:
        slow.choose(LONG_ASK[:1], [[OPEN]], ["0"], deadline=0.3)
    assert time.monotonic() - began < SOON
    assert caught.value.hint
    assert caught.value.usage is not None
    assert 0 <= caught.value.usage.evaluated < caught.value.usage.prompt
    assert works(slow)


def test_a_judge_whose_process_stands_still_fails_at_its_deadline(llama: Make, llama_random: Path) -> None:
    model = llama(llama_random, name="small")
    model.load()
    judge = Agent("s", 0.1, model, Profile(TEMPLATES), Limits(deadline=0.2))
    bids = [Bid("s", "sort", 1, 0.5, 600), Bid("l", "filter", 1, 0.5, 600)]
    assert model.pid is not None
    os.kill(model.pid, signal.SIGSTOP)
    _, (marks, failures) = play(mark(judge, TASK, bids))
    assert marks == []
    assert list(failures) == [("s", False), ("l", False)]
    assert all("small (random.gguf) did not finish" in one.reason for one in failures.values())
    _, (marks, failures) = play(mark(judge, TASK, bids))  # the next round has a fresh process
    assert (len(marks), failures) == (2, {})


def test_a_timeout_tells_what_was_consumed(slow: LlamaModel) -> None:
    with pytest.raises(ModelTimeout) as caught:
        drain(slow, ASK, Limits(max_tokens=8000, deadline=1.5))
    usage = caught.value.usage
    assert usage is not None
    prompt = drain(slow, ASK, Limits(max_tokens=1))[1].prompt
    assert usage.prompt == usage.evaluated == prompt
    assert usage.generated > 0
    assert usage.end == "cancelled"
    assert usage.seconds > 0


def test_a_dead_process_tells_what_was_consumed(llama: Make, llama_random: Path) -> None:
    model = llama(llama_random)
    stream = model.stream(ASK, Limits(max_tokens=1900))
    next(stream)
    assert model.pid is not None
    os.kill(model.pid, signal.SIGKILL)
    with pytest.raises(ModelError) as caught:
        list(stream)
    usage = caught.value.usage
    assert usage is not None
    assert usage.prompt == usage.evaluated > 0
    assert usage.generated > 0


def test_thoughts_without_an_answer_were_consumed(llama: Make, tmp_path: Path) -> None:
    thoughts = chain("\n", "<think>", "plan", "step", "plan")
    model = llama(chain_model(tmp_path / "thinker.gguf", thoughts), context=40)
    with pytest.raises(ContextFull) as caught:
        drain(model, ASK, Limits(max_tokens=9, think=500))
    assert caught.value.usage is not None
    assert caught.value.usage.generated > 0
