"""Servers that are down, slow, wrong or lying: the agent is out with a clean message, the auction goes on."""

from __future__ import annotations

import gzip
import re
import threading
import time
from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any

import pytest

from salecli.adapters import endpoint, endpoint_bytes
from salecli.adapters.endpoint import EndpointModel
from salecli.core import events
from salecli.core.agent import Agent, Pool, Profile
from salecli.core.auction import hold
from salecli.core.calls import Limits, Turn
from salecli.core.decisions import Decisions
from salecli.core.round import Round
from salecli.core.values import Weights
from salecli.errors import ModelError, ModelTimeout
from tests.core.world import TASK, TEMPLATES
from tests.endpoints.conftest import Reach, Serve
from tests.endpoints.scripts import SAID, Script, entry, listed, llama, usage
from tests.endpoints.servers import Answer, Body, as_events, as_json, free_port
from tests.endpoints.test_shapes import ASK, drained

KEY = "k-very-secret"


def changed(**paths: Callable[[Body], Answer]) -> Script:
    """llama-server's script with other answers at some paths."""
    return llama() | {f"/v1/{name}": answer for name, answer in paths.items()}


def html(body: Body) -> Answer:
    return Answer([b"<!doctype html><h1>Welcome to nginx</h1>"], "text/html")


def streamed(
    body: Body, end: bool = True, counts: dict[str, Any] | None = None, logprobs: bool = True
) -> Answer:
    def part(letter: str) -> dict[str, Any]:
        content = {"content": [entry(letter, with_ids=True)]} if logprobs else None
        return {"choices": [{"text": letter, "logprobs": content, "finish_reason": None}]}

    last = {
        "choices": [{"text": "", "finish_reason": "stop"}],
        "usage": counts or usage(len(body["prompt"]), 4),
    }
    return as_events([*map(part, SAID), *([last] if end else [])], done=end)


def slow(body: Body) -> Answer:
    time.sleep(2)
    return as_json({})


def refused(status: int, **error: str) -> Callable[[Body], Answer]:
    return lambda body: as_json({"error": {"message": f"no: {KEY}", **error}}, status)


def elsewhere(body: Body) -> Answer:
    return Answer([], status=307, location="http://127.0.0.1:9/v1")


def failing(body: Body) -> Answer:
    return as_events([{"error": {"message": "out of memory"}}])


FAULTS: dict[str, tuple[Script, str]] = {
    "slow": (changed(completions=slow), "did not answer within 1 s"),
    "no log-probabilities": (
        changed(completions=lambda body: streamed(body, logprobs=False)),
        "returns no log-probabilities",
    ),
    "a stream that is cut": (
        changed(completions=lambda body: streamed(body, end=False)),
        "cut the stream after 3 tokens",
    ),
    "HTML for everything": ({"/v1/models": html}, "answers something else than JSON: '<!doctype html>"),
    "HTML for a stream": (changed(completions=html), "answers text/html, not a stream of events"),
    "a wrong key": ({"/v1/models": refused(401)}, r"refuses the key \(401\): no: \*\*\*"),
    "another model": (
        changed(models=listed("llamacpp", "Qwen3-4B")),
        "has no model 'tiny'; it serves Qwen3-4B",
    ),
    "no such address": ({}, "no such address or model"),
    "broken inside": (changed(completions=refused(500)), r"failed \(500\)"),
    "too busy": (changed(completions=refused(429)), r"too busy \(429\)"),
    "sent elsewhere": ({"/v1/models": elsewhere}, "sends elsewhere"),
    "strange JSON": ({"/v1/models": lambda body: as_json([1, 2])}, "without a list of models"),
    "JSON cut short": ({"/v1/models": lambda body: Answer([b'{"data": [{"id":'])}, "else than JSON"),
    "an error in the stream": (changed(completions=failing), "out of memory"),
    "too long a prompt": (
        changed(completions=refused(400, type="exceed_context_size_error")),
        "does not fit into the context of",
    ),
}


def agent(name: str, price: float, model: EndpointModel) -> Agent:
    limits = Limits(max_tokens=9, temperature=0.0, deadline=20)
    return Agent(name, price, model, Profile(TEMPLATES), limits, plan_tokens=9, remote=True, told=model.told)


def sold(*agents: Agent) -> tuple[list[events.Event], Round]:
    judges = dict.fromkeys((one.name for one in agents), 1 / len(agents))
    record = Round()
    pool = Pool("test", agents, Weights(0.1, 0.0, judges), 9)
    return list(hold(pool, TASK, None, Decisions(), 0, record)), record


@pytest.mark.parametrize("fault", FAULTS)
def test_the_agent_is_out_and_the_auction_goes_on(fault: str, serve: Serve, reach: Reach) -> None:
    script, message = FAULTS[fault]
    bad = agent("bad", 0.1, reach(serve(script).url, key=KEY))
    seen, record = sold(bad, agent("good", 0.2, reach(serve(llama()).url)))
    (out,) = [event for event in seen if isinstance(event, events.AgentOut)]
    assert out.agent == "bad"
    assert re.search(message, out.reason), out.reason
    assert out.hint
    assert record.winner == "good"
    told = "\n".join(map(repr, seen))
    assert KEY not in told
    assert "Traceback" not in told


def test_a_server_that_wants_a_key(serve: Serve, reach: Reach) -> None:
    for status in (401, 403):
        with pytest.raises(ModelError, match=rf"needs a key \({status}\)") as error:
            reach(serve({"/v1/models": refused(status)}).url).load()
        assert "key_env" in error.value.hint


def test_a_server_that_is_down(reach: Reach, serve: Serve) -> None:
    model = reach(f"http://127.0.0.1:{free_port()}/v1")
    seen, record = sold(agent("bad", 0.1, model), agent("good", 0.2, reach(serve(llama()).url)))
    (out,) = [event for event in seen if isinstance(event, events.AgentOut)]
    assert "cannot be reached" in out.reason
    assert "start the server" in out.hint
    assert record.winner == "good"


def test_all_out_is_an_error_that_says_what_to_do(reach: Reach) -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    with pytest.raises(ModelError, match="nobody bid") as error:
        sold(agent("a", 0.1, reach(url)), agent("b", 0.2, reach(url)))
    assert "start the server" in error.value.hint


@pytest.mark.parametrize(
    "counts", [usage(-5, 4), usage(10**9, 4), usage(0, 0), usage(7, 10**6), usage(7, 4, 10**6)]
)
def test_a_server_that_lies_about_usage_is_noted_and_not_believed(
    counts: dict[str, Any], serve: Serve, reach: Reach
) -> None:
    server = serve(changed(completions=lambda body: streamed(body, counts=counts)))
    model = reach(server.url, context=4096)
    _, found = drained(model, Limits(max_tokens=9))
    prompt = len(server.asked[-1][1]["prompt"])
    assert (found.prompt, found.evaluated, found.generated) == (prompt, prompt, 3)
    assert ["cannot be true" in note for note in model.told()] == [True]


def test_a_server_that_never_ends_is_cut_where_it_was_told_to(serve: Serve, reach: Reach) -> None:
    def endless(body: Body) -> Answer:
        content = {"content": [entry("1", with_ids=True)]}
        return as_events(repeat({"choices": [{"text": "1", "logprobs": content, "finish_reason": None}]}))

    server = serve(changed(completions=endless))
    tokens, found = drained(reach(server.url), Limits(max_tokens=9, think=4, deadline=20))
    assert len(tokens) == 9
    assert (found.generated, found.thoughts, found.end) == (13, 4, "length")
    assert server.broken.wait(5)


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
def test_an_answer_without_end_is_not_kept(
    kind: str, serve: Serve, reach: Reach, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint_bytes, "MOST", 1 << 20)
    endless = Answer(repeat(b"data: " + b" " * 65_000 + b"\n"), kind)
    path = (
        {"models": lambda body: endless} if kind.endswith("json") else {"completions": lambda body: endless}
    )
    server = serve(changed(**path))
    with pytest.raises(ModelError, match="sends more than 1 MiB at once"):
        drained(reach(server.url), Limits(max_tokens=9, deadline=20))
    assert server.broken.wait(5)


def test_an_answer_that_was_not_to_be_compressed(serve: Serve, reach: Reach) -> None:
    packed = gzip.compress(b" " * (8 << 20))
    server = serve({"/v1/models": lambda body: Answer([packed], content_encoding="gzip")})
    with pytest.raises(ModelError, match="compresses its answers, though it is asked not to"):
        reach(server.url).load()
    assert server.asked[0][2]["accept-encoding"] == "identity"


def test_a_proxy_sees_nothing_that_goes_to_this_machine(
    serve: Serve, reach: Reach, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, server = serve({}), serve(llama())
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url.removesuffix("/v1"))
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert drained(reach(server.url), Limits(max_tokens=9))[0]
    assert not proxy.asked
    with pytest.raises(ModelError, match="no such address"):  # one beyond it goes the way that the user named
        reach("http://gpu.invalid:8080/v1").load()
    assert proxy.asked


def test_what_was_generated_before_the_cut_is_paid_for(serve: Serve, reach: Reach) -> None:
    model = reach(serve(changed(completions=lambda body: streamed(body, end=False))).url)
    with pytest.raises(ModelError) as error:
        drained(model, Limits(max_tokens=9))
    assert error.value.usage is not None
    assert error.value.usage.generated == 3


def test_a_busy_server_is_asked_again(serve: Serve, reach: Reach) -> None:
    answers = iter([as_json({}, 503, retry_after="0"), as_json({}, 429, retry_after="0")])
    server = serve(changed(completions=lambda body: next(answers, None) or streamed(body)))
    tokens, _ = drained(reach(server.url, retries=2), Limits(max_tokens=9))
    assert "".join(token.text for token in tokens) == SAID


def test_after_failures_in_a_row_a_server_is_left_alone_for_a_while(serve: Serve, reach: Reach) -> None:
    server = serve(changed(completions=refused(500)))
    model = reach(server.url, failures=2, pause=1.0)
    for _ in range(2):
        with pytest.raises(ModelError, match="failed"):
            drained(model, Limits(max_tokens=9))
    asked = len(server.asked)
    began = time.monotonic()
    with pytest.raises(ModelError, match="failed 2 times in a row and is left alone"):
        drained(model, Limits(max_tokens=9))
    assert time.monotonic() - began < 0.5
    assert len(server.asked) == asked
    time.sleep(1.1)
    server.script |= llama()
    tokens, _ = drained(model, Limits(max_tokens=9))
    assert len(tokens) == 3


def endless(body: Body) -> Answer:
    def pieces() -> Iterator[bytes]:
        (piece, *_) = streamed(body).pieces
        while True:
            yield piece
            time.sleep(0.02)

    return Answer(pieces(), "text/event-stream")


def test_closing_a_stream_closes_the_connection(serve: Serve, reach: Reach) -> None:
    server = serve(changed(completions=endless))
    stream = reach(server.url).stream(ASK, Limits())
    assert next(stream).text == "1"
    stream.close()
    assert server.broken.wait(5)


def test_cancelling_ends_the_calls_of_other_threads(serve: Serve, reach: Reach) -> None:
    server = serve(changed(completions=endless))
    model = reach(server.url)
    begun = threading.Event()
    ended: list[str] = []

    def run() -> None:
        try:
            for _ in model.stream(ASK, Limits()):
                begun.set()
        except ModelError as error:
            ended.append(error.message)

    thread = threading.Thread(target=run)
    thread.start()
    assert begun.wait(10)
    model.cancel()
    thread.join(5)
    assert ended == ["far (tiny at gpu) was cancelled while it was working"]
    assert server.broken.wait(5)


def test_a_server_that_hangs_is_not_probed_for_ever(
    serve: Serve, reach: Reach, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "PROBING", 0.5)
    model = reach(serve({"/v1/models": slow}).url, seconds=60.0)
    began = time.monotonic()
    with pytest.raises(ModelTimeout, match="did not finish before the deadline"):
        model.load()
    assert time.monotonic() - began < 1.5


def test_a_deadline_ends_the_call(serve: Serve, reach: Reach) -> None:
    model = reach(serve(changed(completions=endless)).url)
    model.load()
    with pytest.raises(ModelTimeout, match="did not finish before the deadline"):
        drained(model, Limits(deadline=0.5))


def test_plain_http_beyond_this_machine_is_said_once(reach: Reach) -> None:
    model = reach("http://gpu.example/v1")
    assert "plain http" in model.told()[0]
    assert model.told() == []
    assert [
        reach(url).told() for url in ("http://localhost:1/v1", "http://[::1]:1/v1", "https://gpu/v1")
    ] == [[]] * 3


def test_words_of_a_server_cannot_draw_on_the_screen(serve: Serve, reach: Reach) -> None:
    said = "\x1b[2J[bold]gone[/bold]\r\n" + "x" * 900
    server = serve(changed(completions=lambda body: as_json({"error": {"message": said}}, 400)))
    with pytest.raises(ModelError) as error:
        drained(reach(server.url), Limits(), [Turn("user", "hi"), Turn("assistant", "")])
    assert "\x1b" not in error.value.message
    assert "\n" not in error.value.message
    assert len(error.value.message) < 400
